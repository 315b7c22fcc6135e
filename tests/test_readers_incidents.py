"""Incident histories: alerts over a graph of components, and nothing of the answer."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from hypocenter.errors import InputError, LimitError
from hypocenter.model import Alert, Component, ComponentType, Dependency, DependencyType
from hypocenter.readers import read_cases
from hypocenter.telemetry import Case

if TYPE_CHECKING:
    from pathlib import Path

EVENT = {"ts": "2026-01-31T12:00:00+00:00", "kind": "trace", "entity": "web-0", "name": "GET /", "state": "500"}
INCIDENT: dict[str, Any] = {
    "case_id": "i1",
    "dataset": "shop-set",
    "system": "shop",
    "inject_time": "2026-01-31T11:59:00+00:00",
    "end_time": "2026-01-31T12:34:56+00:00",
    "root_entity": "the-root-entity",
    "root_service": "the-root-service",
    "root_level": "the-root-level",
    "fault_type": "the-fault-type",
    "split": "the-split",
    "nodes": ["web", "web-0", "db"],
    "edges": [["web", "db"], ["db", "web"], ["db", "db"]],
    "hosted_on": [["web-0", "node-1"]],
    "instance_of": [["web-0", "web"]],
    "events": [
        EVENT | {"peer": "db-0", "host": "node-1"},
        {"kind": "metric", "entity": "db", "ts": None, "state": "up"},
    ],
}


def write(path: Path, *incidents: object) -> Path:
    text = "".join(json.dumps(each) + "\n" for each in incidents)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["i.jsonl", "i.jsonl.gz"])
def test_an_incident_is_a_case(tmp_path: Path, name: str) -> None:
    (case,) = read_cases(write(tmp_path / name, INCIDENT))
    assert case == Case(
        case_id="i1",
        dataset="shop-set",
        system="shop",
        started_at=datetime(2026, 1, 31, 11, 59, tzinfo=UTC),
        alerts=(
            Alert("web-0", "GET /", datetime(2026, 1, 31, 12, tzinfo=UTC), "trace", "500", "db-0", "node-1"),
            Alert("db", "", None, "metric", "up"),
        ),
        components=(
            Component("web"),
            Component("web-0", ComponentType.POD),
            Component("db"),
            Component("node-1", ComponentType.HOST),
        ),
        dependencies=(
            Dependency("web", "db"),
            Dependency("db", "web"),
            Dependency("db", "db"),
            Dependency("web-0", "node-1", DependencyType.RUNS_ON),
            Dependency("web-0", "web", DependencyType.INSTANCE_OF),
        ),
    )


def test_nothing_of_the_answer_is_in_the_case(tmp_path: Path) -> None:
    (case,) = read_cases(write(tmp_path / "i.jsonl", INCIDENT))
    said = repr(case)
    for field in ("root_entity", "root_service", "root_level", "fault_type", "split"):
        assert INCIDENT[field] not in said
    assert "34, 56" not in said


def test_incidents_come_in_order_and_blank_lines_are_none(tmp_path: Path) -> None:
    path = tmp_path / "i.jsonl"
    lines = [json.dumps(INCIDENT | {"case_id": str(number)}) for number in range(3)]
    path.write_text("\n" + "\n\n".join(lines))
    assert [case.case_id for case in read_cases(path)] == ["0", "1", "2"]


def test_alerts_of_nobody_and_no_alerts_are_noted(tmp_path: Path) -> None:
    path = write(
        tmp_path / "i.jsonl", INCIDENT | {"events": [EVENT, EVENT | {"entity": ""}]}, INCIDENT | {"events": []}
    )
    nameless, quiet = read_cases(path)
    assert nameless.notes == ("1 alerts name no entity and were left out",)
    assert quiet.notes == ("no alert fired",)


def test_an_incident_without_a_graph_has_no_dependencies(tmp_path: Path) -> None:
    (case,) = read_cases(write(tmp_path / "i.jsonl", {"case_id": 7, "events": [EVENT]}))
    assert (case.case_id, case.dependencies, case.components) == ("7", None, ())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ([], ":1: must be a JSON object, not list"),
        ({"events": []}, ":1: field 'case_id' must be text"),
        ({"case_id": "x"}, ":1: no field 'events'"),
        ({"case_id": "x", "events": [1]}, ":1: events[0]: must be a JSON object"),
        ({"case_id": "x", "events": {}}, ":1: events: must be a JSON list"),
        (INCIDENT | {"events": [EVENT | {"ts": "noon"}]}, "events[0]: field 'ts': 'noon' is no time"),
        (INCIDENT | {"events": [EVENT | {"entity": ["a"]}]}, "events[0]: field 'entity' must be text"),
        (INCIDENT | {"edges": [["a", None]]}, "edges[0]: must be [caller, callee]"),
        (INCIDENT | {"nodes": [1]}, "nodes must be a list of names"),
    ],
)
def test_a_line_of_another_shape_is_named(tmp_path: Path, line: object, words: str) -> None:
    with pytest.raises(InputError) as caught:
        list(read_cases(write(tmp_path / "i.jsonl", line)))
    assert words in str(caught.value)
    assert "i.jsonl" in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\n", b"[" * 100_000, b'{"case_id": "x", "events": []}\n{'])
def test_a_line_that_is_no_json_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "i.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=r"i.jsonl:\d: not a JSON object in UTF-8"):
        list(read_cases(tmp_path / "i.jsonl"))


def test_an_empty_or_cut_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "i.jsonl").write_text("\n")
    with pytest.raises(InputError, match="no incident in it"):
        list(read_cases(tmp_path / "i.jsonl"))
    path = write(tmp_path / "i.jsonl.gz", INCIDENT)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="cannot be read to its end"):
        list(read_cases(path))


def test_a_file_that_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "i.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 1_000_000))
    monkeypatch.setenv("HYPOCENTER_MAX_FILE_BYTES", "100000")
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_FILE_BYTES"):
        list(read_cases(path))
