"""OTLP traces to a frame of spans: bytes in, frame out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.readers.limits import Limits, check_file, limits_from_settings
from hypocenter.readers.otlp_columns import frame_of
from hypocenter.readers.otlp_json import rows_of_json
from hypocenter.readers.otlp_protobuf import rows_of_protobuf

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def read_otlp(path: Path, limits: Limits | None = None) -> pd.DataFrame:
    """Return the spans in a file of OTLP traces, as `decode_json` does.

    The file is JSON (documents one after another, on a line each or not) or protobuf: one message, or messages each
    after its length in four bytes, high byte first, as the OpenTelemetry Collector's file exporter writes them.
    Raises InputError when it is neither, LimitError when it is too large.
    """
    limits = limits or limits_from_settings()
    check_file(path, limits)
    try:
        body = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a file that exists") from error
    is_json = body.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1] in (b"{", b"[")
    return (decode_json if is_json else decode_protobuf)(body, str(path), limits)


def decode_json(body: bytes, where: str, limits: Limits | None = None) -> pd.DataFrame:
    """Return the spans of OTLP/JSON documents: one row a span, in their order.

    Columns are those of `telemetry.Case.spans`, ids as lower-case text and "" the parent of a root, `error` 1.0 where
    the status is an error; `kind`, one of `otlp_columns.KINDS`; and a column of text for each of
    `otlp_columns.SPAN_ATTRIBUTES` and `RESOURCE_ATTRIBUTES`, "" where absent. Raises InputError, LimitError.
    """
    return frame_of(rows_of_json(body, where), where, limits or limits_from_settings())


def decode_protobuf(body: bytes, where: str, limits: Limits | None = None) -> pd.DataFrame:
    """Return the spans of a protobuf `ExportTraceServiceRequest` or `TracesData`, or of several after their lengths.

    Columns are those of `decode_json`. Raises InputError, LimitError.
    """
    return frame_of(rows_of_protobuf(body, where), where, limits or limits_from_settings())
