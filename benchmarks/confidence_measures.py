"""How good probabilities are: calibration error, Brier score, log-loss, logistic recalibration, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BINS = 15
RESAMPLES = 400
CERTAIN = 1e-4
NEWTON_STEPS = 25
# Keeps the regression finite where right and wrong are told apart without an error.
RIDGE = 1e-3


def bins_of(chances: Floats, right: Floats, bins: int = BINS) -> list[tuple[float, float, int]]:
    """Return mean probability, share that was right and size of bins that hold equally many incidents."""
    parts = np.array_split(np.argsort(chances, kind="stable"), bins)
    return [(float(chances[part].mean()), float(right[part].mean()), len(part)) for part in parts if len(part)]


def calibration_error(chances: Floats, right: Floats, bins: int = BINS) -> float:
    """Return the expected calibration error over bins of equal mass. Source: Naeini, Cooper and Hauskrecht, 2015."""
    found = bins_of(chances, right, bins)
    return sum(abs(said - was) * size for said, was, size in found) / len(chances)


def brier(chances: Floats, right: Floats) -> float:
    """Return the mean squared difference of what was said and what was. Source: Brier, 1950."""
    return float(np.mean((chances - right) ** 2))


def log_loss(chances: Floats, right: Floats) -> float:
    """Return the mean negative logarithm of the probability of what was; nothing counts as surer than 1 in 10,000."""
    bounded = np.clip(chances, CERTAIN, 1 - CERTAIN)
    return float(-np.mean(right * np.log(bounded) + (1 - right) * np.log1p(-bounded)))


def recalibration(chances: Floats, right: Floats) -> tuple[float, float]:
    """Return intercept and slope of what was, regressed on the log-odds of what was said; 0 and 1 if ideal.

    Source: Cox, Two further applications of a model for binary regression, 1958.
    """
    bounded = np.clip(chances, CERTAIN, 1 - CERTAIN)
    design = np.column_stack([np.ones(len(bounded)), np.log(bounded) - np.log1p(-bounded)])
    line = np.array([0.0, 1.0])
    for _ in range(NEWTON_STEPS):
        expected = 1.0 / (1.0 + np.exp(-np.clip(design @ line, -30.0, 30.0)))
        slope = design.T @ (right - expected) - RIDGE * line
        curvature = (design * (expected * (1.0 - expected))[:, None]).T @ design + RIDGE * np.eye(2)
        line = line + np.clip(np.linalg.solve(curvature, slope), -1.0, 1.0)
    return float(line[0]), float(line[1])


def bootstrap(
    measure: Callable[[Floats, Floats], tuple[float, ...]], chances: Floats, right: Floats, seed: int = 0
) -> list[tuple[float, float]]:
    """Return 95 % percentile intervals of every number that `measure` returns. Source: Efron, 1979."""
    draw = np.random.default_rng(seed)
    picks = (draw.integers(0, len(right), len(right)) for _ in range(RESAMPLES))
    found = np.array([measure(chances[pick], right[pick]) for pick in picks])
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))
