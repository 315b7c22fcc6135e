"""Compiled kernels of a tick: samples laid on steps, and counters to rates from what came before alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter.signals.labelled import Reading
from hypocenter_workers.detect.compiling import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEVER = np.iinfo(np.int64).min
RATE, INCREASE, CHANGES = int(Reading.RATE), int(Reading.INCREASE), int(Reading.CHANGES)


class Steps(NamedTuple):
    """Samples on steps of `step_ms` from `start_ms` on: the last of each, its time, what was gained; [series, step].

    `counts` is how many samples each step has, of all series.
    """

    start_ms: int
    step_ms: int
    last: NDArray[np.float64]
    last_ms: NDArray[np.int64]
    gains: NDArray[np.float64]
    counts: NDArray[np.int64]


def steps_of(start_ms: int, step_ms: int, shape: tuple[int, int]) -> Steps:
    """Return steps without samples, [series, step]."""
    last, gains = np.full(shape, np.nan), np.full(shape, np.nan)
    return Steps(start_ms, step_ms, last, np.full(shape, NEVER), gains, np.zeros(shape[1], np.int64))


@compiled
def lay(
    steps: Steps,
    rows: NDArray[np.int64],
    at_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    gained: NDArray[np.bool_],
) -> None:
    """Lay samples, each of the series in a row, on their steps; of two at one time the first counts."""
    for at in range(len(rows)):
        row, step = rows[at], (at_ms[at] - steps.start_ms) // steps.step_ms
        steps.counts[step] += 1
        if gained[at]:
            before = steps.gains[row, step]
            steps.gains[row, step] = values[at] + (0.0 if np.isnan(before) else before)
        elif at_ms[at] > steps.last_ms[row, step]:
            steps.last_ms[row, step] = at_ms[at]
            steps.last[row, step] = values[at] if np.isfinite(values[at]) else np.nan


@compiled
def read_raw(steps: Steps, readings: NDArray[np.int64], most: int, out: NDArray[np.float64]) -> None:
    """Write what is made of the first series, [series, step]: as `Reading` says, against a sample `most` steps ago.

    One that is longer ago is none. What was gained needs no sample before it.
    """
    last, last_ms, gains, step_s = steps.last, steps.last_ms, steps.gains, steps.step_ms / 1000.0
    for row in range(len(readings)):
        before = -1
        for step in range(last.shape[1]):
            value = last[row, step]
            reading = readings[row]
            out[row, step] = value if reading < RATE else np.nan
            if not np.isnan(gains[row, step]) and np.isnan(value):
                out[row, step] = gains[row, step] / step_s if reading == RATE else gains[row, step]
            if np.isnan(value):
                continue
            if reading >= RATE and before >= 0 and step - before <= most:
                out[row, step] = change(last[row, before], value, last_ms[row, step] - last_ms[row, before], reading)
            before = step


@compiled
def change(before: float, value: float, elapsed_ms: int, reading: int) -> float:
    """Return what a counter of a kind says between two samples; one that fell was begun anew."""
    if reading == CHANGES:
        return 1.0 if value != before else 0.0
    gained = value if value < before else value - before
    return gained / (elapsed_ms / 1000.0) if reading == RATE else gained
