"""OTLP metrics in protobuf to rows, one point at a time, so that what a request may take of memory is bounded.

Source: opentelemetry-proto `metrics/v1/metrics.proto`, of which `MetricsData` and `ExportMetricsServiceRequest` are one
and the same on the wire.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.ingest.otlp_metrics_limits import check_size
from hypocenter.ingest.otlp_metrics_points import readers
from hypocenter.ingest.otlp_metrics_rows import Kind, Metric, Scope, Temporality
from hypocenter.ingest.protobuf_fields import LENGTH, VARINT, fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hypocenter.ingest.budget import Budget
    from hypocenter.ingest.otlp_metrics_points import AttributeTexts
    from hypocenter.ingest.otlp_metrics_rows import Attributes, Point

_RESOURCE_METRICS = _RESOURCE = _SCOPE = _NAME = _POINT = 1 << 3 | LENGTH
_SCOPE_METRICS = _METRIC = 2 << 3 | LENGTH
_UNIT = 3 << 3 | LENGTH
_TEMPORALITY, _MONOTONIC = 2 << 3 | VARINT, 3 << 3 | VARINT
_KINDS: Mapping[int, Kind] = {
    (5 << 3 | LENGTH): Kind.GAUGE,
    (7 << 3 | LENGTH): Kind.SUM,
    (9 << 3 | LENGTH): Kind.HISTOGRAM,
    (10 << 3 | LENGTH): Kind.EXPONENTIAL,
    (11 << 3 | LENGTH): Kind.SUMMARY,
}
# What a resource or a scope takes to read, in points.
_PER_GROUP = 20
_Extent = tuple[int, int]


def scopes_of_protobuf(body: bytes, budget: Budget, texts: AttributeTexts) -> Iterator[Scope]:
    """Yield what each scope of each resource reports; read it all within `checked_protobuf`."""
    return _Request(body, budget, texts).scopes()


@contextmanager
def checked_protobuf() -> Iterator[None]:
    """Raise InputError where what is read within turns out to be no such message."""
    from google.protobuf.message import DecodeError

    try:
        yield
    except (DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the body is not OTLP metrics in protobuf ({error})") from error


class _Request:
    """A request that is read field by field, within a budget."""

    def __init__(self, body: bytes, budget: Budget, texts: AttributeTexts) -> None:
        from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
        from opentelemetry.proto.resource.v1.resource_pb2 import Resource

        self._body, self._budget = body, budget
        self._read, self._texts = readers(texts), texts
        self._resource_type, self._scope_type = Resource, InstrumentationScope

    def scopes(self) -> Iterator[Scope]:
        """Yield what each scope of each resource reports."""
        for of_resource in self._each((0, len(self._body)), _RESOURCE_METRICS):
            self._budget.spend(_PER_GROUP)
            resource = self._resource(of_resource)
            for of_scope in self._each(of_resource, _SCOPE_METRICS):
                self._budget.spend(_PER_GROUP)
                scope = self._scope_type.FromString(self._joined(of_scope, _SCOPE))
                yield Scope(resource, scope.name, map(self._metric, self._each(of_scope, _METRIC)))

    def _resource(self, extent: _Extent) -> Attributes:
        return self._texts.of(self._resource_type.FromString(self._joined(extent, _RESOURCE)).attributes)

    def _metric(self, extent: _Extent) -> Metric:
        name = unit = b""
        kind: Kind | None = None
        data: list[_Extent] = []
        for tag, begin, end in self._fields(extent):
            if tag == _NAME:
                name = check_size(self._body[begin:end])
            elif tag == _UNIT:
                unit = check_size(self._body[begin:end])
            elif tag in _KINDS:
                # Of parts of another kind only the last counts; those of one kind are joined.
                if kind is not _KINDS[tag]:
                    kind, data = _KINDS[tag], []
                data.append((begin, end))
        if kind is None:
            return Metric(name.decode(), unit.decode(), None, ())
        return self._metric_of(name.decode(), unit.decode(), kind, data)

    def _metric_of(self, name: str, unit: str, kind: Kind, data: list[_Extent]) -> Metric:
        points: list[_Extent] = []
        told = {_TEMPORALITY: int(Temporality.UNSPECIFIED), _MONOTONIC: 0}
        for part in data:
            for tag, first, second in self._fields(part):
                if tag == _POINT:
                    points.append((first, second))
                elif tag in told:
                    told[tag] = first
        return Metric(name, unit, kind, self._points(kind, points), told[_TEMPORALITY], bool(told[_MONOTONIC]))

    def _points(self, kind: Kind, extents: list[_Extent]) -> Iterator[Point]:
        read: Callable[[bytes], Point] = self._read[kind]
        for begin, end in extents:
            yield read(check_size(self._body[begin:end]))

    def _joined(self, extent: _Extent, wanted: int) -> bytes:
        """The bytes of a message that is a field; protobuf joins those of one that comes in parts."""
        return check_size(b"".join(self._body[begin:end] for begin, end in self._each(extent, wanted)))

    def _each(self, extent: _Extent, wanted: int) -> Iterator[_Extent]:
        return ((begin, end) for tag, begin, end in self._fields(extent) if tag == wanted)

    def _fields(self, extent: _Extent) -> Iterator[tuple[int, int, int]]:
        for field in fields(self._body, *extent):
            self._budget.spend()
            yield field
