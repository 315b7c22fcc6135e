"""Signs that are read once: incidents become the same as where all anomalies are read again each time."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings

from hypocenter.errors import SourceError
from hypocenter.model import Anomaly, Direction, Series
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.live_incidents import LiveIncident, Revision, Status
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.opening import open_records
from hypocenter.stores.work_board import MemoryBoard
from hypocenter_workers.anomaly_signs import AnomalySigns
from hypocenter_workers.live import follow
from hypocenter_workers.live_stores import GivenStores
from hypocenter_workers.live_work import LiveWork
from hypocenter_workers.ticks.states import FileStates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypocenter.incidents import Change
    from hypocenter.stores.opening import SqlRecords
    from hypocenter_workers.workplace import Due

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEP, CALM, DAY = timedelta(minutes=10), timedelta(minutes=15), timedelta(days=1)
SEEDS = range(20 if settings.get_current_profile_name() == "soak" else 2)
STEPS, SHARDS = 170, 2
COMPONENTS = ("web", "cart", "cart-db", "mail", "queue")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[SqlRecords]:
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        yield records


class Shards:
    """Ticks of shards, of which the second lags now and then; what is ill is chosen by chance, and one is ill long."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._under_way: dict[str, KeptAnomaly] = {}
        self._last: dict[str, datetime] = {}
        self._at = dict.fromkeys(range(SHARDS), 0)

    def tick(self, shard: int, until: int) -> tuple[Position | None, Position, list[KeptAnomaly]]:
        """Return what a tick of a shard up to a step commits."""
        first, self._at[shard] = self._at[shard], until
        before = Position(NOON + first * STEP, first) if first else None
        found = []
        for step in range(first, until):
            for name in COMPONENTS[shard::SHARDS]:
                found += self._told(name, NOON + step * STEP, shard)
        return before, Position(NOON + until * STEP, until), found

    def lags(self) -> bool:
        return bool(self._random.random() < 0.3)

    def _told(self, name: str, at: datetime, shard: int) -> list[KeptAnomaly]:
        is_ill = name in ("web", "cart") and NOON + DAY / 4 < at < NOON + DAY
        if is_ill or self._random.random() < 0.04:
            self._under_way[name] = self._again(name, at, shard)
            self._last[name] = at
        elif name in self._under_way and at - self._last[name] >= CALM:
            self._under_way[name] = KeptAnomaly(self._under_way[name].anomaly, self._last[name], shard)
        return [self._under_way[name]] if name in self._under_way else []

    def _again(self, name: str, at: datetime, shard: int) -> KeptAnomaly:
        last = self._last.get(name, NOON - DAY)
        is_same = at - last <= timedelta(hours=4)
        onset = self._under_way[name].anomaly.onset if is_same else at
        returned = at if is_same and at - last > CALM else None
        told = Anomaly(Series(name, "latency_p99"), onset, at, 9.0, 2.0, 1.0, 0.5, 1.5, Direction.UP)
        return KeptAnomaly(replace(told, returned_at=returned), None, shard)


@pytest.mark.parametrize("seed", SEEDS)
def test_incidents_are_as_where_all_is_read_each_time(kept: SqlRecords, tmp_path: Path, seed: int) -> None:
    shards = Shards(seed)
    seen: list[Change] = []
    with closing(open_records(str(tmp_path / "whole.db"))) as whole:
        once = AnomalySigns(kept.detections)
        for step in range(1, STEPS):
            for shard in range(SHARDS):
                if not (shard and shards.lags()):
                    tick = shards.tick(shard, step)
                    assert all(records.detections.commit(shard, *tick) for records in (kept, whole))
            now = NOON + step * STEP + timedelta(minutes=1)
            found = follow(kept, None, now, anomalies=once)
            assert found == follow(whole, None, now), now
            seen += found
    incidents = kept.incidents.incidents()
    assert max(one.updated_at - one.onset for one in incidents) > DAY / 2
    assert len(seen) > len(incidents)


def test_what_was_over_long_ago_is_not_read_again(kept: SqlRecords) -> None:
    old = KeptAnomaly(
        Anomaly(Series("web", "latency_p99"), NOON, NOON, 9.0, 2.0, 1.0, 0.5, 1.5, Direction.UP), NOON + CALM
    )
    assert kept.detections.commit(0, None, Position(NOON + DAY, 1), [old])
    signs = AnomalySigns(kept.detections)
    first = signs.between(NOON, NOON + DAY)
    assert [sign.ended_at for sign in first] == [NOON + CALM]
    assert kept.detections.forget(NOON + DAY) == 1
    assert signs.between(NOON, NOON + DAY + STEP) == first
    assert signs.between(NOON + STEP, NOON + DAY + STEP) == [], "what is asked for no more is let go"
    assert signs.between(NOON, NOON + DAY) == [], "what goes back is read again"


def test_what_could_not_be_sent_is_due_again(kept: SqlRecords, tmp_path: Path) -> None:
    now = [NOON]
    stores = GivenStores(MemoryMetrics(lambda: now[0]), kept, None, FileStates(tmp_path), MemoryBoard())
    work = LiveWork(stores, lambda: now[0])
    sent: list[Due] = []
    work.correlate(sent.append)
    assert kept.incidents.save(LiveIncident("one", Status.OPEN, NOON, NOON, NOON, ("web",)))
    assert kept.incidents.add_revision(Revision("one", 1, NOON, 1, {}))

    def dies(_: Due) -> None:
        raise SourceError("the broker is away")

    for minutes in (9, 11):
        now[0] = NOON + timedelta(minutes=minutes)
        with pytest.raises(SourceError, match="away"):
            work.correlate(dies)
    now[0] = NOON + timedelta(minutes=12)
    work.correlate(sent.append)
    now[0] = NOON + timedelta(minutes=13)
    work.correlate(sent.append)
    assert [due.investigate for due in sent] == [(), ("one",), ()], "a look ten minutes after the onset is made once"
