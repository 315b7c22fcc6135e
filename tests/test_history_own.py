"""Our own tables and JSON lines to a history, through the command line, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., tuple[int, str, str]]

HEADER = "incident_id,started_at,resolved_at,symptom_component,root_component,fault_type,confirmed_by,source,notes"
FIRST = 'INC-1,2026-01-31T12:00:00Z,2026-01-31T13:00:00Z,web,ledger,memory,on call,,"restarted,\nwith more memory"'
SECOND = "INC-2,1769878800,,web,ledger;ledger-db,cpu,,pagerduty,"


def table(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join((header, *rows, "")), encoding="utf-8")
    return path


def kept(history_command: Command) -> list[dict[str, Any]]:
    return [json.loads(line) for line in history_command("export")[1].splitlines()]


def test_a_table_of_our_own_becomes_history(history_command: Command, tmp_path: Path) -> None:
    code, told, _ = history_command("import", table(tmp_path / "own.csv", FIRST, SECOND), "--from", "csv")

    assert code == 0
    assert "2 new, 0 changed, 0 the same" in told
    first, second = kept(history_command)
    assert first == {
        "incident_id": "INC-1",
        "source": "csv",
        "key": "INC-1",
        "started_at": "2026-01-31T12:00:00+00:00",
        "resolved_at": "2026-01-31T13:00:00+00:00",
        "symptom_component": "web",
        "root_components": ["ledger"],
        "fault_type": "memory",
        "confirmed_by": "on call",
        "notes": "restarted,\nwith more memory",
    }
    assert (second["source"], second["root_components"]) == ("pagerduty", ["ledger", "ledger-db"])
    assert second["started_at"] == "2026-01-31T17:00:00+00:00"


@pytest.mark.parametrize("source", ["jsonl", "hypocenter"])
def test_importing_an_export_changes_nothing(history_command: Command, tmp_path: Path, source: str) -> None:
    history_command("import", table(tmp_path / "own.csv", FIRST, SECOND), "--from", "csv")
    history_command("export", "--out", "out.jsonl")

    _, told, _ = history_command("import", "out.jsonl", "--from", source)

    assert "0 new, 0 changed, 2 the same" in told


def test_importing_again_changes_nothing_but_what_changed(history_command: Command, tmp_path: Path) -> None:
    history_command("import", table(tmp_path / "own.csv", FIRST, SECOND), "--from", "csv")

    changed = table(tmp_path / "own.csv", FIRST.replace("memory,", "disk,"), SECOND)
    _, told, _ = history_command("import", changed, "--from", "csv")

    assert "0 new, 1 changed, 1 the same" in told
    assert kept(history_command)[0]["fault_type"] == "disk"


def test_a_dry_run_counts_and_keeps_nothing(history_command: Command, tmp_path: Path) -> None:
    _, told, _ = history_command("import", table(tmp_path / "own.csv", FIRST), "--from", "csv", "--dry-run")

    assert "1 new, 0 changed, 0 the same" in told
    assert "nothing was written" in told
    assert not (tmp_path / "records.db").exists()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (",2026-01-31T12:00:00Z,,,,,,,", "1 x incident_id: no incident_id (line 4)"),
        ("INC-3,soon,,,,,,,", "1 x started_at: not a time that is understood; --time-format says how"),
        ("INC-3,2026-01-31", "1 x row: more or fewer cells than the 9 of the header (line 4 '2 cells')"),
        (f"{'x' * 201},,,,,,,,", "1 x incident_id: longer than 200 characters (line 4"),
    ],
)
def test_a_row_that_is_no_incident_stops_the_import(
    history_command: Command, tmp_path: Path, row: str, told: str
) -> None:
    path = table(tmp_path / "own.csv", FIRST, row, SECOND)

    code, report, error = history_command("import", path, "--from", "csv")

    assert code == 2
    assert told in report
    assert "1 of 3 rows are no incidents, so nothing was imported" in error
    assert kept(history_command) == []
    code, report, _ = history_command("import", path, "--from", "csv", "--skip-bad")
    assert (code, len(kept(history_command))) == (0, 2)
    assert told in report


def test_what_is_not_understood_is_told_and_the_rest_is_kept(history_command: Command, tmp_path: Path) -> None:
    path = table(
        tmp_path / "own.csv",
        "INC-1,2026-01-31T12:00:00Z,later,web,ledger,cpu,oncall,,a\0b,Monday",
        "INC-2,2026-01-31T12:00:00Z,2026-01-31T11:00:00Z,,,,,,,",
        "INC-1,2026-01-31T12:00:00Z,,,,,,,,Tuesday",
        header=HEADER + ",Weekday",
    )

    code, told, _ = history_command("import", path, "--from", "csv", "--json")

    report = json.loads(told)
    assert code == 0
    assert {(each["place"], each["count"], each["examples"][0]["line"]) for each in report["problems"]} == {
        ("resolved_at", 1, 2),
        ("notes", 1, 2),
        ("resolved_at", 1, 3),
        ("incident_id", 1, 4),
    }
    assert report["not_used"] == {"Weekday": 2}
    assert report["counts"] == {"new": 2, "changed": 0, "same": 0}
    assert (report["rows"], report["incidents"], report["repeated"], report["left_out"]) == (3, 2, 1, 0)
    assert report["saved"] is True


def test_a_time_that_could_be_two_days_leads_to_the_option(history_command: Command, tmp_path: Path) -> None:
    path = table(tmp_path / "own.csv", "INC-1,12/01/2026 09:41,,,,,,,")
    code, told, error = history_command("import", path, "--from", "csv")
    assert code == 2
    assert "--time-format says how times are written" in told
    assert "say with --time-format how times are written" in error
    assert history_command("import", path, "--from", "csv", "--time-format", "%d/%m/%Y %H:%M")[0] == 0


def test_an_incident_that_is_there_twice_is_counted_once(history_command: Command, tmp_path: Path) -> None:
    path = table(tmp_path / "own.csv", FIRST, SECOND, FIRST.replace("memory,", "disk,"))
    _, told, _ = history_command("import", path, "--from", "csv")
    assert "3 read, 2 incidents, 1 of an incident that is there already, 0 left out" in told
    assert "incident ID is there more than once; the last one counts (line 5 'INC-1')" in told
    assert "2 new, 0 changed" in told


def test_a_time_that_does_not_fit_the_form_that_is_named_names_the_form(
    history_command: Command, tmp_path: Path
) -> None:
    path = table(tmp_path / "own.csv", FIRST)
    _, told, _ = history_command("import", path, "--from", "csv", "--time-format", "%d/%m/%Y")
    assert "not a time as --time-format '%d/%m/%Y' says" in told


def test_components_that_the_graph_does_not_know_are_told_and_kept(
    history_command: Command, graph_command: Command, tmp_path: Path
) -> None:
    (tmp_path / "calls.csv").write_text("caller,callee\nweb,ledger\n")
    graph_command("import", "calls.csv")

    _, told, _ = history_command("import", table(tmp_path / "own.csv", FIRST, SECOND), "--from", "csv", "--json")

    assert json.loads(told)["unknown_components"] == {"ledger-db": 1}
    assert kept(history_command)[1]["root_components"] == ["ledger", "ledger-db"]


@pytest.mark.parametrize("words", [("list",), ("export",)])
def test_a_history_that_is_not_there_is_told_and_not_made(
    history_command: Command, tmp_path: Path, words: tuple[str, ...]
) -> None:
    code, _, error = history_command(*words)
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert "no history there; fill one with" in error


def test_an_export_does_not_replace_the_records(history_command: Command, tmp_path: Path) -> None:
    history_command("import", table(tmp_path / "own.csv", FIRST), "--from", "csv")
    code, _, error = history_command("export", "--out", "records.db")
    assert code == 2
    assert "is or lies in the input" in error
    assert len(kept(history_command)) == 1


def test_the_latest_incidents_are_listed(history_command: Command, tmp_path: Path) -> None:
    history_command("import", table(tmp_path / "own.csv", FIRST, SECOND), "--from", "csv")

    lines = history_command("list")[1].splitlines()

    assert [line.split()[2] for line in lines] == ["INC-2", "INC-1"]
    assert "ledger, ledger-db" in lines[0]
    assert [line.split()[2] for line in history_command("list", "--component", "ledger-db")[1].splitlines()] == [
        "INC-2"
    ]
    assert len(history_command("list", "--most", "1", "--json")[1].splitlines()) == 1
