"""A graph that is away delays incidents for a while and keeps none of them from anybody; when it is back it is used."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from hypocenter.errors import SourceError
from hypocenter.model import Anomaly, DependencyType, Direction, Series
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.opening import open_records
from hypocenter.stores.work_board import MemoryBoard
from hypocenter_graph.claims import DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.contract import View
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_workers.known_graph import KnownGraph
from hypocenter_workers.live_stores import GivenStores, SettingsStores
from hypocenter_workers.live_work import GRAPH_PATIENCE, LiveWork
from hypocenter_workers.ticks.states import FileStates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypocenter.stores.opening import SqlRecords

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
AWAY = KnownGraph(SourceError("no answer"), View())


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqlRecords]:
    with closing(open_records(str(tmp_path / "records.db"))) as kept:
        yield kept


class Told:
    """Work on two systems that fell ill together, whose clock and graph are set by the test."""

    def __init__(self, records: SqlRecords, folder: Path) -> None:
        self.now, self.records, self._folder, self._board = NOON, records, folder, MemoryBoard()
        found = [
            KeptAnomaly(Anomaly(Series(name, "latency_p99"), NOON, NOON, 9.0, 2.0, 1.0, 0.5, 1.5, Direction.UP))
            for name in ("web", "cart", "mail", "queue")
        ]
        assert records.detections.commit(0, None, Position(NOON, 1), found)

    def correlate(self, graph: KnownGraph, after: timedelta) -> list[tuple[str, ...]]:
        """Return the components of the incidents that are there when signs were brought together with a graph."""
        self.now = NOON + after
        stores = GivenStores(
            MemoryMetrics(lambda: self.now), self.records, graph, FileStates(self._folder), self._board
        )
        LiveWork(stores, lambda: self.now).correlate(list)
        return sorted(each.components for each in self.records.incidents.incidents())


def whole() -> KnownGraph:
    """The graph in which there are two systems."""
    always = (Interval(NOON - timedelta(days=1), None),)
    edges = [
        DependencyClaim(*ends, DependencyType.CALLS, "declared", always)
        for ends in (("web", "cart"), ("mail", "queue"))
    ]
    store = MemoryStore()
    store.upsert(Discovered((), tuple(edges)))
    return KnownGraph(store, View())


def test_incidents_wait_for_a_graph_that_is_away_for_a_moment(records: SqlRecords, tmp_path: Path) -> None:
    told = Told(records, tmp_path)
    for after in (2 * MINUTE, 3 * MINUTE):
        with pytest.raises(SourceError, match="no answer"):
            told.correlate(AWAY, after)
    assert told.correlate(whole(), 4 * MINUTE) == [("cart", "web"), ("mail", "queue")]


def test_incidents_wait_no_longer_than_that(records: SqlRecords, tmp_path: Path) -> None:
    told = Told(records, tmp_path)
    with pytest.raises(SourceError, match="no answer"):
        told.correlate(AWAY, MINUTE)
    assert told.correlate(AWAY, MINUTE + GRAPH_PATIENCE) == [("cart", "mail", "queue", "web")]


def test_each_outage_has_a_patience_of_its_own(records: SqlRecords, tmp_path: Path) -> None:
    told = Told(records, tmp_path)
    with pytest.raises(SourceError, match="no answer"):
        told.correlate(AWAY, -MINUTE)
    told.correlate(whole(), timedelta(0))
    with pytest.raises(SourceError, match="no answer"):
        told.correlate(AWAY, GRAPH_PATIENCE)


def test_a_graph_that_could_not_be_opened_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "missing" / "all.graph"
    monkeypatch.setenv("HYPOCENTER_GRAPH", str(place))
    place.parent.write_text("in the way", encoding="utf-8")
    stores = SettingsStores()
    assert stores.graph is not None
    assert isinstance(stores.graph.store, SourceError)
    place.parent.unlink()
    place.parent.mkdir()
    graph = stores.graph
    assert not isinstance(graph.store, SourceError)
    with closing(graph.store):
        assert graph.store.named(["web"]) == {}
    assert stores.graph is not None
    assert stores.graph.store is graph.store
