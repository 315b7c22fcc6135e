"""What every place of positions and anomalies promises, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from shard_ticks import MINUTE, NOON, SHARD, after, anomaly

from hypocenter.errors import InputError, SourceError
from hypocenter.model import Anomaly, Direction, MetricKind, Series
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypocenter.stores.opening import SqlRecords
    from hypocenter.stores.sql_detections import SqlDetections

FIRST = Position(NOON, 1)
EDGE = Series("cart \0 \ud800 ü", "latency_p99", MetricKind.LATENCY, "s", "p99", "server", "front", host=True)
FULL = Anomaly(EDGE, NOON, NOON + MINUTE / 7, 7.25, 0.1 + 0.2, math.inf, -math.inf, 1e-300, Direction.DOWN)


@pytest.fixture
def detections(records: SqlRecords) -> SqlDetections:
    """The detections, none so far, of a tenant in each kind of place in turn."""
    return records.detections


def kept(name: str, start: float, end: float | None = None) -> KeptAnomaly:
    return KeptAnomaly(anomaly(name, start), None if end is None else NOON + end * MINUTE)


def names(found: object) -> list[str]:
    assert isinstance(found, list)
    return [each.anomaly.series.component for each in found]


def test_an_anomaly_comes_back_as_it_was_told(detections: SqlDetections) -> None:
    told = [KeptAnomaly(FULL, NOON + 5 * MINUTE, SHARD), KeptAnomaly(replace(FULL, onset=NOON + MINUTE), None, SHARD)]
    assert detections.commit(SHARD, None, FIRST, told)
    assert detections.anomalies(NOON, NOON + MINUTE) == told


def test_what_is_no_number_comes_back_as_such(detections: SqlDetections) -> None:
    detections.commit(SHARD, None, FIRST, [KeptAnomaly(replace(FULL, value=math.nan))])
    (found,) = detections.anomalies(NOON, NOON)
    assert math.isnan(found.anomaly.value)


def test_a_shard_has_no_position_before_its_first_tick_and_then_its_own(detections: SqlDetections) -> None:
    assert detections.position(SHARD) is None
    assert detections.positions() == {}
    later = Position(NOON + MINUTE / 7, 2**40)
    assert detections.commit(SHARD, None, FIRST, [])
    assert detections.commit(0, None, later, [])
    assert detections.position(SHARD) == FIRST
    assert detections.positions() == {0: later, SHARD: FIRST}


@pytest.mark.parametrize("before", [None, Position(NOON, 2), Position(NOON + MINUTE, 1)], ids=str)
def test_from_where_the_shard_is_not_nothing_changes(detections: SqlDetections, before: Position | None) -> None:
    first = kept("cart", 0)
    assert detections.commit(SHARD, None, FIRST, [first])
    assert not detections.commit(SHARD, before, after(before), [replace(first, ended_at=NOON), kept("db", 0)])
    assert detections.position(SHARD) == FIRST
    assert detections.anomalies(NOON, NOON) == [first]


def test_a_shard_that_never_ticked_is_at_no_position(detections: SqlDetections) -> None:
    assert not detections.commit(SHARD, FIRST, after(FIRST), [kept("cart", 0)])
    assert detections.positions() == {}
    assert detections.anomalies(NOON, NOON) == []


def test_what_is_told_again_replaces_what_was_told_before(detections: SqlDetections) -> None:
    first = kept("cart", 0)
    worse = KeptAnomaly(replace(first.anomaly, score=99.0), NOON + MINUTE, SHARD)
    assert detections.commit(SHARD, None, FIRST, [first])
    assert detections.commit(SHARD, FIRST, after(FIRST), [first, worse])
    assert detections.anomalies(NOON, NOON) == [worse]
    assert first.key == worse.key


@pytest.mark.parametrize(
    "other",
    [
        replace(FULL, onset=NOON + MINUTE / 60_000_000),
        replace(FULL, series=replace(EDGE, side="client")),
        replace(FULL, series=replace(EDGE, stat="p50")),
        replace(FULL, series=replace(EDGE, metric="latency_p99:front", peer=None)),
    ],
    ids=["onset", "side", "statistic", "name of the same look"],
)
def test_anomalies_of_another_onset_or_series_are_others(detections: SqlDetections, other: Anomaly) -> None:
    told = [KeptAnomaly(FULL), KeptAnomaly(other)]
    detections.commit(SHARD, None, FIRST, told)
    found = detections.anomalies(NOON, NOON + MINUTE)
    assert len(found) == 2
    assert all(each in found for each in told)


def test_anomalies_are_those_that_were_there_within_the_time(detections: SqlDetections) -> None:
    told = [
        kept("before", 0, 9),
        kept("into", 1, 10),
        kept("through", 2, 99),
        kept("still", 13),
        kept("at end", 14, 20),
    ]
    told += [kept("within", 12, 12), kept("out", 20, 30), kept("after", 21)]
    detections.commit(SHARD, None, FIRST, told)
    start, end = NOON + 10 * MINUTE, NOON + 20 * MINUTE
    assert names(detections.anomalies(start, end)) == ["into", "through", "within", "still", "at end", "out"]
    assert names(detections.anomalies(start, end, lasting=True)) == ["through", "still", "at end", "out"]


def test_anomalies_come_by_onset_then_name(detections: SqlDetections) -> None:
    detections.commit(SHARD, None, FIRST, [kept("b", 1), kept("ä", 0), kept("a", 1), kept("B", 1)])
    assert names(detections.anomalies(NOON, NOON + MINUTE)) == ["ä", "B", "a", "b"]


def test_a_tick_that_fails_midway_leaves_nothing(detections: SqlDetections) -> None:
    good = [kept(f"c{number}", 0) for number in range(40)]
    # No database holds such a number, and none sees it before it comes to that row.
    bad = [replace(each, shard=2**70) for each in good[:1]]
    with pytest.raises((SourceError, OverflowError)):
        detections.commit(SHARD, None, FIRST, [*bad, *good[1:]])
    assert detections.positions() == {}
    assert detections.anomalies(NOON, NOON) == []
    assert detections.commit(SHARD, None, FIRST, good)


def test_tenants_do_not_meet(records_at: Callable[[str], SqlRecords], new_tenant: Callable[[], str]) -> None:
    mine, other = (records_at(new_tenant()).detections for _ in range(2))
    mine.commit(SHARD, None, FIRST, [kept("cart", 0, 1)])
    assert other.commit(SHARD, None, after(FIRST), [kept("cart", 0)])
    assert other.forget(NOON + 9 * MINUTE) == 0
    assert mine.position(SHARD) == FIRST
    assert mine.anomalies(NOON, NOON) == [kept("cart", 0, 1)]


def test_what_ended_before_a_time_is_forgotten_and_what_lasts_stays(detections: SqlDetections) -> None:
    told = [kept("gone", 0, 4), kept("just there", 0, 5), kept("lasts", 0)]
    detections.commit(SHARD, None, FIRST, told)
    assert detections.forget(NOON + 5 * MINUTE) == 1
    assert names(detections.anomalies(NOON, NOON)) == ["just there", "lasts"]
    assert detections.forget(NOON + 5 * MINUTE) == 0
    assert detections.position(SHARD) == FIRST


def test_many_are_forgotten_as_well(detections: SqlDetections) -> None:
    detections.commit(SHARD, None, FIRST, [kept(f"c{number}", 0, 1) for number in range(4_100)])
    assert detections.forget(NOON + 5 * MINUTE) == 4_100
    assert detections.anomalies(NOON, NOON) == []


@pytest.mark.parametrize("damage", ['{"series": 7', '{"series": {"kind": "odour"}}', "[]"])
def test_a_damaged_anomaly_is_named(tmp_path: Path, damage: str) -> None:
    place = tmp_path / "records.db"
    with closing(open_records(str(place))) as records:
        records.detections.commit(SHARD, None, FIRST, [KeptAnomaly(FULL)])
        with closing(sqlite3.connect(place)) as database, database:
            database.execute("UPDATE anomalies SET record = ?", (damage,))
        with pytest.raises(InputError, match=f"anomaly {KeptAnomaly(FULL).key} is damaged"):
            records.detections.anomalies(NOON, NOON)


def test_work_that_is_divided_anew_begins_where_the_last_shard_was(detections: SqlDetections) -> None:
    assert detections.shards() == 0
    assert detections.divide(3)
    assert not detections.divide(3)
    assert (detections.shards(), detections.positions()) == (3, {})
    far, behind = Position(NOON + 5 * MINUTE, 7), Position(NOON, 4)
    detections.commit(0, None, far, [])
    detections.commit(2, None, behind, [kept("cart", 0)])
    assert detections.divide(2)
    assert detections.positions() == dict.fromkeys(range(2), Position(NOON, 8))
    assert not detections.commit(0, far, after(far), []), "what was under way is done again"
    assert not detections.commit(2, behind, after(behind), [])
    assert names(detections.anomalies(NOON, NOON)) == ["cart"]


def test_a_first_tick_of_before_leaves_no_shard_behind(detections: SqlDetections) -> None:
    detections.divide(4)
    detections.commit(0, None, FIRST, [])
    detections.divide(2)
    assert detections.commit(3, None, Position(NOON - 9 * MINUTE, 1), [])
    assert list(detections.positions()) == [0, 1]
    detections.divide(4)
    assert {at.watermark for at in detections.positions().values()} == {NOON}
