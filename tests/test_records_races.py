"""Ticks at the same time, and ticks that are killed: threads and processes, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from shard_ticks import MINUTE, NOON, SHARD, Tick, after, commit, found_by, tick_for_ever
from waiting import awaited

from hypocenter.stores.live_incidents import LiveIncident, Revision, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from hypocenter.stores.detections import Position
    from hypocenter.stores.opening import SqlRecords
    from hypocenter.stores.sql_detections import SqlDetections

RACERS, ROUNDS = 3, 8
KILLS = max(2, settings().max_examples // 50)
PER_TICK = 200


@pytest.fixture(scope="module", params=["threads", "processes"])
def racers(request: pytest.FixtureRequest, records_place: str) -> Iterator[Executor]:
    """Those who race, each kind in turn; processes are new ones that share nothing with this one."""
    if request.param == "threads":
        with ThreadPoolExecutor(RACERS) as executor:
            yield executor
        return
    with ProcessPoolExecutor(RACERS, multiprocessing.get_context("spawn")) as executor:
        yield executor


def test_of_ticks_from_one_position_exactly_one_wins(
    racers: Executor, records: SqlRecords, records_place: str, tenant: str
) -> None:
    winners, before = [], None
    for number in range(ROUNDS):
        ticks = [Tick(records_place, tenant, before, f"{number}-{racer}") for racer in range(RACERS)]
        won = [tick.component for tick, wins in zip(ticks, racers.map(commit, ticks), strict=True) if wins]
        assert len(won) == 1
        winners += won
        before = after(before)
    assert records.detections.positions() == {SHARD: before}
    assert [each.anomaly.series.component for each in records.detections.anomalies(NOON, NOON)] == winners


def test_shards_that_tell_of_the_same_series_do_not_stop_each_other(records: SqlRecords) -> None:
    def ticks(shard: int) -> Position | None:
        found, position = found_by(1, 50), None
        for _ in range(10):
            assert records.detections.commit(shard, position, after(position), found if shard % 2 else found[::-1])
            position = after(position)
        return position

    with ThreadPoolExecutor(RACERS) as threads:
        ends = list(threads.map(ticks, range(RACERS)))
    assert records.detections.positions() == dict(enumerate(ends))
    assert len(records.detections.anomalies(NOON, NOON + MINUTE)) == 50


def test_whoever_forgets_stops_no_tick(records: SqlRecords) -> None:
    with ThreadPoolExecutor(2) as threads:
        forgotten = threads.submit(lambda: [records.detections.forget(NOON + 99 * MINUTE) for _ in range(20)])
        position = None
        for _ in range(20):
            assert records.detections.commit(SHARD, position, after(position), found_by(1, 50))
            position = after(position)
        forgotten.result()
    assert len(records.detections.anomalies(NOON, NOON + MINUTE)) == 50


def _version(detections: SqlDetections) -> int:
    position = detections.position(SHARD)
    return 0 if position is None else position.version


def _told(detections: SqlDetections) -> tuple[int, list[int]]:
    """Return the version of the state, and of each anomaly that of the tick that told of it."""
    before = _version(detections)
    found = detections.anomalies(NOON, NOON + 100_000 * MINUTE)
    # A server may end what it was sent by one who is dead by now.
    if _version(detections) != before:
        return _told(detections)
    return before, [int((each.anomaly.onset - NOON) / MINUTE) for each in found]


def test_a_killed_tick_left_all_or_nothing(records: SqlRecords, records_place: str, tenant: str) -> None:
    detections, last = records.detections, 0
    for _ in range(KILLS):
        process = multiprocessing.get_context("spawn").Process(
            target=tick_for_ever, args=(records_place, tenant, PER_TICK), daemon=True
        )
        process.start()
        awaited(lambda: _version(detections) > last + 1)  # noqa: B023
        process.kill()
        process.join()
        last, versions = _told(detections)
        assert versions == [version for version in range(1, last + 1) for _ in range(PER_TICK)]


@pytest.mark.parametrize("what", ["opening", "growing", "judging"])
def test_of_changes_to_one_incident_at_once_exactly_one_wins(records: SqlRecords, what: str) -> None:
    def opened(number: int, version: int = 1) -> LiveIncident:
        return LiveIncident("i", Status.OPEN, NOON, NOON, NOON, (f"c{number}",), version=version)

    works = {
        "opening": lambda number: records.incidents.save(opened(number)),
        "growing": lambda number: records.incidents.save(opened(number, 2)),
        "judging": lambda number: records.incidents.add_revision(Revision("i", number, NOON, 1, {"by": number})),
    }
    if what != "opening":
        records.incidents.save(opened(99))
    with ThreadPoolExecutor(RACERS) as threads:
        won = list(threads.map(works[what], range(RACERS)))
    assert sum(won) == 1
    (kept,) = records.incidents.incidents()
    if what == "judging":
        assert [revision.number for revision in records.incidents.revisions("i")] == [won.index(True)]
    else:
        assert kept == opened(won.index(True), 1 if what == "opening" else 2)
