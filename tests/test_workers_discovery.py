"""What labels of metrics show of a system is kept in the graph, as an investigation reads it, and ages there."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from steady_stream import writer_to
from waiting import awaited
from worker_process import running

from hypocenter.batches import Batch, Samples
from hypocenter.errors import SourceError
from hypocenter.model import Anomaly, ComponentType, DependencyType, Direction, Series
from hypocenter.rhythm import Rhythm
from hypocenter.signals import resolve
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.opening import open_records
from hypocenter.stores.stored_case import read_stored
from hypocenter.stores.work_board import MemoryBoard
from hypocenter_graph.claims import DependencyClaim, Discovered, Interval
from hypocenter_graph.resolve import components_of, dependencies_of
from hypocenter_graph.stores.contract import EXPIRY, View
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_graph.stores.neo4j import Connection, Neo4jStore
from hypocenter_workers.discovery import Discovery
from hypocenter_workers.known_graph import KnownGraph
from hypocenter_workers.live_stores import GivenStores
from hypocenter_workers.live_work import LiveWork
from hypocenter_workers.ticks.shards import Roster
from hypocenter_workers.ticks.states import FileStates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hypocenter.stores.opening import SqlRecords
    from hypocenter_graph.stores.contract import GraphStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SERVICE_GRAPH = "traces_service_graph_request_total"
SHOP = (
    {"__name__": SERVICE_GRAPH, "client": "frontend", "server": "orders"},
    {"__name__": SERVICE_GRAPH, "client": "orders", "server": "orders-db", "connection_type": "database"},
    {"__name__": SERVICE_GRAPH, "client": "user", "server": "frontend"},
    {
        "__name__": "istio_requests_total",
        "reporter": "destination",
        "source_workload": "orders",
        "destination_workload": "mail",
        "destination_service": "mail.shop.svc.cluster.local",
    },
    {"__name__": "response_total", "direction": "outbound", "deployment": "mail", "dst": "queue"},
    {"__name__": "process_cpu_seconds_total", "service": "orders", "node": "node-1"},
    {"__name__": "node_load1", "instance": "node-2:9100"},
    {"__name__": "http_requests_total", "service": "lonely"},
)
CALLS = {("frontend", "orders"), ("orders", "orders-db"), ("orders", "mail")}


@dataclass
class Shop:
    """Metrics, records and a graph, and workers that begin anew with each turn; the clock is set by the test."""

    records: SqlRecords
    folder: Path
    store: GraphStore
    now: datetime = NOON
    board: MemoryBoard = field(default_factory=MemoryBoard)

    def __post_init__(self) -> None:
        self.metrics = MemoryMetrics(lambda: self.now)

    def send(self, *series: Mapping[str, str]) -> None:
        """Send two samples of each series, the last of now."""
        numbers = self.metrics.number([tuple(sorted(labels.items())) for labels in series])
        at_ms = np.array([(self.now - MINUTE).timestamp(), self.now.timestamp()]) * 1000
        every = Samples(
            np.repeat(numbers, 2), np.tile(at_ms.astype(np.int64), len(numbers)), np.tile([1.0, 5.0], len(numbers))
        )
        self.metrics.append([Batch(every)])

    def discover(self, graph: KnownGraph | None = None, work: LiveWork | None = None) -> LiveWork:
        """Have a worker look, one that was there before or a new one."""
        known = graph or KnownGraph(self.store, View())
        stores = GivenStores(self.metrics, self.records, known, FileStates(self.folder), self.board)
        worker = work or LiveWork(stores, lambda: self.now, Rhythm(settle=timedelta(0)))
        worker.discover()
        return worker


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        yield Shop(records, tmp_path, MemoryStore())


def edges(
    store: GraphStore, kind: DependencyType = DependencyType.CALLS, at: datetime | None = None
) -> set[tuple[str, str]]:
    return {(one.caller, one.callee) for one in View(at).told(store.claims()).dependencies if one.type is kind}


def test_the_graph_shows_what_an_investigation_reads_of_the_same_metrics(shop: Shop) -> None:
    shop.send(*SHOP)
    shop.discover()
    claims = shop.store.claims()
    own = resolve(read_stored(shop.metrics, shop.records, (NOON - 6 * 60 * MINUTE, NOON)))
    assert edges(shop.store) >= CALLS
    kept = {(one.caller, one.callee, one.type, one.source) for one in claims.dependencies}
    assert kept == {(one.caller, one.callee, one.type, one.source) for one in own.dependencies}
    types = {one.name: one.type for one in components_of(claims.components, dependencies_of(claims.dependencies))}
    assert types == {one.name: one.type for one in own.components}
    assert (types["node-1"], types["node-2"]) == (ComponentType.HOST, ComponentType.HOST)
    assert edges(shop.store, DependencyType.RUNS_ON) == {("orders", "node-1")}


def test_what_is_sent_no_more_ages_as_other_observations_do(shop: Shop) -> None:
    shop.send(*SHOP)
    worker = shop.discover()
    for _ in range(2):
        shop.now += 10 * MINUTE
        shop.send(*SHOP[1:])
        shop.discover(work=worker)
    seen = {(one.caller, one.callee): one.seen for one in shop.store.claims().dependencies}
    (first,), (second,) = seen["frontend", "orders"], seen["orders", "orders-db"]
    # Each listing looks back to the one before the last.
    assert (first.first, first.last) == (NOON, NOON + 10 * MINUTE)
    assert (second.first, second.last) == (NOON, NOON + 20 * MINUTE)
    assert edges(shop.store, at=NOON + 10 * MINUTE + EXPIRY) >= CALLS
    later = edges(shop.store, at=NOON + 11 * MINUTE + EXPIRY)
    assert ("frontend", "orders") not in later
    assert ("orders", "orders-db") in later


def test_it_is_written_once_for_each_listing(shop: Shop) -> None:
    shop.send(*SHOP)
    worker = shop.discover()
    shop.store.remove(["lonely"])
    shop.now += 4 * MINUTE
    shop.send({"__name__": SERVICE_GRAPH, "client": "orders", "server": "new"})
    shop.discover(work=worker)
    assert {"lonely", "new"}.isdisjoint(claim.name for claim in shop.store.claims().components)
    shop.now += MINUTE
    shop.discover(work=worker)
    assert ("orders", "new") in edges(shop.store)
    assert "lonely" in {claim.name for claim in shop.store.claims().components}


def test_a_graph_that_is_away_is_asked_again(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.send(*SHOP)
    shop.discover(KnownGraph(SourceError("no answer"), View()))
    assert "is asked again: no answer" in caplog.text
    shop.discover()
    assert edges(shop.store) >= CALLS


def test_without_metrics_nothing_is_written(shop: Shop) -> None:
    shop.discover()
    assert shop.store.claims().components == ()
    shop.send(*SHOP)
    shop.discover()
    assert edges(shop.store) >= CALLS


def test_names_that_can_be_none_are_left_out(shop: Shop) -> None:
    long = "x" * 600
    shop.send(
        {"__name__": SERVICE_GRAPH, "client": long, "server": "orders"}, {"__name__": "up", "service": long}, *SHOP
    )
    shop.discover()
    assert edges(shop.store) >= CALLS
    assert max(len(claim.name) for claim in shop.store.claims().components) < 513


def test_names_without_end_are_cut(shop: Shop) -> None:
    shop.send(*({"__name__": SERVICE_GRAPH, "client": "web", "server": f"s{number}"} for number in range(30)))
    found = Discovery(Roster(shop.metrics, 2), most=10).found(int(NOON.timestamp() * 1000))
    assert len(found.dependencies) == 10
    assert len(found.components) <= 20


@pytest.mark.parametrize("knows_more", [False, True])
def test_labels_alone_tear_nothing_apart_that_begins_together(shop: Shop, *, knows_more: bool) -> None:
    shop.send(*SHOP)
    worker = shop.discover()
    if knows_more:
        seen = (Interval(NOON, None),)
        declared = DependencyClaim("frontend", "orders", DependencyType.CALLS, "declared", seen)
        shop.store.upsert(Discovered((), (declared,)))
    told = [
        KeptAnomaly(Anomaly(Series(name, "latency_p99"), NOON, NOON, 9.0, 2.0, 1.0, 0.5, 1.5, Direction.UP))
        for name in ("frontend", "orders", "node-2", "lonely")
    ]
    assert shop.records.detections.commit(0, None, Position(NOON, 1), told)
    shop.now += MINUTE
    worker.correlate(lambda _: None)
    together = sorted(each.components for each in shop.records.incidents.incidents())
    apart = [("frontend", "orders"), ("lonely", "node-2")]
    assert together == (apart if knows_more else [("frontend", "lonely", "node-2", "orders")])


@pytest.mark.redis
@pytest.mark.neo4j
def test_a_worker_keeps_it_in_the_graph_that_its_settings_name(
    redis_server: str, neo4j_server: Any, prometheus_server: str, tenant: str, tmp_path: Path
) -> None:
    at_ms = int(datetime.now(UTC).timestamp() * 1000) - 1000 * np.arange(120)[::-1]
    shop = [tuple(sorted(labels.items())) for labels in SHOP]
    samples = Samples(np.repeat(np.arange(len(shop)), 120), np.tile(at_ms, len(shop)), np.arange(120.0 * len(shop)))
    with closing(writer_to(prometheus_server)) as writer:
        assert writer.write(samples, shop.__getitem__) == []
    settings = {
        "HYPOCENTER_METRICS": prometheus_server,
        "HYPOCENTER_RECORDS": str(tmp_path / "records.db"),
        "HYPOCENTER_GRAPH": neo4j_server.url,
        "HYPOCENTER_NEO4J_USER": neo4j_server.user,
        "HYPOCENTER_NEO4J_PASSWORD_FILE": str(neo4j_server.password_file),
        "HYPOCENTER_TENANT": tenant,
    }
    server = Connection(neo4j_server.url, neo4j_server.user, neo4j_server.password)
    with running(redis_server, tmp_path, **settings) as app, closing(Neo4jStore(server, tenant)) as store:
        app.send_task("hypocenter.discover")
        awaited(lambda: edges(store) >= CALLS)
        assert edges(store, DependencyType.RUNS_ON) == {("orders", "node-1")}
        assert {one.source for one in store.claims().dependencies} == {"labels"}
