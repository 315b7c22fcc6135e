"""OTLP metrics to a batch: every point becomes samples, or increments where it tells what was added."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from hypocenter.batches import STALE_BITS
from hypocenter.ingest.budget import Budget
from hypocenter.ingest.otlp_metrics_buckets import PointError
from hypocenter.ingest.otlp_metrics_gathering import Gathering, KnownStreams
from hypocenter.ingest.otlp_metrics_json import scopes_of_json
from hypocenter.ingest.otlp_metrics_points import AttributeTexts
from hypocenter.ingest.otlp_metrics_protobuf import checked_protobuf, scopes_of_protobuf
from hypocenter.ingest.otlp_metrics_rows import Kind, Temporality
from hypocenter.ingest.otlp_metrics_values import check_increments, values_of
from hypocenter.ingest.otlp_names import metric_name
from hypocenter.ingest.otlp_series import SeriesOfScope, named
from hypocenter.ingest.otlp_status import Encoding
from hypocenter.ingest.series_labels import LabelsError

if TYPE_CHECKING:
    from hypocenter.batches import Batch, SeriesIndex
    from hypocenter.ingest.otlp_metrics_gathering import Lines, Numbers, Streams
    from hypocenter.ingest.otlp_metrics_rows import Attributes, Metric, Point, Scope
    from hypocenter.ingest.otlp_metrics_values import Shape
    from hypocenter.ingest.otlp_status import Rejected

_STALE: float = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]
_LAST_NS = 2**63 - 1
_NS_PER_MS = 1_000_000
_WITH_TEMPORALITY = (Kind.SUM, Kind.HISTOGRAM, Kind.EXPONENTIAL)


@dataclass(frozen=True, slots=True)
class OtlpWritten:
    """What a request of metrics comes to: a batch, and the points that were turned down."""

    batch: Batch
    rejected: Rejected


def decode_metrics(body: bytes, encoding: Encoding, index: SeriesIndex) -> OtlpWritten:
    """Return what one request brings, as `MetricsDecoder.decode` does."""
    return MetricsDecoder(index).decode(body, encoding)


class MetricsDecoder:
    """Decodes requests one after another, and remembers the series it saw; may be shared between threads."""

    def __init__(self, index: SeriesIndex) -> None:
        self._index = index
        self._known = KnownStreams()
        self._texts = AttributeTexts()

    def decode(self, body: bytes, encoding: Encoding) -> OtlpWritten:
        """Return what an `ExportMetricsServiceRequest` brings.

        Cumulative points and gauges are samples; deltas are increments, those of sums that rise and fall too (their
        running total is the level, counted from the first delta that came). A point without a recorded value is a
        stale marker. Exponential histograms become classic ones, see `otlp_metrics_buckets.coarse`. Times are in ms.
        A point that cannot be kept is turned down. Raises InputError when the body is no such message, LimitError.
        """
        gathering, budget = Gathering(), Budget()
        is_protobuf = encoding is Encoding.PROTOBUF
        with checked_protobuf():
            for scope in scopes_of_protobuf(body, budget, self._texts) if is_protobuf else scopes_of_json(body):
                self._take(scope, gathering, budget)
        receipt = blake2b(body, digest_size=16, person=b"metrics").digest()
        batch = gathering.batch(self._index, self._known, receipt)
        return OtlpWritten(batch, gathering.rejected())

    def _take(self, scope: Scope, gathering: Gathering, budget: Budget) -> None:
        series = SeriesOfScope(scope.resource, scope.name)
        for metric in scope.metrics:
            name, is_delta = _name(metric), _is_delta(metric)
            streams = self._known.of(scope.resource, scope.name, name)
            lines = gathering.increments if is_delta else gathering.samples
            into = _Into(metric, name, is_delta, series, streams, gathering, lines, _fault(metric, name))
            for point in metric.points:
                try:
                    budget.spend(into.take(point))
                except (PointError, LabelsError) as error:
                    gathering.turn_down(metric.name, error)


@dataclass(frozen=True, slots=True)
class _Into:
    """Where the points of one metric go; `fault` is why none of them can be kept."""

    metric: Metric
    name: str
    is_delta: bool
    series: SeriesOfScope
    streams: Streams
    gathering: Gathering
    lines: Lines
    fault: str

    def take(self, point: Point) -> int:
        """Take a point and return how many values it has. Raises PointError, LabelsError."""
        if self.fault:
            raise PointError(self.fault)
        at_ms = _at_ms(point)
        shape, values = values_of(point, self.metric.unit)
        if point.is_absent:
            # Nothing was added by no value; a series of samples has ended.
            values = [] if self.is_delta else [_STALE] * len(values)
        elif self.is_delta:
            check_increments(values, self.metric)
        if values:
            self.lines.add(self._numbers(point.attributes, shape), at_ms, values)
        return len(values)

    def _numbers(self, attributes: Attributes, shape: Shape) -> Numbers:
        key = attributes, shape
        found = self.streams.get(key)
        if found is None:
            base = self.series.base(attributes)
            labels = [named(base, self.name + suffix, extra) for suffix, extra in shape]
            found = self.gathering.wait(labels, self.streams, key)
        return found


def _is_delta(metric: Metric) -> bool:
    return metric.kind in _WITH_TEMPORALITY and metric.temporality == Temporality.DELTA


def _fault(metric: Metric, name: str) -> str:
    if metric.kind in _WITH_TEMPORALITY and metric.temporality not in (Temporality.DELTA, Temporality.CUMULATIVE):
        return "the aggregation temporality must be delta or cumulative"
    return "" if name else "the metric has no name"


def _name(metric: Metric) -> str:
    is_counter = metric.kind is Kind.SUM and metric.is_monotonic
    return metric_name(metric.name, metric.unit, is_counter=is_counter, is_gauge=metric.kind is Kind.GAUGE)


def _at_ms(point: Point) -> int:
    if not 0 < point.time_ns <= _LAST_NS:
        raise PointError("timeUnixNano must be set, in ns since 1970 and until the year 2262")
    return point.time_ns // _NS_PER_MS
