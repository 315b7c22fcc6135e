"""Random cut trees against a slow, obvious twin, and the invariants that inserting and forgetting must keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter_workers.detect import forest_kernels as kernels
from hypocenter_workers.detect.forest import empty_trees

LEAVES = 24
AXES = 8
U64 = (1 << 64) - 1
points_of = st.lists(st.lists(st.integers(-40, 40), min_size=AXES, max_size=AXES), min_size=1, max_size=LEAVES)


@dataclass
class Leaf:
    point: tuple[int, ...]
    mass: int = 1


@dataclass
class Node:
    axis: int
    cut: int
    left: Leaf | Node
    right: Leaf | Node


def dice(key, count):
    z = (key + 0x9E3779B97F4A7C15 * count) & U64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & U64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & U64
    return z ^ (z >> 31)


def leaves_of(tree):
    return [tree] if isinstance(tree, Leaf) else leaves_of(tree.left) + leaves_of(tree.right)


def box(tree):
    points = np.array([leaf.point for leaf in leaves_of(tree)])
    return points.min(axis=0), points.max(axis=0)


def mass(tree):
    return sum(leaf.mass for leaf in leaves_of(tree))


def room(tree, point):
    """How far the point lies above the box on each axis, then how far below, and the sum of the box's sides."""
    low, high = box(tree)
    point = np.array(point)
    return np.concatenate([np.maximum(point - high, 0), np.maximum(low - point, 0)]), int((high - low).sum())


def naive_insert(tree, point, key, drawn=1):
    if tree is None:
        return Leaf(point)
    beyond, span = room(tree, point)
    outside = int(beyond.sum())
    if outside:
        offset = (dice(key, drawn) >> 32) * (outside + span) >> 32
        drawn += 1
        if offset < outside:
            return naive_split(tree, point, beyond, offset)
    if isinstance(tree, Leaf):
        return Leaf(tree.point, tree.mass + 1)
    if point[tree.axis] <= tree.cut:
        return Node(tree.axis, tree.cut, naive_insert(tree.left, point, key, drawn), tree.right)
    return Node(tree.axis, tree.cut, tree.left, naive_insert(tree.right, point, key, drawn))


def naive_split(tree, point, beyond, offset):
    edges = np.cumsum(beyond)
    lane = int(np.argmax(edges > offset))
    into = int(offset - (edges[lane] - beyond[lane]))
    if lane < AXES:
        return Node(lane, int(box(tree)[1][lane]) + into, tree, Leaf(point))
    return Node(lane - AXES, point[lane - AXES] + into, Leaf(point), tree)


def naive_forget(tree, rank):
    if isinstance(tree, Leaf):
        return Leaf(tree.point, tree.mass - 1) if tree.mass > 1 else None
    if rank < mass(tree.left):
        rest = naive_forget(tree.left, rank)
        return tree.right if rest is None else Node(tree.axis, tree.cut, rest, tree.right)
    rest = naive_forget(tree.right, rank - mass(tree.left))
    return tree.left if rest is None else Node(tree.axis, tree.cut, tree.left, rest)


def naive_score(tree, point, depth=0, total=None):
    """The expected inverse depth of the point's own leaf, straight from the definition."""
    total = total or mass(tree)
    beyond, span = room(tree, point)
    cut_here = beyond.sum() / (beyond.sum() + span) if beyond.sum() else 0.0
    if isinstance(tree, Leaf):
        seen = (1 - tree.mass / (2 * total)) / (depth + math.log2(tree.mass + 1))
        return 1 / (depth + 1) if cut_here else seen
    below = tree.left if point[tree.axis] <= tree.cut else tree.right
    return cut_here / (depth + 1) + (1 - cut_here) * naive_score(below, point, depth + 1, total)


def naive_forest(stream, trees, rate, seed):
    """Score and learn a stream of points: scores, and the trees as they stand at last."""
    grown, scores = [None] * trees, []
    for seen, point in enumerate(stream):
        found = 0.0
        for number, tree in enumerate(grown):
            found += naive_score(tree, point) if tree else 0.0
            key = dice(dice(seed, number + 1), seen + 1)
            if tree is not None and mass(tree) == LEAVES:
                if (key >> 11) * 2.0**-53 >= max(rate, LEAVES / (seen + 1)):
                    continue
                grown[number] = naive_forget(tree, (dice(key, kernels.FORGET_DRAW) >> 32) * LEAVES >> 32)
            grown[number] = naive_insert(grown[number], point, key)
        scores.append(found / trees * math.log2(min(seen, LEAVES) + 1))
    return np.array(scores), grown


def lanes(points):
    points = np.asarray(points, dtype=np.int32).reshape(-1, AXES)
    return np.ascontiguousarray(np.concatenate([points, -points], axis=1))


def forest(trees):
    return kernels.Forest(*empty_trees((trees,), LEAVES, 2 * AXES).values())


def one_tree(points, seed=7):
    tree = kernels.tree_of(forest(1), 0)
    for row, _ in enumerate(points):
        kernels.insert(tree, lanes(points), row, np.uint64(dice(seed, row)))
    return tree


def score(tree, points, asked=None):
    """What one tree adds to the scores of points."""
    rows, scores = lanes(points), np.zeros(len(points))
    room = kernels.Descent(*(np.zeros(len(points), kind) for kind in (np.int64, np.int64, float, float)))
    kernels.score_rows(tree, rows if asked is None else asked, rows, 0, len(points), room, scores)
    return scores.tolist()


