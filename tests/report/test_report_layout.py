"""The layered layout: nothing overlaps, callers stand left, and the fast steps equal their obvious twins."""

from __future__ import annotations

import random
import subprocess
import sys
from itertools import combinations, pairwise

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.report.graph_layout import Box, acyclic, assign_layers, crossings, lay_out, spaced

BOX = Box()
NAMES = st.integers(0, 11).map(str)
EDGES = st.lists(st.tuples(NAMES, NAMES), max_size=30)


def assert_sound(layout, nodes, edges):
    """Every node is inside and apart from all others, and every edge joins the sides of its two nodes."""
    assert set(layout.centres) == set(nodes)
    for x, y in layout.centres.values():
        assert BOX.width / 2 <= x <= layout.width - BOX.width / 2
        assert BOX.height / 2 <= y <= layout.height - BOX.height / 2
    for (x0, y0), (x1, y1) in combinations(layout.centres.values(), 2):
        assert abs(x0 - x1) >= BOX.width or abs(y0 - y1) >= BOX.height
    assert set(layout.routes) == {(a, b) for a, b in edges if a != b and {a, b} <= set(nodes)}
    for (caller, callee), route in layout.routes.items():
        for node, end in ((caller, route[0]), (callee, route[-1])):
            x, y = layout.centres[node]
            assert abs(end[0] - x) == pytest.approx(BOX.width / 2)
            assert end[1] == y


@settings(max_examples=60, deadline=None)
@given(st.lists(NAMES, max_size=12), EDGES)
def test_any_graph_is_laid_out_soundly(nodes, edges):
    assert_sound(lay_out(nodes, edges, BOX), nodes, edges)


@settings(max_examples=40, deadline=None)
@given(EDGES)
def test_callers_stand_left_of_what_they_call_unless_there_is_a_cycle(edges):
    straight = [(a, b) for a, b in edges if int(a) < int(b)]
    layout = lay_out({node for edge in straight for node in edge}, straight, BOX)
    assert all(layout.centres[a][0] < layout.centres[b][0] for a, b in straight)


@settings(max_examples=40, deadline=None)
@given(st.lists(NAMES, max_size=12), EDGES, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(nodes, edges, chance):
    turned = chance.sample(nodes, len(nodes)), chance.sample(edges, len(edges))
    assert lay_out(*turned, BOX) == lay_out(nodes, edges, BOX)


@settings(max_examples=40, deadline=None)
@given(EDGES)
def test_cycles_are_broken_and_nothing_else_is_turned(edges):
    known = sorted({(a, b) for a, b in edges if a != b})
    graph, straight = nx.DiGraph(known), acyclic(known)
    assert nx.is_directed_acyclic_graph(straight)
    assert {frozenset(edge) for edge in straight.edges} == {frozenset(edge) for edge in known}
    assert all(straight.has_edge(a, b) or nx.has_path(graph, b, a) for a, b in known)


@settings(max_examples=40, deadline=None)
@given(EDGES, st.integers(1, 5))
def test_layers_keep_their_limit(edges, limit):
    graph = acyclic(sorted({(a, b) for a, b in edges if a != b}))
    layers = assign_layers(graph, limit)
    assert all(layers[a] < layers[b] for a, b in graph.edges)
    assert all(list(layers.values()).count(layer) <= limit for layer in layers.values())


def naive_crossings(items, right):
    total = 0
    for here, there in pairwise(items):
        edges = [(here.index(a), there.index(b)) for a in here for b in right.get(a, ())]
        total += sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(edges, 2))
    return total


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=20, unique=True))
def test_crossings_equal_the_count_over_all_pairs(pairs):
    items = [[f"a{i}" for i in range(6)], [f"b{i}" for i in range(6)]]
    right = {f"a{i}": [f"b{end}" for start, end in pairs if start == i] for i in range(6)}
    assert crossings(items, right) == naive_crossings(items, right)


def naive_spaced(wish, gaps):
    """The min-max formula of isotonic regression: the largest of the smallest means that contain a place."""
    taken = [sum(gaps[:index]) for index in range(len(wish))]
    free = [value - less for value, less in zip(wish, taken, strict=True)]
    ends = range(len(free))
    best = [max(min(sum(free[a : b + 1]) / (b + 1 - a) for b in ends[i:]) for a in ends[: i + 1]) for i in ends]
    return [value + less for value, less in zip(best, taken, strict=True)]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0, 30)), max_size=9))
def test_spacing_is_the_least_squares_one(pairs):
    wish, gaps = [pair[0] for pair in pairs], [pair[1] for pair in pairs][1:]
    assert spaced(wish, gaps) == pytest.approx(naive_spaced(wish, gaps), abs=1e-6)


def test_fifty_components_fit_two_pages_and_a_fan_does_not_become_a_tower():
    chance = random.Random(7)
    names = [f"s{index}" for index in range(50)]
    edges = [(names[chance.randrange(index)], names[index]) for index in range(1, 50)]
    edges += [tuple(sorted(chance.sample(names, 2), key=names.index)) for _ in range(25)]
    layout = lay_out(names, edges, BOX)
    assert_sound(layout, names, edges)
    assert layout.width < 2600
    assert layout.height < 1200
    fan = lay_out(names, [("s0", name) for name in names[1:]], BOX)
    assert fan.height < 1600


def test_the_seed_of_hashing_does_not_matter():
    program = (
        "from hypocenter.report.graph_layout import Box, lay_out\n"
        "names = [f's{i}' for i in range(30)]\n"
        "edges = [(names[i * 7 % 30], names[i * 11 % 30]) for i in range(90)]\n"
        "print(sorted(lay_out(names, edges, Box()).centres.items()))"
    )
    command = [sys.executable, "-c", program]
    shown = {subprocess.run(command, env={"PYTHONHASHSEED": seed}, capture_output=True).stdout for seed in "12"}
    assert len(shown) == 1
    assert b"s29" in shown.pop()
