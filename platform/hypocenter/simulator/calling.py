"""How calls fare in one substep: network, timeouts, retries, caches in front and connection pools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.simulator.queueing import cut_at, waiting

if TYPE_CHECKING:
    from hypocenter.simulator.knobs import Knobs
    from hypocenter.simulator.state import State
    from hypocenter.simulator.system import Floats, System

RETRANSMISSION = 0.25
PACKETS = 4.0
FEWEST = 0.1
TINY = 1e-9


@dataclass(frozen=True)
class Calling:
    """How calls fare, per call edge.

    `attempts` per second, the share of them that `failed`, `mean` and `variance` of an attempt's time as the caller
    sees it, `given_up` the share of calls whose last retry failed, `took` the time a call costs with its retries,
    `often` calls per request of the caller; `connections` in use and `capacity` of the pool; `network` seconds,
    `patience` (the timeout in seconds) and `tries` of an attempt.
    """

    attempts: Floats
    failed: Floats
    mean: Floats
    variance: Floats
    given_up: Floats
    took: Floats
    often: Floats
    connections: Floats
    capacity: Floats
    network: Floats
    patience: Floats
    tries: Floats


def call(system: System, state: State, knobs: Knobs, working: Floats, dt: float) -> Calling:
    """Let every component make its calls; moves `state.pooled`.

    `working` is the share of requests per component that live to make calls, `dt` the substep in seconds.
    """
    calls = system.calls
    patience = calls.timeout * knobs.timeout
    network, mean, variance = _answer(system, state, knobs)
    late, spent = cut_at(patience, mean, variance)
    late = knobs.cut + (1 - knobs.cut) * late
    spent = knobs.cut * patience + (1 - knobs.cut) * spent
    failed = np.minimum(1 - (1 - state.failing[calls.callee]) * (1 - late), 1 - TINY)
    tries = calls.retries + knobs.retries + 1
    given_up = failed**tries
    repeats = (1 - given_up) / (1 - failed)
    often = calls.times * _gate(system, given_up)
    wanted = state.served[calls.caller] * often * working[calls.caller] * repeats
    attempts, wait, capacity = _pool(system, state, knobs, wanted, spent, dt)
    took = repeats * (spent + wait) + (repeats - 1) * calls.backoff
    return Calling(
        attempts=attempts,
        failed=failed,
        mean=spent,
        variance=np.minimum(variance, patience**2 / 4),
        given_up=given_up,
        took=took,
        often=often,
        connections=attempts * spent,
        capacity=capacity,
        network=network,
        patience=patience,
        tries=tries,
    )


def _answer(system: System, state: State, knobs: Knobs) -> tuple[Floats, Floats, Floats]:
    callee = system.calls.callee
    resent = PACKETS * knobs.loss / (1 - np.minimum(knobs.loss, 0.9))
    network = system.calls.network + knobs.delay + resent * RETRANSMISSION
    jitter = (0.3 * (system.calls.network + knobs.delay * 0.3)) ** 2 + resent * RETRANSMISSION**2
    return network, state.response[callee] + network, state.variance[callee] + jitter


def _gate(system: System, given_up: Floats) -> Floats:
    behind = system.calls.behind
    hit = np.where(behind >= 0, system.calls.hit * (1 - given_up[behind]), 0.0)
    return 1 - hit


def _pool(
    system: System, state: State, knobs: Knobs, wanted: Floats, spent: Floats, dt: float
) -> tuple[Floats, Floats, Floats]:
    capacity = np.maximum(system.calls.pool * knobs.pool, FEWEST)
    most = capacity / spent
    usual = waiting(wanted / most, np.maximum(capacity, 1.0))
    pooled = np.maximum(usual, state.pooled + (wanted - most) * dt)
    pooled = np.minimum(pooled, system.components.workers[system.calls.caller])
    attempts = np.minimum(np.maximum(wanted - (pooled - state.pooled) / dt, 0.0), most)
    state.pooled = pooled
    return attempts, pooled / np.maximum(attempts, wanted / 2 + TINY), capacity