def read(tree, node=None):
    """The kernel's tree as the twin's, checking every box, span and mass on the way."""
    node = int(tree.head[kernels.ROOT]) if node is None else node
    if node < 0:
        return None
    if node >= len(tree.nodes):
        return Leaf(tuple(tree.boxes[node, :AXES].tolist()), int(tree.masses[node]))
    axis, cut, left, right, span = tree.nodes[node].tolist()
    found = Node(axis, cut, read(tree, left), read(tree, right))
    low, high = box(found)
    np.testing.assert_array_equal(tree.boxes[node], np.concatenate([high, -low]))
    assert span == (high - low).sum()
    assert tree.masses[node] == mass(found)
    assert box(found.left)[1][axis] <= cut < box(found.right)[0][axis]
    return found


def stream(rows, seed, spread=30):
    rng = np.random.default_rng(seed)
    return [tuple(point) for point in rng.integers(-spread, spread, (rows, AXES)).tolist()]


@pytest.mark.parametrize("spread", [2000, 2])
def test_a_forest_scores_and_grows_as_its_slow_twin(spread):
    points = stream(90, 1, spread) + stream(10, 1, spread)
    kernel, scores = forest(3), np.empty(len(points))
    kernels.advance(kernel, lanes(points), lanes(points), 0, 0.3, 5, scores)
    expected, grown = naive_forest(points, 3, 0.3, 5)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    assert [read(kernels.tree_of(kernel, number)) for number in range(3)] == grown


@settings(max_examples=40)
@given(points=points_of, ranks=st.lists(st.integers(0, LEAVES - 1), max_size=LEAVES))
def test_boxes_are_tight_and_masses_right_whatever_comes_and_goes(points, ranks):
    tree, path = one_tree(points), np.empty(LEAVES, np.int32)
    left = read(tree)
    assert sorted(p for leaf in leaves_of(left) for p in [leaf.point] * leaf.mass) == sorted(map(tuple, points))
    for rank in ranks[: len(points)]:
        held = mass(left)
        kernels.forget(tree, rank % held, path)
        left = naive_forget(left, rank % held)
        assert read(tree) == left


@settings(max_examples=40)
@given(points=points_of.filter(lambda points: len(points) > 1), seed=st.integers(0, 2**63))
def test_forgetting_a_point_undoes_its_insertion(points, seed):
    *before, newest = points
    tree, path = one_tree(before), np.empty(LEAVES, np.int32)
    kept = read(tree)
    kernels.insert(tree, lanes([newest]), 0, np.uint64(seed))
    ordered = [leaf.point for leaf in leaves_of(read(tree)) for _ in range(leaf.mass)]
    kernels.forget(tree, ordered.index(tuple(newest)), path)
    assert read(tree) == kept


@settings(max_examples=20)
@given(points=points_of, others=points_of)
def test_a_tree_that_was_emptied_holds_as_many_as_before(points, others):
    tree, path = one_tree(points), np.empty(LEAVES, np.int32)
    for left in range(len(points), 0, -1):
        kernels.forget(tree, left - 1, path)
    assert read(tree) is None
    full = (others * LEAVES)[:LEAVES]
    for row in range(LEAVES):
        kernels.insert(tree, lanes(full), row, np.uint64(row))
    assert mass(read(tree)) == LEAVES


def test_the_score_is_the_expected_inverse_depth_of_an_insertion():
    points, newest = stream(LEAVES - 1, 3), tuple([35] * AXES)
    tree = read(one_tree(points))
    drawn = [1 / depth_of(naive_insert(tree, newest, dice(seed, 99)), newest) for seed in range(3000)]
    assert np.mean(drawn) == pytest.approx(
        score(one_tree(points), [newest])[0], abs=4 * np.std(drawn) / math.sqrt(len(drawn))
    )


def depth_of(tree, point, depth=0):
    if isinstance(tree, Leaf):
        return depth
    return depth_of(tree.left if point[tree.axis] <= tree.cut else tree.right, point, depth + 1)


@pytest.mark.parametrize("order", [(0, 1, 10), (10, 0, 1), (0, 10, 1)])
def test_the_first_cut_falls_in_proportion_to_room_in_any_order_of_arrival(order):
    """Of 0, 1 and 10 the tenth is cut off first in nine of ten trees, also when a fourth point came and went."""
    rows = lanes([[x] * AXES for x in (*order[:2], 5, order[2])])
    path, far, trees = np.empty(LEAVES, np.int32), 0, 1500
    for seed in range(trees):
        tree = kernels.tree_of(forest(1), 0)
        for row in range(4):
            kernels.insert(tree, rows, row, np.uint64(dice(seed, row)))
        fifth = [leaf.point[0] for leaf in leaves_of(read(tree))].index(5)
        kernels.forget(tree, fifth, path)
        grown = read(tree)
        far += isinstance(grown.right, Leaf) and grown.right.point[0] == 10
    assert far / trees == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / trees))


def test_an_isolated_point_scores_higher_the_farther_it_lies():
    scores = score(one_tree(stream(LEAVES, 4)), [[0] * 7 + [far] for far in (40, 80, 160, 1280)])
    assert scores == sorted(scores)
    assert scores[-1] > 1.5 * scores[0]


def test_points_scored_together_score_as_each_alone():
    tree, points = one_tree(stream(LEAVES, 4)), stream(30, 5) + stream(3, 4)
    assert score(tree, points) == [score(tree, [point])[0] for point in points]


def test_a_lane_that_is_not_asked_adds_nothing():
    tree, point = one_tree(stream(LEAVES, 4)), [0] * 7 + [500]
    asked = lanes([point])
    asked[0, [7, 15]] = kernels.UNASKED
    inside = [0] * 7 + [int(box(read(tree))[1][7])]
    assert score(tree, [inside], asked) < score(tree, [point])
