"""Walks over a graph store, beside networkx and searches that try everything."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count, pairwise
from math import inf

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import DependencyType
from hypocenter_graph.claims import DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.contract import TWO_WAY, View
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_graph.walks import blame_path, common_causes, impact, incident_subgraph

# Under `make soak` each property is tried on this many times as many graphs.
MANY = 25 if settings.get_current_profile_name() == "soak" else 1
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVER = View()
CALLS = DependencyType.CALLS
NAMES = "abcdefgh"
NAME = st.sampled_from(NAMES)
RATE = st.sampled_from([None, 1.0, 2.0])
TYPES = st.sampled_from([CALLS, CALLS, DependencyType.RUNS_ON, DependencyType.CONSUMES])


@st.composite
def graphs(draw):
    """Claims between eight components: from a few, in pieces, to many, with cycles and calls to oneself."""
    edges = draw(st.lists(st.tuples(NAME, NAME, TYPES), max_size=24, unique=True))
    return [claim(*edge, confidence=draw(st.sampled_from([0.5, 1.0])), calls_per_s=draw(RATE)) for edge in edges]


def claim(caller, callee, type_=CALLS, **how):
    return DependencyClaim(caller, callee, type_, "spans", (Interval(NOON, NOON),), **how)


def kept(claims):
    store = MemoryStore()
    store.upsert(Discovered((), tuple(claims)))
    return store


def chain(*names):
    return [claim(one, other) for one, other in pairwise(names)]


def arrows(claims):
    """What blame passes, as networkx has it."""
    graph = nx.DiGraph()
    for one in claims:
        graph.add_edge(one.caller, one.callee)
        if one.type in TWO_WAY:
            graph.add_edge(one.callee, one.caller)
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    return graph


def distances(graph, start):
    return dict(nx.single_source_shortest_path_length(graph, start)) if start in graph else {}


def cut(reached, most, worth):
    """Keep the nearest `most`, the worthiest of the last level; what else that level held is left out."""
    kept = {}
    for level in sorted(set(reached.values())):
        names = sorted((name for name in reached if reached[name] == level), key=worth)
        room = most - len(kept)
        kept.update(dict.fromkeys(names[:room], level))
        if len(names) > room:
            return kept, len(names) - room
    return kept, 0


@settings(max_examples=200 * MANY)
@given(graphs(), NAME, NAME)
def test_a_blame_path_is_the_first_by_name_of_the_shortest(claims, start, end):
    graph = arrows(claims)
    ways = nx.all_shortest_paths(graph, start, end) if {start, end} <= set(graph) else iter([()])
    try:
        shortest = min(map(tuple, ways))
    except nx.NetworkXNoPath:
        shortest = ()
    assert blame_path(kept(claims), start, end, EVER) == shortest


@settings(max_examples=100 * MANY)
@given(graphs(), NAME, st.integers(1, 9))
def test_impact_is_all_that_leans_on_it_up_to_the_cut(claims, name, most):
    reached, left_out = cut(distances(arrows(claims).reverse(), name), most + 1, worth=str)
    found = impact(kept(claims), name, EVER, most)
    assert (dict(found.distances), found.left_out) == (reached, left_out)
    assert list(found.distances.values()) == sorted(found.distances.values())


@settings(max_examples=100 * MANY)
@given(graphs(), st.lists(NAME, min_size=1, max_size=3, unique=True))
def test_common_causes_are_what_all_lean_on_nearest_first(claims, names):
    ways = [distances(arrows(claims), name) for name in names]
    shared = [name for name in NAMES if all(name in way for way in ways)]
    expected = {name: tuple(way[name] for way in ways) for name in shared}
    found = common_causes(kept(claims), names, EVER)
    assert dict(found) == expected
    assert list(found) == sorted(found, key=lambda name: (max(found[name]), sum(found[name]), name))


def costs(graph, seeds):
    """The least cost of what is joined to the seeds: relaxed until nothing changes."""
    found = dict.fromkeys(NAMES, inf) | dict.fromkeys(seeds, 0)
    for _ in NAMES:
        for start, end in graph.edges:
            found[end] = min(found[end], found[start] + 1)
            found[start] = min(found[start], found[end] + 2)
    return {name: cost for name, cost in found.items() if cost < inf}


def worth_in(claims, reached):
    """How well a component is joined to the levels that it is reached from."""

    def worth(name):
        leading = [one for one in claims if leads(one, name)]
        sure = max((one.confidence for one in leading), default=0)
        return -sure, -max((one.calls_per_s or 0.0 for one in leading), default=0), name

    def leads(one, name):
        ends = [(one.caller, one.callee)] + ([(one.callee, one.caller)] if one.type in TWO_WAY else [])
        down = any(end == name and reached.get(start) == reached[name] - 1 for start, end in ends)
        return down or any(start == name and reached.get(end) == reached[name] - 2 for start, end in ends)

    return worth


@settings(max_examples=200 * MANY)
@given(graphs(), st.lists(NAME, min_size=1, max_size=3, unique=True), st.integers(3, 9))
def test_a_subgraph_holds_the_nearest_and_what_lies_between_them(claims, seeds, most):
    graph = arrows(claims)
    reached = {name: cost for name, cost in costs(graph, seeds).items() if name in graph or name in seeds}
    expected, left_out = cut(reached, most, worth_in(claims, reached))
    between = [one for one in claims if {one.caller, one.callee} <= set(expected)]
    there = {end for one in between for end in (one.caller, one.callee)}
    found = incident_subgraph(kept(claims), seeds, EVER, most)
    assert found.left_out == left_out
    assert dict(found.costs) == {name: cost for name, cost in expected.items() if name in there}
    assert {component.name for component in found.components} == there
    assert set(found.dependencies) == set(between)


def test_more_seeds_than_there_is_room_are_cut_and_counted():
    found = incident_subgraph(kept(chain(*NAMES)), list(NAMES), EVER, 3)
    assert (set(found.costs), found.left_out) == (set("abc"), len(NAMES) - 3)


def test_a_subgraph_that_fits_exactly_leaves_nothing_out():
    assert incident_subgraph(kept(chain(*NAMES)), ["a"], EVER, len(NAMES)).left_out == 0
    assert incident_subgraph(kept(chain(*NAMES)), ["a"], EVER, len(NAMES) - 1).left_out == 1


def test_a_cause_lies_nearer_than_what_leans():
    found = incident_subgraph(kept(chain("user", "web", "cart", "db")), ["web"], EVER)
    assert dict(found.costs) == {"web": 0, "cart": 1, "db": 2, "user": 2}


def test_of_equals_the_surest_and_busiest_go_first():
    edges = [
        claim("web", "a", confidence=0.5, calls_per_s=9.0),
        claim("web", "b", confidence=0.9, calls_per_s=1.0),
        claim("web", "c", confidence=0.9, calls_per_s=2.0),
        claim("web", "d", confidence=0.9),
    ]
    assert set(incident_subgraph(kept(edges), ["web"], EVER, 3).costs) == {"web", "c", "b"}


def test_a_path_to_oneself_is_oneself_where_one_is_known():
    store = kept(chain("web", "cart"))
    assert blame_path(store, "web", "web", EVER) == ("web",)
    assert blame_path(store, "nowhere", "nowhere", EVER) == ()


def test_a_component_that_the_others_lean_on_is_a_common_cause_itself():
    assert dict(common_causes(kept(chain("web", "cart", "db")), ["web", "cart"], EVER)) == {
        "cart": (1, 0),
        "db": (2, 1),
    }
    assert common_causes(kept(chain("web", "cart")), [], EVER) == {}


class Counted(MemoryStore):
    """A memory store that counts what it is asked."""

    def __init__(self):
        super().__init__()
        self.asked = count()

    def claims(self, *asked):
        next(self.asked)
        return super().claims(*asked)

    def steps(self, *asked, **ways):
        next(self.asked)
        return super().steps(*asked, **ways)

    def nearest(self, *asked):
        next(self.asked)
        return super().nearest(*asked)


@pytest.mark.parametrize(
    ("walk", "most"),
    [
        (lambda store: blame_path(store, "top", "end", EVER), 2),
        (lambda store: impact(store, "end", EVER), 4),
        (lambda store: common_causes(store, ["top", *(f"{number}" for number in range(50))], EVER), 4),
        (lambda store: incident_subgraph(store, ["top"], EVER), 6),
    ],
)
def test_a_server_is_asked_once_for_each_level(walk, most):
    store = Counted()
    wide = [edge for number in range(300) for edge in chain("top", f"{number}", "end")]
    store.upsert(Discovered((), tuple(wide)))
    assert walk(store)
    assert next(store.asked) <= most
