"""OTLP/JSON to rows of spans.

Source: OTLP specification, "JSON Protobuf Encoding": ids in hexadecimal, 64-bit integers as text or number,
enumerations as integers, unknown fields ignored. Keys are taken in lowerCamelCase and in snake_case.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.readers.otlp_columns import KINDS, RESOURCE_ATTRIBUTES, WANTED, Row, SpanFields, cells_of, row_of
from hypocenter.readers.statements import Record, as_list, as_record

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = re.compile(r"[ \t\r\n]*")
_LONGEST_NUMBER = 20
_LAST_NS = 2**63 - 1
_STATUSES = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")
_KINDS = ("SPAN_KIND_UNSPECIFIED", *(f"SPAN_KIND_{kind.upper()}" for kind in KINDS[1:]))
_SCALARS = ("stringValue", "intValue", "boolValue", "doubleValue")


def rows_of_json(body: bytes, where: str) -> Iterator[Row]:
    """Yield the spans of JSON documents that stand one after another, each an object or a list of objects.

    Raises InputError that names the document and the field.
    """
    for count, value in enumerate(_values(body, where), start=1):
        place = where if count == 1 else f"{where}: document {count}"
        for item in value if isinstance(value, list) else [value]:
            yield from _rows(as_record(item, place), place)


def _values(body: bytes, where: str) -> Iterator[Any]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: byte {error.start} is not UTF-8; OTLP/JSON is written in UTF-8") from error
    decoder, at = json.JSONDecoder(), _after_space(text, 0)
    while at < len(text):
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            line = text.count("\n", 0, at) + 1
            raise InputError(f"{where}: line {line}: no whole JSON begins here ({str(error)[:100]})") from error
        yield value
        at = _after_space(text, end)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _rows(document: Record, where: str) -> Iterator[Row]:
    for resource_spans, place in _items(document, "resourceSpans", f"{where}: "):
        resource = as_record(resource_spans.get("resource"), f"{place}.resource")
        shared = cells_of(_attributes(resource, f"{place}.resource"), RESOURCE_ATTRIBUTES)
        for scope_spans, scope_place in _items(resource_spans, "scopeSpans", f"{place}."):
            for span, span_place in _items(scope_spans, "spans", f"{scope_place}."):
                yield row_of(_fields(span, span_place), _attributes(span, span_place), shared)


def _items(record: Record, name: str, above: str) -> Iterator[tuple[Record, str]]:
    for at, item in enumerate(as_list(_get(record, name), above + name)):
        place = f"{above}{name}[{at}]"
        yield as_record(item, place), place


def _get(record: Record, name: str) -> Any:
    value = record.get(name)
    return record.get(_snake(name)) if value is None else value


@cache
def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def _fields(span: Record, where: str) -> SpanFields:
    status = as_record(span.get("status"), f"{where}.status")
    return SpanFields(
        trace=_text(span, "traceId", where).lower(),
        span=_text(span, "spanId", where).lower(),
        parent=_text(span, "parentSpanId", where).lower(),
        name=_text(span, "name", where),
        start_ns=_time(span, "startTimeUnixNano", where),
        end_ns=_time(span, "endTimeUnixNano", where),
        status=_enum(status.get("code"), _STATUSES, f"{where}.status.code"),
        kind=_enum(span.get("kind"), _KINDS, f"{where}.kind"),
    )


def _text(record: Record, name: str, where: str) -> str:
    value = _get(record, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{where}.{name}: must be text, not {type(value).__name__}")
    return _whole(value)


def _whole(text: str) -> str:
    """Return text with halves of surrogate pairs, which JSON can escape and UTF-8 cannot hold, replaced."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _time(span: Record, name: str, where: str) -> int:
    value = _get(span, name)
    value = 0 if value is None else value
    if isinstance(value, str) and value.isdecimal() and len(value) <= _LONGEST_NUMBER:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LAST_NS:
        raise InputError(f"{where}.{name}: {str(value)[:40]!r} must be nanoseconds since 1970, up to the year 2262")
    return value


def _enum(value: object, names: tuple[str, ...], where: str) -> int:
    if isinstance(value, str) and value in names:
        return names.index(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value or 0
    raise InputError(f"{where}: {str(value)[:40]!r} must be a whole number from 0 to {len(names) - 1}")


def _attributes(record: Record, where: str) -> dict[str, str]:
    """Return those attributes that fill a column, as text; lists, maps and bytes fill none."""
    found: dict[str, str] = {}
    for item in as_list(record.get("attributes"), f"{where}.attributes"):
        name = as_record(item, f"{where}.attributes").get("key")
        if isinstance(name, str) and name in WANTED:
            value = as_record(item.get("value"), f"{where}.attributes: {name!r}")
            found[name] = next((_scalar(_get(value, each)) for each in _SCALARS if _get(value, each) is not None), "")
    return found


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return _whole(value)
    return json.dumps(value) if isinstance(value, (bool, int, float)) else ""
