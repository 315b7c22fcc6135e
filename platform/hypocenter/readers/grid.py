"""Series sampled each at its own moments onto one time grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hypocenter.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.telemetry import Times, Values

Nanoseconds = NDArray[np.int64]
Samples = tuple[Nanoseconds, "Values"]
_SECOND = 1_000_000_000


def sampling_interval(moments: Sequence[Nanoseconds], default: int = 60 * _SECOND) -> int:
    """Return the interval, in ns, at which nine series in ten have a sample in each step; `default` if none has two.

    `moments[j]` are the times of series j, rising. An interval of a second or more is rounded to whole seconds, since
    the jitter of a scrape is no part of it.
    """
    medians = [float(np.median(np.diff(each))) for each in moments if len(each) > 1]
    positive = [median for median in medians if median > 0]
    if not positive:
        return default
    interval = float(np.quantile(positive, 0.9, method="inverted_cdf"))
    return max(round(interval / _SECOND), 1) * _SECOND if interval >= _SECOND / 2 else max(round(interval), 1)


def on_grid(series: Sequence[Samples], interval: int, most_cells: int) -> tuple[Times, Values]:
    """Return the last sample of each series in each step of `interval` ns, [time, series], NaN where it has none.

    Each series is laid by its own phase within the interval, so that jitter around a step's edge makes neither gaps
    nor doubles. Raises LimitError when the grid would have more than `most_cells` cells.
    """
    seen = [moments for moments, _ in series if len(moments)]
    if not seen:
        return np.empty(0, dtype="datetime64[ns]"), np.empty((0, len(series)))
    start = min(int(moments[0]) for moments in seen) // interval * interval
    steps = (max(int(moments[-1]) for moments in seen) - start) // interval + 2
    check_cells(steps, len(series), most_cells)
    values = np.full((steps, len(series)), np.nan)
    for column, (moments, samples) in enumerate(series):
        values[_steps(moments - start, interval), column] = samples
    times = (start + interval * np.arange(steps, dtype=np.int64)).astype("datetime64[ns]")
    return _without_empty_ends(times, values)


def check_cells(steps: int, series: int, most_cells: int) -> None:
    """Raise LimitError when a grid would have more than `most_cells` cells."""
    if steps * series > most_cells:
        raise LimitError(
            f"{steps:,} steps x {series:,} series are more than the limit of {most_cells:,} cells; "
            "ask for less or raise HYPOCENTER_MAX_CELLS"
        )


def _steps(elapsed: Nanoseconds, interval: int) -> NDArray[np.int64]:
    """Return the step of each sample: the nearest one, once the series' own phase (-1/2 to 1/2) is taken off."""
    turns = elapsed / interval
    phase = np.angle(np.exp(2j * np.pi * turns).mean()) / (2 * np.pi) if len(elapsed) else 0.0
    return np.maximum(np.rint(turns - phase), 0).astype(np.int64)


def _without_empty_ends(times: Times, values: Values) -> tuple[Times, Values]:
    filled = np.flatnonzero(~np.isnan(values).all(axis=1))
    if len(filled) == 0:
        return times[:0], values[:0]
    inside = slice(int(filled[0]), int(filled[-1]) + 1)
    return times[inside], values[inside]
