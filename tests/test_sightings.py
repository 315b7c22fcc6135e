"""Dependencies that pushed spans show: what they are called, when they are written, and graphs that take none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event

import pytest
from counted_store import NOON

from hypocenter.api.sightings import REFRESH_S, RETRY_S, Sightings
from hypocenter.errors import SourceError
from hypocenter.readers.otlp_columns import RESOURCE_ATTRIBUTES
from hypocenter.signals.span_counts import Peer, Relation
from hypocenter.signals.span_window import Sort
from hypocenter_graph.claims import Discovered
from hypocenter_graph.stores.memory import MemoryStore

AT_NS = int(NOON.timestamp()) * 10**9
EMPTY = Sort(*[""] * len(Sort._fields))
WEB = EMPTY._replace(service="web", kind="client", address="cart.shop:8080")
CART = EMPTY._replace(service="cart", kind="server")


class Clock:
    """A clock that is put forward."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


class Stumbling(MemoryStore):
    """A graph that cannot be reached as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.failures, self.writes = failures, 0

    def upsert(self, found: Discovered) -> None:
        if self.failures:
            self.failures -= 1
            raise SourceError("the graph does not answer")
        self.writes += 1
        super().upsert(found)


def edges(graph: MemoryStore) -> dict[tuple[str, str, str], datetime]:
    """Return the dependencies of a graph, and when each was last seen."""
    return {
        (claim.caller, claim.callee, claim.type.value): max(seen.last for seen in claim.seen if seen.last)
        for claim in graph.claims().dependencies
    }


def call(seconds: int = 0) -> tuple[Relation, int, int]:
    return Relation(CART, WEB, WEB, is_end=False), AT_NS + seconds * 10**9, 1


def test_what_is_new_is_written_at_once_and_what_is_known_once_a_minute() -> None:
    graph, clock = Stumbling(), Clock()
    sightings = Sightings(graph, clock)
    sightings.related(*call())
    sightings.write_new()
    assert edges(graph) == {("web", "cart", "CALLS"): NOON}
    sightings.related(*call(30))
    sightings.write_new()
    sightings.refresh()
    assert edges(graph) == {("web", "cart", "CALLS"): NOON}
    clock.at += timedelta(seconds=REFRESH_S)
    sightings.refresh()
    assert edges(graph) == {("web", "cart", "CALLS"): NOON + timedelta(seconds=30)}
    assert [claim.calls_per_s for claim in graph.claims().dependencies] == [pytest.approx(1 / REFRESH_S)]
    assert graph.writes == 2


def test_what_a_graph_does_not_take_is_kept_counted_and_written_when_it_does() -> None:
    graph, clock = Stumbling(failures=2), Clock()
    sightings = Sightings(graph, clock)
    for seconds in range(3):
        sightings.related(*call(seconds))
        sightings.write_new()
        sightings.write_new()
        assert sightings.failures == min(seconds + 1, 2)
        clock.at += timedelta(seconds=RETRY_S)
    assert edges(graph) == {("web", "cart", "CALLS"): NOON + timedelta(seconds=2)}
    assert sightings.lost == 0


def test_a_service_is_known_by_the_addresses_at_which_it_answered() -> None:
    sightings = Sightings(MemoryStore(), Clock())
    assert sightings.peers(WEB) == (Peer("cart.shop:8080", "virtual_node"),)
    sightings.related(*call())
    assert sightings.peers(WEB) == (Peer("cart", "virtual_node"),)
    assert sightings.peers(WEB._replace(address="127.0.0.1")) == ()


@pytest.mark.parametrize(
    ("sort", "peer"),
    [
        ({"db_system": "redis", "address": "redis-1"}, Peer("redis-1", "database")),
        ({"db_system": "postgresql", "db_name": "orders"}, Peer("postgresql:orders", "database")),
        ({"peer": "mailer"}, Peer("mailer", "virtual_node")),
        (
            {"kind": "producer", "messaging_system": "kafka", "destination": "orders"},
            Peer("kafka:orders", "messaging_system"),
        ),
    ],
)
def test_who_is_at_the_other_end(sort: dict[str, str], peer: Peer) -> None:
    sightings = Sightings(MemoryStore(), Clock())
    assert sightings.peers(EMPTY._replace(**{"service": "web", "kind": "client", **sort})) == (peer,)


def test_messages_pass_by_their_queue() -> None:
    graph = MemoryStore()
    sightings = Sightings(graph, Clock())
    told = {"messaging_system": "kafka", "destination": "orders"}
    sender = EMPTY._replace(service="web", kind="producer", **told)
    taker = EMPTY._replace(service="billing", kind="consumer", **told)
    sightings.related(Relation(taker, sender, sender, is_end=False), AT_NS, 1)
    sightings.related(Relation(sender, None, None, is_end=False), AT_NS, 1)
    sightings.flush()
    assert set(edges(graph)) == {("billing", "kafka:orders", "CONSUMES"), ("web", "kafka:orders", "PUBLISHES")}


def test_names_within_a_namespace_and_where_services_run() -> None:
    graph = MemoryStore()
    sightings = Sightings(graph, Clock())
    told = {"service": "cart", "namespace": "shop", "pod": "cart-0", "node": "node-1"}
    sightings.placed(tuple(told.get(name, "") for name in RESOURCE_ATTRIBUTES), AT_NS, AT_NS)
    sightings.related(Relation(CART._replace(namespace="shop"), WEB, WEB, is_end=False), AT_NS, 1)
    sightings.flush()
    assert set(edges(graph)) == {
        ("web", "shop/cart", "CALLS"),
        ("shop/cart-0", "shop/cart", "INSTANCE_OF"),
        ("shop/cart-0", "node-1", "RUNS_ON"),
    }
    assert graph.named(["cart"]) == {"cart": "shop/cart"}


@pytest.mark.parametrize("service", ["unknown_service", "unknown_service:python"])
def test_a_service_without_a_name_of_its_own_is_none_of_the_graph(service: str) -> None:
    graph = MemoryStore()
    sightings = Sightings(graph, Clock())
    sightings.placed(tuple(service if name == "service" else "" for name in RESOURCE_ATTRIBUTES), AT_NS, AT_NS)
    sightings.related(Relation(CART, WEB._replace(service=service), WEB, is_end=False), AT_NS, 1)
    sightings.flush()
    assert graph.claims() == Discovered()


class Slow(MemoryStore):
    """A graph in which a writing takes until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.let_go = Event(), Event()

    def upsert(self, found: Discovered) -> None:
        self.begun.set()
        assert self.let_go.wait(30)
        super().upsert(found)


def test_who_comes_while_another_writes_waits_for_its_own() -> None:
    graph = Slow()
    sightings = Sightings(graph, Clock())
    sightings.related(*call())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(sightings.write_new)
        assert graph.begun.wait(30)
        second = pool.submit(sightings.write_new)
        assert not second.done()
        graph.let_go.set()
        second.result(30)
        assert edges(graph) == {("web", "cart", "CALLS"): NOON}
        first.result(30)
