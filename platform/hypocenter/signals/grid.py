"""Time bins: how spans and log lines, which are events, become samples on one grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hypocenter.telemetry import Times, Values

WIDTHS_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
MOST_BINS = 180


@dataclass(frozen=True)
class Grid:
    """Bins of `width_s` seconds: `starts` are those that hold an event, `bin_of` gives each event its place in them."""

    width_s: int
    starts: Times
    bin_of: NDArray[np.int64]

    @property
    def size(self) -> int:
        """How many bins there are."""
        return len(self.starts)


def nanoseconds(times: pd.Series) -> NDArray[np.int64]:
    """Return a column of time stamps, of any unit and with a zone or without, as nanoseconds since 1970 in UTC."""
    aware = times.dt.tz_convert("UTC").dt.tz_localize(None) if times.dt.tz is not None else times
    return np.asarray(aware.to_numpy(dtype="datetime64[ns]").astype(np.int64))


def is_dated(times: pd.Series) -> NDArray[np.bool_]:
    """Whether each time stamp is there and not before 1970, where broken clocks and empty dates end up."""
    return np.asarray(nanoseconds(times) > 0)


def width_of(at_ns: NDArray[np.int64]) -> int:
    """Return the narrowest width, in seconds, that cuts the window of the events into at most `MOST_BINS` bins.

    The window leaves out the outermost hundredth of the events at both ends: clocks that are wrong must not widen bins.
    """
    first, last = np.quantile(at_ns, (0.01, 0.99))
    window_s = (last - first) / 1e9
    return next((width for width in WIDTHS_S if window_s <= width * MOST_BINS), WIDTHS_S[-1])


def bin_events(at_ns: NDArray[np.int64], width_s: int) -> Grid:
    """Sort events into bins; bins in which nothing at all was recorded are left out, not counted as zero."""
    slots, bin_of = np.unique(at_ns // (width_s * 10**9), return_inverse=True)
    return Grid(width_s, (slots * width_s * 10**9).astype("datetime64[ns]"), bin_of.astype(np.int64))


def count(cells: NDArray[np.int64], shape: tuple[int, int]) -> Values:
    """Count events per [time, group] cell, given as flat indices."""
    return np.bincount(cells, minlength=shape[0] * shape[1]).astype(float).reshape(shape)


def total(cells: NDArray[np.int64], values: Values, shape: tuple[int, int]) -> Values:
    """Sum `values` per [time, group] cell."""
    return np.bincount(cells, weights=values, minlength=shape[0] * shape[1]).astype(float).reshape(shape)


def quantile(cells: NDArray[np.int64], values: Values, shape: tuple[int, int], share: float) -> Values:
    """Linear-interpolated quantile of `values` per cell (numpy's default method), NaN where a cell is empty."""
    order = np.lexsort((values, cells))
    sizes = np.bincount(cells, minlength=shape[0] * shape[1])
    first = np.cumsum(sizes) - sizes
    filled = sizes > 0
    place = first[filled] + share * (sizes[filled] - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, first[filled] + sizes[filled] - 1)
    ranked = values[order]
    found = np.full(len(sizes), np.nan)
    found[filled] = ranked[below] + (place - below) * (ranked[above] - ranked[below])
    return found.reshape(shape)
