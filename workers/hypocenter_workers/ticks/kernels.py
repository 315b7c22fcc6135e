"""Compiled kernels of a tick: samples laid on steps, and counters to rates from what came before alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.signals.labelled import Reading
from hypocenter_workers.detect.compiling import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE, INCREASE, CHANGES = int(Reading.RATE), int(Reading.INCREASE), int(Reading.CHANGES)


@compiled
def lay(
    rows: NDArray[np.int64],
    at_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    gained: NDArray[np.bool_],
    span: tuple[int, int],
    last: NDArray[np.float64],
    last_ms: NDArray[np.int64],
    gains: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Write the last sample of each row and step, its time, what was gained, and how many samples a step has.

    `span` is the start of the first step and the length of a step, in ms; `last`, `last_ms` and `gains` are
    [series, step]. Of two samples at one time the first counts.
    """
    start, step_ms = span
    for at in range(len(rows)):
        row, step = rows[at], (at_ms[at] - start) // step_ms
        counts[step] += 1
        if gained[at]:
            gains[row, step] = values[at] + (0.0 if np.isnan(gains[row, step]) else gains[row, step])
        elif at_ms[at] > last_ms[row, step]:
            last_ms[row, step] = at_ms[at]
            last[row, step] = values[at] if np.isfinite(values[at]) else np.nan


@compiled
def read_raw(
    last: NDArray[np.float64],
    last_ms: NDArray[np.int64],
    gains: NDArray[np.float64],
    readings: NDArray[np.int64],
    most: int,
    step_s: float,
    out: NDArray[np.float64],
) -> None:
    """Write what is made of raw series, [series, step]: as `Reading` says, against the sample at most `most` steps ago.

    What was gained needs no sample before it.
    """
    for row in range(last.shape[0]):
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
