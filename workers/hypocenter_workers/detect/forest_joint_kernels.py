"""Kernels of a forest over the columns of one component together: its points, and why one of them stands out."""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# Arguments are `records` [column, FIELDS], a `Shingle`, a `Forest`, and rows of points [row, lane]; numba infers them.

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray  # noqa: TC002

from hypocenter_workers.detect.compiling import compiled
from hypocenter_workers.detect.forest_input_kernels import (
    CONSTANT,
    COUNT,
    DEVIATION,
    FIRST_ROWS,
    LEAST_POINTS,
    LEVEL,
    MISSING,
    ORIGIN,
    WARMING,
    WAY,
    WEIGHT_BITS,
    coordinate,
    follow,
    moved,
)
from hypocenter_workers.detect.forest_kernels import (
    LEFT,
    RIGHT,
    ROOT,
    SPAN,
    UNASKED,
    advance,
    child,
    in_depths,
    leaf_score,
    samples_in,
    tree_of,
    united,
)

STEPS = 4096.0
MOST_STEPS = 64 * 4096
JOINT_GAIN = 1.0 / 2560.0
CHUNK_NUMBERS = 1 << 19
# The course of a component: rows with a sample, and points given to the forest.
SEEN, GIVEN = 0, 1


class Shingle(NamedTuple):
    """The latest rows, the newest first: coordinates [lag, column], and whether the column had a sample."""

    window: NDArray[np.int32]
    known: NDArray[np.uint8]


@compiled
def gather(sample, records, shingle):
    """Put a row into the shingle, each column in deviations from its own level, and learn level and deviation.

    A column without a sample keeps its last coordinate, unknown; so does one of too few samples to have a deviation.
    """
    window, known = shingle.window, shingle.known
    for lag in range(len(window) - 1, 0, -1):
        window[lag] = window[lag - 1]
        known[lag] = known[lag - 1]
    for column in range(sample.size):
        record = records[column]
        known[0, column] = np.isfinite(sample[column]) and record[COUNT] >= FIRST_ROWS
        if not np.isfinite(sample[column]):
            continue
        distance = moved(sample[column], record)
        off = distance - record[LEVEL]
        if known[0, column]:
            window[0, column] = coordinate(off, record[DEVIATION], STEPS, MOST_STEPS) if off != 0.0 else 0
        follow(record, distance, JOINT_GAIN)


@compiled
def write_points(shingle, weights, asked, points, row):
    """Write the shingle as a point, each coordinate times the weight of its lag; unknown ones are not asked."""
    lags, columns = shingle.window.shape
    axes = points.shape[1] // 2
    for lag in range(lags):
        for column in range(columns):
            axis = lag * columns + column
            x = (shingle.window[lag, column] * weights[lag]) >> WEIGHT_BITS
            points[row, axis] = x
            points[row, axes + axis] = -x
            asked[row, axis] = x if shingle.known[lag, column] else UNASKED
            asked[row, axes + axis] = -x if shingle.known[lag, column] else UNASKED


@compiled
def tell_columns(sample, records, warming, row, told):
    """Tell what is expected of a row's columns, and which have no sample."""
    for column in range(sample.size):
        record = records[column]
        there = np.isfinite(sample[column])
        told.expected[row, column] = record[ORIGIN] + record[WAY] * record[LEVEL] if record[COUNT] > 0.0 else np.nan
        told.scale[row, column] = record[DEVIATION] if record[COUNT] > 0.0 else np.nan
        told.raw[row, column] = 0.0 if there else np.nan
        told.flags[row, column] = WARMING if there and warming else 0
        told.flags[row, column] |= 0 if there else MISSING
        told.flags[row, column] |= CONSTANT if record[WAY] == 0.0 else 0


