"""Open-loop load and restless service times: all randomness of the running system, drawn before it runs."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datetime import datetime

    from hypocenter.simulator.scenario import LoadSpec, Scenario
    from hypocenter.simulator.system import Floats

DAY = 86_400.0


@dataclass(frozen=True)
class Drive:
    """What moves the system, [step, component]: `arrivals` (requests/s) and `noise` (factor of service time)."""

    arrivals: Floats
    noise: Floats


def stream(seed: int, *purpose: str) -> np.random.Generator:
    """Return the random numbers of one purpose: they do not depend on what else is drawn, or on faults."""
    return np.random.default_rng([seed, zlib.crc32("\x00".join(purpose).encode())])


def drive(scenario: Scenario) -> Drive:
    """Return what moves the scenario's system."""
    names = [spec.name for spec in scenario.components]
    arrivals = np.zeros((scenario.steps, len(names)))
    for load in scenario.loads:
        arrivals[:, names.index(load.entry)] += _requests(load, scenario)
    noise = [np.exp(0.02 * wander(scenario, 0.9, "service time", name)) for name in names]
    return Drive(arrivals, np.column_stack(noise))


def wander(scenario: Scenario, memory: float, *purpose: str) -> Floats:
    """Return a first-order autoregressive series of unit variance; `memory` is its correlation over a minute."""
    correlation = memory ** (scenario.step / 60.0)
    last, *shocks = stream(scenario.seed, *purpose).standard_normal(scenario.steps + 1).tolist()
    fresh = (1 - correlation**2) ** 0.5
    values = np.empty(scenario.steps)
    for step, shock in enumerate(shocks):
        values[step] = last = correlation * last + fresh * shock
    return values


def _requests(load: LoadSpec, scenario: Scenario) -> Floats:
    seconds = np.multiply(np.arange(scenario.steps), scenario.step, dtype=np.float64)
    rate = load.rate * pattern(load, scenario.start, seconds)
    requests: Floats = rate * np.exp(load.noise * wander(scenario, 0.8, "load", load.entry))
    return requests


def pattern(load: LoadSpec, start: datetime, seconds: Floats) -> Floats:
    """Return the load relative to its mean at `seconds` from `start`: a daily cosine, and less at weekends.

    >>> from datetime import UTC, datetime
    >>> from hypocenter.simulator.scenario import LoadSpec
    >>> monday = datetime(2026, 3, 2, tzinfo=UTC)
    >>> pattern(LoadSpec("web", 1.0, daily=0.5, peak=72000.0), monday, np.array([28800.0, 72000.0]))
    array([0.5, 1.5])
    """
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    since = seconds + (start - midnight) / timedelta(seconds=1)
    daily = 1 + load.daily * np.cos(2 * np.pi * (since - load.peak) / DAY)
    weekday = (start.weekday() + since // DAY) % 7
    return daily * np.where(weekday >= 5, 1 - load.weekly, 1.0)
