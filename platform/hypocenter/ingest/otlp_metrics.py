"""OTLP metrics to a batch: every point becomes samples, or increments where it tells what was added."""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import STALE_BITS, Batch, Samples
from hypocenter.ingest.otlp_metrics_buckets import PointError, classic, coarse
from hypocenter.ingest.otlp_metrics_json import scopes_of_json
from hypocenter.ingest.otlp_metrics_limits import Budget
from hypocenter.ingest.otlp_metrics_protobuf import scopes_of_protobuf
from hypocenter.ingest.otlp_metrics_rows import (
    ExponentialPoint,
    HistogramPoint,
    Kind,
    NumberPoint,
    SummaryPoint,
    Temporality,
)
from hypocenter.ingest.otlp_names import metric_name
from hypocenter.ingest.otlp_series import SeriesOfScope, named
from hypocenter.ingest.otlp_status import Encoding, Rejected
from hypocenter.ingest.series_labels import LabelsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hypocenter.batches import Labels, SeriesIndex
    from hypocenter.ingest.otlp_metrics_rows import Metric, Point, Scope

_STALE: float = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]
_LAST_NS = 2**63 - 1
_NS_PER_MS = 1_000_000
_WITH_TEMPORALITY = (Kind.SUM, Kind.HISTOGRAM, Kind.EXPONENTIAL)
Line = tuple[str, tuple[str, str] | None, float]
"""What a point says of one series: what the name of the metric ends in, `le` or `quantile`, and a value."""


@dataclass(frozen=True, slots=True)
class OtlpWritten:
    """What a request of metrics comes to: a batch, and the points that were turned down."""

    batch: Batch
    rejected: Rejected


def decode_metrics(body: bytes, encoding: Encoding, index: SeriesIndex) -> OtlpWritten:
    """Return what an `ExportMetricsServiceRequest` brings.

    Cumulative points and gauges are samples; deltas are increments, those of sums that rise and fall too (their
    running total is the level, counted from the first delta that came). A point without a recorded value is a stale
    marker. Exponential histograms become classic ones, see `otlp_metrics_buckets.coarse`. Times are in ms.
    A point that cannot be kept is turned down. Raises InputError when the body is no such message, LimitError.
    """
    gathered, budget = _Gathered(), Budget()
    is_protobuf = encoding is Encoding.PROTOBUF
    for scope in scopes_of_protobuf(body, budget) if is_protobuf else scopes_of_json(body):
        _take(scope, gathered, budget)
    return OtlpWritten(gathered.batch(index, body), gathered.rejected())


@dataclass(slots=True)
class _Lines:
    """Samples or increments as they are found."""

    labels: list[Labels] = field(default_factory=list)
    at_ms: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def samples(self, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Samples:
        return Samples(numbers, np.array(self.at_ms, np.int64), np.array(self.values, np.float64))


@dataclass(slots=True)
class _Gathered:
    """What was found in a request so far."""

    samples: _Lines = field(default_factory=_Lines)
    increments: _Lines = field(default_factory=_Lines)
    turned_down: int = 0
    reason: str = ""

    def turn_down(self, metric: str, reason: object) -> None:
        self.turned_down += 1
        self.reason = self.reason or f"{metric[:200]}: {reason}"

    def rejected(self) -> Rejected:
        more = f" (the first of {self.turned_down} points turned down)" if self.turned_down > 1 else ""
        return Rejected(self.turned_down, self.reason + more)

    def batch(self, index: SeriesIndex, body: bytes) -> Batch:
        if not self.samples.labels and not self.increments.labels:
            return Batch()
        numbers = index.number([*self.samples.labels, *self.increments.labels])
        cut = len(self.samples.labels)
        receipt = hashlib.blake2b(body, digest_size=16).digest() if self.increments.labels else b""
        return Batch(self.samples.samples(numbers[:cut]), self.increments.samples(numbers[cut:]), receipt)


def _take(scope: Scope, gathered: _Gathered, budget: Budget) -> None:
    series = SeriesOfScope(scope.resource, scope.name)
    for metric in scope.metrics:
        is_delta = metric.kind in _WITH_TEMPORALITY and metric.temporality == Temporality.DELTA
        lines = gathered.increments if is_delta else gathered.samples
        for point in metric.points:
            before = len(lines.values)
            try:
                _take_point(metric, point, series, lines, is_delta=is_delta)
            except (PointError, LabelsError) as error:
                gathered.turn_down(metric.name, error)
            budget.spend(len(lines.values) - before)


def _take_point(metric: Metric, point: Point, series: SeriesOfScope, lines: _Lines, *, is_delta: bool) -> None:
    name, at_ms = _name(metric), _at_ms(point)
    found = list(_lines_of(point, metric.unit))
    if is_delta:
        found = _increments(found, metric, is_absent=point.is_absent)
    base = series.base(point.attributes)
    for suffix, extra, value in found:
        lines.labels.append(named(base, name + suffix, extra))
        lines.at_ms.append(at_ms)
        lines.values.append(_STALE if point.is_absent else value)


def _name(metric: Metric) -> str:
    if metric.kind in _WITH_TEMPORALITY and metric.temporality not in (Temporality.DELTA, Temporality.CUMULATIVE):
        raise PointError("the aggregation temporality must be delta or cumulative")
    is_counter = metric.kind is Kind.SUM and metric.is_monotonic
    name = metric_name(metric.name, metric.unit, is_counter=is_counter, is_gauge=metric.kind is Kind.GAUGE)
    if not name:
        raise PointError("the metric has no name")
    return name


def _at_ms(point: Point) -> int:
    if not 0 < point.time_ns <= _LAST_NS:
        raise PointError("timeUnixNano must be set, in ns since 1970 and until the year 2262")
    return point.time_ns // _NS_PER_MS


def _increments(lines: list[Line], metric: Metric, *, is_absent: bool) -> list[Line]:
    """Check what is to be added to running totals, which nothing takes out again; nothing was added by no value."""
    if is_absent:
        return []
    if not all(math.isfinite(value) for _, _, value in lines):
        raise PointError("a delta must be a finite number")
    if metric.kind is Kind.SUM and metric.is_monotonic and lines[0][2] < 0:
        raise PointError("a delta of a sum that only grows must not be negative")
    return lines


def _lines_of(point: Point, unit: str) -> Iterator[Line]:
    if isinstance(point, NumberPoint):
        if point.value is None and not point.is_absent:
            raise PointError("a point without a value")
        yield "", None, point.value or 0.0
    elif isinstance(point, HistogramPoint):
        yield from _histogram_lines(point, classic(point))
    elif isinstance(point, ExponentialPoint):
        yield from _histogram_lines(point, coarse(point, unit))
    else:
        yield from _summary_lines(point)


def _histogram_lines(point: HistogramPoint | ExponentialPoint, buckets: Iterable[tuple[str, float]]) -> Iterator[Line]:
    yield "_count", None, float(point.count)
    if point.total is not None:
        yield "_sum", None, point.total
    for bound, observations in buckets:
        yield "_bucket", ("le", bound), observations


def _summary_lines(point: SummaryPoint) -> Iterator[Line]:
    yield "_count", None, float(point.count)
    yield "_sum", None, point.total
    for share, value in point.quantiles:
        yield "", ("quantile", np.format_float_positional(share, trim="-")), value
