"""Positions and anomalies of a database against the obvious way to keep them, whatever is done in whatever order."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shard_ticks import MINUTE, NOON, anomaly

from hypocenter.stores.detections import DetectionStore, KeptAnomaly, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from hypocenter.model import Series
    from hypocenter.stores.opening import SqlRecords


class NaiveDetections:
    """The slow, obvious twin."""

    def __init__(self) -> None:
        self._positions: dict[int, Position] = {}
        self._kept: dict[tuple[Series, datetime], KeptAnomaly] = {}

    def position(self, shard: int) -> Position | None:
        return self._positions.get(shard)

    def positions(self) -> dict[int, Position]:
        return self._positions

    def commit(self, shard: int, before: Position | None, after: Position, anomalies: Sequence[KeptAnomaly]) -> bool:
        if self._positions.get(shard) != before:
            return False
        self._positions[shard] = after
        for each in anomalies:
            self._kept[each.anomaly.series, each.anomaly.onset] = each
        return True

    def anomalies(self, start: datetime, end: datetime, *, lasting: bool = False) -> Sequence[KeptAnomaly]:
        first = end if lasting else start
        there = [
            each
            for each in self._kept.values()
            if each.anomaly.onset <= end and (each.ended_at is None or each.ended_at >= first)
        ]
        return sorted(there, key=lambda each: (each.anomaly.onset, each.anomaly.series.name))

    def forget(self, before: datetime) -> int:
        old = [name for name, each in self._kept.items() if each.ended_at is not None and each.ended_at < before]
        for name in old:
            del self._kept[name]
        return len(old)


minutes = st.integers(0, 6)
moments = minutes.map(lambda minute: NOON + minute * MINUTE)
shards = st.integers(0, 2)
positions = st.builds(Position, moments, st.integers(1, 3))
found = st.lists(
    st.builds(
        KeptAnomaly, st.builds(anomaly, st.sampled_from(["cart", "db", "ä"]), minutes), st.none() | moments, shards
    ),
    max_size=5,
)
ticks = st.tuples(st.just("tick"), shards, positions, found)
stale_ticks = st.tuples(st.just("stale tick"), shards, st.none() | positions, positions, found)
forgets = st.tuples(st.just("forget"), moments)
questions = st.tuples(st.just("ask"), moments, moments, st.booleans())


def _answer(store: DetectionStore, step: tuple[object, ...]) -> object:
    match step:
        case ("tick", int(shard), Position() as after, list(anomalies)):
            return store.commit(shard, store.position(shard), after, anomalies)
        case ("stale tick", int(shard), before, Position() as after, list(anomalies)):
            assert before is None or isinstance(before, Position)
            return store.commit(shard, before, after, anomalies)
        case ("forget", moment):
            return store.forget(moment)  # type: ignore[arg-type]
        case ("ask", start, end, bool(lasting)):
            return store.anomalies(start, end, lasting=lasting)  # type: ignore[arg-type]
    raise AssertionError(step)


@given(steps=st.lists(ticks | stale_ticks | forgets | questions, max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
def test_it_answers_as_the_obvious_way_does(
    records_at: Callable[[str], SqlRecords], new_tenant: Callable[[], str], steps: list[tuple[object, ...]]
) -> None:
    naive = NaiveDetections()
    with closing(records_at(new_tenant())) as records:
        for step in steps:
            assert _answer(records.detections, step) == _answer(naive, step)
        assert records.detections.positions() == naive.positions()
        everything = (NOON, NOON + 9 * MINUTE)
        assert records.detections.anomalies(*everything) == naive.anomalies(*everything)
