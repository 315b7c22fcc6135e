"""OTLP metrics in protobuf to rows.

Sources: opentelemetry-proto `metrics/v1/metrics.proto` and `common/v1/common.proto`; `MetricsData` and
`ExportMetricsServiceRequest` are one and the same on the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.ingest.otlp_attributes import attribute_text
from hypocenter.ingest.otlp_metrics_rows import (
    Buckets,
    ExponentialPoint,
    HistogramPoint,
    Kind,
    Metric,
    NumberPoint,
    Scope,
    SummaryPoint,
    Temporality,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

    from hypocenter.ingest.otlp_metrics_rows import Attributes, Point

_NO_VALUE = 1
_KINDS = {
    "gauge": Kind.GAUGE,
    "sum": Kind.SUM,
    "histogram": Kind.HISTOGRAM,
    "exponential_histogram": Kind.EXPONENTIAL,
    "summary": Kind.SUMMARY,
}


def scopes_of_protobuf(body: bytes) -> Iterator[Scope]:
    """Yield what each scope of each resource reports. Raises InputError when the body is no such message."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

    try:
        data = MetricsData.FromString(body)
    except DecodeError as error:
        raise InputError(f"the body is not OTLP metrics in protobuf ({error})") from error
    for resource_metrics in data.resource_metrics:
        resource = attributes_of(resource_metrics.resource.attributes)
        for scope_metrics in resource_metrics.scope_metrics:
            yield Scope(resource, scope_metrics.scope.name, map(_metric, scope_metrics.metrics))


def attributes_of(pairs: Iterable[KeyValue]) -> Attributes:
    """Return attributes as text, in their order."""
    return tuple((pair.key, attribute_text(value_of(pair.value))) for pair in pairs)


def value_of(value: AnyValue) -> Any:
    """Return a value as Python has it, None where none is set."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value_of(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


def _metric(metric: pb.Metric) -> Metric:
    name = metric.WhichOneof("data")
    if name is None:
        return Metric(metric.name, metric.unit, None, ())
    kind, data = _KINDS[name], getattr(metric, name)
    return Metric(
        name=metric.name,
        unit=metric.unit,
        kind=kind,
        points=map(_READ[kind], data.data_points),
        temporality=getattr(data, "aggregation_temporality", Temporality.CUMULATIVE),
        is_monotonic=getattr(data, "is_monotonic", False),
    )


def _number(point: pb.NumberDataPoint) -> NumberPoint:
    kind = point.WhichOneof("value")
    value = None if kind is None else point.as_double if kind == "as_double" else float(point.as_int)
    return NumberPoint(attributes_of(point.attributes), point.time_unix_nano, bool(point.flags & _NO_VALUE), value)


def _histogram(point: pb.HistogramDataPoint) -> HistogramPoint:
    return HistogramPoint(
        attributes_of(point.attributes),
        point.time_unix_nano,
        bool(point.flags & _NO_VALUE),
        point.count,
        point.sum if point.HasField("sum") else None,
        point.explicit_bounds,
        point.bucket_counts,
    )


def _exponential(point: pb.ExponentialHistogramDataPoint) -> ExponentialPoint:
    return ExponentialPoint(
        attributes_of(point.attributes),
        point.time_unix_nano,
        bool(point.flags & _NO_VALUE),
        point.count,
        point.sum if point.HasField("sum") else None,
        point.scale,
        point.zero_count,
        Buckets(point.positive.offset, point.positive.bucket_counts),
        Buckets(point.negative.offset, point.negative.bucket_counts),
    )


def _summary(point: pb.SummaryDataPoint) -> SummaryPoint:
    return SummaryPoint(
        attributes_of(point.attributes),
        point.time_unix_nano,
        bool(point.flags & _NO_VALUE),
        point.count,
        point.sum,
        [(each.quantile, each.value) for each in point.quantile_values],
    )


_READ: Mapping[Kind, Callable[[Any], Point]] = {
    Kind.GAUGE: _number,
    Kind.SUM: _number,
    Kind.HISTOGRAM: _histogram,
    Kind.EXPONENTIAL: _exponential,
    Kind.SUMMARY: _summary,
}
