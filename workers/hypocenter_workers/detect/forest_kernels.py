"""Kernels of streaming random cut trees (Guha, Mishra, Roy, Schrijvers, "Robust Random Cut Forest", ICML 2016).

A point and a box are the same thing: the upper bounds of x and of -x, one lane each, so a point's own box has bounds x
and -x, the union of boxes is the larger bound in each lane, and the sum over lanes is the sum of a box's sides. All
are whole numbers: boxes, cuts and sampling are exact and the same on every machine. The number of lanes is a multiple
of 16, which lets the compiler turn each pass over a box into a few vector instructions; indices of the innermost
loops are unsigned, which spares it the case of negative ones.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# Arguments are the arrays of a `Tree` or `Forest`, rows of points [row, lane] of int32, and numbers; numba infers them.

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hypocenter_workers.detect.compiling import compiled

Ints = NDArray[np.int32]

# A tree's head: its root (-1: none) and the first free inner node and leaf.
ROOT, FREE_NODE, FREE_LEAF = 0, 1, 2
HEAD_COLUMNS = 3
# An inner node: what has x[AXIS] <= CUT is on the left; SPAN is the sum of its box's sides. Leaves are numbered after
# the inner nodes. A free inner node keeps the next free one in LEFT, a free leaf in its mass.
AXIS, CUT, LEFT, RIGHT, SPAN = 0, 1, 2, 3, 4
NODE_COLUMNS = 5
LANES = 16
FORGET_DRAW = 1 << 16
# A point's lanes, signs aside, sum to at most 2**30. A lane of which nothing is asked lies below any bound.
MOST_SUM = 1 << 30
UNASKED = -(1 << 30)


class Tree(NamedTuple):
    """One tree's arrays: head [3], inner nodes [node, 5], boxes [node and leaf, lane], masses [node and leaf]."""

    head: Ints
    nodes: Ints
    boxes: Ints
    masses: Ints


class Forest(NamedTuple):
    """The trees of one stream of points: as `Tree`, with the tree as first axis."""

    heads: Ints
    nodes: Ints
    boxes: Ints
    masses: Ints


class Descent(NamedTuple):
    """Where rows are on their way down a tree: the rows still going; their nodes, chances to be uncut, and depths."""

    going: NDArray[np.int64]
    node: NDArray[np.int64]
    uncut: NDArray[np.float64]
    depth: NDArray[np.float64]


