"""OTLP/JSON to rows of spans.

Source: OTLP specification, "JSON Protobuf Encoding": ids in hexadecimal, 64-bit integers as text or number,
enumerations as integers, unknown fields ignored. Keys are taken in lowerCamelCase and in snake_case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.readers.otlp_columns import KINDS, RESOURCE_ATTRIBUTES, WANTED, Row, SpanFields, cells_of, row_of
from hypocenter.readers.otlp_json_fields import (
    documents_in,
    enum_of,
    items_in,
    nanoseconds_in,
    scalar_text,
    text_in,
    value_in,
)
from hypocenter.readers.statements import Record, as_list, as_record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_STATUSES = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")
_KINDS = ("SPAN_KIND_UNSPECIFIED", *(f"SPAN_KIND_{kind.upper()}" for kind in KINDS[1:]))
_SCALARS = ("stringValue", "intValue", "boolValue", "doubleValue")


def rows_of_json(body: bytes, where: str) -> Iterator[Row]:
    """Yield the spans of JSON documents that stand one after another, each an object or a list of objects.

    Raises InputError that names the document and the field.
    """
    for count, value in enumerate(documents_in(body, where), start=1):
        place = where if count == 1 else f"{where}: document {count}"
        for item in value if isinstance(value, list) else [value]:
            yield from rows_of_document(as_record(item, place), place)


def rows_of_document(document: Record, where: str) -> Iterator[Row]:
    """Yield the spans of one object. Raises InputError that names the field."""
    for resource, span, place in records_in(document, ("resourceSpans", "scopeSpans", "spans"), where):
        yield row_of(_fields(span, place), texts_of(span, WANTED, place), resource)


def records_in(
    document: Record, names: tuple[str, str, str], where: str
) -> Iterator[tuple[tuple[str, ...], Record, str]]:
    """Yield (cells of `RESOURCE_ATTRIBUTES`, record, its place) for each record in the lists `names`, outermost first.

    Raises InputError that names the field.
    """
    of_resource, of_scope, of_record = names
    for group, place in items_in(document, of_resource, f"{where}: "):
        resource = as_record(group.get("resource"), f"{place}.resource")
        shared = cells_of(texts_of(resource, WANTED, f"{place}.resource"), RESOURCE_ATTRIBUTES)
        for scope, scope_place in items_in(group, of_scope, f"{place}."):
            for record, record_place in items_in(scope, of_record, f"{scope_place}."):
                yield shared, record, record_place


def _fields(span: Record, where: str) -> SpanFields:
    status = as_record(span.get("status"), f"{where}.status")
    return SpanFields(
        trace=text_in(span, "traceId", where).lower(),
        span=text_in(span, "spanId", where).lower(),
        parent=text_in(span, "parentSpanId", where).lower(),
        name=text_in(span, "name", where),
        start_ns=nanoseconds_in(span, "startTimeUnixNano", where),
        end_ns=nanoseconds_in(span, "endTimeUnixNano", where),
        status=enum_of(status.get("code"), _STATUSES, f"{where}.status.code"),
        kind=enum_of(span.get("kind"), _KINDS, f"{where}.kind"),
    )


def texts_of(record: Record, wanted: Collection[str], where: str) -> dict[str, str]:
    """Return the wanted attributes as text; lists, maps and bytes are none. Raises InputError."""
    found: dict[str, str] = {}
    for item in as_list(record.get("attributes"), f"{where}.attributes"):
        name = as_record(item, f"{where}.attributes").get("key")
        if isinstance(name, str) and name in wanted:
            value = as_record(item.get("value"), f"{where}.attributes: {name!r}")
            found[name] = next(
                (scalar_text(value_in(value, each)) for each in _SCALARS if value_in(value, each) is not None), ""
            )
    return found
