"""Spans that are pushed as OTLP: bytes in, rows out.

Sources: OTLP specification; opentelemetry-proto `trace/v1/trace.proto`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.ingest.otlp_records import WHERE, counted, json_of, messages_of
from hypocenter.ingest.otlp_status import Encoding, Rejected
from hypocenter.readers.otlp_columns import COLUMNS
from hypocenter.readers.otlp_json import rows_of_document
from hypocenter.readers.otlp_protobuf import row_of_span
from hypocenter.signals.span_window import Sort, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.readers.otlp_columns import Row

LONGEST_TEXT = 512
LONGEST_ID = 64
UNNAMED = "unknown_service"
_TIME, _TRACE, _PARENT = (COLUMNS.index(name) for name in ("time", "trace", "parent"))
_SERVICE = COLUMNS.index("service")
_FACTS = COLUMNS.index("kind")


@dataclass(frozen=True, slots=True)
class Spans:
    """The spans of a request, where they ran, and how many cannot be counted.

    `places` are the cells of `otlp_columns.RESOURCE_ATTRIBUTES` of each resource that had a span, with its first and
    last start in ns.
    """

    spans: list[Span]
    places: dict[tuple[str, ...], tuple[int, int]]
    rejected: Rejected


def decode_traces(body: bytes, encoding: Encoding) -> Spans:
    """Return the spans of an `ExportTraceServiceRequest`.

    A span of a service without a name is one of `unknown_service`. Turned down are spans without trace, id or start,
    and those of more than 256 KiB or with a name of a service or peer of more than 512 characters. Raises InputError
    for a body that is not what it says, LimitError for too many spans.
    """
    why: Counter[str] = Counter()
    found: list[Span] = []
    places: dict[tuple[str, ...], tuple[int, int]] = {}
    for row in _of_json(body) if encoding is Encoding.JSON else _of_protobuf(body, why):
        fault = _fault(row)
        if fault:
            why[fault] += 1
            continue
        span = _span(row)
        found.append(span)
        cells = tuple(map(str, row[_SERVICE:]))
        first, last = places.get(cells, (span.at_ns, span.at_ns))
        places[cells] = min(first, span.at_ns), max(last, span.at_ns)
    return Spans(found, places, rejected_for(why, "spans"))


def _span(row: Row) -> Span:
    at_ns, trace, span, parent, operation, duration_us, error, *facts = row
    namespace = str(row[_SERVICE + 1])
    sort = Sort(str(row[_SERVICE]) or UNNAMED, namespace, *map(str, facts[: _SERVICE - _FACTS]))
    ids = str(trace), str(span), str(parent)
    return Span(*ids, sort, str(operation), int(at_ns), float(duration_us) / 1e6, bool(error))


def rejected_for(why: Counter[str], what: str) -> Rejected:
    """Return how many of `what` were turned down for each reason.

    >>> rejected_for(Counter({"without a start": 2}), "spans")
    Rejected(number=2, message='2 spans without a start')
    """
    told = "; ".join(f"{number} {what} {reason}" for reason, number in sorted(why.items()))
    return Rejected(why.total(), told)


def _of_json(body: bytes) -> Iterator[Row]:
    return counted(rows_of_document(json_of(body), WHERE))


def _of_protobuf(body: bytes, why: Counter[str]) -> Iterator[Row]:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    return (row_of_span(span, cells, WHERE) for span, cells in messages_of(body, Span, "traces", why))


def _fault(row: Row) -> str:
    ids = [str(each) for each in row[_TRACE : _PARENT + 1]]
    if not ids[0].strip("0") or not ids[1].strip("0"):
        return "without a trace or an id"
    if max(map(len, ids)) > LONGEST_ID:
        return f"with an id of more than {LONGEST_ID} characters"
    if not row[_TIME]:
        return "without a start"
    if max(map(len, map(str, row[_FACTS:]))) > LONGEST_TEXT:
        return f"with an attribute of more than {LONGEST_TEXT} characters that names a component"
    return ""
