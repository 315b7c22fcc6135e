"""What a point says of each of its series, and how those are told apart.

Source: prometheus.io/docs, "Metric types": histograms and summaries as series of plain numbers.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.ingest.otlp_metrics_buckets import PointError, classic, coarse
from hypocenter.ingest.otlp_metrics_rows import (
    ExponentialPoint,
    HistogramPoint,
    Kind,
    NumberPoint,
)

if TYPE_CHECKING:
    from hypocenter.ingest.otlp_metrics_rows import Metric, Point, SummaryPoint

Shape = tuple[tuple[str, tuple[str, str] | None], ...]
"""For each series of a point what the metric's name ends in there, and its `le` or `quantile`."""

_NUMBER: Shape = (("", None),)
_KEPT = 4096


def values_of(point: Point, unit: str) -> tuple[Shape, list[float]]:
    """Return the series of a point and the value of each. Raises PointError when it cannot be kept.

    >>> values_of(NumberPoint((), 1, False, 5.0), "s")
    ((('', None),), [5.0])
    """
    if isinstance(point, NumberPoint):
        if point.value is None and not point.is_absent:
            raise PointError("a point without a value")
        return _NUMBER, [point.value or 0.0]
    if isinstance(point, (HistogramPoint, ExponentialPoint)):
        texts, counts = classic(point) if isinstance(point, HistogramPoint) else coarse(point, unit)
        total = [] if point.total is None else [point.total]
        return _histogram(texts, bool(total)), [float(point.observations), *total, *counts]
    return _summary_values(point)


@lru_cache(_KEPT)
def _histogram(texts: tuple[str, ...], has_total: bool) -> Shape:
    total: Shape = (("_sum", None),) if has_total else ()
    return (("_count", None), *total, *(("_bucket", ("le", text)) for text in texts))


def _summary_values(point: SummaryPoint) -> tuple[Shape, list[float]]:
    shares = tuple(np.format_float_positional(share, trim="-") for share, _ in point.quantiles)
    if len(set(shares)) < len(shares):
        raise PointError("a quantile stands twice")
    shape: Shape = (("_count", None), ("_sum", None), *(("", ("quantile", share)) for share in shares))
    return shape, [float(point.observations), point.total, *(value for _, value in point.quantiles)]


def check_increments(values: list[float], metric: Metric) -> None:
    """Check what is to be added to running totals, which nothing takes out again. Raises PointError."""
    if not all(map(math.isfinite, values)):
        raise PointError("a delta must be a finite number")
    if metric.kind is Kind.SUM and metric.is_monotonic and values[0] < 0:
        raise PointError("a delta of a sum that only grows must not be negative")