@compiled
def run_component(values, records, shingle, forest, course, plan, told):
    """Score the rows of [time, column] as one vector each, then learn them; told arrays are [time, column]."""
    lags, lanes = len(shingle.window), forest.boxes.shape[2]
    chunk = max(1, min(len(values), CHUNK_NUMBERS // lanes))
    asked, points = np.zeros((chunk, lanes), np.int32), np.zeros((chunk, lanes), np.int32)
    rows, scores = np.zeros(chunk, np.int64), np.empty(chunk)
    row = 0
    while row < len(values):
        given = 0
        while row < len(values) and given < chunk:
            warming = course[SEEN] < max(plan.warm, FIRST_ROWS + lags)
            tell_columns(values[row], records, warming, row, told)
            if np.isfinite(values[row]).any():
                gather(values[row], records, shingle)
                course[SEEN] += 1
                if course[SEEN] >= FIRST_ROWS + lags:
                    write_points(shingle, plan.weights, asked, points, given)
                    rows[given] = row
                    given += 1
            row += 1
        advance(forest, asked[:given], points[:given], course[GIVEN], plan.rate, plan.seed, scores[:given])
        for point in range(max(0, LEAST_POINTS - course[GIVEN]), given):
            tell_score(scores[point], rows[point], told)
        course[GIVEN] += given


@compiled
def tell_score(score, row, told):
    """Tell the score of a row in each column that has a sample."""
    for column in range(told.raw.shape[1]):
        if not told.flags[row, column] & MISSING:
            told.raw[row, column] = score


@compiled
def blame(forest, asked, points, seen, lanes_used, shares):
    """Add to `shares` what each lane contributes to the score of the point in row 0: the two halves are up and down.

    A cut falls on a lane in proportion to how far the point lies beyond the box there. A point that equals a leaf's
    stands out nowhere: what is left of its score is spread evenly.
    """
    axes = asked.shape[1] // 2
    for number in range(forest.nodes.shape[0]):
        tree = tree_of(forest, number)
        if samples_in(tree) == 0:
            continue
        node, inner = np.int64(tree.head[ROOT]), len(tree.nodes)
        uncut, depth = 1.0, 1.0
        while node < inner:
            whole, span = united(asked, 0, tree.boxes, node), np.float64(tree.nodes[node, SPAN])
            share_out(asked, tree.boxes, node, uncut / (depth * whole), shares)
            uncut *= span / whole
            depth += 1.0
            node = child(tree, points, 0, node)
        whole = united(asked, 0, tree.boxes, node)
        if whole > 0:
            share_out(asked, tree.boxes, node, uncut / (depth * whole), shares)
            continue
        rest = uncut * leaf_score(tree, node, depth) / (2 * lanes_used)
        shares[:lanes_used] += rest
        shares[axes : axes + lanes_used] += rest
    shares *= in_depths(seen, forest.nodes.shape[1]) / forest.nodes.shape[0]


@compiled
def share_out(asked, boxes, node, weight, shares):
    """Add to each lane's share how far the point lies beyond the box there, times a weight."""
    for lane in range(shares.size):
        shares[lane] += weight * max(asked[0, lane] - boxes[node, lane], 0)


@compiled
def nearest(forest, asked, found):
    """Write each tree's sample that is nearest to the point in row 0, in the lanes asked, to `found` [tree, axis]."""
    inner = forest.nodes.shape[1]
    stack = np.empty(inner + 1, np.int64)
    for number in range(len(found)):
        tree = tree_of(forest, number)
        stack[0], waiting = tree.head[ROOT], 1
        best, least = np.int64(-1), np.int64(0)
        while waiting > 0:
            waiting -= 1
            node = stack[waiting]
            if node >= inner:
                off = united(asked, 0, tree.boxes, node)
                if best < 0 or off < least:
                    best, least = node, off
            else:
                stack[waiting] = tree.nodes[node, RIGHT]
                stack[waiting + 1] = tree.nodes[node, LEFT]
                waiting += 2
        for axis in range(found.shape[1]):
            found[number, axis] = tree.boxes[best, axis]
