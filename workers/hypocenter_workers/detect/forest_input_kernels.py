"""Kernels that turn the samples of a series into points of its forest, whole-numbered shingles, and run the forest."""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# Arguments are a series' `record` [FIELDS] and `window` [lag], the NamedTuples below, and rows of points; see there.

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray  # noqa: TC002

from hypocenter_workers.detect.compiling import compiled
from hypocenter_workers.detect.contract import Flag
from hypocenter_workers.detect.forest_kernels import MOST_SUM, Forest, advance, clear

# What is known of a series: its first value, which way it first moved from there (1, -1), the unit of its coordinates,
# its level (from the origin) and mean deviation, the largest deviation of late, rows between samples and since the last
# one, samples since the coordinates were chosen (-1: choose them anew), of them the latest that were all too far out,
# samples in the shingle, points given to the forest, and coordinates given up. The first way counts as up: a series and
# its mirror image have one forest.
ORIGIN, WAY, UNIT, LEVEL, DEVIATION, REACH, SPACING, GAP, COUNT, BEYOND, FILLED, GIVEN, GIVEN_UP = range(13)
FIELDS = 13

WEIGHT_BITS = 16
UNIT_STEPS = 65536.0
FIRST_ROWS = 16
LEAST_POINTS = 32
CHUNK = 2048
FEW_STEPS = 64.0
CLIP = 4.0
GAIN = 0.005
REACH_DECAY = 1.0 - 1.0 / 2560.0
SPACING_GAIN = 0.05

WARMING, MISSING, CONSTANT, DRIFTED = int(Flag.WARMING), int(Flag.MISSING), int(Flag.CONSTANT), int(Flag.DRIFTED)


class Plan(NamedTuple):
    """How a forest samples and tells.

    The least chance of a point to be sampled, the seed of the dice, samples before anything is told, and the weight of
    each lag of a shingle in units of 2**-16.
    """

    rate: float
    seed: int
    warm: int
    weights: NDArray[np.int64]


class Batch(NamedTuple):
    """Room for points [point, lane], and the row of each."""

    points: NDArray[np.int32]
    rows: NDArray[np.int64]


class Told(NamedTuple):
    """What is told of each row, [time] of one series or [series, time]."""

    raw: NDArray[np.float64]
    expected: NDArray[np.float64]
    scale: NDArray[np.float64]
    flags: NDArray[np.uint8]


@compiled
def coordinate(distance, unit, unit_steps, most):
    """Return a distance in steps, so many a unit, clipped to +-most."""
    return np.int64(round(min(max(distance / unit * unit_steps, -float(most)), float(most))))


@compiled
def moved(value, record):
    """Return a sample's distance from the origin, the series' first way up."""
    if record[COUNT] == 0.0:
        record[ORIGIN] = value
    distance = value - record[ORIGIN]
    if record[WAY] == 0.0:
        record[WAY] = np.sign(distance)
    return distance * record[WAY]


@compiled
def follow(record, distance, least_gain):
    """Learn a sample's distance: level and mean deviation, from what is clipped so that no anomaly is learned."""
    record[COUNT] += 1.0
    gain = max(least_gain, 1.0 / record[COUNT])
    off = distance - record[LEVEL]
    if record[COUNT] > FIRST_ROWS and record[DEVIATION] > 0.0:
        most = CLIP * record[DEVIATION]
        off = min(max(off, -most), most)
    record[LEVEL] += gain * off
    record[DEVIATION] += gain * (abs(off) - record[DEVIATION])


@compiled
def choose_unit(record, off):
    """Fix the unit of the coordinates once the series has moved; it only sets their resolution."""
    if record[UNIT] > 0.0 or record[COUNT] < FIRST_ROWS:
        return
    if record[DEVIATION] > 0.0:
        record[UNIT] = record[DEVIATION]
    elif off != 0.0:
        record[UNIT] = abs(off)
        record[DEVIATION] = abs(off)


@compiled
def misfit(record):
    """Return whether the coordinates have become too narrow or too coarse for what the series does now."""
    coarse = 0.0 < record[REACH] < record[UNIT] * FEW_STEPS / UNIT_STEPS
    return coarse or record[BEYOND] >= FIRST_ROWS


@compiled
def start_anew(record):
    """Forget the coordinates, but not how often the series reports."""
    spacing, given_up = record[SPACING], record[GIVEN_UP]
    record[:] = 0.0
    record[SPACING], record[GIVEN_UP] = spacing, given_up + 1.0


