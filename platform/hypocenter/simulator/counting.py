"""From smooth rates to what exporters count: whole events with their scatter, counters that restart, histograms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.simulator.load import stream
from hypocenter.simulator.queueing import below, lognormal

if TYPE_CHECKING:
    from hypocenter.simulator.system import Bools, Floats

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UPTIME = 5 * 86_400.0


@dataclass(frozen=True)
class Histogram:
    """Increments per step, [step, series]: events, their sum in seconds, and cumulative counts per bucket."""

    count: Floats
    total: Floats
    buckets: tuple[Floats, ...]


@dataclass(frozen=True)
class Chance:
    """Random numbers by purpose, each of the full length of the run, so that a twin meets the same chance."""

    seed: int
    step: float

    def events(self, rate: Floats, purpose: str) -> Floats:
        """Return whole events per step at `rate` per second, [step, series], with the scatter of a Poisson process."""
        random = stream(self.seed, "events", purpose)
        mean = rate * self.step
        scattered = (np.sqrt(mean) + random.standard_normal(rate.shape) / 2) ** 2 - 0.25
        return np.floor(np.maximum(scattered, 0.0) * (mean > 0) + random.random(rate.shape))

    def part(self, whole: Floats, share: Floats, purpose: str) -> Floats:
        """Return how many of `whole` events fall to `share`, with binomial scatter."""
        random = stream(self.seed, "part", purpose)
        scatter = np.sqrt(whole * share * (1 - share)) * random.standard_normal(whole.shape)
        return np.clip(np.floor(whole * share + scatter + random.random(whole.shape)), 0.0, whole)

    def histogram(self, count: Floats, mean: Floats, deviation: Floats, purpose: str) -> Histogram:
        """Return a histogram's increments for `count` log-normal durations per step."""
        random = stream(self.seed, "durations", purpose)
        spread = deviation / np.maximum(mean, 1e-9)
        seen = np.maximum(mean, 1e-6) * np.exp(random.standard_normal(count.shape) * spread / np.sqrt(count + 1) * 0.7)
        location, scale = lognormal(seen, np.maximum(deviation, 1e-7) ** 2)
        scale = np.maximum(scale, 1e-3)
        rounding = random.random(count.shape)
        buckets = (np.floor(count * below((np.log(edge) - location) / scale) + rounding) for edge in BUCKETS)
        return Histogram(count, count * seen, tuple(np.minimum(bucket, count) for bucket in buckets))

    def around(self, values: Floats, share: float, purpose: str) -> Floats:
        """Return gauges as a noisy instrument reads them: relative scatter of `share`."""
        return values * (1 + share * stream(self.seed, "gauge", purpose).standard_normal(values.shape))


def counter(increments: Floats, restarts: Bools, seed: int, purpose: str) -> Floats:
    """Return a counter that has run for up to days, and starts again from zero at every restart, [step, series]."""
    before = stream(seed, "uptime", purpose).random(increments.shape[1]) * UPTIME
    total = np.floor(before / 60) * increments[0] + np.cumsum(increments, axis=0)
    base = np.where(restarts, np.vstack([np.zeros(total.shape[1]), total[:-1]]), 0.0)
    values: Floats = total - np.maximum.accumulate(base, axis=0)
    return values
