"""The dependency graph answers like networkx and like naive twins, whatever the graph and whatever its names."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import Component, ComponentType, Dependency, DependencyType
from hypocenter_graph.topology import build_topology, find_aliases

NAMES = st.sampled_from("abcdefgh")
EDGES = st.builds(Dependency, NAMES, NAMES, st.sampled_from(DependencyType))
GRAPHS = st.lists(EDGES, max_size=24)
HOSTILE = st.sampled_from(
    ["", " ", "__entry__", "a|b", "cart.eu.lb.example.com", "cart", "cart-v2", "a.b.c", "ß∂", "(.*", "\n", "x" * 300]
)
COMPONENTS = st.lists(st.builds(Component, HOSTILE, st.sampled_from(ComponentType)), max_size=6)
HOSTILE_GRAPHS = st.lists(st.builds(Dependency, HOSTILE, HOSTILE, st.sampled_from(DependencyType)), max_size=16)
BELOW = (DependencyType.RUNS_ON, DependencyType.INSTANCE_OF)
SHOP = [
    Dependency("front", "cart"),
    Dependency("cart", "cart-db"),
    Dependency("cart", "node-1", DependencyType.RUNS_ON),
    Dependency("ads", "node-1", DependencyType.RUNS_ON),
]


def arrows(dependencies, *, down=True):
    """Who leans on whom: a workload on its instances, and, looking down, a queue on those that drain it."""
    found = {
        (d.callee, d.caller) if d.type is DependencyType.INSTANCE_OF else (d.caller, d.callee) for d in dependencies
    }
    if down:
        found |= {(queue, who) for queue in queues(dependencies) for who in drains(queue, dependencies)}
    return sorted((above, below) for above, below in found if above != below)


def queues(dependencies):
    """What somebody publishes to or consumes from."""
    roles = (DependencyType.PUBLISHES, DependencyType.CONSUMES)
    return {d.callee for d in dependencies if d.type in roles and d.caller != d.callee}


def drains(queue, dependencies):
    """Who drains a queue: who is said to, else those that call it, publish not, and that nobody calls."""
    beside = [d for d in dependencies if d.caller != d.callee and d.type not in BELOW]
    stated = {d.caller for d in beside if d.callee == queue and d.type is DependencyType.CONSUMES}
    publishing = {d.caller for d in beside if d.callee == queue and d.type is DependencyType.PUBLISHES}
    leaned_on = {d.callee for d in beside}
    return stated or {d.caller for d in beside if d.callee == queue} - publishing - leaned_on


def drawn(dependencies, *, down=True):
    """The same graph in networkx, self-calls left out as the topology leaves them out."""
    return nx.DiGraph(arrows(dependencies, down=down))


def reached(start, pairs):
    """Naive: join what an edge leads to until nothing is new, counting the rounds."""
    found, rounds = {start: 0}, 0
    while True:
        rounds += 1
        new = {below for above, below in pairs if above in found} - found.keys()
        if not new:
            return found
        found |= dict.fromkeys(new, rounds)


@given(GRAPHS, NAMES)
def test_distances_and_impact_are_shortest_paths_down_and_up(dependencies, start):
    topology = build_topology([], dependencies)
    below, above = drawn(dependencies), drawn(dependencies, down=False).reverse()
    below.add_node(start)
    above.add_node(start)
    assert topology.distances(start) == nx.single_source_shortest_path_length(below, start)
    assert topology.impact(start) == nx.single_source_shortest_path_length(above, start)


@given(GRAPHS, NAMES)
def test_distances_match_the_naive_twin(dependencies, start):
    topology = build_topology([], dependencies)
    assert topology.distances(start) == reached(start, arrows(dependencies))
    assert topology.impact(start) == reached(start, [pair[::-1] for pair in arrows(dependencies, down=False)])


@given(GRAPHS, NAMES, NAMES)
def test_a_path_is_a_shortest_way_of_real_edges(dependencies, start, end):
    path = build_topology([], dependencies).path(start, end)
    graph = drawn(dependencies)
    graph.add_nodes_from([start, end])
    if not nx.has_path(graph, start, end):
        assert path == ()
        return
    assert (path[0], path[-1]) == (start, end)
    assert len(path) - 1 == nx.shortest_path_length(graph, start, end)
    assert all(graph.has_edge(*step) for step in pairwise(path))


@given(GRAPHS, NAMES)
def test_joined_is_the_weakly_connected_part(dependencies, start):
    graph = drawn(dependencies)
    graph.add_node(start)
    parts = nx.weakly_connected_components(graph)
    assert build_topology([], dependencies).joined(start) == next(part for part in parts if start in part)


@given(GRAPHS)
def test_entries_call_somebody_and_nobody_calls_them(dependencies):
    calls = drawn([d for d in dependencies if d.type not in BELOW], down=False)
    draining = {who for queue in queues(dependencies) for who in drains(queue, dependencies)}
    assert set(build_topology([], dependencies).entries()) == {
        name for name in calls if calls.out_degree(name) and not calls.in_degree(name) and name not in draining
    }


@given(GRAPHS, st.randoms(use_true_random=False))
def test_order_and_repetition_of_the_edges_do_not_matter(dependencies, random):
    shuffled = dependencies * 2
    random.shuffle(shuffled)
    assert build_topology([], shuffled) == build_topology([], dependencies)


@given(GRAPHS)
def test_no_self_call_and_no_repeated_edge_is_kept(dependencies):
    topology = build_topology([], dependencies)
    kept = [(d.caller, d.callee, d.type) for d in topology.dependencies]
    assert len(kept) == len(set(kept))
    assert all(caller != callee for caller, callee, _ in kept)
    assert {name for caller, callee, _ in kept for name in (caller, callee)} == topology.components.keys()


@given(COMPONENTS, HOSTILE_GRAPHS, HOSTILE, HOSTILE)
def test_hostile_names_and_all_edge_types_keep_the_laws(components, dependencies, start, end):
    topology = build_topology(components, dependencies)
    distances, path = topology.distances(start), topology.path(start, end)
    assert (path != ()) == (end in distances)
    assert len(path) == distances.get(end, -1) + 1
    assert all(below in topology.leaned_on(above) for above, below in pairwise(path))
    assert all(other in distances for component in distances for other in topology.leaned_on(component))
    assert distances.keys() <= topology.joined(start)
    assert set(topology.entries()) <= topology.components.keys()


def test_an_unknown_name_leans_on_nothing_and_is_a_service():
    topology = build_topology([], SHOP)
    assert topology.distances("nobody") == topology.impact("nobody") == {"nobody": 0}
    assert topology.path("front", "nobody") == topology.path("nobody", "front") == ()
    assert topology.leaned_on("nobody") == topology.leaning("nobody") == topology.consumers("nobody") == ()
    assert topology.components_type("nobody") is ComponentType.SERVICE


def test_the_path_to_oneself_has_one_stop():
    assert build_topology([], SHOP).path("cart", "cart") == ("cart",)


def test_an_empty_topology_answers():
    empty = build_topology([], [])
    assert (empty.entries(), empty.dependencies, empty.joined("x")) == ((), (), {"x"})


def test_what_runs_below_is_a_host_and_blame_passes_down_to_it():
    topology = build_topology([], SHOP)
    assert topology.components_type("node-1") is ComponentType.HOST
    assert topology.path("front", "node-1") == ("front", "cart", "node-1")
    assert topology.impact("node-1") == {"node-1": 0, "cart": 1, "ads": 1, "front": 2}
    assert topology.path("front", "ads") == (), "a guest of the same host is no dependency"


def test_a_stated_type_is_kept():
    topology = build_topology([Component("cart-db", ComponentType.DATABASE)], SHOP)
    assert topology.components_type("cart-db") is ComponentType.DATABASE


def queue_with(*callers):
    queue = Component("mail-queue", ComponentType.QUEUE)
    return build_topology([queue], [*callers, Dependency("front", "orders"), Dependency("mailer", "mail-queue")])


def test_a_queue_leans_on_those_that_drain_it():
    topology = queue_with(Dependency("orders", "mail-queue"))
    assert topology.consumers("mail-queue") == ("mailer",)
    assert topology.path("front", "mailer") == ("front", "orders", "mail-queue", "mailer")
    assert topology.entries() == ("front",), "a consumer is not where users come in"


def test_only_a_queue_has_consumers():
    topology = build_topology([], [Dependency("mailer", "mail-queue")])
    assert topology.consumers("mail-queue") == ()
    assert topology.entries() == ("mailer",)


def alias_twin(names, callees):
    """Naive: for each leaf with dots, every component that shares a long word; the lowest of them, if there is one."""
    plain = [name for name in names if name.count(".") < 2]
    found = {}
    for leaf in (name for name in names if name.count(".") >= 2 and not callees.get(name)):
        meant = set()
        for word in leaf.split(".")[0].split("-"):
            holders = [name for name in plain if len(word) >= 5 and word in name.replace("-", "")]
            lowest = [h for h in holders if not any(below in holders for below in callees.get(h, ()))]
            meant |= set(lowest) if len(lowest) == 1 else set()
        if len(meant) == 1:
            found[leaf] = meant.pop()
    return found


WORDS = st.sampled_from(["orders", "cart", "payment", "pay", "shop", "db"])
PLAIN = st.lists(WORDS, min_size=1, max_size=2).map("-".join)
NAMED = st.lists(PLAIN | PLAIN.map(lambda name: f"{name}.eu.lb.example.com"), min_size=1, max_size=7, unique=True)


@given(NAMED, st.data())
def test_aliases_match_the_naive_twin(names, data):
    callees = {name: tuple(data.draw(st.lists(st.sampled_from(names), max_size=2))) for name in names}
    assert find_aliases(names, callees) == alias_twin(names, callees)


@pytest.mark.parametrize(
    "others",
    [["orders-api", "orders-worker"], ["cart"], ["shop"]],
    ids=["two could be meant", "no word in common", "too short a word"],
)
def test_a_doubtful_alias_is_none(others):
    assert find_aliases([*others, "shop-orders.eu.lb.example.com"], {}) == {}


def test_blame_passes_through_the_other_name_of_a_component():
    balancer = "shop-orders.eu.lb.example.com"
    topology = build_topology([Component("orders")], [Dependency("site", balancer), Dependency("orders", "db")])
    assert topology.aliases == {balancer: "orders"}
    assert topology.path("site", "db") == ("site", balancer, "orders", "db")


@settings(max_examples=20)
@given(st.integers(2, 400))
def test_a_long_chain_is_no_problem(length):
    chain = [Dependency(f"s{i:03}", f"s{i + 1:03}") for i in range(length)]
    topology = build_topology([], chain)
    assert len(topology.path("s000", f"s{length:03}")) == length + 1
    assert max(topology.distances("s000").values()) == length
