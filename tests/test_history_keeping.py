"""A poorer export takes nothing away: what it has no field for stays as it was known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., tuple[int, str, str]]

RICH: dict[str, Any] = {
    "incident_number": 7,
    "title": "Checkout answers slowly",
    "created_at": "2026-01-12T09:41:00Z",
    "priority": {"summary": "P1"},
    "teams": [{"summary": "Payments"}],
    "service": {"summary": "checkout"},
    "custom_fields": [
        {"name": "root_component", "value": "ledger-db"},
        {"name": "fault_type", "value": "disk"},
        {"name": "resolution", "value": "grew the volume"},
    ],
}
POOR = "incident_number,title,created_on,service_name\n7,Checkout answers slowly,2026-01-12T09:41:00Z,checkout\n"


def kept(history_command: Command) -> dict[str, Any]:
    (line,) = history_command("export")[1].splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def rich(tmp_path: Path, **more: Any) -> Path:
    path = tmp_path / "pd.json"
    path.write_text(json.dumps({"incidents": [RICH | more]}), encoding="utf-8")
    return path


def poor(tmp_path: Path, text: str = POOR) -> Path:
    path = tmp_path / "pd.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_poorer_export_takes_nothing_away_and_says_what_stayed(history_command: Command, tmp_path: Path) -> None:
    history_command("import", rich(tmp_path), "--from", "pagerduty")
    before = kept(history_command)

    _, told, _ = history_command("import", poor(tmp_path), "--from", "pagerduty")

    assert kept(history_command) == before
    assert "0 new, 0 changed, 1 the same" in told
    (line,) = [line for line in told.splitlines() if line.startswith("kept")]
    assert "fault_type 1, labels 1, notes 1, root_components 1, severity 1" in line


def test_what_a_poorer_export_does_say_is_taken(history_command: Command, tmp_path: Path) -> None:
    history_command("import", rich(tmp_path), "--from", "pagerduty")
    history_command("import", poor(tmp_path, POOR.replace("slowly", "again")), "--from", "pagerduty")
    assert kept(history_command)["title"] == "Checkout answers again"
    assert kept(history_command)["root_components"] == ["ledger-db"]


def test_an_empty_cell_takes_away_what_was_known(history_command: Command, tmp_path: Path) -> None:
    history_command("import", rich(tmp_path), "--from", "pagerduty")
    head, row = POOR.splitlines()
    history_command("import", poor(tmp_path, f"{head},fault_type,team_name\n{row},,\n"), "--from", "pagerduty")
    after = kept(history_command)
    assert "fault_type" not in after
    assert "labels" not in after
    assert after["notes"] == "grew the volume"


@pytest.mark.parametrize(
    ("change", "severity"),
    [({"priority": None}, None), ({"priority": {"summary": ""}}, None), ({"priority": {}}, "P1")],
)
def test_a_json_field_that_is_null_says_so_and_one_that_is_not_there_does_not(
    history_command: Command, tmp_path: Path, change: dict[str, Any], severity: str | None
) -> None:
    history_command("import", rich(tmp_path), "--from", "pagerduty")
    history_command("import", rich(tmp_path, **change), "--from", "pagerduty")
    assert kept(history_command).get("severity") == severity


def test_labels_stay_by_the_field_that_they_come_from(history_command: Command, tmp_path: Path) -> None:
    path = tmp_path / "jira.csv"
    path.write_text("Issue key,Issue Type,Resolution,Labels\nS-1,Incident,Done,env:prod\n")
    history_command("import", path, "--from", "jira")
    path.write_text("Issue key,Resolution\nS-1,Fixed\n")
    history_command("import", path, "--from", "jira")
    assert set(kept(history_command)["labels"]) == {"env:prod", "type:Incident", "resolution:Fixed"}


def test_more_incidents_than_are_looked_up_at_once_keep_what_was_known(
    history_command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "own.csv"
    path.write_text("incident_id,fault_type\n" + "".join(f"I-{number},cpu\n" for number in range(1201)))
    history_command("import", path, "--from", "csv")
    path.write_text("incident_id\n" + "".join(f"I-{number}\n" for number in range(1201)))
    _, told, _ = history_command("import", path, "--from", "csv", "--json")
    assert json.loads(told)["kept"] == {"fault_type": 1201}
    assert json.loads(told)["counts"] == {"new": 0, "changed": 0, "same": 1201}


def test_an_incident_is_shown_with_its_older_versions(history_command: Command, tmp_path: Path) -> None:
    for number, cause in enumerate(("cpu", "disk", "memory")):
        fields = {"incident_id": "A", "fault_type": cause, "notes": "n" * 50} | ({"title": "Slow"} if number else {})
        (tmp_path / "own.jsonl").write_text(json.dumps(fields))
        history_command("import", "own.jsonl", "--from", "jsonl")

    code, told, _ = history_command("show", "A")
    _, as_json, _ = history_command("show", "A", "--json")

    cells = {line.split()[0]: line.split()[1:] for line in told.splitlines()}
    assert code == 0
    assert cells["current"] == ["version", "2", "version", "1"]
    assert (cells["fault_type"], cells["title"]) == (["memory", "disk", "cpu"], ["Slow", "Slow", "-"])
    assert all(len(cell) == 40 for cell in cells["notes"])
    (found,) = json.loads(as_json)["incidents"]
    assert found["current"]["fault_type"] == "memory"
    assert [each["fault_type"] for each in found["older_versions"]] == ["cpu", "disk"]
    assert found["current"]["notes"] == "n" * 50


def test_an_incident_that_is_not_kept_is_told(history_command: Command, tmp_path: Path) -> None:
    history_command("import", poor(tmp_path), "--from", "pagerduty")
    code, _, error = history_command("show", "nobody")
    assert code == 2
    assert "nobody: no incident of that ID is kept" in error


def test_an_empty_list_says_what_fills_it(history_command: Command, tmp_path: Path) -> None:
    history_command("import", poor(tmp_path), "--from", "pagerduty")
    assert "no incident that is kept has ledger" in history_command("list", "--component", "ledger")[1]
    assert history_command("list", "--component", "ledger", "--json")[1] == ""


def test_records_that_are_empty_say_what_fills_them(history_command: Command, tmp_path: Path) -> None:
    open_records(str(tmp_path / "records.db")).close()
    assert "hypocenter history import FILE --from TOOL" in history_command("list")[1]
    assert history_command("list", "--json")[1] == ""
