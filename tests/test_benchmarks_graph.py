"""Graphs to measure with are what they say they are; both stores are asked, and answers compared."""

from __future__ import annotations

from collections import Counter

import bench_graph
import graph_made as made
import graph_questions as ask
import networkx as nx
import numpy as np
import pytest

from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import LEARNED
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_graph.stores.neo4j import Connection, Neo4jStore

TAILS = made.Tail(1.7, 1.0), made.Tail(0.6, 0.14)
CALL_GRAPH = {
    "entry_service": "S_1",
    "requests": 10,
    "nodes": ["USER", "web", "cache", "jobs"],
    "edges": [["USER", "web", "http", 10], ["web", "cache", "mc", 9], ["web", "jobs", "mq", 86_400]],
}


@pytest.fixture(scope="module")
def graph():
    return made.make(1_000, 6_000, TAILS)


def ends(claim):
    return claim.caller, claim.callee, claim.type


def test_a_made_graph_has_the_size_that_is_asked_for(graph):
    assert len({claim.name for claim in graph.components}) == len(graph.components) == 1_000
    assert len({ends(claim) for claim in graph.dependencies}) == 6_000
    assert made.make(1_000, 6_000, TAILS) == graph
    assert made.make(1_000, 6_000, TAILS, seed=2) != graph


def test_a_made_graph_has_layers(graph):
    types = {claim.name: claim.type for claim in graph.components}
    order = {layer: place for place, (layer, *_) in enumerate(made.LAYERS)}
    for claim in graph.dependencies:
        assert order[claim.caller.partition("-")[0]] < order[claim.callee.partition("-")[0]]
        assert (claim.type is DependencyType.RUNS_ON) == (types[claim.callee] is ComponentType.HOST)
    called = {claim.callee for claim in graph.dependencies if claim.type is not DependencyType.RUNS_ON}
    below = {name for name, type_ in types.items() if type_ is not ComponentType.HOST and not name.startswith("entry")}
    assert below <= called
    assert {claim.caller for claim in graph.dependencies if claim.type is DependencyType.RUNS_ON} >= below


def test_some_of_a_made_graph_expired_is_learned_came_back_or_was_seen_twice(graph):
    calls = [claim for claim in graph.dependencies if claim.calls_per_s is not None]
    shares = {
        "expired": np.mean([not made.VIEW.shows(claim) for claim in calls if claim.source != LEARNED]),
        "learned": np.mean([claim.source == LEARNED for claim in calls]),
        "returned": np.mean([len(claim.seen) == 2 for claim in calls]),
    }
    assert shares == pytest.approx({"expired": made.EXPIRED, "learned": 0.05, "returned": made.RETURNED}, abs=0.02)
    assert any(count > 1 for count in Counter(map(ends, calls)).values())


@pytest.mark.parametrize("exponent", [1.2, 1.7])
def test_a_tail_is_fitted_as_it_was_drawn(exponent):
    drawn = made.Tail(exponent, 1e9).weights(600, np.random.default_rng(1))
    degrees = [*(int(10 * weight) for weight in drawn), 2_000]
    fitted = made.fit_tails([star(str(number), degree) for number, degree in enumerate(degrees)])
    assert [tail.exponent for tail in fitted] == pytest.approx([exponent] * 2, rel=0.1)
    assert all(0.99 < tail.most < 1 for tail in fitted)


def star(name, degree):
    leaves = [f"leaf-{number}" for number in range(degree)]
    edges = [[*pair, "rpc", 1] for leaf in leaves for pair in (("hub", leaf), (leaf, "hub"))]
    return {"entry_service": name, "nodes": ["hub", *leaves], "edges": edges}


def test_a_call_graph_keeps_its_names_to_itself():
    claims = made.alibaba(CALL_GRAPH)
    assert [(c.name, c.type) for c in claims.components][2:] == [
        ("S_1/cache", ComponentType.CACHE),
        ("S_1/jobs", ComponentType.QUEUE),
    ]
    last = claims.dependencies[-1]
    assert (last.caller, last.callee, last.type, last.calls_per_s) == (
        "S_1/web", "S_1/jobs", DependencyType.PUBLISHES, 1.0,
    )  # fmt: skip


def test_answers_that_differ_are_told_apart(graph):
    store = MemoryStore()
    store.upsert(graph)
    kinds = ask.questions([claim.name for claim in graph.components], 4)
    before = {kind: ask.measure([(store, question) for question in own]) for kind, own in kinds.items()}
    assert all(len(found.first) == len(found.again) == 4 for found in before.values())
    assert before[ask.LARGEST].sizes == [500] * 4
    bench_graph._check("same", before, before)
    store.remove([claim.name for claim in graph.components if claim.name.startswith("middle")])
    after = {kind: ask.measure([(store, question) for question in own]) for kind, own in kinds.items()}
    with pytest.raises(SystemExit, match="answers differ"):
        bench_graph._check("less", before, after)


def test_networkx_is_asked_the_same_graph(graph):
    plain = ask.plain_graph(graph)
    assert (len(plain), plain.number_of_edges()) == (1_000, len({ends(claim)[:2] for claim in graph.dependencies}))
    for kind, own in ask.networkx_questions(list(plain), 3).items():
        for question in own:
            answer = question(plain)
            assert set(answer) <= set(plain), kind
            assert kind != "shortest_path" or nx.is_path(plain, answer)


@pytest.mark.neo4j
def test_rows_are_of_every_graph_store_and_kind(neo4j_server, new_tenant):
    connection = Connection(neo4j_server.url, neo4j_server.user, neo4j_server.password)
    tenant = new_tenant()
    server = lambda what: Neo4jStore(connection, f"{tenant} {what}")  # noqa: E731
    rows = bench_graph.measured([CALL_GRAPH | {"nodes": [*CALL_GRAPH["nodes"], "idle"]}], TAILS, server, [(60, 200)], 2)
    made_graph = "made, 60 components, 200 edges"
    assert {(row["graph"], row["store"]) for row in rows} == {
        *((what, store) for what in (made_graph, "Alibaba, all in one") for store in ("memory", "Neo4j", "networkx")),
        *(
            (what, store)
            for what in (f"{ask.LARGEST}, as the graph grows", "Alibaba, one by one")
            for store in ("memory", "Neo4j")
        ),
    }
    assert {tuple(row) for row in rows} == {("graph", "store", "question", *bench_graph.COLUMNS)}
    for row in rows:
        assert (row["load, s"] or 0) > 0 or row["p99, ms"] >= row["p50, ms"] > 0
