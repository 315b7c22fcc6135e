"""Closed forms of queueing theory, vectorised: waiting lines, processor sharing and response-time distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hypocenter.simulator.system import Floats

BUSIEST = 0.98
_GELU = np.sqrt(2 / np.pi)


def waiting(load: Floats, servers: Floats, variability: Floats | float = 1.0) -> Floats:
    """Return the mean number waiting in an M/G/c queue at utilisation `load` (clipped below 1).

    `variability` is the mean of the squared coefficients of variation of arrivals and service. Approximation of
    Sakasegawa (1977), exact for M/M/1 and within some percent for M/M/c.

    >>> float(waiting(np.array(0.5), np.array(1.0)))
    0.5
    """
    load = np.minimum(load, BUSIEST)
    line: Floats = variability * load ** np.sqrt(2 * (servers + 1)) / (1 - load)
    return line


def delayed(load: Floats, servers: Floats) -> Floats:
    """Return the share of requests that wait at all, by the same approximation."""
    share: Floats = np.minimum(np.maximum(load, 1e-6), BUSIEST) ** (np.sqrt(2 * (servers + 1)) - 1)
    return share


def stretch(load: Floats, processors: Floats) -> Floats:
    """Return by which factor work takes longer when it shares `processors` that are busy to the share `load`."""
    several = np.maximum(processors, 1.0)
    return waiting(load, several) / np.maximum(load * several, 1e-9) + np.maximum(1.0, 1 / processors)


def below(x: Floats) -> Floats:
    """Return the standard normal distribution function, to 4e-4 (tanh approximation)."""
    share: Floats = 0.5 * (1 + np.tanh(_GELU * (x + 0.044715 * x * x * x)))
    return share


def lognormal(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Return location and scale of the log-normal distribution with this mean and variance."""
    scale2 = np.log1p(variance / (mean * mean))
    return np.log(mean) - scale2 / 2, np.sqrt(scale2)


def cut_at(limit: Floats, mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Return P(X > limit) and E[min(X, limit)] of a log-normal X.

    >>> late, spent = cut_at(np.array(1e9), np.array(2.0), np.array(1.0))
    >>> round(float(late), 6), round(float(spent), 6)
    (0.0, 2.0)
    """
    location, scale = lognormal(mean, variance)
    z = (np.log(limit) - location) / scale
    late = 1 - below(z)
    return late, mean * below(z - scale) + limit * late
