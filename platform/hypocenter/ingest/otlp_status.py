"""What an OTLP/HTTP request is answered: a response or a `google.rpc.Status`, in the encoding of the request.

Sources: OTLP specification 1.x, "OTLP/HTTP Response"; google/rpc/status.proto and code.proto. On the wire the responses
of all three signals are the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_INVALID_ARGUMENT, _UNKNOWN, _INTERNAL = 3, 2, 13
_CODES: Mapping[int, int] = {
    400: _INVALID_ARGUMENT, 401: 16, 403: 7, 404: 5, 408: 4, 413: 8, 415: _INVALID_ARGUMENT, 429: 8, 500: _INTERNAL,
    502: 14, 503: 14, 504: 4,
}  # fmt: skip
_LONGEST_MESSAGE = 2000


class Encoding(StrEnum):
    """How a request is written and wants its answer, as its Content-Type says."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class Signal(StrEnum):
    """What a request carries, under the name that a response gives to what it turned down."""

    METRICS = "rejectedDataPoints"
    TRACES = "rejectedSpans"
    LOGS = "rejectedLogRecords"


@dataclass(frozen=True, slots=True)
class Rejected:
    """How many points, spans or log records of a request were turned down, and why; of none a warning may be told."""

    number: int = 0
    message: str = ""


def encoding_of(content_type: str) -> Encoding | None:
    """Return the encoding that a Content-Type names, None for another.

    >>> encoding_of("application/json; charset=utf-8"), encoding_of("text/plain")
    (<Encoding.JSON: 'application/json'>, None)
    """
    name = content_type.partition(";")[0].strip().lower()
    return next((encoding for encoding in Encoding if encoding == name), None)


def response_of(signal: Signal, encoding: Encoding, rejected: Rejected) -> bytes:
    """Return an `Export...ServiceResponse`, with `partialSuccess` where something was turned down or is to be said.

    >>> response_of(Signal.TRACES, Encoding.JSON, Rejected(2, "no time"))
    b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"no time"}}'
    >>> response_of(Signal.TRACES, Encoding.PROTOBUF, Rejected())
    b''
    """
    message = rejected.message[:_LONGEST_MESSAGE]
    if encoding is Encoding.PROTOBUF:
        inner = _number(1, rejected.number) + _text(2, message)
        return _length(1, inner) if inner else b""
    told = {signal.value: str(rejected.number), "errorMessage": message}
    return _json({"partialSuccess": told} if rejected.number or message else {})


def status_of(http_status: int, encoding: Encoding, message: str) -> bytes:
    """Return the `google.rpc.Status` that goes with a status of HTTP.

    >>> status_of(503, Encoding.JSON, "busy"), status_of(400, Encoding.PROTOBUF, "no")
    (b'{"code":14,"message":"busy"}', b'\\x08\\x03\\x12\\x02no')
    """
    code, message = _CODES.get(http_status, _UNKNOWN), message[:_LONGEST_MESSAGE]
    if encoding is Encoding.PROTOBUF:
        return _number(1, code) + _text(2, message)
    return _json({"code": code, "message": message})


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _number(field: int, value: int) -> bytes:
    return bytes([field << 3]) + _varint(value) if value else b""


def _text(field: int, text: str) -> bytes:
    return _length(field, text.encode("utf-8", "replace")) if text else b""


def _length(field: int, inner: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(inner)) + inner


def _varint(value: int) -> bytes:
    low = bytearray()
    while value > 0x7F:
        low.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*low, value])
