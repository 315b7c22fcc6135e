"""Where one series would be over a window, from its own history: recent level and load, with the forecast's error.

The error is that of the same forecast made at every earlier time, over windows of the same length, as conformal
forecasts have it (Stankeviciute et al., 2021): however much neighbouring samples resemble each other, what a level
strays by itself within such a window is in it. Levels are means: their errors come close to normal, and those of
medians, which take few values where few requests fail, do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

LEAST_ROWS = 3
LEAST_WINDOWS = 3
SHARE_OF_HISTORY = 5
LEAST_FINITE = 0.5
LEAST_GAIN = 0.9
BEYOND = 0.25
HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Forecast:
    """The level over a window, as it was (`observed`) and as history has it (`expected`), in the series' unit.

    `error` is the root mean square error of the same forecast at earlier times, of which `windows` do not overlap;
    `rows` is the length of the window.
    """

    observed: float
    expected: float
    error: float
    windows: int
    rows: int


@dataclass(frozen=True, slots=True)
class Span:
    """Where a level lies: about `middle`, and between `low` and `high` with the probability that was asked for."""

    low: float
    middle: float
    high: float


def joined(made: Sequence[Forecast], weights: Sequence[float], level: float) -> Span:
    """Return where the truth lies by several forecasts, one of which is right: each with its weight, any sum.

    A forecast's error is Student's t with as many degrees of freedom as windows, for few say little of their spread;
    the quantiles are those of the mixture. `level` is 0 to 1.
    """
    from scipy.special import stdtr, stdtrit

    centre, error, windows = (
        np.array([getattr(one, name) for one in made]) for name in ("expected", "error", "windows")
    )
    shares = np.asarray(weights) / np.sum(weights)

    def quantile(p: float) -> float:
        own = centre + stdtrit(windows, p) * error
        low, high = float(own.min()), float(own.max())
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            with np.errstate(over="ignore"):  # a forecast without error is all on one side
                off = (middle - centre) / np.maximum(error, np.finfo(float).tiny)
            below = shares @ stdtr(windows, off)
            low, high = (middle, high) if below < p else (low, middle)
        return (low + high) / 2

    return Span(quantile((1 - level) / 2), quantile(0.5), quantile((1 + level) / 2))


def window_rows(history: int, during: int) -> int:
    """Return over how many rows of an incident a history can vouch for a level: a fifth of its own length at most.

    >>> window_rows(360, 60), window_rows(100, 60)
    (60, 20)
    """
    return min(during, history // SHARE_OF_HISTORY)


def forecast(
    before: Samples, during: Samples, loads: tuple[Samples, Samples] | None = None, between: int = 0
) -> Forecast | None:
    """Forecast the level of `during`, or of as much of it as `before` can vouch for; both [time], evenly spaced.

    `between` is the number of rows between the two, of which nobody knows whether the incident had begun. `loads` are
    the requests per second in both spans; they count where they foretell the past better than the recent level does
    alone. None where history is too short or too full of gaps, or where load is beyond all that was seen.
    """
    rows = window_rows(len(before), len(during))
    if rows < LEAST_ROWS or not _mostly_finite(before) or not _mostly_finite(during[:rows]):
        return None
    plain, windows = _errors(before, rows, between)
    expected = _mean(before[-rows:])
    if loads is not None:
        slope = _slope(before, loads[0])
        loaded, _ = _errors(before - slope * loads[0], rows, between)
        if slope > 0 and _beyond(loads, rows):
            return None
        if loaded < LEAST_GAIN * plain:
            expected += slope * (_mean(loads[1][:rows]) - _mean(loads[0][-rows:]))
            plain = loaded
    made = Forecast(_mean(during[:rows]), expected, plain, windows, rows)
    return made if np.isfinite([made.expected, made.error]).all() and windows >= LEAST_WINDOWS else None


def _errors(values: Samples, rows: int, between: int) -> tuple[float, int]:
    """Return the root mean square difference of levels of windows as far apart, and how many pairs do not overlap."""
    levels = _rolling_mean(values, rows)
    apart = rows + between
    differences = levels[apart:] - levels[:-apart]
    known = differences[np.isfinite(differences)]
    return (float(np.sqrt(np.mean(known**2))) if len(known) else np.nan), (len(values) - between) // rows - 1


def _rolling_mean(values: Samples, rows: int) -> Samples:
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    count = counts[rows:] - counts[:-rows]
    enough = count >= LEAST_FINITE * rows
    return np.where(enough, (sums[rows:] - sums[:-rows]) / np.maximum(count, 1), np.nan)


def _slope(values: Samples, load: Samples) -> float:
    """Return what one request per second more adds to the series, by least squares; 0 where that is not known."""
    known = np.isfinite(values) & np.isfinite(load)
    spread = load[known] - _mean(load[known])
    total = float(spread @ spread)
    return float(spread @ values[known]) / total if total > 0 else 0.0


def _beyond(loads: tuple[Samples, Samples], rows: int) -> bool:
    """Whether load rose further above its recent range than the past could teach what that does."""
    highest = np.nanmax(_rolling_mean(loads[0], rows), initial=-np.inf)
    return bool(_mean(loads[1][:rows]) > highest * (1 + BEYOND))


def _mostly_finite(values: Samples) -> bool:
    return len(values) > 0 and bool(np.isfinite(values).mean() >= LEAST_FINITE)


def _mean(values: Samples) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
