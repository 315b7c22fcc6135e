"""Axes: where values and times fall on a drawing, and which of them are marked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypocenter.report.wording import in_utc

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)

ROUND = {10.0: (1, 2, 2.5, 5), 60.0: (1, 2, 5, 10, 15, 30), 1024.0: (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)}


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from a range of values to a range of pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value, held within the range."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def seconds(time: datetime) -> float:
    """Return a time as seconds since 1970."""
    return in_utc(time).timestamp()


def value_ticks(low: float, high: float, base: float = 10.0, count: int = 3) -> list[float]:
    """Return round values that span the range from `low` to `high` in about `count` steps.

    `base` is 1024 for bytes and 60 for long times, whose round values are other ones.

    >>> value_ticks(0.0, 0.93)
    [0.0, 0.5, 1.0]
    """
    step = _round_step((high - low) / count, base)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, max(last, first + 1) + 1)]


def _round_step(wanted: float, base: float) -> float:
    if not math.isfinite(wanted) or wanted <= 1e-300:
        return 1.0
    power = math.pow(base, math.floor(math.log(wanted, base)))
    factors = (*ROUND[base], base, 2 * base)
    steps = [factor * power for factor in factors]
    return next(step for step in steps if step >= wanted * 0.999)


def time_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return at most `most` round times, in seconds since 1970, between `low` and `high`.

    >>> time_ticks(0.0, 3600.0)
    [0, 900, 1800, 2700, 3600]
    """
    step = next((size for size in STEPS_S if (high - low) / size <= most - 1 + 1e-9), None)
    if step is None:
        step = 86400 * math.ceil((high - low) / 86400 / (most - 1))
    return [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]


def tick_label(at: float, ticks: Sequence[float]) -> str:
    """Return the time of day of a tick, or its date where the ticks are days apart.

    >>> tick_label(3600, [0, 3600])
    '01:00'
    """
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 60
    if step >= 86400:
        return f"{time.day} {time:%b}"
    return f"{time:%H:%M}" if step >= 60 else f"{time:%H:%M:%S}"
