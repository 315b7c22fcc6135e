"""Classic histograms to quantiles, as Prometheus' `histogram_quantile` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hypocenter.telemetry import Values


def quantile_of(bounds: Values, cumulative: Values, share: float) -> Values:
    """Quantile of histograms, one per column, in the unit of `bounds`.

    `bounds` are upper bounds, rising, the last of them infinite; `cumulative` is [bound, time], observations at or
    below each bound, NaN or 0 where nothing was observed, for which the quantile is NaN. Within a bucket observations
    are taken to be spread evenly from its lower bound (0 for the first); beyond the last finite bound that bound is
    the answer. Source: prometheus/prometheus, promql/quantile.go.

    >>> quantile_of(np.array([1.0, 2.0, np.inf]), np.array([[5.0], [10.0], [10.0]]), 0.75)
    array([1.5])
    """
    counts = np.maximum.accumulate(np.nan_to_num(cumulative), axis=0)
    total = counts[-1]
    if len(bounds) < 2 or not np.isinf(bounds[-1]):
        return np.full(total.shape, np.nan)
    rank = share * total
    bucket = np.argmax(counts >= rank, axis=0)
    beyond = bucket == len(bounds) - 1
    inside = _within(bounds, counts, np.minimum(bucket, len(bounds) - 2), rank)
    return np.where(total > 0, np.where(beyond, bounds[-2], inside), np.nan)


def _within(bounds: Values, counts: Values, bucket: np.ndarray[tuple[int], np.dtype[np.intp]], rank: Values) -> Values:
    """Interpolate in the bucket that holds the rank; the first bucket begins at 0 unless its bound is negative."""
    columns = np.arange(counts.shape[1])
    first = bucket == 0
    below = np.where(first, 0.0, counts[np.maximum(bucket - 1, 0), columns])
    low = np.where(first, min(0.0, float(bounds[0])), bounds[np.maximum(bucket - 1, 0)])
    inside = counts[bucket, columns] - below
    part = np.divide(rank - below, inside, out=np.zeros_like(rank), where=inside > 0)
    return np.asarray(low + (bounds[bucket] - low) * np.clip(part, 0.0, 1.0))
