"""Files of the graph: what kind each is taken for, and that files of one kind are read together."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypocenter.errors import HypocenterError, InputError
from hypocenter_graph.discover.file_readers import Asked, discover
from hypocenter_graph.discover.files import KINDS, find_inputs, recognize

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASKED = Asked(NOON, timedelta(hours=6))
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, labels: {app: cart}}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec: {containers: [{name: c, image: cart, env: [{name: DB, value: "orders-db:5432"}]}]}
"""
SERVICES = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pg, labels: {app: pg}}
spec:
  selector: {matchLabels: {app: pg}}
  template: {metadata: {labels: {app: pg}}, spec: {containers: [{name: c, image: "postgres:16"}]}}
---
apiVersion: v1
kind: Service
metadata: {name: orders-db}
spec: {selector: {app: pg}}
"""
BACKSTAGE = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: cart}
spec: {type: service, owner: shop, dependsOn: ["resource:orders-db"]}
"""
SCRAPE = """\
# HELP traces_service_graph_request_total Calls.
# TYPE traces_service_graph_request_total counter
traces_service_graph_request_total{client="web",server="cart"} 12
"""


def span(trace: str, number: str, parent: str, start: int) -> dict[str, object]:
    ids = {"traceId": trace * 32, "spanId": number * 16, "parentSpanId": parent * 16, "name": "get", "kind": 2}
    return {**ids, "startTimeUnixNano": str(start * 10**9), "endTimeUnixNano": str((start + 1) * 10**9)}


