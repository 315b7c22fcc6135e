"""OTLP metrics in JSON to rows.

Source: OTLP specification, "JSON Protobuf Encoding"; fields as in opentelemetry-proto `metrics/v1/metrics.proto`.
"""

from __future__ import annotations

import base64
import binascii
from functools import partial
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.ingest.otlp_attributes import attribute_text
from hypocenter.ingest.otlp_metrics_limits import check_number
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
from hypocenter.ingest.otlp_records import WHERE, json_of
from hypocenter.readers.otlp_json_fields import enum_of, items_in, text_in, value_in, whole_text
from hypocenter.readers.statements import as_list, as_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hypocenter.ingest.otlp_metrics_rows import Attributes, Point
    from hypocenter.readers.statements import Record

_NO_VALUE = 1
_UNSIGNED, _SIGNED = (0, 2**64 - 1), (-(2**63), 2**63 - 1)
_SIGNED_32, _UNSIGNED_32 = (-(2**31), 2**31 - 1), (0, 2**32 - 1)
_LONGEST_NUMBER = 40
_MOST_NESTED = 32
_TEMPORALITIES = tuple(f"AGGREGATION_TEMPORALITY_{each.name}" for each in Temporality)
_DIGITS = frozenset("0123456789")


def scopes_of_json(body: bytes) -> Iterator[Scope]:
    """Yield what each scope of each resource reports. Raises InputError that names the field, LimitError."""
    for each, place in items_in(json_of(body), "resourceMetrics", f"{WHERE}: "):
        resource = attributes_of(as_record(each.get("resource"), f"{place}.resource"), f"{place}.resource")
        for scope_metrics, above in items_in(each, "scopeMetrics", f"{place}."):
            scope = as_record(scope_metrics.get("scope"), f"{above}.scope")
            metrics = (_metric(*found) for found in items_in(scope_metrics, "metrics", f"{above}."))
            yield Scope(resource, text_in(scope, "name", f"{above}.scope"), metrics)


def attributes_of(record: Record, where: str) -> Attributes:
    """Return the attributes of an object as text, in their order. Raises InputError, LimitError."""
    check_number(len(as_list(record.get("attributes"), f"{where}.attributes")))
    return tuple(
        (text_in(pair, "key", place), attribute_text(_value(pair.get("value"), place, _MOST_NESTED)))
        for pair, place in items_in(record, "attributes", f"{where}.")
    )


def _value(value: Any, where: str, depth: int) -> Any:
    """An `AnyValue` as Python has it, None where none is set."""
    if depth == 0:
        raise InputError(f"{where}: nested more than {_MOST_NESTED} deep; send it flat")
    record = as_record(value, where)
    name = next((name for name in _VALUES if value_in(record, name) is not None), None)
    return None if name is None else _VALUES[name](value_in(record, name), f"{where}.{name}", depth - 1)


def _list(value: Any, where: str, depth: int) -> list[Any]:
    items = as_list(as_record(value, where).get("values"), where)
    return [_value(item, where, depth) for item in items]


def _map(value: Any, where: str, depth: int) -> dict[str, Any]:
    pairs = items_in(as_record(value, where), "values", f"{where}.")
    return {text_in(pair, "key", place): _value(pair.get("value"), place, depth) for pair, place in pairs}


def _bytes(value: Any, where: str, _: int) -> bytes:
    try:
        return base64.b64decode(value)
    except (TypeError, ValueError, binascii.Error) as error:
        raise InputError(f"{where}: must be text in base64") from error


def _string(value: Any, where: str, _: int) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where}: must be text, not {type(value).__name__}")
    return whole_text(value)


def _bool(value: Any, where: str, _: int = 0) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{where}: must be true or false")
    return value


def _integer(value: Any, where: str, _: int = 0, within: tuple[int, int] = _SIGNED) -> int:
    """A whole number, as a number or as text."""
    found = value
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and value and set(value.removeprefix("-")) <= _DIGITS:
        found = int(value) if value != "-" else None
    elif isinstance(value, float) and value.is_integer():
        found = int(value)
    if isinstance(found, bool) or not isinstance(found, int) or not within[0] <= found <= within[1]:
        raise InputError(f"{where}: {_shown(value)} must be a whole number from {within[0]} to {within[1]}")
    return found


