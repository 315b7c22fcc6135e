"""OTLP protobuf to rows of spans.

Sources: opentelemetry-proto `trace/v1/trace.proto`, whose `TracesData` and `ExportTraceServiceRequest` are one and the
same on the wire; for files the OpenTelemetry Collector's file exporter, "File Format".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.readers.otlp_columns import RESOURCE_ATTRIBUTES, WANTED, Row, SpanFields, cells_of, row_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

_SIZE_BYTES = 4
_FIRST_TAG = b"\x0a"
_LAST_NS = 2**63 - 1


def rows_of_protobuf(body: bytes, where: str) -> Iterator[Row]:
    """Yield the spans of one message, or of messages that each stand after their length. Raises InputError."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    for count, message in enumerate(_messages(body, where), start=1):
        place = where if count == 1 else f"{where}: message {count}"
        try:
            data = TracesData.FromString(message)
        except DecodeError as error:
            raise InputError(f"{place}: not OTLP traces in protobuf ({error})") from error
        for at, resource_spans in enumerate(data.resource_spans):
            shared = resource_cells(resource_spans.resource)
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    yield row_of_span(span, shared, f"{place}: resource_spans[{at}]")


def resource_cells(resource: Resource) -> tuple[str, ...]:
    """Return the cells of `RESOURCE_ATTRIBUTES`."""
    return cells_of(texts_of(resource.attributes, WANTED), RESOURCE_ATTRIBUTES)


def row_of_span(span: Span, resource: tuple[str, ...], where: str) -> Row:
    """Return one span in the order of `COLUMNS`. Raises InputError for a time that no clock shows."""
    return row_of(_fields(span, where), texts_of(span.attributes, WANTED), resource)


def _messages(body: bytes, where: str) -> Iterator[bytes]:
    """Yield a body that begins with the tag of its only field whole; else each message after its length."""
    if not body or body.startswith(_FIRST_TAG):
        yield body
        return
    at = 0
    while at < len(body):
        size = int.from_bytes(body[at : at + _SIZE_BYTES], "big")
        begin = at + _SIZE_BYTES
        if begin + size > len(body):
            raise InputError(
                f"{where}: byte {at}: neither OTLP traces in JSON or protobuf nor a whole message after its length; "
                "decompress the file, or export it again"
            )
        yield body[begin : begin + size]
        at = begin + size


def _fields(span: Span, where: str) -> SpanFields:
    if max(span.start_time_unix_nano, span.end_time_unix_nano) > _LAST_NS:
        raise InputError(f"{where}: a span's time lies after the year 2262; times are nanoseconds since 1970")
    return SpanFields(
        trace=span.trace_id.hex(),
        span=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=span.status.code,
        kind=span.kind,
    )


def texts_of(pairs: Iterable[KeyValue], wanted: Collection[str]) -> dict[str, str]:
    """Return the wanted attributes as text; lists, maps and bytes are none."""
    return {pair.key: _text(pair.value) for pair in pairs if pair.key in wanted}


def _text(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind in ("int_value", "double_value"):
        return str(getattr(value, kind))
    return ""
