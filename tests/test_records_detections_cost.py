"""What detection asks of the records costs what is new, not what is there."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from shard_ticks import MINUTE, NOON, SHARD, after, found_by
from sqlalchemy import event
from sqlalchemy.engine import Engine

from hypocenter.listing import Part, Place
from hypocenter.stores.detections import KeptAnomaly
from hypocenter.stores.live_incidents import LiveIncident, Status
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from hypocenter.stores.detections import Position
    from hypocenter.stores.opening import SqlRecords

MANY, FEW = 10_000, 50
LATER = Part(9, after=Place(1, "a"))
OF_CART = replace(LATER, component="cart")
FIRST = after(None)
INCIDENT = LiveIncident("i", Status.OPEN, NOON, NOON, NOON, ("cart",))
GROWN = LiveIncident("i", Status.RESOLVED, NOON, NOON, NOON, ("cart",), version=2)


@contextmanager
def told_of(what: str, note: Callable[..., None]) -> Iterator[None]:
    """Tell `note` of an event of SQLAlchemy's engines."""
    event.listen(Engine, what, note)
    try:
        yield
    finally:
        event.remove(Engine, what, note)


@pytest.mark.parametrize(
    ("by", "work"),
    [
        ("tenant=? AND shard=?", lambda records: records.detections.position(SHARD)),
        ("tenant=?", lambda records: records.detections.positions()),
        ("tenant=? AND shard=?", lambda records: records.detections.commit(SHARD, FIRST, after(FIRST), found_by(2, 3))),
        ("tenant=? AND ended_us>?", lambda records: records.detections.anomalies(NOON, NOON)),
        ("tenant=? AND ended_us>?", lambda records: records.detections.anomalies(NOON, NOON, lasting=True)),
        ("tenant=? AND ended_us<?", lambda records: records.detections.forget(NOON)),
        ("tenant=? AND identity=?", lambda records: records.incidents.save(GROWN)),
        ("tenant=? AND identity=?", lambda records: records.incidents.incident("i")),
        ("tenant=? AND status=?", lambda records: records.incidents.incidents(Status.OPEN)),
        ("tenant=? AND status=?", lambda records: records.incidents.incidents()),
        ("tenant=? AND status=? AND resolved_us>?", lambda records: records.incidents.incidents(since=NOON)),
        ("tenant=? AND identity=?", lambda records: records.incidents.judged("i")),
        ("tenant=? AND identity=?", lambda records: records.incidents.revisions("i")),
        ("tenant=? AND identity=?", lambda records: records.incidents.judged_incident("i")),
        ("tenant=? AND identity=?", lambda records: records.incidents.revision("i")),
        ("tenant=? AND identity=? AND number<?", lambda records: records.incidents.judgements("i", LATER)),
        ("tenant=? AND (onset_us,identity)<(?,?)", lambda records: records.incidents.listed(LATER)),
        ("tenant=? AND component=? AND (onset_us,identity)<(?,?)", lambda records: records.incidents.listed(OF_CART)),
        ("tenant=? AND (onset_us,identity)<(?,?)", lambda records: records.detections.listed(LATER)),
        ("tenant=? AND component=? AND (onset_us,identity)<(?,?)", lambda records: records.detections.listed(OF_CART)),
        (
            "tenant=? AND metric=? AND (onset_us,identity)<(?,?)",
            lambda records: records.detections.listed(LATER, metric="cpu"),
        ),
        ("tenant=? AND (starts_us,identity)<(?,?)", lambda records: records.alerts.listed(LATER)),
        ("tenant=? AND component=? AND (starts_us,identity)<(?,?)", lambda records: records.alerts.listed(OF_CART)),
        ("tenant=? AND at_us<?", lambda records: records.changes.listed(LATER)),
        ("tenant=? AND component=? AND (at_us,identity)<(?,?)", lambda records: records.changes.listed(OF_CART)),
        ("tenant=? AND is_current=?", lambda records: records.history.listed(Part(9))),
        ("tenant=? AND incident_id=? AND rowid<?", lambda records: records.feedback.listed("i", LATER)),
        ("tenant=? AND status=?", lambda records: records.incidents.count(Status.OPEN)),
        ("tenant=?", lambda records: records.dead_letters.newest()),
        ("tenant=?", lambda records: records.dead_letters.count()),
        ("tenant=? AND at_us<?", lambda records: records.dead_letters.forget(NOON)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_asked_is_found_by_an_index(tmp_path: Path, by: str, work: Callable[[SqlRecords], object]) -> None:
    for plan in _plans(tmp_path / "records.db", work):
        # Rows of one time alone are sorted after they are found.
        found = [step for step in plan if "RIGHT PART" not in step]
        assert f"({by}" in found[0]
        assert all("SEARCH" in step for step in found)


@pytest.mark.parametrize(
    ("by", "work"),
    [
        ("tenant=? AND ended_us=?", lambda records: records.detections.listed(LATER, lasting=True)),
        ("tenant=? AND ends_us>?", lambda records: records.alerts.listed(LATER, firing_at=NOON)),
    ],
    ids=["anomalies", "alerts"],
)
def test_what_lasts_is_found_by_its_end_and_sorted_then(
    tmp_path: Path, by: str, work: Callable[[SqlRecords], object]
) -> None:
    for plan in _plans(tmp_path / "records.db", work):
        assert f"({by}" in plan[0]


@pytest.mark.parametrize(
    "work",
    [
        lambda records: records.detections.named(list(map(str, range(FEW))), Part(9)),
        lambda records: records.alerts.named(list(map(str, range(FEW))), Part(9)),
    ],
    ids=["anomalies", "alerts"],
)
def test_what_is_named_is_looked_up_and_sorted_then(tmp_path: Path, work: Callable[[SqlRecords], object]) -> None:
    for plan in _plans(tmp_path / "records.db", work):
        assert "(tenant=? AND identity=?" in plan[0]


def _plans(place: Path, work: Callable[[SqlRecords], object]) -> Sequence[Sequence[str]]:
    """Return how each question that `work` asks of the records is answered."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            asked.append((statement, values))

    with closing(open_records(str(place))) as records:
        records.detections.commit(SHARD, None, FIRST, [])
        records.incidents.save(INCIDENT)
        with told_of("before_cursor_execute", note):
            work(records)
    assert asked
    with closing(sqlite3.connect(place)) as database:
        return [[row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {each}", values)] for each, values in asked]


def test_what_is_forgotten_is_found_by_its_name(tmp_path: Path) -> None:
    meter = Meter()
    with told_of("connect", meter.watch), closing(open_records(str(tmp_path / "records.db"))) as records:
        _ticked(records, _ticked(records, None, FEW), FEW)
        few = meter.steps_of(lambda: records.detections.forget(NOON + 2 * MINUTE))
        _ticked(records, after(after(None)), MANY)
        _ticked(records, after(after(after(None))), FEW)
        then = meter.steps_of(lambda: records.detections.forget(NOON + 3 * MINUTE))
    assert 10 * FEW < few < 100 * FEW
    assert then < 1.1 * few


class Meter:
    """Counts the steps of SQLite's machine; one search in an index is one, however much is in it."""

    def __init__(self) -> None:
        self._steps = 0

    def watch(self, connection: Any, _record: object) -> None:
        connection.set_progress_handler(self._step, 1)

    def steps_of(self, work: Callable[[], object]) -> int:
        before = self._steps
        work()
        return self._steps - before

    def _step(self) -> int:
        self._steps += 1
        return 0


def _ticked(records: SqlRecords, before: Position | None, count: int) -> Position:
    """Commit a tick that finds so many anomalies, of which all of before it are over."""
    moved = after(before)
    found = [KeptAnomaly(each.anomaly, each.anomaly.onset, SHARD) for each in found_by(moved.version, count)]
    assert records.detections.commit(SHARD, before, moved, found)
    return moved


def test_a_tick_costs_what_it_finds_whatever_was_found_before(tmp_path: Path) -> None:
    meter = Meter()
    with told_of("connect", meter.watch), closing(open_records(str(tmp_path / "records.db"))) as records:
        position = _ticked(records, None, FEW)
        before = meter.steps_of(lambda: _ticked(records, position, FEW))
        position = _ticked(records, after(position), MANY)
        now = NOON + (position.version + 1) * MINUTE
        then = meter.steps_of(lambda: _ticked(records, position, FEW))
        asked = meter.steps_of(lambda: records.detections.anomalies(now, now + MINUTE))
        nothing = meter.steps_of(lambda: _ticked(records, after(position), 0))
    assert before > 10 * FEW
    assert then < 1.1 * before
    assert asked < 100 * FEW
    assert nothing < before / 5