def _double(value: Any, where: str, _: int = 0) -> float:
    """A number, or as text one of those that JSON has no sign for."""
    fault = f'{where}: {_shown(value)} must be a number, "NaN", "Infinity" or "-Infinity"'
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InputError(fault)
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        raise InputError(fault) from error


def _shown(value: Any) -> str:
    return repr(value)[:40]


_VALUES: Mapping[str, Callable[[Any, str, int], Any]] = {
    "stringValue": _string, "boolValue": _bool, "intValue": _integer, "doubleValue": _double, "arrayValue": _list,
    "kvlistValue": _map, "bytesValue": _bytes,
}  # fmt: skip


def _metric(metric: Record, where: str) -> Metric:
    name, unit = text_in(metric, "name", where), text_in(metric, "unit", where)
    kind = next((kind for kind in Kind if value_in(metric, kind) is not None), None)
    if kind is None:
        return Metric(name, unit, None, ())
    place = f"{where}.{kind}"
    data = as_record(value_in(metric, kind), place)
    temporality = enum_of(value_in(data, "aggregationTemporality"), _TEMPORALITIES, f"{place}.aggregationTemporality")
    return Metric(
        name=name,
        unit=unit,
        kind=kind,
        points=(_READ[kind](*found) for found in items_in(data, "dataPoints", f"{place}.")),
        temporality=temporality,
        is_monotonic=_field(data, "isMonotonic", place, _bool) or False,
    )


def _field(record: Record, name: str, where: str, read: Callable[[Any, str], Any]) -> Any:
    """A field as `read` returns it, None when it is absent."""
    value = value_in(record, name)
    return None if value is None else read(value, f"{where}.{name}")


_unsigned = partial(_integer, within=_UNSIGNED)
_signed_32 = partial(_integer, within=_SIGNED_32)
_unsigned_32 = partial(_integer, within=_UNSIGNED_32)


def _shared(point: Record, where: str) -> tuple[Attributes, int, bool]:
    """What every kind of point has: attributes, time and whether there is no value."""
    time_ns = _field(point, "timeUnixNano", where, _unsigned) or 0
    flags = _field(point, "flags", where, _unsigned_32) or 0
    return attributes_of(point, where), time_ns, bool(flags & _NO_VALUE)


def _number(point: Record, where: str) -> NumberPoint:
    value = _field(point, "asDouble", where, _double)
    if value is None and (whole := _field(point, "asInt", where, _integer)) is not None:
        value = float(whole)
    return NumberPoint(*_shared(point, where), value)


def _histogram(point: Record, where: str) -> HistogramPoint:
    return HistogramPoint(
        *_shared(point, where),
        _field(point, "count", where, _unsigned) or 0,
        _field(point, "sum", where, _double),
        _each(point, "explicitBounds", where, _double),
        _each(point, "bucketCounts", where, _unsigned),
    )


def _each(record: Record, name: str, where: str, read: Callable[[Any, str], Any]) -> list[Any]:
    place = f"{where}.{name}"
    return [read(value, place) for value in as_list(value_in(record, name), place)]


def _exponential(point: Record, where: str) -> ExponentialPoint:
    return ExponentialPoint(
        *_shared(point, where),
        _field(point, "count", where, _unsigned) or 0,
        _field(point, "sum", where, _double),
        _field(point, "scale", where, _signed_32) or 0,
        _field(point, "zeroCount", where, _unsigned) or 0,
        _buckets(point, "positive", where),
        _buckets(point, "negative", where),
    )


def _buckets(point: Record, name: str, where: str) -> Buckets:
    place = f"{where}.{name}"
    found = as_record(point.get(name), place)
    return Buckets(_field(found, "offset", place, _signed_32) or 0, _each(found, "bucketCounts", place, _unsigned))


def _summary(point: Record, where: str) -> SummaryPoint:
    quantiles = [
        (_field(each, "quantile", place, _double) or 0.0, _field(each, "value", place, _double) or 0.0)
        for each, place in items_in(point, "quantileValues", f"{where}.")
    ]
    count, total = _field(point, "count", where, _unsigned) or 0, _field(point, "sum", where, _double) or 0.0
    return SummaryPoint(*_shared(point, where), count, total, quantiles)


_READ: Mapping[Kind, Callable[[Record, str], Point]] = {
    Kind.GAUGE: _number,
    Kind.SUM: _number,
    Kind.HISTOGRAM: _histogram,
    Kind.EXPONENTIAL: _exponential,
    Kind.SUMMARY: _summary,
}
