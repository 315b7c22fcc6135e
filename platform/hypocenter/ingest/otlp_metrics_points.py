"""Points of OTLP metrics in protobuf to rows.

Sources: opentelemetry-proto `metrics/v1/metrics.proto` and `common/v1/common.proto`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hypocenter.ingest.otlp_attributes import attribute_text
from hypocenter.ingest.otlp_metrics_limits import check_number
from hypocenter.ingest.otlp_metrics_rows import (
    Buckets,
    ExponentialPoint,
    HistogramPoint,
    Kind,
    NumberPoint,
    SummaryPoint,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

    from hypocenter.ingest.otlp_metrics_rows import Attributes, Point

_NO_VALUE = 1
_MOST_BYTES = 64 << 20
_Read = Callable[["Sequence[KeyValue]"], "Attributes"]


class AttributeTexts:
    """Reads attributes, and remembers those of points, which come again and again; starts anew when it is full."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._known: dict[tuple[bytes, ...], Attributes] = {}
        self._bytes, self._most_bytes = 0, most_bytes

    def of(self, pairs: Sequence[KeyValue]) -> Attributes:
        """Return attributes as text, in their order. Raises LimitError, InputError."""
        check_number(len(pairs))
        key = tuple([pair.SerializeToString() for pair in pairs])
        found = self._known.get(key)
        if found is None:
            found = tuple([(pair.key, _text(pair.value)) for pair in pairs])
            self._keep(key, found)
        return found

    def _keep(self, key: tuple[bytes, ...], found: Attributes) -> None:
        self._bytes += 2 * sum(map(len, key))
        if self._bytes > self._most_bytes:
            self._known, self._bytes = {}, 0
        self._known[key] = found


def readers(texts: AttributeTexts) -> Mapping[Kind, Callable[[bytes], Point]]:
    """Return what reads the points of each kind from their bytes; it raises DecodeError, LimitError, InputError."""
    from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

    number, attributes_of = pb.NumberDataPoint.FromString, texts.of
    return {
        Kind.GAUGE: lambda body: _number(number(body), attributes_of),
        Kind.SUM: lambda body: _number(number(body), attributes_of),
        Kind.HISTOGRAM: lambda body: _histogram(pb.HistogramDataPoint.FromString(body), attributes_of),
        Kind.EXPONENTIAL: lambda body: _exponential(pb.ExponentialHistogramDataPoint.FromString(body), attributes_of),
        Kind.SUMMARY: lambda body: _summary(pb.SummaryDataPoint.FromString(body), attributes_of),
    }


def _text(value: AnyValue) -> str:
    return value.string_value or attribute_text(_value(value))


def _value(value: AnyValue) -> Any:
    """A value as Python has it, None where none is set."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


def _number(point: pb.NumberDataPoint, attributes_of: _Read) -> NumberPoint:
    kind = point.WhichOneof("value")
    value = None if kind is None else point.as_double if kind == "as_double" else float(point.as_int)
    return NumberPoint(attributes_of(point.attributes), point.time_unix_nano, bool(point.flags & _NO_VALUE), value)


def _histogram(point: pb.HistogramDataPoint, attributes_of: _Read) -> HistogramPoint:
    return HistogramPoint(
        attributes_of(point.attributes),
        point.time_unix_nano,
        bool(point.flags & _NO_VALUE),
        point.count,
        point.sum if point.HasField("sum") else None,
        point.explicit_bounds,
        point.bucket_counts,
    )


def _exponential(point: pb.ExponentialHistogramDataPoint, attributes_of: _Read) -> ExponentialPoint:
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


def _summary(point: pb.SummaryDataPoint, attributes_of: _Read) -> SummaryPoint:
    return SummaryPoint(
        attributes_of(point.attributes),
        point.time_unix_nano,
        bool(point.flags & _NO_VALUE),
        point.count,
        point.sum,
        [(each.quantile, each.value) for each in point.quantile_values],
    )
