"""Robust level and scale of many series at once."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.telemetry import Values

MAD_TO_SIGMA = 1.4826
IQR_TO_SIGMA = 1.349
P90_TO_SIGMA = 3.29


def median(values: Values) -> NDArray[np.float64]:
    """Return the median of each column of [time, series] without NaN; NaN where a column holds nothing."""
    if len(values) == 0:
        return np.full(values.shape[1], np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=0), dtype=float)


def scale(values: Values, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest of three robust estimates of each column's standard deviation, 0 where nothing is known.

    MAD alone is 0 for series that mostly stand still, the inner range misses rare but normal spikes, the range of
    the middle 90 % does not; the largest of the three keeps all of them from raising an alarm.
    """
    if values.size == 0:
        return np.zeros(values.shape[1])
    residuals = values - centre
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        deviation = np.nanmedian(np.abs(residuals), axis=0) * MAD_TO_SIGMA
        p5, p25, p75, p95 = np.nanpercentile(residuals, [5, 25, 75, 95], axis=0)
    widest = np.fmax(deviation, np.fmax((p75 - p25) / IQR_TO_SIGMA, (p95 - p5) / P90_TO_SIGMA))
    return np.asarray(np.nan_to_num(widest, nan=0.0))


def rolling_median(values: Values, rows: int) -> Values:
    """Return the median over every `rows` consecutive rows: [time - rows + 1, series]."""
    if rows <= 1 or len(values) <= rows:
        return values if rows <= 1 else median(values)[None, :]
    windows = np.lib.stride_tricks.sliding_window_view(values, rows, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(windows, axis=-1), dtype=float)
