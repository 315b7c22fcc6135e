"""Robust level and scale of many series at once, NaN where a series has no sample.

One sort serves all quantiles: NumPy's own nan-aware functions fall back to a loop over columns. A few series are worked
on at a time, so many as the processor's cache holds: fetching memory for whole tables would take longer than the sort.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from hypocenter.telemetry import Values

MAD_TO_SIGMA = 1.4826
IQR_TO_SIGMA = 1.349
P90_TO_SIGMA = 3.29
CACHED_VALUES = 2**16
# Up to so many rows are sorted lane by lane, which is faster than many short sorts.
MOST_LANES = 12


def few_series(values: Values, copies: int = 1) -> Iterator[slice]:
    """Yield the columns of [time, series] a few at a time, of which `copies` copies fit the processor's cache."""
    width = max(1, CACHED_VALUES // max(1, len(values) * copies))
    return (slice(start, start + width) for start in range(0, values.shape[1], width))


def quantiles(values: Values, shares: Sequence[float]) -> Values:
    """Return quantiles along the first axis without NaN, linearly interpolated: [shares, ...].

    >>> quantiles(np.array([[1.0], [np.nan], [3.0], [2.0]]), [0.5]).tolist()
    [[2.0]]
    """
    columns = values.reshape(len(values), int(np.prod(values.shape[1:])))
    found = np.empty((len(shares), columns.shape[1]))
    for few in few_series(columns):
        ordered = columns[:, few].T.copy(order="C")
        ordered.sort(axis=1)
        found[:, few] = _of_sorted(ordered, shares)
    return found.reshape(len(shares), *values.shape[1:])


def _of_sorted(ordered: Values, shares: Sequence[float]) -> Values:
    """Return the quantiles of sorted rows whose NaN come last: [shares, rows]."""
    if ordered.shape[1] == 0:
        return np.full((len(shares), len(ordered)), np.nan)
    last = _last_known(ordered)
    found = [_at(ordered, share * np.maximum(last, 0)) for share in shares]
    return np.where(last >= 0, np.stack(found), np.nan)


def _last_known(ordered: Values) -> NDArray[np.int64]:
    if np.isfinite(ordered[:, [0, -1]]).all():
        return np.full(len(ordered), ordered.shape[1] - 1)
    return np.asarray(np.isfinite(ordered).sum(axis=1) - 1)


def _at(ordered: Values, place: NDArray[np.float64]) -> NDArray[np.float64]:
    low = np.floor(place).astype(np.int64)
    high = np.ceil(place).astype(np.int64)
    row = np.arange(len(ordered))
    return _between(ordered[row, low], ordered[row, high], place - low)


def median(values: Values) -> NDArray[np.float64]:
    """Return the median of each column of [time, series] without NaN; NaN where a column holds nothing."""
    return np.asarray(quantiles(values, [0.5])[0])


def scale(values: Values, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest of three robust estimates of each column's standard deviation, 0 where nothing is known.

    MAD alone is 0 for series that mostly stand still, the inner range misses rare but normal spikes, the range of
    the middle 90 % does not; the largest of the three keeps all of them from raising an alarm.
    """
    found = np.empty(len(centre))
    for few in few_series(values):
        found[few] = _widest(np.subtract(values[:, few].T, centre[few, None], order="C"))
    return np.nan_to_num(found, nan=0.0)


def _widest(residuals: Values) -> NDArray[np.float64]:
    """Return the largest of the three estimates for each row of `residuals`, which is sorted in its place."""
    residuals.sort(axis=1)
    p5, p25, p75, p95 = _of_sorted(residuals, [0.05, 0.25, 0.75, 0.95])
    np.abs(residuals, out=residuals).sort(axis=1)
    deviation = _of_sorted(residuals, [0.5])[0] * MAD_TO_SIGMA
    return np.asarray(np.fmax(deviation, np.fmax((p75 - p25) / IQR_TO_SIGMA, (p95 - p5) / P90_TO_SIGMA)))


def rolling_median(values: Values, rows: int) -> Values:
    """Return the median over every `rows` consecutive rows: [time - rows + 1, series]; of all rows where fewer."""
    if rows <= 1:
        return values
    if len(values) <= rows:
        return median(values)[None, :]
    found = np.empty((len(values) - rows + 1, values.shape[1]))
    roll = _rolled_by_lanes if rows <= MOST_LANES else _rolled_by_windows
    for few in few_series(values, copies=rows):
        found[:, few] = roll(values[:, few], rows)
    return found


def _rolled_by_windows(values: Values, rows: int) -> Values:
    windows = np.lib.stride_tricks.sliding_window_view(values.T, rows, axis=1)
    ordered = windows.copy(order="C").reshape(-1, rows)
    ordered.sort(axis=1)
    return np.asarray(_of_sorted(ordered, [0.5]).reshape(windows.shape[:2]).T)


def _rolled_by_lanes(values: Values, rows: int) -> Values:
    """Sort all windows at once, the first of each against the second of each and so on: a sorting network."""
    known, count = np.isfinite(values), len(values) - rows + 1
    filled = np.where(known, values, np.inf)
    lanes = [filled[k : k + count] for k in range(rows)]
    for end in range(1, rows):
        for k in range(end, 0, -1):
            lanes[k - 1 : k + 1] = np.minimum(lanes[k - 1], lanes[k]), np.maximum(lanes[k - 1], lanes[k])
    if known.all():
        return _between(lanes[(rows - 1) // 2], lanes[rows // 2], (rows - 1) % 2 / 2)
    return _middle(np.stack(lanes), np.lib.stride_tricks.sliding_window_view(known, rows, axis=0).sum(axis=-1))


def _middle(lanes: Values, known: NDArray[np.int64]) -> Values:
    """Return the median of the first `known` of sorted lanes, NaN where that is none: [lanes, ...] to [...]."""
    place = 0.5 * np.maximum(known - 1, 0)
    low, high = np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64)
    below, above = (np.take_along_axis(lanes, lane[None], axis=0)[0] for lane in (low, high))
    here = known > 0
    return _between(np.where(here, below, np.nan), np.where(here, above, np.nan), place - low)


def _between(below: Values, above: Values, share: float | Values) -> Values:
    return np.asarray(below + (above - below) * share)
