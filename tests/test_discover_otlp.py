"""OTLP traces, in JSON and in protobuf, to one and the same frame of spans; and to claims."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from refusals import refusal

from hypocenter.errors import InputError, LimitError
from hypocenter.model import ComponentType, DependencyType
from hypocenter.readers.limits import Limits
from hypocenter.readers.otlp import decode_json, decode_protobuf, read_otlp
from hypocenter_graph.discover.spans import discover_spans

if TYPE_CHECKING:
    from pathlib import Path

START = 1_772_366_400_000_000_000
TRACE = "5b8efff798038103d269b633813fc60c"
KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}


def attributes(**texts: str) -> list[dict[str, Any]]:
    return [{"key": name.replace("_", "."), "value": {"stringValue": text}} for name, text in texts.items()]


def span(number: int, parent: int, kind: str, second: float = 0.0, **texts: str) -> dict[str, Any]:
    start = START + int(second * 1e9)
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": "work",
        "kind": KINDS[kind],
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 2_000_000),
        "attributes": attributes(**texts),
    }


def document(**spans_of: list[dict[str, Any]]) -> dict[str, Any]:
    """`TracesData` with one resource per service."""
    return {"resourceSpans": [resource(service, spans) for service, spans in spans_of.items()]}


def resource(service: str, spans: list[dict[str, Any]], **texts: str) -> dict[str, Any]:
    names = attributes(service_name=service, **texts)
    return {"resource": {"attributes": names}, "scopeSpans": [{"spans": spans}]}


def as_json(*documents: Any) -> bytes:
    return "\n".join(map(json.dumps, documents)).encode()


def as_protobuf(document: dict[str, Any]) -> bytes:
    """Write a document by the published messages."""
    request = ExportTraceServiceRequest()
    for resource_spans in document["resourceSpans"]:
        written = request.resource_spans.add()
        _write_attributes(written.resource, resource_spans["resource"])
        scope = written.scope_spans.add()
        for one in resource_spans["scopeSpans"][0]["spans"]:
            row = scope.spans.add(
                trace_id=bytes.fromhex(one["traceId"]),
                span_id=bytes.fromhex(one["spanId"]),
                parent_span_id=bytes.fromhex(one["parentSpanId"]),
                name=one["name"],
                kind=one["kind"],
                start_time_unix_nano=int(one["startTimeUnixNano"]),
                end_time_unix_nano=int(one["endTimeUnixNano"]),
            )
            row.status.code = one.get("status", {}).get("code", 0)
            _write_attributes(row, one)
    return request.SerializeToString()


def _write_attributes(message: Any, record: dict[str, Any]) -> None:
    for pair in record["attributes"]:
        message.attributes.add(key=pair["key"]).value.string_value = pair["value"]["stringValue"]


SHOP = document(
    web=[span(1, 0, "server"), span(2, 1, "client", server_address="cart.shop.svc")],
    cart=[span(3, 2, "server", 0.001) | {"status": {"code": 2}}, span(4, 3, "client", db_system_name="redis")],
)


def test_json_fills_the_columns_of_spans() -> None:
    frame = decode_json(as_json(SHOP), "shop")
    assert frame["service"].tolist() == ["web", "web", "cart", "cart"]
    assert frame["parent"].tolist() == ["", "0000000000000001", "0000000000000002", "0000000000000003"]
    assert frame["kind"].tolist() == ["server", "client", "server", "client"]
    assert frame["error"].tolist() == [0, 0, 1, 0]
    assert frame["duration_us"].tolist() == [2000] * 4
    assert frame["time"][2] == pd.Timestamp(START + 1_000_000, tz="UTC")
    assert (frame["address"][1], frame["db_system"][3]) == ("cart.shop.svc", "redis")


def test_protobuf_fills_the_same_frame() -> None:
    pd.testing.assert_frame_equal(decode_protobuf(as_protobuf(SHOP), "shop"), decode_json(as_json(SHOP), "shop"))


def test_files_hold_documents_or_messages_with_their_lengths(tmp_path: Path) -> None:
    parts = [{"resourceSpans": [each]} for each in SHOP["resourceSpans"]]
    messages = [as_protobuf(part) for part in parts]
    files = {
        "lines.jsonl": as_json(*parts),
        "one.json": json.dumps(SHOP, indent=2).encode(),
        "list.json": b"\xef\xbb\xbf" + json.dumps(parts).encode(),
        "one.binpb": as_protobuf(SHOP),
        "framed.proto": b"".join(len(message).to_bytes(4, "big") + message for message in messages),
    }
    whole = decode_json(as_json(SHOP), "shop")
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
        pd.testing.assert_frame_equal(read_otlp(tmp_path / name), whole)


def test_snake_case_numbers_names_and_unknown_fields_are_read_alike() -> None:
    one = SHOP["resourceSpans"][0]["scopeSpans"][0]["spans"][1]
    snake = {
        "trace_id": TRACE.upper(),
        "span_id": one["spanId"],
        "parent_span_id": one["parentSpanId"],
        "name": "work",
        "kind": "SPAN_KIND_CLIENT",
        "start_time_unix_nano": int(one["startTimeUnixNano"]),
        "end_time_unix_nano": int(one["endTimeUnixNano"]),
        "attributes": [{"key": "server.address", "value": {"string_value": "cart.shop.svc"}}, {"key": "x"}],
        "someday": [1, {"new": None}],
    }
    resource_ = SHOP["resourceSpans"][0]["resource"]
    document_ = {"resource_spans": [{"resource": resource_, "scope_spans": [{"spans": [snake]}], "schema_url": ""}]}
    expected = decode_json(as_json(SHOP), "shop").iloc[[1]].reset_index(drop=True)
    pd.testing.assert_frame_equal(decode_json(as_json(document_), "shop"), expected)


@pytest.mark.parametrize(
    ("present", "former", "column"),
    [
        ("server.address", "net.peer.name", "address"),
        ("db.system.name", "db.system", "db_system"),
        ("db.namespace", "db.name", "db_name"),
        ("messaging.destination.name", "messaging.destination", "destination"),
        ("messaging.operation.type", "messaging.operation", "messaging_operation"),
        ("service.peer.name", "peer.service", "peer"),
    ],
)
def test_the_present_name_of_an_attribute_goes_before_its_former_one(present: str, former: str, column: str) -> None:
    old = {"key": former, "value": {"stringValue": "old"}}
    both = span(1, 0, "client") | {"attributes": [old, {"key": present, "value": {"stringValue": "new"}}]}
    only_old = span(2, 0, "client") | {"attributes": [old]}
    assert decode_json(as_json(document(a=[both, only_old])), "x")[column].tolist() == ["new", "old"]


def test_nothing_is_a_frame_without_rows() -> None:
    for frame in (decode_json(b"", "x"), decode_json(b"{}", "x"), decode_protobuf(b"", "x")):
        assert frame.empty
        assert discover_spans(frame, "x").dependencies == ()


def test_attributes_that_are_no_text_are_written_as_text_or_left_out() -> None:
    values = [{"intValue": "7"}, {"boolValue": True}, {"arrayValue": {"values": []}}, {"stringValue": "\ud800x"}]
    rows = [span(n, 0, "client") | {"attributes": [{"key": "peer.service", "value": v}]} for n, v in enumerate(values)]
    assert decode_json(as_json(document(a=rows)), "x")["peer"].tolist() == ["7", "true", "", "\ufffdx"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"resourceSpans": [', "line 1: no whole JSON begins here"),
        (b'{"resourceSpans": {}}', "resourceSpans: must be a JSON list"),
        (b"[[]]", "must be a JSON object"),
        (b"[" * 100_000, "line 1"),
        (b'{"resourceSpans": "\xff"}', "byte 19 is not UTF-8"),
        (as_json(document(a=[span(1, 0, "server") | {"traceId": 7}])), r"spans\[0\].traceId: must be text"),
        (as_json(document(a=[span(1, 0, "server") | {"startTimeUnixNano": "-1"}])), "nanoseconds since 1970"),
        (as_json(document(a=[span(1, 0, "server") | {"endTimeUnixNano": "9" * 19}])), "nanoseconds since 1970"),
        (as_json(document(a=[span(1, 0, "server") | {"kind": "client"}])), r"spans\[0\].kind: 'client'"),
        (as_json({}, document(a=[span(1, 0, "server") | {"kind": True}])), "document 2"),
    ],
)
def test_json_that_is_not_otlp_says_where(body: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        decode_json(body, "traces.json")
    assert str(caught.value).startswith("traces.json: ")


def test_protobuf_that_is_not_otlp_says_where(tmp_path: Path) -> None:
    path = tmp_path / "traces.bin"
    for body, said in ((b"\x0a\xff\x01", "not OTLP traces"), (b"\x28\xb5\x2f\xfd??", "decompress"), (b"?", "byte 0")):
        path.write_bytes(body)
        with pytest.raises(InputError, match=said):
            read_otlp(path)
    late = document(a=[span(1, 0, "server") | {"endTimeUnixNano": str(2**63)}])
    with pytest.raises(InputError, match="2262"):
        decode_protobuf(as_protobuf(late), "x")


def test_limits_hold_for_bytes_and_for_spans(tmp_path: Path) -> None:
    (tmp_path / "shop.json").write_bytes(as_json(SHOP))
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_FILE_BYTES"):
        read_otlp(tmp_path / "shop.json", Limits(file_bytes=100))
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_CELLS"):
        decode_json(as_json(SHOP), "shop", Limits(cells=50))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=8,
)
PLACES = (
    ("resourceSpans",), ("resourceSpans", 0), ("resourceSpans", 0, "resource"),
    ("resourceSpans", 0, "resource", "attributes", 0, "value"), ("resourceSpans", 0, "scopeSpans", 0),
    *(("resourceSpans", 0, "scopeSpans", 0, "spans", 1, field) for field in span(1, 0, "client")),
)  # fmt: skip


@settings(max_examples=150)
@given(place=st.sampled_from(PLACES), value=JSON)
def test_any_json_value_anywhere_is_read_or_refused(place: tuple[Any, ...], value: Any) -> None:
    broken = json.loads(json.dumps(SHOP))
    inner = broken
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    said = refusal(lambda: discover_spans(decode_json(as_json(broken), "x"), "x"))
    assert said is None or said.startswith("x: ")


@settings(max_examples=150)
@given(at=st.integers(0, 10_000), noise=st.binary(max_size=6), cut=st.booleans())
def test_any_damage_to_protobuf_is_read_or_refused(at: int, noise: bytes, cut: bool) -> None:
    body = as_protobuf(SHOP)
    at %= len(body)
    damaged = body[:at] + noise + (b"" if cut else body[at + len(noise) :])
    said = refusal(lambda: discover_spans(decode_protobuf(damaged, "x"), "x"))
    assert said is None or said.startswith("x: ")


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"k8s_namespace_name": "shop", "service_namespace": "x"}, "shop/cart"),
        ({"service_namespace": "x"}, "x/cart"),
        ({"k8s_namespace_name": "default"}, "cart"),
    ],
)
def test_resources_tell_the_namespace(told: dict[str, str], name: str) -> None:
    frame = decode_json(as_json({"resourceSpans": [resource("cart", [span(1, 0, "server")], **told)]}), "x")
    assert [claim.name for claim in discover_spans(frame, "x").components] == [name]


def test_otlp_tells_of_queues_databases_outsiders_pods_and_hosts() -> None:
    shop = {
        "resourceSpans": [
            resource(
                "web",
                [
                    span(1, 0, "server"),
                    span(2, 1, "client", 1, server_address="cart.shop.svc"),
                    span(3, 1, "producer", 2, messaging_system="kafka", messaging_destination_name="orders"),
                    span(4, 1, "client", 3, server_address="api.pay.example.com"),
                ],
                k8s_pod_name="web-0",
                k8s_node_name="node-1",
            ),
            resource("cart", [span(5, 2, "server", 1), span(6, 5, "client", 1, db_system="redis", net_peer_name="kv")]),
            resource(
                "mail", [span(7, 3, "consumer", 4, messaging_system="kafka", messaging_destination_name="orders")]
            ),
        ]
    }
    found = discover_spans(decode_json(as_json(shop), "shop"), "shop")
    assert {(claim.caller, claim.type.value, claim.callee) for claim in found.dependencies} == {
        ("web", "CALLS", "cart"),
        ("web", "PUBLISHES", "kafka:orders"),
        ("mail", "CONSUMES", "kafka:orders"),
        ("web", "CALLS", "api.pay.example.com"),
        ("cart", "CALLS", "kv"),
        ("web-0", "INSTANCE_OF", "web"),
        ("web-0", "RUNS_ON", "node-1"),
    }
    types = {claim.name: claim.type for claim in found.components}
    assert types["kafka:orders"] is ComponentType.QUEUE
    assert types["kv"] is ComponentType.CACHE
    assert types["api.pay.example.com"] is ComponentType.EXTERNAL
    assert (types["web-0"], types["node-1"]) == (ComponentType.POD, ComponentType.HOST)
    assert types["web"] is None
    assert {claim.name: claim.aliases for claim in found.components}["cart"] == ("cart.shop.svc",)
    assert next(c.confidence for c in found.dependencies if c.type is DependencyType.PUBLISHES) < 0.95
