"""Log records that are pushed as OTLP: bytes in, lines out.

Sources: OTLP specification; opentelemetry-proto `logs/v1/logs.proto`; OpenTelemetry's logs data model, "Severity" and
"Exceptions".
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypocenter.ingest.otlp_records import WHERE, counted, json_of, messages_of
from hypocenter.ingest.otlp_status import Encoding, Rejected
from hypocenter.ingest.otlp_traces import LONGEST_TEXT, UNNAMED, rejected_for
from hypocenter.readers.otlp_columns import RESOURCE_ATTRIBUTES
from hypocenter.readers.otlp_json import records_in, texts_of
from hypocenter.readers.otlp_json_fields import enum_of, nanoseconds_in, text_in, value_in, whole_text
from hypocenter.readers.otlp_protobuf import texts_of as texts_of_pairs
from hypocenter.signals.log_counts import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

    from hypocenter.readers.statements import Record

# A template is cut after far fewer.
LONGEST_MESSAGE = 2000
_SERVICE = list(RESOURCE_ATTRIBUTES).index("service")
_SAYING = ("exception.message", "exception.type", "event.name")
_SHORT = ("", "trace", "debug", "info", "warn", "error", "fatal")
_SEVERITIES = ("SEVERITY_NUMBER_UNSPECIFIED", *(f"SEVERITY_NUMBER_{word.upper()}{at}" for word in _SHORT[1:]
               for at in ("", "2", "3", "4")))  # fmt: skip
_SCALARS = ("stringValue", "intValue", "boolValue", "doubleValue")
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Lines:
    """The log lines of a request, and how many cannot be counted."""

    lines: list[Line]
    rejected: Rejected


def decode_logs(body: bytes, encoding: Encoding) -> Lines:
    """Return the lines of an `ExportLogsServiceRequest`.

    A line says its body, JSON where that is structured, else its exception's message or its event's name; it is severe
    as its number says, else as its text does. Turned down are records without a time, those of more than 256 KiB and
    those of a service with a name of more than 512 characters. Raises InputError for a body that is not what it says,
    LimitError for too many records.
    """
    why: Counter[str] = Counter()
    kept = []
    for line in _of_json(body) if encoding is Encoding.JSON else _of_protobuf(body, why):
        if not line.at_ns:
            why["without a time"] += 1
        elif len(line.service) > LONGEST_TEXT:
            why[f"of a service whose name has more than {LONGEST_TEXT} characters"] += 1
        else:
            kept.append(line)
    return Lines(kept, rejected_for(why, "log records"))


def severity_of(number: int, text: str) -> str:
    """Return the short word of a severity number, else the text.

    >>> severity_of(18, "Fehler"), severity_of(0, "NOTICE"), severity_of(99, "")
    ('error', 'NOTICE', '')
    """
    return _SHORT[(number + 3) // 4] if 0 < number <= 24 else text


def _of_json(body: bytes) -> Iterator[Line]:
    names = ("resourceLogs", "scopeLogs", "logRecords")
    for cells, record, place in counted(records_in(json_of(body), names, WHERE)):
        said = _said(value_in(record, "body"), _DEEPEST)
        told = texts_of(record, _SAYING, place) if not said else {}
        number = enum_of(value_in(record, "severityNumber"), _SEVERITIES, f"{place}.severityNumber")
        at = nanoseconds_in(record, "timeUnixNano", place) or nanoseconds_in(record, "observedTimeUnixNano", place)
        named = text_in(record, "eventName", place)
        yield _line(at, cells, severity_of(number, text_in(record, "severityText", place)), said or _first(told, named))


def _of_protobuf(body: bytes, why: Counter[str]) -> Iterator[Line]:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

    return (_line_of(record, cells) for record, cells in messages_of(body, LogRecord, "logs", why))


def _line_of(record: LogRecord, cells: tuple[str, ...]) -> Line:
    said = _plain_text(record.body)
    told = texts_of_pairs(record.attributes, _SAYING) if not said else {}
    severity = severity_of(record.severity_number, record.severity_text)
    at = record.time_unix_nano or record.observed_time_unix_nano
    return _line(at if at < 2**63 else 0, cells, severity, said or _first(told, record.event_name))


def _line(at_ns: int, cells: tuple[str, ...], severity: str, message: str) -> Line:
    return Line(at_ns, cells[_SERVICE] or UNNAMED, severity[:LONGEST_TEXT], message[:LONGEST_MESSAGE])


def _first(told: dict[str, str], named: str) -> str:
    return next((told[name] for name in _SAYING if told.get(name)), named)


def _plain_text(value: AnyValue) -> str:
    """Return a body: text as it is, anything else as JSON."""
    if value.WhichOneof("value") in (None, "string_value"):
        return value.string_value
    return _json_text(_plain(value, _DEEPEST))


def _plain(value: AnyValue, deepest: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or not deepest:
        return None
    if kind == "array_value":
        return [_plain(each, deepest - 1) for each in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value, deepest - 1) for pair in value.kvlist_value.values}
    return "" if kind == "bytes_value" else getattr(value, kind)


def _said(value: Any, deepest: int) -> str:
    if value is None:
        return ""
    plain = _unwrapped(value, deepest)
    return whole_text(plain if isinstance(plain, str) else _json_text(plain))


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _unwrapped(value: Any, deepest: int) -> Any:
    """Return what an `AnyValue` in JSON holds."""
    if not isinstance(value, dict) or not deepest:
        return None
    record: Record = value
    for name in _SCALARS:
        if (found := value_in(record, name)) is not None:
            return int(found) if name == "intValue" and str(found).lstrip("-").isdecimal() else found
    array, pairs = value_in(record, "arrayValue"), value_in(record, "kvlistValue")
    if isinstance(array, dict):
        return [_unwrapped(each, deepest - 1) for each in _list(array)]
    if isinstance(pairs, dict):
        return {
            str(each.get("key")): _unwrapped(each.get("value"), deepest - 1)
            for each in _list(pairs)
            if isinstance(each, dict)
        }
    return None


def _list(record: Record) -> list[Any]:
    values = record.get("values")
    return values if isinstance(values, list) else []
