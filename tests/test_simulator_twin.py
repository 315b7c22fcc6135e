"""The time-stepped engine against a small event-by-event twin of the same queues."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hypocenter.simulator import read_scenario
from hypocenter.simulator.simulation import run
from hypocenter.simulator.system import build

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICE = 0.1


@dataclass
class Twin:
    """A caller with any number of workers and a callee with few: arrivals, waits, timeouts and retries are events."""

    rate: float
    free: int
    draw: Callable[[np.random.Generator], float]
    timeout: float = np.inf
    retries: int = 0
    backoff: float = 0.0
    seconds: float = 300.0
    events: list[tuple[float, int, str, tuple[int, int, float]]] = field(default_factory=list)
    waiting: list[tuple[int, int, float]] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    responses: list[float] = field(default_factory=list)
    busy_time: float = 0.0
    attempts: int = 0
    failed: int = 0
    calls: int = 0

    def run(self) -> Twin:
        self.random, self.numbers = np.random.default_rng(3), count()
        self.at(0.0, "user")
        while self.events[0][0] <= self.seconds:
            now, number, kind, attempt = heapq.heappop(self.events)
            getattr(self, kind)(now, number, attempt)
        return self

    def at(self, time, kind, attempt=(0, 0, 0.0)):
        heapq.heappush(self.events, (time, next(self.numbers), kind, attempt))

    def user(self, now, number, _):
        self.calls += 1
        self.at(now + self.random.exponential(1 / self.rate), "user")
        self.call(now, number, (number, 0, now))

    def call(self, now, number, attempt):
        self.attempts += 1
        attempt = (number, attempt[1], now)
        self.at(now + self.timeout, "late", attempt)
        self.waiting.append(attempt)
        self.serve(now)

    def serve(self, now):
        if self.free and self.waiting:
            self.free -= 1
            service = self.draw(self.random)
            self.busy_time += service
            self.at(now + service, "done", self.waiting.pop(0))

    def done(self, now, _, attempt):
        self.answered.add(attempt[0])
        self.responses.append(now - attempt[2])
        self.free += 1
        self.serve(now)

    def late(self, now, _, attempt):
        if attempt[0] in self.answered:
            return
        self.failed += 1
        if attempt[1] < self.retries:
            self.at(now + self.backoff, "call", (0, attempt[1] + 1, now))


def engine(rate, workers, spread, call="", queue=10**6, service=SERVICE):
    scenario = read_scenario(f"""
        length 30m
        step 5s
        service front wait=1ms workers=1000000 errors=0
        service back wait={round(service * 1000)}ms cpu=0ms spread={spread} workers={workers} queue={queue} errors=0
        front -> back network=0ms {call or "timeout=1h"}
        load front {rate}/s daily=0 weekly=0 noise=0
    """)
    system = build(scenario)
    _, record = run(scenario, system)
    return record


def exponential(random):
    return random.exponential(SERVICE)


def fixed(_):
    return SERVICE


def heavy(random):
    sigma2 = np.log(1 + 2.0**2)
    return random.lognormal(np.log(SERVICE) - sigma2 / 2, sigma2**0.5)


@pytest.mark.parametrize("workers", [1, 4, 20])
@pytest.mark.parametrize(("load", "calls"), [(0.3, 15_000), (0.6, 25_000), (0.85, 60_000)])
def test_markovian_queues_have_the_mean_latency_and_utilisation_of_the_twin(workers, load, calls):
    rate = load * workers / SERVICE
    twin = Twin(rate, workers, exponential, seconds=calls / rate).run()
    record = engine(rate, workers, 1)
    assert record.response[60:, 1].mean() == pytest.approx(np.mean(twin.responses), rel=0.12)
    assert record.busy[60:, 1].mean() / workers == pytest.approx(twin.busy_time / workers / twin.seconds, rel=0.05)


@pytest.mark.parametrize(("draw", "spread"), [(fixed, 0), (heavy, 2)])
def test_other_service_times_wait_as_in_the_twin(draw, spread):
    rate = 0.8 * 4 / SERVICE
    twin = Twin(rate, 4, draw, seconds=50_000 / rate).run()
    record = engine(rate, 4, spread)
    assert record.response[60:, 1].mean() - SERVICE == pytest.approx(np.mean(twin.responses) - SERVICE, rel=0.3)


@pytest.mark.parametrize(("load", "retries"), [(0.4, 1), (0.75, 2)])
def test_timeouts_and_retries_amplify_as_in_the_twin(load, retries):
    rate = load * 4 / SERVICE
    twin = Twin(rate, 4, exponential, timeout=0.35, retries=retries, backoff=0.05, seconds=20_000 / rate).run()
    record = engine(rate, 4, 1, f"timeout=350ms retries={retries} backoff=50ms")
    assert record.attempts[60:, 0].mean() / rate == pytest.approx(twin.attempts / twin.calls, rel=0.1)
    assert record.failed[60:, 0].mean() == pytest.approx(twin.failed / twin.attempts, abs=0.04)


def test_overload_builds_the_backlog_of_the_twin():
    rate = 1.2 * 4 / SERVICE
    twin = Twin(rate, 4, exponential, seconds=300.0).run()
    record = engine(rate, 4, 1)
    assert record.served[30:, 1].mean() == pytest.approx(len(twin.responses) / twin.seconds, rel=0.05)
    assert record.queue[59, 1] - record.queue[0, 1] == pytest.approx(len(twin.waiting), rel=0.15)


@pytest.mark.parametrize(("retries", "amplified"), [(0, 1.0), (3, 4.0)])
def test_a_retry_storm_outlives_the_stall_that_set_it_off(retries, amplified):
    rate = 0.7 * 4 / SERVICE
    stall = "fault lock_contention back at=10m for=2m severity=1"
    record = engine(rate, 4, 1, f"timeout=500ms retries={retries}\n{stall}", queue=300)
    assert record.attempts[60:118, 0].mean() == pytest.approx(rate, rel=0.05)
    assert record.attempts[-60:, 0].mean() / rate == pytest.approx(amplified, rel=0.05)
