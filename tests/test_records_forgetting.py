"""What is over for long is forgotten, on SQLite and on a real PostgreSQL; what is open, lasts or runs never is."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypocenter.api.tending import forget_old, forget_reports
from hypocenter.events import KeptAlert, KeptChange, Origin
from hypocenter.model import Alert, Anomaly, ChangeEvent, Direction, Series
from hypocenter.stores.dead_letters import DeadLetter
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.live_incidents import LiveIncident, Revision, Status

if TYPE_CHECKING:
    from pathlib import Path

    from hypocenter.stores.opening import SqlRecords

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ALWAYS = NOON - 999 * DAY, NOON + 999 * DAY


def keep(records: SqlRecords, name: str, at: datetime, end: datetime | None) -> None:
    """Keep one of each at a time; what can last does so until `end`."""
    records.alerts.add_alerts([KeptAlert(Alert(name, "Slow", at), Origin(name), end, resolved=end is not None)])
    records.changes.add_changes([KeptChange(ChangeEvent(name, at, "deploy", "new"), Origin(name))])
    records.dead_letters.add(DeadLetter(name, "hypocenter.tick", "[1]", "SourceError", at))
    anomaly = Anomaly(Series(name, "latency_p99"), at, at, 9.0, 2.0, 1.0, 0.5, 1.5, Direction.UP)
    records.detections.commit(len(records.detections.positions()), None, Position(at, 1), [KeptAnomaly(anomaly, end)])
    incident = LiveIncident(name, Status.OPEN, at, at, at, (name,))
    records.incidents.save(incident)
    records.incidents.add_revision(Revision(name, 1, at, 1, {"verdict": {}}))
    records.incidents.add_told(name, "opened")
    if end is not None:
        records.incidents.save(replace(incident, status=Status.RESOLVED, resolved_at=end, version=2))


def names(records: SqlRecords) -> tuple[set[str], ...]:
    """What is kept: alerts, changes, anomalies and incidents by component, dead letters by key."""
    return (
        {each.alert.component for each in records.alerts.alerts(*ALWAYS)},
        {each.change.component for each in records.changes.changes(*ALWAYS)},
        {each.anomaly.series.component for each in records.detections.anomalies(*ALWAYS)},
        {each.incident_id for each in records.incidents.incidents()},
        {each.key for each in records.dead_letters.newest()},
    )


def test_what_is_over_for_long_is_forgotten_and_what_lasts_is_not(records: SqlRecords) -> None:
    keep(records, "old", NOON - 5 * DAY, NOON - 4 * DAY)
    keep(records, "lasting", NOON - 5 * DAY, None)
    keep(records, "young", NOON - 5 * DAY, NOON)
    keep(records, "new", NOON, NOON)
    assert forget_old(records, NOON - DAY) == 3 * 1 + 2 * 3
    moments, spans = {"new"}, {"lasting", "young", "new"}
    assert names(records) == (spans, moments, spans, spans, moments)
    assert (records.incidents.revisions("old"), records.incidents.told("old")) == ((), [])
    assert [each.number for each in records.incidents.revisions("lasting")] == [1]
    assert forget_old(records, NOON - DAY) == 0


def test_reports_go_with_their_incidents(records: SqlRecords, tmp_path: Path) -> None:
    assert forget_reports(tmp_path / "reports", records, NOON) == 0
    keep(records, "kept", NOON - 5 * DAY, None)
    for name, age in (("kept", 5 * DAY), ("gone", 5 * DAY), ("just-made", 0 * DAY)):
        folder = tmp_path / "reports" / name
        folder.mkdir(parents=True)
        (folder / "1.html").write_text("<p>", encoding="utf-8")
        os.utime(folder, ((NOON - age).timestamp(),) * 2)
    assert forget_reports(tmp_path / "reports", records, NOON - DAY) == 1
    assert {each.name for each in (tmp_path / "reports").iterdir()} == {"kept", "just-made"}
