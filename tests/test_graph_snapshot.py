"""The graph as of a time and what became of it: beside what stores show and what a look at every hour finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter.model import DependencyType
from hypocenter_graph.claims import LEARNED, ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.snapshot import Changes, changes_between, find_component, most_connected, neighbourhood
from hypocenter_graph.stores.contract import View
from hypocenter_graph.stores.memory import MemoryStore

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
EXPIRY = 3 * HOUR
CALLS = DependencyType.CALLS
HOURS = st.integers(0, 40)
SEEN = st.lists(
    st.builds(
        lambda first, length: Interval(
            START + first * HOUR, None if length is None else START + (first + length) * HOUR
        ),
        HOURS,
        st.none() | st.integers(0, 9),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
NAMES = st.sampled_from("abcdef")
DEPENDENCIES = st.builds(
    DependencyClaim, NAMES, NAMES, st.just(CALLS), st.sampled_from(["spans", "declared", LEARNED]), SEEN
)
GRAPHS = st.lists(DEPENDENCIES, max_size=8).map(lambda claims: kept(*claims))


def kept(*dependencies: DependencyClaim, components: tuple[ComponentClaim, ...] = ()) -> MemoryStore:
    store = MemoryStore(EXPIRY)
    store.upsert(Discovered(components, dependencies))
    return store


def at(hour: int, *, learned: bool = False) -> View:
    return View(START + hour * HOUR, EXPIRY, learned)


def shown(store: MemoryStore, view: View) -> set[tuple[str, str, DependencyType]]:
    return {(d.caller, d.callee, d.type) for d in view.told(store.claims()).dependencies}


@given(GRAPHS, HOURS, st.booleans())
@settings(max_examples=60)
def test_a_snapshot_has_the_dependencies_that_the_store_shows_and_their_ends(store, hour, learned):
    view = at(hour, learned=learned)
    found = view.told(store.claims())
    assert found.dependencies == store.claims(None, view).dependencies
    assert {c.name for c in found.components} == {end for d in found.dependencies for end in (d.caller, d.callee)}


def test_a_component_by_itself_is_there_while_a_source_says_so():
    store = kept(components=(ComponentClaim("job", "spans", (Interval(START, START + HOUR),)),))
    assert [len(at(hour).told(store.claims()).components) for hour in (-1, 0, 4, 5)] == [0, 1, 1, 0]


@given(GRAPHS, HOURS, HOURS, st.booleans())
@settings(max_examples=100)
def test_changes_are_those_that_a_look_at_every_half_hour_finds(store, one, other, learned):
    then, now = sorted((START + one * HOUR, START + other * HOUR))
    moments = [START + half * HOUR / 2 for half in range(-2, 120)]
    there = {moment: shown(store, View(moment, EXPIRY, learned)) for moment in moments}
    before = set().union(*(found for moment, found in there.items() if moment < then))
    between = [found for moment, found in there.items() if then <= moment <= now]
    was, is_ = there[then], there[now]
    changes = changes_between(store.claims(), then, now, View(None, EXPIRY, learned))
    assert set(changes.vanished) == was - is_
    assert set(changes.appeared) == is_ - was - before
    assert set(changes.returned) == (is_ - was) & before | {e for e in was & is_ if not all(e in f for f in between)}


def test_nothing_changes_in_no_time():
    store = kept(DependencyClaim("a", "b", CALLS, "spans", (Interval(START, START + HOUR),)))
    assert changes_between(store.claims(), START, START, at(1)) == Changes()


@given(GRAPHS, NAMES, st.integers(1, 4))
@settings(max_examples=60)
def test_a_neighbourhood_is_all_within_so_many_steps_either_way(store, name, depth):
    view = at(20, learned=True)
    graph = nx.Graph([(a, b) for a, b, _ in shown(store, view)])
    graph.add_node(name)
    distances, left_out = neighbourhood(store, name, view, depth, 100)
    assert distances == dict(nx.single_source_shortest_path_length(graph, name, depth))
    assert left_out == 0


def test_a_neighbourhood_that_has_no_room_says_how_many_were_as_near():
    store = kept(*(DependencyClaim("hub", f"s{n}", CALLS, "declared", (Interval(START, None),)) for n in range(9)))
    distances, left_out = neighbourhood(store, "hub", at(1), 3, 5)
    assert (list(distances), left_out) == (["hub", "s0", "s1", "s2", "s3"], 5)


def test_the_most_connected_are_kept_first():
    store = kept(
        *(
            DependencyClaim(*pair, CALLS, "declared", (Interval(START, None),))
            for pair in ("ab", "ac", "bc", "ad", "ef")
        )
    )
    assert most_connected(store.claims(), 3) == {"a", "b", "c"}
    assert most_connected(store.claims(), 99) == set("abcdef")


def test_a_component_is_found_by_its_other_names_and_others_are_suggested():
    store = kept(components=(ComponentClaim("cart", "kubernetes", (Interval(START, None),), aliases=("cart-svc",)),))
    assert find_component(store, "cart") == find_component(store, "cart-svc") == "cart"
    with pytest.raises(InputError, match="is it 'cart'"):
        find_component(store, "card")
    with pytest.raises(InputError, match="`hypocenter graph show` lists"):
        find_component(store, "zzz")
    with pytest.raises(InputError, match="hypocenter graph import FILE"):
        find_component(MemoryStore(), "cart")
