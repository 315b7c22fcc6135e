"""Exports of incident tools, in the shapes that they come in, to past incidents."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from hypocenter.errors import InputError
from hypocenter.history.findings import Findings
from hypocenter.history.importing import read_history
from hypocenter.history.mapping import read_mapping
from hypocenter.history.past_incident import PastIncident
from hypocenter.history.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., tuple[int, str, str]]

FIXTURES = Path(__file__).parents[1] / "fixtures" / "history"
BEGAN = datetime(2026, 1, 12, 9, 41, tzinfo=UTC)
ENDED = datetime(2026, 1, 12, 10, 20, 30, tzinfo=UTC)


def read(name: str, source: str, findings: Findings | None = None, **how: Any) -> list[PastIncident]:
    path = FIXTURES / name
    return list(read_history(path, Reading(source, **how), findings or Findings()))


def mapped(name: str, source: str, **how: Any) -> list[PastIncident]:
    return read(name, source, mapping=read_mapping(FIXTURES / "mapping.yaml"), **how)


def test_pagerduty_incidents() -> None:
    first, second = mapped("pagerduty_incidents.json", "pagerduty")
    assert first == PastIncident(
        incident_id="101",
        source="pagerduty",
        key="101",
        title="Checkout answers slowly",
        started_at=BEGAN,
        resolved_at=ENDED,
        symptom_component="checkout",
        root_components=("ledger-db",),
        fault_type="disk",
        severity="P1",
        notes="Grew the volume of ledger-db",
        labels=("urgency:high", "team:Payments"),
        url="https://shop.example/incidents/Q0PAY1LEDGER01",
    )
    assert second.started_at == datetime(2026, 1, 19, 21, 5, 10, tzinfo=UTC)
    assert second.resolved_at == datetime(2026, 1, 19, 23, 0, tzinfo=UTC)
    assert (second.severity, second.root_components) == ("low", ())


def test_pagerduty_analytics_are_the_same_incidents() -> None:
    table = mapped("pagerduty_analytics.csv", "pagerduty")
    api = mapped("pagerduty_incidents.json", "pagerduty")
    assert table[0].resolved_at == api[0].resolved_at
    for name in ("key", "incident_id", "title", "started_at", "symptom_component", "severity"):
        assert [getattr(each, name) for each in table] == [getattr(each, name) for each in api]


def test_servicenow_references_are_objects_or_texts() -> None:
    findings = Findings()
    bare, shown = mapped("servicenow.json", "servicenow", findings=findings)
    assert bare.root_components == ("b0c4030ac0a800090152e7a4564ca36c",)
    assert [(each.place, each.count) for each in findings.problems] == [("component", 1)]
    assert (bare.started_at, bare.resolved_at, bare.change) == (BEGAN, ENDED, "")
    assert shown == PastIncident(
        incident_id="INC0010024",
        source="servicenow",
        key="INC0010024",
        title="Search fails",
        started_at=datetime(2026, 1, 19, 21, 5, 10, tzinfo=UTC),
        resolved_at=datetime(2026, 1, 19, 22, 30, tzinfo=UTC),
        symptom_component="search",
        root_components=("search-index",),
        fault_type="memory",
        severity="2 - High",
        change="CHG0030042",
        notes="Change was backed out",
        labels=("close_code:Memory leak", "problem:PRB0040007", "parent:INC0010020"),
    )


def test_a_servicenow_close_code_that_says_how_it_was_closed_is_no_fault_type() -> None:
    bare, _ = read("servicenow.json", "servicenow")
    assert (bare.fault_type, bare.labels) == ("", ("close_code:Solved (Permanently)",))


def test_a_list_that_servicenow_exported_in_windows_letters_and_local_times() -> None:
    findings = Findings()
    zone = ZoneInfo("Europe/Berlin")
    first, second = mapped(
        "servicenow.csv", "servicenow", findings=findings, zone=zone, time_format="%d/%m/%Y %H:%M:%S"
    )
    assert (first.title, first.notes) == ("Orders cannot be paid – twice", "Volume über Nacht grown")
    assert (first.started_at, first.resolved_at) == (BEGAN, ENDED)
    assert (first.root_components, first.fault_type) == (("ledger-db",), "disk")
    assert (second.change, second.fault_type, second.resolved_at) == ("CHG0030042", "", None)
    assert any("was read as Windows-1252" in note for note in findings.notes)
    assert any("read as Europe/Berlin" in note for note in findings.notes)


def test_jira_columns_repeat() -> None:
    first, second = mapped("jira.csv", "jira", zone=ZoneInfo("Europe/Berlin"))
    assert first == PastIncident(
        incident_id="SHOP-17",
        source="jira",
        key="10017",
        title="Checkout answers slowly",
        system="SHOP",
        started_at=BEGAN,
        resolved_at=ENDED.replace(second=0),
        symptom_component="checkout",
        root_components=("ledger", "ledger-db"),
        fault_type="disk",
        severity="Highest",
        change="CHG-4",
        notes="Grew the volume of ledger-db",
        labels=("prod", "payments", "type:Incident", "resolution:Done", "link:CHG-4", "link:SHOP-3", "link:SHOP-5"),
    )
    assert (second.root_components, second.labels) == (("search-index",), ("type:Incident",))


def test_jira_issues() -> None:
    first, second = mapped("jira.json", "jira")
    assert (first.key, first.incident_id, first.system) == ("10017", "SHOP-17", "SHOP")
    assert (first.started_at, first.resolved_at) == (BEGAN, ENDED)
    assert first.root_components == ("ledger", "ledger-db")
    assert (first.fault_type, first.change) == ("disk", "CHG-4")
    assert {"prod", "payments", "link:CHG-4", "link:SHOP-3"} <= set(first.labels)
    assert (second.severity, second.root_components, second.resolved_at) == ("", (), None)


def test_opsgenie_incidents_and_alerts() -> None:
    first, second = mapped("opsgenie.json", "opsgenie")
    assert (first.incident_id, first.key) == ("1791", "70413a06-38d6-4c85-92b8-5ebc900d42e2")
    assert (first.started_at, first.resolved_at, first.symptom_component) == (BEGAN, ENDED, "checkout")
    assert (first.root_components, first.fault_type, first.severity) == (("ledger-db",), "disk", "P1")
    assert first.labels[:2] == ("prod", "payments")
    assert second.started_at == datetime(2026, 1, 19, 21, 5, 10, tzinfo=UTC)
    alert, _ = mapped("opsgenie.csv", "opsgenie")
    assert (alert.started_at, alert.resolved_at, alert.symptom_component) == (BEGAN, ENDED, "ledger-db")
    assert alert.labels[:2] == ("prod", "payments")


@pytest.mark.parametrize(
    ("report", "ended"),
    [({"closeTime": 2_370_000}, ENDED), ({"closeTime": 10**20}, None), ({"closeTime": "soon"}, None), ([], None)],
)
def test_an_opsgenie_alert_says_how_long_it_lasted(tmp_path: Path, report: object, ended: datetime | None) -> None:
    alert = {"id": "a", "createdAt": "2026-01-12T09:41:00Z", "report": report}
    (tmp_path / "alerts.json").write_text(json.dumps([alert]))
    (found,) = read_history(tmp_path / "alerts.json", Reading("opsgenie"), Findings())
    assert (found.started_at, found.resolved_at) == (BEGAN, ended)


def test_our_own_files_say_the_same() -> None:
    table, lines = read("own.csv", "csv"), read("own.jsonl", "jsonl")
    assert table[0] == lines[0]
    assert table[1].root_components == lines[1].root_components == ("search-index", "search")


LABELLED = {
    "case_id": "7",
    "dataset": "shop",
    "system": "shop-eu",
    "inject_time": "2026-01-12T09:41:00Z",
    "end_time": None,
    "root_entity": "ledger-0",
    "root_service": "ledger",
    "fault_type": "disk",
    "events": [{"entity": "ledger-0", "kind": "metric", "name": "disk"}],
}


def test_labelled_files_of_incidents_bring_their_telemetry(tmp_path: Path) -> None:
    path = tmp_path / "incidents.jsonl"
    path.write_text(json.dumps(LABELLED) + "\n")

    (found,) = read_history(path, Reading("hypocenter"), Findings())

    assert (found.incident_id, found.key, found.system) == ("7", "shop/shop-eu/7", "shop-eu")
    assert (found.root_components, found.fault_type, found.started_at) == (("ledger-0",), "disk", BEGAN)
    assert (found.telemetry, found.labels) == (str(path), ("root_service:ledger",))


def case(folder: Path, case_id: str, truth: dict[str, Any] | None = None) -> Path:
    folder.mkdir(parents=True)
    stated = {"case_id": case_id, "system": "shop", "started_at": "2026-01-12T09:41:00Z"}
    (folder / "case.json").write_text(json.dumps(stated))
    if truth is not None:
        (folder / "truth.json").write_text(json.dumps(truth))
    return folder


def test_folders_of_cases(tmp_path: Path) -> None:
    truth = {
        "root_component": "ledger",
        "root_components": ["ledger", "web"],
        "fault_type": "disk",
        "root_metric": "io",
    }
    folder = case(tmp_path / "cases" / "a", "7", truth)

    (found,) = read_history(tmp_path / "cases", Reading("hypocenter"), Findings())

    assert found == PastIncident(
        incident_id="7",
        source="hypocenter",
        key="shop/7",
        system="shop",
        started_at=BEGAN,
        root_components=("ledger", "web"),
        fault_type="disk",
        labels=("root_metric:io",),
        telemetry=str(folder),
    )


def test_a_case_without_a_truth_is_told(history_command: Command, tmp_path: Path) -> None:
    case(tmp_path / "cases" / "a", "7", {"root_component": "ledger"})
    case(tmp_path / "cases" / "b", "8")

    code, told, _ = history_command("import", "cases", "--from", "hypocenter")

    assert code == 2
    assert "no case.json with a truth.json beside it (record 2 'b')" in told


def test_case_folders_are_attached_by_id_and_stay(history_command: Command, tmp_path: Path) -> None:
    by_name, by_id = case(tmp_path / "cases" / "SHOP-17", "x"), case(tmp_path / "cases" / "b", "10018")
    case(tmp_path / "cases" / "c", "nobody")
    issues = ("import", FIXTURES / "jira.json", "--from", "jira")

    _, told, _ = history_command(*issues, "--telemetry", "cases")
    _, again, _ = history_command(*issues)

    kept = [json.loads(line)["telemetry"] for line in history_command("export")[1].splitlines()]
    assert kept == [str(by_name), str(by_id)]
    assert "1 case folders belong to no incident of these" in told
    assert "0 new, 0 changed, 2 the same" in again


def test_telemetry_that_a_table_names_lies_beside_it(tmp_path: Path) -> None:
    folder = case(tmp_path / "cases" / "a", "7")
    path = tmp_path / "own.csv"
    path.write_text("incident_id,telemetry\nA,cases/a\nB,cases/b\n")
    findings = Findings()

    from hypocenter.history.attachments import Attachments

    reading = Reading("csv", attachments=Attachments(base=tmp_path))
    first, second = read_history(path, reading, findings)

    assert (first.telemetry, second.telemetry) == (str(folder), "cases/b")
    assert [(each.place, each.examples[0].line) for each in findings.problems] == [("telemetry", 3)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("components: [a]", "components: must be a mapping"),
        ("colours: {}", "'colours': none of components, fault_types, fields"),
        ("components: {a: [b]}", "components: a: must be text"),
        ("components: {'/(/': b}", "components: /(/: "),
        ("components: {'/(a)/': '\\2'}", "components: /(a)/: "),
        ("fields: {colour: a}", "'colour': none of incident_id"),
        ("fields: {key: []}", "fields: key: must be the name of a field"),
        ("- a", "write one mapping"),
    ],
)
def test_a_wrong_mapping_is_told(history_command: Command, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "mapping.yaml").write_text(text)
    words = ("import", FIXTURES / "own.csv", "--from", "csv", "--mapping", "mapping.yaml")
    code, _, error = history_command(*words)
    assert code == 2
    assert told in error


def test_a_mapping_says_what_texts_stand_for_and_which_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "components: {'/web-\\d+/': web, web-1: edge}\nfault_types: {'/(?i)cpu.*/': cpu, other: null}\n"
        "fields: {notes: Fixed by, fault_type: [Kind]}\n"
    )
    (tmp_path / "own.csv").write_text(
        "incident_id,root_component,fault_type,Kind,fixed_by\nA,web-1,,CPU hog,restart\nB,web-2;web-3;db,x,other,\n"
    )
    reading = Reading("csv", mapping=read_mapping(tmp_path / "m.yaml"))

    first, second = read_history(tmp_path / "own.csv", reading, Findings())

    assert (first.root_components, first.fault_type, first.notes) == (("edge",), "cpu", "restart")
    assert (second.root_components, second.fault_type) == (("web", "db"), "")


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("jira.csv", "servicenow", "jira"),
        ("jira.json", "servicenow", "jira"),
        ("servicenow.json", "jira", "servicenow"),
        ("pagerduty_analytics.csv", "servicenow", "pagerduty"),
        ("opsgenie.csv", "servicenow", "opsgenie"),
        ("own.csv", "jira", "csv or jsonl or hypocenter"),
    ],
)
def test_an_export_of_another_tool_is_told_by_its_fields(
    history_command: Command, name: str, wrong: str, right: str
) -> None:
    code, _, error = history_command("import", FIXTURES / name, "--from", wrong)
    assert code == 2
    assert f"none has an ID as {wrong} writes it; is it written by {right}? Then say so with --from" in error
    assert "--skip-bad" not in error


def test_only_our_own_folders_are_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only --from hypocenter reads"):
        list(read_history(tmp_path, Reading("jira"), Findings()))