def traces(service: str, *spans: dict[str, object]) -> dict[str, object]:
    attributes = [{"key": "service.name", "value": {"stringValue": service}}]
    return {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": spans}]}]}


QUERY = {"status": "success", "data": {"resultType": "vector", "result": []}}
FILES = {
    "calls.csv": ("declared", "caller,callee\nweb,cart\n"),
    "from.csv": ("declared", "From,To,weight\nweb,cart,3\n"),
    "pairs.csv": ("declared", "web,cart\nweb,orders\n"),
    "names.csv": ("declared", "name,type\ncart,service\n"),
    "graph.yaml": ("declared", "dependencies:\n- [web, cart]\n"),
    "pairs.json": ("declared", '[["web", "cart"]]'),
    "records.json": ("declared", '[{"caller": "web", "callee": "cart"}]'),
    "deploy.yaml": ("kubernetes", DEPLOYMENT),
    "list.json": ("kubernetes", '{"apiVersion": "v1", "kind": "List", "items": []}'),
    "catalog.yml": ("backstage", BACKSTAGE),
    "scrape.txt": ("prometheus", SCRAPE),
    "bare.prom": ("prometheus", 'up{job="a:b"} 1\n'),
    "query.json": ("prometheus", json.dumps(QUERY)),
    "jaeger.json": ("jaeger", '[{"parent": "web", "child": "cart", "callCount": 3}]'),
    "jaeger-ui.json": ("jaeger", '{"data": [{"parent": "web", "child": "cart", "callCount": 3}], "total": 0}'),
    "jaeger-v3.json": ("jaeger", '{"dependencies": [{"parent": "web", "child": "cart", "call_count": "3"}]}'),
    "jaeger-none.json": ("jaeger", '{"data": [], "total": 0}'),
    "traces.json": ("otlp", json.dumps(traces("web", span("a", "1", "", 1)), indent=2)),
    "traces.jsonl": ("otlp", json.dumps(traces("web", span("a", "1", "", 1))) + "\n"),
    "traces.pb": ("otlp", b"\x0a\x80\x01\x0a\x10"),
    "spans.csv": ("spans", "time,trace,span,parent,service,operation,duration_us\n"),
    "wide.csv": ("case", "time,web|latency,cart|latency\n2026-03-01T00:00:00Z,1,2\n"),
    "one.csv": ("case", "timestamp,web|latency\n2026-03-01T00:00:00Z,1\n"),
    "incidents.jsonl.gz": ("case", gzip.compress(b'{"case_id": "a"}\n')),
    "incidents.jsonl": ("case", '{"case_id": "a"}\n'),
}


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def pairs(found: list) -> list[tuple[str, str, str]]:
    return sorted((d.caller, d.callee, d.source) for one in found for d in one.dependencies)


@pytest.mark.parametrize("name", FILES)
def test_the_kind_of_a_file_is_found_out(tmp_path: Path, name: str) -> None:
    kind, content = FILES[name]
    assert recognize(write(tmp_path / name, content)).kind == kind


def test_every_kind_is_among_those_tried() -> None:
    assert {kind for kind, _ in FILES.values()} == set(KINDS)


@pytest.mark.parametrize("content", ["", "just words", "a: 1\n", "42", "{}", '{"a": [1]}'])
def test_what_is_nothing_of_a_graph_says_so(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "x.yaml", content)
    with pytest.raises(InputError, match=r"x\.yaml.*--from"):
        find_inputs([path])
    assert find_inputs([path], "declared")[0][0].kind == "declared"


def test_a_folder_stands_for_its_files_and_tells_what_it_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "k8s"
    (folder / "base").mkdir(parents=True)
    write(folder / "base" / "cart.yaml", DEPLOYMENT)
    write(folder / "services.yaml", SERVICES)
    write(folder / "values.yaml", "replicas: 3\n")
    write(folder / "README.md", "no graph")
    inputs, notes = find_inputs([folder])
    assert [each.path.name for each in inputs] == ["cart.yaml", "services.yaml"]
    assert len(notes) == 1
    assert "values.yaml" in notes[0]
    # The Service is in one file, who names it in the other.
    assert ("cart", "pg", "kubernetes") in pairs(list(discover(inputs, ASKED)))


def test_a_file_that_is_wrong_among_several_is_named(tmp_path: Path) -> None:
    good = write(tmp_path / "good.yaml", DEPLOYMENT)
    bad = write(tmp_path / "bad.yaml", DEPLOYMENT.replace("{name: cart,", "{name: 7,"))
    with pytest.raises(InputError, match=r"bad\.yaml: document 1"):
        list(discover(find_inputs([good, bad])[0], ASKED))


def test_a_trace_may_begin_in_one_file_and_end_in_another(tmp_path: Path) -> None:
    first = write(tmp_path / "1.json", json.dumps(traces("web", span("a", "1", "", 100))))
    second = write(tmp_path / "2.json", json.dumps(traces("cart", span("a", "2", "1", 100))))
    assert pairs(list(discover(find_inputs([first])[0], ASKED))) == []
    assert pairs(list(discover(find_inputs([first, second])[0], ASKED))) == [("web", "cart", "spans")]


def test_a_table_of_spans_shows_calls(tmp_path: Path) -> None:
    rows = [("a", "1", "", "web"), ("a", "2", "1", "cart")]
    frame = pd.DataFrame(rows, columns=["trace", "span", "parent", "service"])
    frame.assign(time="2026-03-01T00:00:00Z", operation="get", duration_us=5).to_csv(tmp_path / "spans.csv")
    assert pairs(list(discover(find_inputs([tmp_path / "spans.csv"])[0], ASKED))) == [("web", "cart", "spans")]


@pytest.mark.parametrize(("name", "source"), [("scrape.txt", "service_graph"), ("jaeger-v3.json", "jaeger")])
def test_saved_answers_show_calls(tmp_path: Path, name: str, source: str) -> None:
    path = write(tmp_path / name, FILES[name][1])
    assert pairs(list(discover(find_inputs([path])[0], ASKED))) == [("web", "cart", source)]


def test_metrics_without_edges_are_said_to_have_none(tmp_path: Path) -> None:
    (found,) = discover(find_inputs([write(tmp_path / "up.prom", "up 1\n")])[0], ASKED)
    assert "no traces_service_graph_request or istio metrics" in found.notes[0]


def test_a_case_tells_what_it_states_from_its_first_sample_on(tmp_path: Path) -> None:
    case = tmp_path / "case"
    case.mkdir()
    write(
        case / "case.json",
        json.dumps({"components": [{"name": "db", "type": "database"}], "dependencies": [["web", "db"]]}),
    )
    write(case / "metrics.csv", FILES["wide.csv"][1])
    found = list(discover(find_inputs([case])[0], ASKED))
    assert pairs(found) == [("web", "db", "declared")]
    (edge,) = (claim for one in found for claim in one.dependencies)
    assert edge.seen[0].first == datetime(2026, 3, 1, tzinfo=UTC)
    assert edge.seen[0].last is None


def test_an_incident_of_alerts_alone_states_its_graph_from_its_first_alert_on(tmp_path: Path) -> None:
    events = [{"ts": f"2026-03-01T10:0{n}:00Z", "entity": "web", "name": "slow"} for n in (1, 0)]
    incident = {"case_id": "a", "events": events, "edges": [["web", "cart"]]}
    path = write(tmp_path / "incidents.jsonl", json.dumps(incident))
    (edge,) = (claim for one in discover(find_inputs([path])[0], ASKED) for claim in one.dependencies)
    assert (edge.caller, edge.callee, edge.seen[0].first) == ("web", "cart", datetime(2026, 3, 1, 10, tzinfo=UTC))


def test_edges_are_suggested_only_where_none_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "wide.csv", FILES["wide.csv"][1])
    learning = Asked(NOON, timedelta(hours=6), learn=True)
    told, untold = (
        [note for one in discover(find_inputs([path])[0], asked) for note in one.notes] for asked in (learning, ASKED)
    )
    assert any(note.startswith("no edge is suggested: ") for note in told)
    assert not any(note.startswith("no edge is suggested: ") for note in untold)


def complaint_about(path: Path, kind: str | None = None) -> str:
    """What is said when a file is read that may hold anything; "" when it holds a graph."""
    try:
        list(discover(find_inputs([path], kind)[0], ASKED))
    except HypocenterError as error:
        return str(error)
    return ""


@given(st.sampled_from(sorted({name.split(".")[-1] for name in FILES})), st.binary(max_size=60))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_else_than_our_errors_comes_of_any_file(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = write(tmp_path / f"any.{suffix}", content)
    said = complaint_about(path)
    assert not said or str(path) in said


@given(st.sampled_from(sorted(FILES)), st.sampled_from(sorted(KINDS)))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_kind_that_is_not_true_is_our_error_at_worst(tmp_path: Path, name: str, kind: str) -> None:
    path = write(tmp_path / name, FILES[name][1])
    said = complaint_about(path, kind)
    assert not said or name.split(".")[0] in said