@compiled
def lanes_of(axes):
    """Return the number of lanes of points with a number of axes."""
    return -(-2 * axes // LANES) * LANES


@compiled
def mixed(key, count):
    """Return the `count`-th number of a key's stream of 64 random bits (Steele et al., "SplitMix", OOPSLA 2014)."""
    z = np.uint64(key) + np.uint64(0x9E3779B97F4A7C15) * np.uint64(count)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled
def below(bits, limit):
    """Return a number from 0 up to but without the limit, which is less than 2**31."""
    return np.int64(((bits >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32))


@compiled
def chance(bits):
    """Return a number from 0 up to but without 1."""
    return np.float64(bits >> np.uint64(11)) * 2.0**-53


@compiled
def tree_of(forest, number):
    """Return one tree of a forest."""
    return Tree(forest.heads[number], forest.nodes[number], forest.boxes[number], forest.masses[number])


@compiled
def samples_in(tree):
    """Return the number of samples in a tree."""
    return tree.masses[tree.head[ROOT]] if tree.head[ROOT] >= 0 else 0


@compiled
def united(points, row, boxes, node):
    """Return the sum of the sides of the smallest box that holds both the box and the point."""
    total, row, node = np.int32(0), np.uint64(row), np.uint64(node)
    for lane in range(boxes.shape[1] & -LANES):
        total = np.int32(total + max(points[row, lane], boxes[node, lane]))
    return np.int64(total)


@compiled
def widen(points, row, boxes, node):
    """Let a box hold the point."""
    row, node = np.uint64(row), np.uint64(node)
    for lane in range(boxes.shape[1] & -LANES):
        boxes[node, lane] = max(points[row, lane], boxes[node, lane])


@compiled
def child(tree, points, row, node):
    """Return the child of an inner node on whose side of the cut the point lies."""
    row, node = np.uint64(row), np.uint64(node)
    right = points[row, np.uint64(tree.nodes[node, AXIS])] > tree.nodes[node, CUT]
    return np.int64(tree.nodes[node, np.uint64(LEFT + np.int64(right))])


@compiled
def score_rows(tree, asked, points, first, last, descent, scores):
    """Add to `scores` the expected 1 / (depth + 1) at which each row's point would be cut off, were it inserted.

    Exact, without inserting: a box of span s which the point would widen to s + w is cut from it with probability
    w / (s + w), else the point goes on to the child on its side. A point that equals a leaf's scores less, the more
    of them there are. `asked` are the points, `UNASKED` in lanes that are to widen no box. All rows go down together,
    a level at a time: the steps of one wait for each other, those of different rows do not.
    """
    inner, depth, count = len(tree.nodes), 1.0, 0
    for row in range(first, last):
        descent.node[row], descent.uncut[row], descent.depth[row] = tree.head[ROOT], 1.0, depth
        descent.going[count] = row
        count += tree.head[ROOT] < inner
    while count > 0:
        depth += 1.0
        count = descend(tree, asked, points, descent, count, depth, scores)
    for row in range(first, last):
        leaf, depth = descent.node[row], descent.depth[row]
        unseen = united(asked, row, tree.boxes, leaf) > 0
        scores[row] += descent.uncut[row] * (1.0 / depth if unseen else leaf_score(tree, leaf, depth))


@compiled
def descend(tree, asked, points, descent, count, depth, scores):
    """Take the rows that are still going one level down to `depth`; return how many have not reached a leaf."""
    going, inner = 0, len(tree.nodes)
    for place in range(count):
        row = np.uint64(descent.going[place])
        node, uncut = np.uint64(descent.node[row]), descent.uncut[row]
        still = uncut * (np.float64(tree.nodes[node, SPAN]) / np.float64(united(asked, row, tree.boxes, node)))
        scores[row] += (uncut - still) / (depth - 1.0)
        below = child(tree, points, row, node)
        descent.node[row], descent.uncut[row], descent.depth[row] = below, still, depth
        descent.going[np.uint64(going)] = row
        going += below < inner
    return going


@compiled
def leaf_score(tree, leaf, depth):
    """Return the score of a point that equals the leaf's; `depth` counts the leaf."""
    mass = np.float64(tree.masses[leaf])
    return (1.0 - 0.5 * mass / np.float64(samples_in(tree))) / (depth - 1.0 + np.log2(mass + 1.0))


@compiled
def insert(tree, points, row, key):
    """Insert a point: each box that it would widen is cut from it with the probability of a tree grown anew."""
    node, inner, above, drawn = np.int64(tree.head[ROOT]), len(tree.nodes), np.int64(-1), 0
    if node < 0:
        tree.head[ROOT] = new_leaf(tree, points, row)
        return
    while True:
        whole = united(points, row, tree.boxes, node)
        span = np.int64(tree.nodes[node, SPAN]) if node < inner else 0
        if whole > span:
            drawn += 1
            offset = below(mixed(key, drawn), whole)
            if offset < whole - span:
                hang(tree, above, node, split(tree, points, row, node, offset))
                return
            tree.nodes[node, SPAN] = whole
            widen(points, row, tree.boxes, node)
        tree.masses[node] += 1
        if node >= inner:
            return
        above = node
        node = child(tree, points, row, node)


@compiled
def new_leaf(tree, points, row):
    """Take a free leaf for the point."""
    leaf = np.int64(tree.head[FREE_LEAF])
    tree.head[FREE_LEAF] = tree.masses[leaf]
    tree.masses[leaf] = 1
    for lane in range(tree.boxes.shape[1] & -LANES):
        tree.boxes[leaf, lane] = points[row, lane]
    return leaf


@compiled
def hang(tree, above, old, new):
    """Hang a node where `old` is, below `above`, which is -1 where `old` is the root."""
    if above < 0:
        tree.head[ROOT] = new
    else:
        tree.nodes[above, LEFT if tree.nodes[above, LEFT] == old else RIGHT] = new


@compiled
def split(tree, points, row, old, offset):
    """Return a new node that cuts the point from `old`, `offset` into the room between them, lane by lane."""
    node = np.int64(tree.head[FREE_NODE])
    tree.head[FREE_NODE] = tree.nodes[node, LEFT]
    leaf = new_leaf(tree, points, row)
    axes, lane = tree.boxes.shape[1] // 2, 0
    while offset >= max(points[row, lane] - tree.boxes[old, lane], 0):
        offset -= max(points[row, lane] - tree.boxes[old, lane], 0)
        lane += 1
    upward = lane < axes
    tree.nodes[node, AXIS] = lane if upward else lane - axes
    tree.nodes[node, CUT] = offset + (tree.boxes[old, lane] if upward else -points[row, lane])
    tree.nodes[node, LEFT] = old if upward else leaf
    tree.nodes[node, RIGHT] = leaf if upward else old
    tree.masses[node] = tree.masses[old] + 1
    enclose(tree, node)
    return node


@compiled
def enclose(tree, node):
    """Make a node's box that of its children; return whether its span changed."""
    total, node = np.int32(0), np.uint64(node)
    left, right = np.uint64(tree.nodes[node, LEFT]), np.uint64(tree.nodes[node, RIGHT])
    for lane in range(tree.boxes.shape[1] & -LANES):
        bound = max(tree.boxes[left, lane], tree.boxes[right, lane])
        tree.boxes[node, lane] = bound
        total = np.int32(total + bound)
    changed = total != tree.nodes[node, SPAN]
    tree.nodes[node, SPAN] = total
    return changed


@compiled
def forget(tree, rank, path):
    """Take the sample of a rank, counted from the leftmost, out of the tree; `path` is room for the nodes above it."""
    node, inner, depth = np.int64(tree.head[ROOT]), len(tree.nodes), 0
    while node < inner:
        path[depth] = node
        depth += 1
        tree.masses[node] -= 1
        on_left = tree.masses[tree.nodes[node, LEFT]]
        right = rank >= on_left
        rank -= on_left if right else 0
        node = np.int64(tree.nodes[node, LEFT + np.int64(right)])
    tree.masses[node] -= 1
    if tree.masses[node] == 0:
        tree.masses[node] = tree.head[FREE_LEAF]
        tree.head[FREE_LEAF] = node
        unlink(tree, node, depth, path)


@compiled
def unlink(tree, gone, depth, path):
    """Free the node above a leaf that is gone, put its sibling there, and shrink the boxes above."""
    if depth == 0:
        tree.head[ROOT] = -1
        return
    node = np.int64(path[depth - 1])
    sibling = tree.nodes[node, RIGHT if tree.nodes[node, LEFT] == gone else LEFT]
    hang(tree, np.int64(path[depth - 2]) if depth > 1 else -1, node, sibling)
    tree.nodes[node, LEFT] = tree.head[FREE_NODE]
    tree.head[FREE_NODE] = node
    for step in range(depth - 2, -1, -1):
        # A box lies within the one above it: where one does not shrink, none above does.
        if not enclose(tree, np.int64(path[step])):
            return


@compiled
def advance(forest, asked, points, seen, rate, seed, scores):
    """Score each row of `asked` against every tree, then let each tree decide by its own dice to sample its point.

    `seen` counts the points before. A full tree samples the n-th point with probability leaves / n, but never less
    than `rate`, and forgets one of its samples, each as likely: all history alike at first, then ages that fall off
    exponentially (Aggarwal, "On Biased Reservoir Sampling", VLDB 2006). Tree after tree, so that one stays in the
    cache for the whole block. The mean over trees, in units of a balanced tree's depth, is written to `scores`.
    """
    size, trees, inner = scores.size, forest.nodes.shape[0], forest.nodes.shape[1]
    descent = Descent(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size), np.empty(size))
    path = np.empty(inner + 1, np.int32)
    chances = np.maximum(rate, (inner + 1.0) / (seen + 1.0 + np.arange(size)))
    scores[:] = 0.0
    for number in range(trees):
        tree = tree_of(forest, number)
        stream = mixed(seed, number + 1)
        row = 0
        while row < size:
            full = samples_in(tree) > inner
            last = next_sampled(stream, seen, row, chances) if full else row
            if tree.head[ROOT] >= 0:
                score_rows(tree, asked, points, row, min(last + 1, size), descent, scores)
            if last < size:
                key = mixed(stream, seen + last + 1)
                if full:
                    forget(tree, below(mixed(key, FORGET_DRAW), inner + 1), path)
                insert(tree, points, last, key)
            row = last + 1
    for row in range(size):
        scores[row] *= in_depths(seen + row, inner) / trees


@compiled
def next_sampled(stream, seen, row, chances):
    """Return the first row from `row` on that a full tree samples, the number of rows when it samples none."""
    while row < chances.size and chance(mixed(stream, seen + row + 1)) >= chances[row]:
        row += 1
    return row


@compiled
def in_depths(seen, inner):
    """Return what turns inverse depths to units of a balanced tree's depth, after a number of points."""
    return np.log2(min(seen, inner + 1) + 1.0)


@compiled
def clear(forest):
    """Empty all trees: chain their free inner nodes and leaves."""
    inner = forest.nodes.shape[1]
    for number in range(forest.nodes.shape[0]):
        forest.heads[number, ROOT] = -1
        forest.heads[number, FREE_NODE] = 0
        forest.heads[number, FREE_LEAF] = inner
        for node in range(inner):
            forest.nodes[number, node, LEFT] = node + 1
        for leaf in range(forest.masses.shape[1]):
            forest.masses[number, leaf] = leaf + 1
