"""Spans and log records of an OTLP request, each by itself: what one of them may take of memory is bounded.

Source: opentelemetry-proto, `trace/v1/trace.proto` and `logs/v1/logs.proto`, whose requests are numbered alike.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from hypocenter.errors import InputError, LimitError
from hypocenter.ingest.budget import Budget
from hypocenter.ingest.protobuf_fields import LENGTH, fields
from hypocenter.readers.otlp_columns import RESOURCE_ATTRIBUTES
from hypocenter.readers.otlp_protobuf import resource_cells
from hypocenter.readers.statements import as_record

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from hypocenter.ingest.protobuf_fields import Field
    from hypocenter.readers.statements import Record

Each = TypeVar("Each")
Parsed = TypeVar("Parsed", bound="Message")
WHERE = "the body"
MOST_RECORDS = 100_000
MOST_JSON_BYTES = 16 << 20
LONGEST_RECORD = 256 << 10
_OUTER, _RESOURCE, _INNER = (1 << 3 | LENGTH), (1 << 3 | LENGTH), (2 << 3 | LENGTH)


def records_of(body: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield (resource, record) of each span or log record as bytes; a record longer than `LONGEST_RECORD` is None.

    The resource of one group of records is one and the same object. Raises InputError for a body that is no protobuf,
    LimitError for one of more than `MOST_RECORDS` records, or with more fields around them than a `Budget`.
    """
    seen, budget = 0, Budget()
    for tag, begin, end in _fields(body, 0, len(body), budget):
        if tag == _OUTER:
            resource, scopes = _group(body, begin, end, budget)
            for at, stop in (extent for scope in scopes for extent in _inner(body, *scope, budget)):
                seen += 1
                _check_number(seen)
                yield resource, body[at:stop] if stop - at <= LONGEST_RECORD else None


def messages_of(
    body: bytes, message: type[Parsed], what: str, why: Counter[str]
) -> Iterator[tuple[Parsed, tuple[str, ...]]]:
    """Yield each span or log record as a `message`, with the cells of its resource; those too long are told in `why`.

    Raises as `records_of` does, and InputError that says `what` the body is not.
    """
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

    known, cells = None, ("",) * len(RESOURCE_ATTRIBUTES)
    try:
        for resource, record in records_of(body):
            if resource is not known:
                known, cells = resource, resource_cells(Resource.FromString(resource))
            if record is None:
                why[f"of more than {LONGEST_RECORD:,} bytes"] += 1
            else:
                yield message.FromString(record), cells
    except DecodeError as error:
        raise InputError(f"{WHERE}: not OTLP {what} in protobuf ({error})") from error


def _fields(body: bytes, begin: int, end: int, budget: Budget) -> Iterator[Field]:
    for field in fields(body, begin, end):
        budget.spend()
        yield field


def _group(body: bytes, begin: int, end: int, budget: Budget) -> tuple[bytes, list[tuple[int, int]]]:
    """Return a group's resource, whose parts protobuf joins, and where its scopes are."""
    parts, scopes, size = [], [], 0
    for tag, at, stop in _fields(body, begin, end, budget):
        if tag == _RESOURCE:
            size += stop - at
            parts.append(body[at:stop])
        elif tag == _INNER:
            scopes.append((at, stop))
    if size > LONGEST_RECORD:
        raise LimitError(f"{WHERE}: a resource of {size:,} bytes; {LONGEST_RECORD:,} are the most")
    return b"".join(parts), scopes


def _inner(body: bytes, begin: int, end: int, budget: Budget) -> Iterator[tuple[int, int]]:
    for tag, at, stop in _fields(body, begin, end, budget):
        if tag == _INNER:
            yield at, stop


def _check_number(seen: int) -> None:
    if seen > MOST_RECORDS:
        raise LimitError(f"{WHERE}: more than {MOST_RECORDS:,} records in one request; send smaller batches")


def json_of(body: bytes) -> Record:
    """Return the one object that a body of JSON is. Raises InputError, LimitError."""
    if len(body) > MOST_JSON_BYTES:
        raise LimitError(f"{WHERE}: {len(body):,} bytes of JSON; {MOST_JSON_BYTES:,} are the most, or send protobuf")
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{WHERE}: not JSON ({str(error)[:100]})") from error
    return as_record(value, WHERE)


def counted(records: Iterator[Each]) -> Iterator[Each]:
    """Pass records on until there are more than `MOST_RECORDS`. Raises LimitError."""
    for seen, record in enumerate(records, start=1):
        _check_number(seen)
        yield record
