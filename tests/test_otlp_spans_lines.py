"""Spans and log records of OTLP requests: what is read of them, in protobuf and JSON, and what is turned down."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from counted_store import NOON, Index, Taking
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from mutation import tampered
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from hypocenter.api.counting import Counting
from hypocenter.errors import InputError, LimitError
from hypocenter.ingest import otlp_records
from hypocenter.ingest.budget import MOST_STEPS
from hypocenter.ingest.otlp_logs import decode_logs
from hypocenter.ingest.otlp_status import Encoding
from hypocenter.ingest.otlp_traces import UNNAMED, decode_traces
from hypocenter_graph.stores.memory import MemoryStore

AT_NS = 1_772_366_400_000_000_000
IDS = ("traceId", "spanId", "parentSpanId")
TEXTS = st.text(max_size=8).filter(lambda text: "\x00" not in text)


def traces(*spans: dict[str, Any], resource: dict[str, str] | None = None) -> ExportTraceServiceRequest:
    """Return a request of spans of one resource; attributes are texts."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    for key, value in (resource or {"service.name": "cart"}).items():
        group.resource.attributes.add(key=key).value.string_value = value
    into = group.scope_spans.add().spans
    for told in spans:
        fields = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "start_time_unix_nano": AT_NS} | told
        attributes = fields.pop("attributes", {})
        span = into.add(**fields)
        for key, value in attributes.items():
            span.attributes.add(key=key).value.string_value = value
    return request


def logs(*records: dict[str, Any], service: str = "cart") -> ExportLogsServiceRequest:
    """Return a request of log records of one service; a body is text."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = service
    into = group.scope_logs.add().log_records
    for told in records:
        fields = {"time_unix_nano": AT_NS} | told
        body, attributes = fields.pop("body", None), fields.pop("attributes", {})
        record = into.add(**fields)
        if body is not None:
            record.body.string_value = body
        for key, value in attributes.items():
            record.attributes.add(key=key).value.string_value = value
    return request


def as_json(request: ExportTraceServiceRequest | ExportLogsServiceRequest) -> bytes:
    """Return a request in OTLP's JSON, whose ids are hexadecimal."""
    return json.dumps(_with_ids(MessageToDict(request))).encode()


def _with_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_ids(each) for each in value]
    if isinstance(value, dict):
        return {key: base64.b64decode(each).hex() if key in IDS else _with_ids(each) for key, each in value.items()}
    return value


SPAN = st.fixed_dictionaries(
    {
        "span_id": st.binary(min_size=8, max_size=8),
        "parent_span_id": st.sampled_from([b"", b"p" * 8]),
        "name": TEXTS,
        "kind": st.integers(0, 5),
        "end_time_unix_nano": st.integers(0, 2**63 - 1),
        "attributes": st.dictionaries(st.sampled_from(["db.system", "server.address", "peer.service", "x"]), TEXTS),
    }
)
RECORD = st.fixed_dictionaries(
    {
        "time_unix_nano": st.integers(0, 2**63 - 1),
        "observed_time_unix_nano": st.integers(0, 2**63 - 1),
        "severity_number": st.integers(0, 24),
        "severity_text": TEXTS,
        "body": st.none() | TEXTS,
        "event_name": TEXTS,
        "attributes": st.dictionaries(st.sampled_from(["exception.message", "exception.type", "x"]), TEXTS),
    }
)


@given(st.lists(SPAN, max_size=4), st.dictionaries(st.sampled_from(["service.name", "k8s.pod.name"]), TEXTS))
def test_spans_are_the_same_in_protobuf_and_json(spans: list[dict[str, Any]], resource: dict[str, str]) -> None:
    request = traces(*spans, resource=resource or {"a": "b"})
    assert decode_traces(as_json(request), Encoding.JSON) == decode_traces(
        request.SerializeToString(), Encoding.PROTOBUF
    )


@given(st.lists(RECORD, max_size=4))
def test_log_records_are_the_same_in_protobuf_and_json(records: list[dict[str, Any]]) -> None:
    request = logs(*records)
    assert decode_logs(as_json(request), Encoding.JSON) == decode_logs(request.SerializeToString(), Encoding.PROTOBUF)


def test_structured_bodies_are_the_same_in_protobuf_and_json() -> None:
    request = logs({})
    body = request.resource_logs[0].scope_logs[0].log_records[0].body
    pairs = body.kvlist_value.values
    pairs.add(key="order").value.int_value = 7
    pairs.add(key="items").value.array_value.values.add().double_value = 1.5
    pairs.add(key="paid").value.bool_value = True
    (line,) = decode_logs(request.SerializeToString(), Encoding.PROTOBUF).lines
    assert line.message == '{"items": [1.5], "order": 7, "paid": true}'
    assert decode_logs(as_json(request), Encoding.JSON).lines == [line]


