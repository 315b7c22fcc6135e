"""Saving incidents costs what is saved, not what is there: a database asked for some reads no others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.engine import Engine

from hypocenter.history.past_incident import PastIncident
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


def incidents(count: int, notes: str = "") -> list[PastIncident]:
    return [PastIncident(f"INC-{number}", "csv", f"INC-{number}", notes=notes) for number in range(count)]


def test_a_save_finds_its_incidents_by_their_names_alone(tmp_path: Path) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        asked.append((statement, values))

    place = tmp_path / "records.db"
    with closing(open_records(str(place))) as records:
        records.history.save_incidents(incidents(40))
        event.listen(Engine, "before_cursor_execute", note)
        try:
            assert records.history.save_incidents(incidents(20, "restarted")).changed == 20
        finally:
            event.remove(Engine, "before_cursor_execute", note)
    found = [(text, values) for text, values in asked if "incidents" in text and not text.startswith("INSERT")]
    assert len(found) >= 3
    with closing(sqlite3.connect(place)) as database:
        for text, values in found:
            plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {text}", values)]
            assert any("identity=?" in step for step in plan), (text, plan)
            assert not any("SCAN" in step or "incidents_current" in step for step in plan), (text, plan)
