"""Series made with anomalies of one kind: single points, ordinary values at the wrong time, ordinary values together.

A day of 288 rows, a daily cycle and noise; two weeks. All that is random follows the seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from nab import Labelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from nab import Floats, Window

DAY = 288
DAYS = 14
QUIET_DAYS = 4
SWING = 10.0
KINDS = ("point", "contextual", "collective")


def series(kind: str, seed: int) -> Labelled:
    """Return a made series with anomalies of one of `KINDS` after its fourth day."""
    random = np.random.default_rng([KINDS.index(kind), seed])
    values = 100 + SWING * _cycle() + random.normal(0, 1, DAY * DAYS)
    windows = _PUT[kind](values, random)
    times = np.datetime64("2026-03-02", "ns") + np.arange(len(values)) * np.timedelta64(300, "s")
    return Labelled(f"{kind}/{seed}.csv", times, values, tuple(windows))


def _cycle() -> Floats:
    return np.asarray(np.sin(2 * np.pi * (np.arange(DAY * DAYS) / DAY - 0.25)))


def _point(values: Floats, random: np.random.Generator) -> list[Window]:
    """Add 6 to 10 standard deviations of the noise to single rows."""
    rows = [int(day * DAY + random.integers(DAY)) for day in range(QUIET_DAYS, DAYS, 2)]
    for row in rows:
        values[row] += random.choice([-1, 1]) * random.uniform(6, 10)
    return [(row, row) for row in rows]


def _contextual(values: Floats, random: np.random.Generator) -> list[Window]:
    """Let the level of noon come for half an hour to an hour at midnight."""
    windows = []
    for day in range(QUIET_DAYS, DAYS, 3):
        first, rows = int(day * DAY + random.integers(DAY // 12)), int(random.integers(6, 13))
        values[first : first + rows] += 2 * SWING
        windows.append((first, first + rows - 1))
    return windows


def _collective(values: Floats, random: np.random.Generator) -> list[Window]:
    """Move the level by two standard deviations of the noise for eight hours, or hold a value for four."""
    windows = []
    for number, day in enumerate(range(QUIET_DAYS, DAYS, 3)):
        first, rows = int(day * DAY + random.integers(DAY // 3)), 48 if number % 2 else 96
        values[first : first + rows] = values[first] if number % 2 else values[first : first + rows] + 2
        windows.append((first, first + rows - 1))
    return windows


_PUT: dict[str, Callable[[Floats, np.random.Generator], list[Window]]] = {
    "point": _point,
    "contextual": _contextual,
    "collective": _collective,
}