@compiled
def arrived(record, shingle):
    """Note a sample: after a gap much longer than usual the shingle starts anew."""
    rows = record[GAP] + 1.0
    spacing = max(record[SPACING], 1.0)
    if rows > shingle * spacing:
        record[FILLED] = 0.0
    record[SPACING] = spacing + SPACING_GAIN * (min(rows, shingle * spacing) - spacing)
    record[GAP] = 0.0


@compiled
def push(window, newest):
    """Shift the newest coordinate into a shingle, whose first is the newest."""
    for lag in range(window.size - 1, 0, -1):
        window[lag] = window[lag - 1]
    window[0] = newest


@compiled
def write_point(window, weights, points, row):
    """Write a shingle as a point, each coordinate times the weight of its lag."""
    axes = points.shape[1] // 2
    for lag in range(window.size):
        x = (window[lag] * weights[lag]) >> WEIGHT_BITS
        points[row, lag] = x
        points[row, axes + lag] = -x


@compiled
def describe(record, warm, row, told):
    """Tell what is expected of a row, and that its series had to be learned anew."""
    known = record[COUNT] > 0.0
    told.expected[row] = record[ORIGIN] + record[WAY] * record[LEVEL] if known else np.nan
    told.scale[row] = record[DEVIATION] if known else np.nan
    told.flags[row] = DRIFTED if record[GIVEN_UP] > 0.0 and record[COUNT] < warm else 0


@compiled
def place(value, record, window, most):
    """Put a sample into the shingle, once the unit of its coordinates can be told, then learn it."""
    arrived(record, window.size)
    distance = moved(value, record)
    off = distance - record[LEVEL]
    choose_unit(record, off)
    if record[COUNT] >= FIRST_ROWS:
        newest = coordinate(distance, record[UNIT], UNIT_STEPS, most) if record[UNIT] > 0.0 else 0
        record[BEYOND] = record[BEYOND] + 1.0 if abs(newest) == most else 0.0
        push(window, newest)
        record[FILLED] += 1.0
    record[REACH] = max(abs(off), record[REACH] * REACH_DECAY)
    follow(record, distance, GAIN)


@compiled
def trace(values, first, record, window, batch, plan, told):
    """Turn rows of one series to points until they are full, or its coordinates have to be chosen anew.

    Returns the next row and the number of points; writes the batch, and what is told but for raw scores.
    """
    points, given = batch.points, 0
    for row in range(first, values.size):
        if given == len(points) or record[COUNT] < 0.0:
            return row, given
        describe(record, plan.warm, row, told)
        if not np.isfinite(values[row]):
            record[GAP] += 1.0
            told.raw[row] = np.nan
            told.flags[row] |= MISSING
            continue
        told.raw[row] = 0.0
        warming = record[COUNT] < plan.warm
        place(values[row], record, window, MOST_SUM // points.shape[1])
        if record[FILLED] >= window.size:
            write_point(window, plan.weights, points, given)
            batch.rows[given] = row
            given += 1
        told.flags[row] |= WARMING if warming or record[FILLED] < window.size else 0
        told.flags[row] |= CONSTANT if record[DEVIATION] == 0.0 else 0
        if misfit(record):
            record[COUNT] = -1.0
    return values.size, given


@compiled
def run_series(values, record, window, forest, plan, told):
    """Score one series row by row, each before it is learned: writes its record, shingle, forest and what is told."""
    size = min(CHUNK, values.size)
    batch = Batch(np.zeros((size, forest.boxes.shape[2]), np.int32), np.zeros(size, np.int64))
    scores = np.empty(size)
    row = 0
    while row < values.size:
        if record[COUNT] < 0.0:
            start_anew(record)
            clear(forest)
        row, given = trace(values, row, record, window, batch, plan, told)
        new, before = batch.points[:given], int(record[GIVEN])
        advance(forest, new, new, before, plan.rate, plan.seed, scores[:given])
        record[GIVEN] += given
        for point in range(max(0, LEAST_POINTS - before), given):
            told.raw[batch.rows[point]] = scores[point]


@compiled
def run_block(values, records, windows, forest, plan, told):
    """Run each series of [series, time] with its own forest; the series is the first axis of every array."""
    for one in range(len(values)):
        own = Forest(forest.heads[one], forest.nodes[one], forest.boxes[one], forest.masses[one])
        mine = Told(told.raw[one], told.expected[one], told.scale[one], told.flags[one])
        run_series(values[one], records[one], windows[one], own, plan, mine)
