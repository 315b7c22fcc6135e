"""Compiled run lengths: how long a series has been silent, still, at zero or at its limit; see `silence`.

Kernels named after a condition tell, per sample, whether it holds; `count_runs` scores how long it has held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter_workers.detect.compiling import compiled
from hypocenter_workers.detect.contract import Flag

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What a row is to a run: outside of it, part of it, nothing at all, the end of all that is known, or a sample of which
# the condition cannot be told yet.
LOOK, HELD, NOTHING, FORGET, UNTOLD = 0, 1, 2, 3, 4
# The rows of what is remembered of runs; an epoch's two figures stand beside each other, the present one first.
RUN, LONGEST, LOOKS = 0, 1, 3
# The rows of what is remembered of a ceiling.
TOP, BOTTOM, ANCHOR, SAMPLES = 0, 2, 4, 5
WARMING = np.uint8(Flag.WARMING)
CONSTANT = np.uint8(Flag.CONSTANT)
UNSEEN = np.int64(np.iinfo(np.int64).min)
TAIL_INDEX = 4.0


class Limits(NamedTuple):
    """The settings of `silence.RunLength`, times in ns."""

    usual: float
    overdue: float
    growth: float
    memory: int
    warming: int
    warming_looks: int


@compiled
def usual_run(runs: NDArray[np.int32], column: int, limits: Limits) -> float:
    """Return the run length up to which a run is usual for a series."""
    return float(max(runs[LONGEST, column], runs[LONGEST + 1, column], limits.usual))


@compiled
def score_run(runs: NDArray[np.int32], column: int, limits: Limits) -> float:
    """Score the run that lasts by how much longer than usual it is."""
    run, usual = runs[RUN, column], usual_run(runs, column, limits)
    if run <= limits.overdue * usual:
        return 0.0
    looks = runs[LOOKS, column] + runs[LOOKS + 1, column]
    return float(np.log10(looks + 1.0) + TAIL_INDEX * np.log10(run / max(usual, 1.0)))


@compiled
def end_run(runs: NDArray[np.int32], column: int, limits: Limits, warming: bool) -> None:
    """Learn a run that ended; after the warm-up it widens what is usual by a bounded factor."""
    run = runs[RUN, column]
    most = limits.growth * max(usual_run(runs, column, limits), 1.0)
    runs[LONGEST, column] = max(runs[LONGEST, column], run if warming else int(min(run, most)))
    runs[RUN, column] = 0


@compiled
def begin_epoch(runs: NDArray[np.int32], column: int) -> None:
    """Let what was known before this epoch go."""
    for figure in (LONGEST, LOOKS):
        runs[figure + 1, column] = runs[figure, column]
        runs[figure, column] = 0


@compiled
def count_runs(
    conditions: NDArray[np.uint8],
    times: NDArray[np.int64],
    runs: NDArray[np.int32],
    first: NDArray[np.int64],
    limits: Limits,
    scores: NDArray[np.float64],
    flags: NDArray[np.uint8],
) -> None:
    """Score how long a condition has held, and learn: writes `runs` [5, series], `first` (ns), scores and flags."""
    rows, columns = conditions.shape
    for row in range(rows):
        time = times[row]
        for column in range(columns):
            condition = conditions[row, column]
            if condition == FORGET:
                runs[:, column] = 0
                first[column] = UNSEEN
            elif condition != NOTHING and first[column] == UNSEEN:
                first[column] = time
            looks = runs[LOOKS, column] + runs[LOOKS + 1, column]
            warming = looks < limits.warming_looks or time - first[column] < limits.warming
            flags[row, column] = WARMING if warming or first[column] == UNSEEN else 0
            scores[row, column] = np.nan if condition in (NOTHING, FORGET) else 0.0
            if condition == HELD:
                runs[RUN, column] += 1
                if not warming:
                    scores[row, column] = score_run(runs, column, limits)
            elif condition == LOOK:
                if runs[RUN, column] > 0:
                    end_run(runs, column, limits, warming)
                runs[LOOKS, column] += 1
                if runs[LOOKS, column] >= limits.memory:
                    begin_epoch(runs, column)


@compiled
def mark_constant(values: NDArray[np.float64], only: NDArray[np.float64], flags: NDArray[np.uint8]) -> None:
    """Mark the samples of series that never moved; `only` [series] is their one value so far, infinite once moved."""
    rows, columns = values.shape
    for row in range(rows):
        for column in range(columns):
            value = values[row, column]
            if np.isnan(value):
                continue
            if np.isnan(only[column]):
                only[column] = value
            elif value != only[column]:
                only[column] = np.inf
            if value == only[column]:
                flags[row, column] |= CONSTANT


@compiled
def still(values: NDArray[np.float64], memory: NDArray[np.float64], conditions: NDArray[np.uint8]) -> None:
    """Tell which samples repeat the one before, kept in `memory` [1, series]."""
    rows, columns = values.shape
    for row in range(rows):
        for column in range(columns):
            value, before = values[row, column], memory[0, column]
            if np.isnan(value):
                conditions[row, column] = NOTHING
                continue
            conditions[row, column] = HELD if value == before else LOOK
            memory[0, column] = value


@compiled
def sticks(value: float, memory: NDArray[np.float64], column: int, within: float) -> int:
    """Tell whether a value sticks to the highest one known, or to where its run began; who never moved has no limit."""
    top = max(memory[TOP, column], memory[TOP + 1, column])
    band = within * (top - min(memory[BOTTOM, column], memory[BOTTOM + 1, column]))
    if not band > 0:
        return UNTOLD
    anchor = memory[ANCHOR, column]
    return HELD if abs(value - (top if np.isnan(anchor) else anchor)) <= band else LOOK


@compiled
def at_ceiling(
    values: NDArray[np.float64],
    memory: NDArray[np.float64],
    within: float,
    epoch: int,
    conditions: NDArray[np.uint8],
) -> None:
    """Tell which samples stick to a ceiling learned from the series.

    `memory` is [highest of this epoch and of the one before | lowest of both | start of the run | samples, series].
    """
    rows, columns = values.shape
    for row in range(rows):
        for column in range(columns):
            value = values[row, column]
            if np.isnan(value):
                conditions[row, column] = NOTHING
                continue
            if np.isnan(memory[SAMPLES, column]) or memory[SAMPLES, column] >= epoch:
                known = memory[SAMPLES, column] >= epoch
                memory[TOP + 1, column] = memory[TOP, column] if known else value
                memory[BOTTOM + 1, column] = memory[BOTTOM, column] if known else value
                memory[TOP, column] = memory[BOTTOM, column] = value
                memory[SAMPLES, column] = 0
            conditions[row, column] = sticks(value, memory, column, within)
            if conditions[row, column] != HELD:
                memory[ANCHOR, column] = np.nan
            elif np.isnan(memory[ANCHOR, column]):
                memory[ANCHOR, column] = value
            memory[TOP, column] = max(memory[TOP, column], value)
            memory[BOTTOM, column] = min(memory[BOTTOM, column], value)
            memory[SAMPLES, column] += 1


@compiled
def is_witnessed(values: NDArray[np.float64], row: int, memory: NDArray[np.float64], share: float) -> bool:
    """Return whether enough of the series that are alive report in a row to tell a silent series from a lost row."""
    alive = present = 0
    for column in range(values.shape[1]):
        is_there = not np.isnan(values[row, column])
        present += is_there
        alive += is_there or not np.isnan(memory[0, column])
    return bool(present > 0 and present >= share * alive)


@compiled
def silent(
    values: NDArray[np.float64], memory: NDArray[np.float64], share: float, gone: int, conditions: NDArray[np.uint8]
) -> None:
    """Tell which samples are missing though others are there; `memory` [1, series] is for how many rows now."""
    rows, columns = values.shape
    for row in range(rows):
        witnessed = is_witnessed(values, row, memory, share)
        for column in range(columns):
            conditions[row, column] = NOTHING
            if not np.isnan(values[row, column]):
                conditions[row, column] = LOOK
                memory[0, column] = 0.0
            elif witnessed and not np.isnan(memory[0, column]):
                memory[0, column] += 1.0
                is_gone = memory[0, column] >= gone
                conditions[row, column] = FORGET if is_gone else HELD
                if is_gone:
                    memory[0, column] = np.nan
