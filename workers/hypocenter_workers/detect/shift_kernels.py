"""The compiled two-sided cumulative sum over many series; see `shift` for what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter_workers.detect.compiling import compiled
from hypocenter_workers.detect.contract import Flag

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The rows of a state. What is normal: level, variance, lag-1 covariance, and from how many samples it was learned. What
# is going on: the last and the recent residual, the sums upwards and downwards, and for how many samples they are above
# zero; and how many samples to go until a level that was taken over counts as known. How much the level wanders anyway:
# the variance of batches' means times their length, and the batch that is being filled.
LEVEL, VARIANCE, COVARIANCE, SAMPLES = 0, 1, 2, 3
LAST, RECENT, UP, DOWN, SINCE_UP, SINCE_DOWN, DRIFTING = 4, 5, 6, 7, 8, 9, 10
WANDERING, BATCH, FILLED = 11, 12, 13
FIGURES = 14
WARMING = int(Flag.WARMING)
MISSING = int(Flag.MISSING)
CONSTANT = int(Flag.CONSTANT)
DRIFTED = int(Flag.DRIFTED)
MOST_CORRELATION = 0.99
RECENT_RATE = 1.0 / 16.0
BATCH_ROWS = 32.0
MOST_WANDERING = 9.0
OVERSHOOT = 0.583
LOG10_E = 0.4342944819032518
LOG10_2 = 0.3010299956639812


class Limits(NamedTuple):
    """The settings of `shift.Shift`, in samples and standard deviations."""

    slack: float
    clip: float
    memory: float
    warming: float
    window: float
    held: float
    relearned: float


@compiled
def inflation(known: NDArray[np.float64], column: int) -> float:
    """Return how much more the mean of many samples varies than if they were independent, at the least 1."""
    if known[VARIANCE, column] <= 0:
        return 1.0
    correlation = known[COVARIANCE, column] / known[VARIANCE, column]
    doubt = 2.0 * np.sqrt(max(1.0 - correlation * correlation, 0.0) / known[SAMPLES, column])
    correlation = min(max(correlation + doubt, 0.0), MOST_CORRELATION)
    wandering = known[WANDERING, column] / known[VARIANCE, column]
    return float(max((1.0 + correlation) / (1.0 - correlation), wandering))


@compiled
def standardise(known: NDArray[np.float64], column: int, residual: float, inflated: float, clip: float) -> float:
    """Return a residual in standard deviations of the mean of many samples, times the root of their number; clipped."""
    variance = known[VARIANCE, column] * inflated
    if variance <= 0:
        return float(clip * np.sign(residual))
    return float(min(max(residual / np.sqrt(variance), -clip), clip))


@compiled
def follow(known: NDArray[np.float64], column: int, residual: float, limits: Limits) -> None:
    """Learn from one residual; after the warm-up none counts for more than `clip` standard deviations."""
    samples = min(known[SAMPLES, column] + 1.0, limits.memory)
    variance = known[VARIANCE, column]
    if samples > limits.warming and variance > 0:
        most = limits.clip * np.sqrt(variance)
        residual = min(max(residual, -most), most)
    rate = 1.0 / samples
    known[LEVEL, column] += rate * residual
    known[VARIANCE, column] += rate * (residual * residual * (1.0 - rate) - variance)
    known[COVARIANCE, column] += rate * (residual * known[LAST, column] - known[COVARIANCE, column])
    known[LAST, column] = residual
    known[SAMPLES, column] = samples


@compiled
def fill_batch(known: NDArray[np.float64], column: int, residual: float) -> None:
    """Learn from batches of residuals, also of those that alarm, how much the level wanders beyond what r says."""
    known[BATCH, column] += residual
    known[FILLED, column] += 1.0
    if known[FILLED, column] < BATCH_ROWS:
        return
    batches = max(known[SAMPLES, column] / BATCH_ROWS, 1.0)
    found, wandering = known[BATCH, column] ** 2 / BATCH_ROWS, known[WANDERING, column]
    if wandering > 0:
        found = min(found, MOST_WANDERING * max(wandering, known[VARIANCE, column]))
    known[WANDERING, column] += (found - wandering) / batches
    known[BATCH, column] = known[FILLED, column] = 0.0


@compiled
def accumulate(known: NDArray[np.float64], column: int, z: float, slack: float) -> float:
    """Add a sample to the sums of both directions; returns the larger one."""
    for side, since, toward in ((UP, SINCE_UP, z), (DOWN, SINCE_DOWN, -z)):
        total = known[side, column] + toward - slack
        known[side, column] = max(total, 0.0)
        known[since, column] = known[since, column] + 1.0 if total > 0 else 0.0
    return float(max(known[UP, column], known[DOWN, column]))


@compiled
def tail(total: float, samples: float, slack: float) -> float:
    """Return -log10 of the probability that a sum stands as high by chance, given how well the level is known."""
    known_slack = slack - np.sqrt(2.0 / samples)
    if total <= 0 or known_slack <= 0:
        return 0.0
    return float(max(2.0 * known_slack * (total + OVERSHOOT) * LOG10_E - LOG10_2, 0.0))


@compiled
def take_over(known: NDArray[np.float64], column: int, limits: Limits) -> None:
    """Make the level that a series moved to its normal, to be learned anew."""
    known[LEVEL, column] += known[RECENT, column]
    known[LAST, column] = known[RECENT, column] = known[BATCH, column] = known[FILLED, column] = 0.0
    known[UP, column] = known[DOWN, column] = known[SINCE_UP, column] = known[SINCE_DOWN, column] = 0.0
    known[SAMPLES, column] = min(known[SAMPLES, column], limits.relearned)
    known[DRIFTING, column] = limits.window


@compiled
def flags_of(known: NDArray[np.float64], column: int, limits: Limits) -> int:
    """Return the flags of a sample, given what was known before it."""
    flags = WARMING if known[SAMPLES, column] < limits.relearned else 0
    if known[VARIANCE, column] == 0:
        flags |= CONSTANT
    if known[DRIFTING, column] > 0:
        flags |= DRIFTED
    return flags


@compiled
def sum_up(
    values: NDArray[np.float64],
    known: NDArray[np.float64],
    limits: Limits,
    scores: NDArray[np.float64],
    expected: NDArray[np.float64],
    scale: NDArray[np.float64],
    flags: NDArray[np.uint8],
) -> None:
    """Score [time, series] row by row, then learn: writes `known` [figures, series] and the four results."""
    rows, columns = values.shape
    for row in range(rows):
        for column in range(columns):
            value = values[row, column]
            if known[SAMPLES, column] == 0 and not np.isnan(value):
                known[LEVEL, column] = value
            residual = value - known[LEVEL, column]
            expected[row, column] = known[LEVEL, column] if known[SAMPLES, column] > 0 else np.nan
            scale[row, column] = np.sqrt(known[VARIANCE, column])
            flags[row, column] = flags_of(known, column, limits)
            if np.isnan(value):
                scores[row, column] = np.nan
                flags[row, column] |= MISSING
                continue
            scores[row, column] = 0.0
            if known[SAMPLES, column] >= limits.relearned:
                inflated = inflation(known, column)
                z = standardise(known, column, residual, inflated, limits.clip)
                total = accumulate(known, column, z, limits.slack)
                scores[row, column] = tail(total, known[SAMPLES, column], limits.slack)
                known[RECENT, column] += RECENT_RATE * (residual - known[RECENT, column])
            known[DRIFTING, column] = max(known[DRIFTING, column] - 1.0, 0.0)
            fill_batch(known, column, residual)
            if scores[row, column] < limits.held:
                follow(known, column, residual, limits)
            elif max(known[SINCE_UP, column], known[SINCE_DOWN, column]) >= limits.window:
                take_over(known, column, limits)
