"""Our own tables and JSON lines to a history, through the command line, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hypocenter.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

HEADER = "incident_id,started_at,resolved_at,symptom_component,root_component,fault_type,confirmed_by,source,notes"
ROWS = (
    'INC-1,2026-01-31T12:00:00Z,2026-01-31T13:00:00Z,web,ledger,memory,on call,,"restarted,\nwith more memory"',
    "INC-2,1769878800,,web,ledger;ledger-db,cpu,,pagerduty,",
)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run(*words)` is exit code, output and errors of `hypocenter history` with records of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYPOCENTER_RECORDS", str(tmp_path / "records.db"))
    monkeypatch.delenv("HYPOCENTER_GRAPH", raising=False)

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["history", *words])
        told = capsys.readouterr()
        return int(stopped.value.code or 0), told.out, told.err

    return call


def kept(run: Run) -> list[dict[str, object]]:
    return [json.loads(line) for line in run("export")[1].splitlines()]


def test_a_table_of_our_own_becomes_history(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("\n".join((HEADER, *ROWS, "")))

    code, told, _ = run("import", "own.csv", "--from", "csv")

    assert code == 0
    assert "2 new, 0 changed, 0 the same" in told
    first, second = kept(run)
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
def test_importing_an_export_changes_nothing(run: Run, tmp_path: Path, source: str) -> None:
    (tmp_path / "own.csv").write_text("\n".join((HEADER, *ROWS, "")))
    run("import", "own.csv", "--from", "csv")
    run("export", "--out", "out.jsonl")

    _, told, _ = run("import", "out.jsonl", "--from", source)

    assert "0 new, 0 changed, 2 the same" in told