@pytest.mark.parametrize(
    ("record", "severity", "message"),
    [
        ({"body": "down", "severity_number": 17, "severity_text": "Fehler"}, "error", "down"),
        ({"body": "down", "severity_text": "WARNING"}, "WARNING", "down"),
        ({"attributes": {"exception.type": "KeyError", "exception.message": "no such key"}}, "", "no such key"),
        ({"attributes": {"exception.type": "KeyError"}}, "", "KeyError"),
        ({"event_name": "device.boot"}, "", "device.boot"),
        ({}, "", ""),
    ],
)
def test_what_a_log_record_says(record: dict[str, Any], severity: str, message: str) -> None:
    (line,) = decode_logs(logs(record).SerializeToString(), Encoding.PROTOBUF).lines
    assert (line.at_ns, line.service, line.severity, line.message) == (AT_NS, "cart", severity, message)


def test_a_service_without_a_name_is_one_that_is_not_known() -> None:
    found = decode_traces(traces({}, resource={"host.name": "a"}).SerializeToString(), Encoding.PROTOBUF)
    assert [span.sort.service for span in found.spans] == [UNNAMED]
    assert [
        line.service for line in decode_logs(logs({}, service="").SerializeToString(), Encoding.PROTOBUF).lines
    ] == [UNNAMED]


def test_what_cannot_be_counted_is_turned_down_and_the_rest_is_taken() -> None:
    found = decode_traces(
        traces(
            {},
            {"trace_id": b""},
            {"span_id": b"\0" * 8},
            {"start_time_unix_nano": 0},
            {"attributes": {"server.address": "x" * 513}},
            {"name": "x" * (256 << 10)},
        ).SerializeToString(),
        Encoding.PROTOBUF,
    )
    assert (len(found.spans), found.rejected.number) == (1, 5)
    assert found.rejected.message == (
        "1 spans of more than 262,144 bytes; 1 spans with an attribute of more than 512 characters that names a "
        "component; 1 spans without a start; 2 spans without a trace or an id"
    )
    lines = decode_logs(logs({}, {"time_unix_nano": 0}).SerializeToString(), Encoding.PROTOBUF)
    assert (len(lines.lines), lines.rejected.message) == (1, "1 log records without a time")


@pytest.mark.parametrize("decode", [decode_traces, decode_logs])
@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"\x0a\xff", Encoding.PROTOBUF),
        (b"\x0a\x04\x12\x02\x12\x05", Encoding.PROTOBUF),
        (b"{", Encoding.JSON),
        (b"[]", Encoding.JSON),
        (b"[" * 100_000, Encoding.JSON),
        (b'{"resourceSpans": 1, "resourceLogs": 1}', Encoding.JSON),
        (b'{"a": "\xff"}', Encoding.JSON),
    ],
)
def test_bodies_that_are_not_what_they_say_are_bad_input(decode: Any, body: bytes, encoding: Encoding) -> None:
    with pytest.raises(InputError, match=r"body|byte"):
        decode(body, encoding)


@pytest.mark.parametrize("decode", [decode_traces, decode_logs])
def test_too_much_is_refused_before_it_takes_memory(decode: Any) -> None:
    """Two bytes a record: what they would take as messages is a hundred times as much."""
    records = b"\x12\x00" * (otlp_records.MOST_RECORDS + 1)
    scope = b"\x12" + _length(len(records)) + records
    with pytest.raises(LimitError, match="more than 100,000 records"):
        decode(b"\x0a" + _length(len(scope)) + scope, Encoding.PROTOBUF)
    with pytest.raises(LimitError, match="16,777,216 are the most"):
        decode(b" " * ((16 << 20) + 1), Encoding.JSON)


@pytest.mark.parametrize("decode", [decode_traces, decode_logs])
def test_groups_that_hold_nothing_are_refused_before_they_take_memory(decode: Any) -> None:
    scopes = b"\x12\x00" * (MOST_STEPS + 1)
    for body in (scopes, b"\x0a\x00" * (MOST_STEPS + 1), b"\x0a" + _length(len(scopes)) + scopes):
        with pytest.raises(LimitError, match="send smaller batches"):
            decode(body, Encoding.PROTOBUF)


def _length(size: int) -> bytes:
    low = bytearray()
    while size > 0x7F:
        low.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*low, size])


@pytest.mark.parametrize("encoding", list(Encoding))
@given(seed=st.integers(0, 2**32))
def test_tampered_bodies_are_counted_or_refused(encoding: Encoding, seed: int) -> None:
    """Twenty-five bodies of each signal an example: 10^4 in all with the usual hundred examples."""
    random, index = Random(seed), Index()
    with Counting(index, Taking(), MemoryStore(), lambda: NOON, lambda: 0.0) as counting:
        for count, request in ((counting.spans, _A_TRACE), (counting.log_lines, _A_LOG)):
            body = as_json(request) if encoding is Encoding.JSON else request.SerializeToString()
            for _ in range(25):
                with suppress(InputError):
                    count(tampered(body, random), encoding)
    assert all(name and value and len(value) <= 512 for labels in index.known for name, value in labels)


_A_TRACE = traces(
    {"kind": 2, "name": "GET /", "end_time_unix_nano": AT_NS + 10**6, "parent_span_id": b"p" * 8},
    {"span_id": b"c" * 8, "kind": 3, "attributes": {"db.system": "redis", "server.address": "redis-1:6379"}},
    resource={"service.name": "cart", "k8s.pod.name": "cart-0"},
)
_A_LOG = logs(
    {"severity_number": 17, "body": "no such key 17", "attributes": {"exception.message": "no"}},
    {"severity_text": "warn", "event_name": "boot"},
)
