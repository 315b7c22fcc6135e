"""Robust level and scale of many series at once, NaN where a series has no sample.

One sort serves all quantiles: NumPy's own nan-aware functions fall back to a loop over columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.telemetry import Values

MAD_TO_SIGMA = 1.4826
IQR_TO_SIGMA = 1.349
P90_TO_SIGMA = 3.29


def quantiles(values: Values, shares: Sequence[float]) -> Values:
    """Return quantiles along the first axis without NaN, linearly interpolated: [shares, ...].

    >>> quantiles(np.array([[1.0], [np.nan], [3.0], [2.0]]), [0.5]).tolist()
    [[2.0]]
    """
    if len(values) == 0:
        return np.full((len(shares), *values.shape[1:]), np.nan)
    ordered = np.sort(values, axis=0)
    last = np.isfinite(ordered).sum(axis=0) - 1
    found = [_at(ordered, share * np.maximum(last, 0)) for share in shares]
    return np.where(last >= 0, np.stack(found), np.nan)


def _at(ordered: Values, place: NDArray[np.float64]) -> NDArray[np.float64]:
    low = np.floor(place).astype(np.int64)
    high = np.ceil(place).astype(np.int64)
    below = np.take_along_axis(ordered, low[None], axis=0)[0]
    above = np.take_along_axis(ordered, high[None], axis=0)[0]
    return np.asarray(below + (above - below) * (place - low))


def median(values: Values) -> NDArray[np.float64]:
    """Return the median of each column of [time, series] without NaN; NaN where a column holds nothing."""
    return np.asarray(quantiles(values, [0.5])[0])


def scale(values: Values, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest of three robust estimates of each column's standard deviation, 0 where nothing is known.

    MAD alone is 0 for series that mostly stand still, the inner range misses rare but normal spikes, the range of
    the middle 90 % does not; the largest of the three keeps all of them from raising an alarm.
    """
    residuals = values - centre
    deviation = median(np.abs(residuals)) * MAD_TO_SIGMA
    p5, p25, p75, p95 = quantiles(residuals, [0.05, 0.25, 0.75, 0.95])
    widest = np.fmax(deviation, np.fmax((p75 - p25) / IQR_TO_SIGMA, (p95 - p5) / P90_TO_SIGMA))
    return np.asarray(np.nan_to_num(widest, nan=0.0))


def rolling_median(values: Values, rows: int) -> Values:
    """Return the median over every `rows` consecutive rows: [time - rows + 1, series]; of all rows where fewer."""
    if rows <= 1:
        return values
    if len(values) <= rows:
        return median(values)[None, :]
    windows = np.lib.stride_tricks.sliding_window_view(values, rows, axis=0)
    return median(np.moveaxis(windows, -1, 0))
