"""Fault types: what each turns in the running system, where it may strike and which series shows it first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import ComponentType as Type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypocenter.simulator.knobs import Knobs
    from hypocenter.simulator.system import Ints, System


@dataclass(frozen=True)
class Place:
    """Where a fault strikes: a component or a host by number (the other is -1), calls to it and calls it makes."""

    component: int
    host: int
    incoming: Ints
    outgoing: Ints
    system: System

    @property
    def calls(self) -> Ints:
        """All calls that touch the component."""
        return np.concatenate([self.incoming, self.outgoing])


Turn = Callable[["Knobs", Place, float], None]


@dataclass(frozen=True)
class FaultType:
    """`turn` sets the knobs for a strength of 0 to 1; `strikes` are the component types it makes sense at.

    `metric` is the metric kind in which the root shows; `change` is the type of the change event that brings the fault,
    or None; `needs` is what the component must have: `callers`, `callees`, `pool`, `load`, `queue`, `writes`
    or, for a host, something on it that uses its `disk`.
    """

    turn: Turn
    strikes: tuple[Type, ...]
    metric: str
    about: str
    change: str | None = None
    needs: str | None = None


def _cpu_hog(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.hog[at.component] += 16 * at.system.components.cores[at.component] * strength**2


def _noisy_neighbour(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.host_hog[at.host] += 6 * at.system.hosts.cpus[at.host] * strength


def _memory_leak(knobs: Knobs, at: Place, strength: float) -> None:
    free = at.system.components.limit[at.component] - at.system.components.memory[at.component]
    knobs.leak[at.component] += free / 300 * strength


def _disk_stall(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.disk[at.host] *= 1 + 60 * strength


def _disk_full(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.fill[at.component] = max(knobs.fill[at.component], min(1.0, 1.5 * strength))


def _network_delay(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.delay[at.calls] += 0.5 * strength


def _packet_loss(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.loss[at.calls] += 0.4 * strength


def _partition(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.cut[at.incoming] = 1 - (1 - knobs.cut[at.incoming]) * (1 - min(1.0, 1.2 * strength))


def _error_burst(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.errors[at.component] += 0.8 * strength


def _slow_query(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.cpu[at.component] *= 1 + 25 * strength
    knobs.io[at.component] *= 1 + 40 * strength


def _lock_contention(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.wait[at.component] += 0.8 * strength


def _pool_exhaustion(knobs: Knobs, at: Place, strength: float) -> None:
    pooled = at.outgoing[np.isfinite(at.system.calls.pool[at.outgoing])]
    knobs.pool[pooled] *= max(0.005, 1 - 1.5 * strength)


def _outage(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.errors[at.component] += 1.4 * strength


def _dependency_outage(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.errors[at.component] += 0.7 * strength
    knobs.wait[at.component] += 4 * strength


def _traffic_surge(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.arrivals[at.component] *= 1 + 6 * strength


def _crash_loop(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.crash[at.component] = max(knobs.crash[at.component], strength)


def _dead_exporter(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.unwatched[at.component] = max(knobs.unwatched[at.component], strength)


def _bad_config(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.workers[at.component] *= max(0.01, 1 - 1.35 * strength)


def _retry_storm(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.timeout[at.outgoing] *= max(0.005, 1 - 1.4 * strength)
    knobs.retries[at.outgoing] += round(8 * strength)


def _consumer_stall(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.wait[at.component] += 12 * strength


_SERVES = (Type.SERVICE, Type.DATABASE, Type.CACHE, Type.QUEUE)
_REMOTE = (*_SERVES, Type.EXTERNAL)
FAULTS: Mapping[str, FaultType] = {
    "cpu_hog": FaultType(_cpu_hog, _SERVES, "cpu", "a runaway thread burns the component's CPU share"),
    "noisy_neighbour": FaultType(_noisy_neighbour, (Type.HOST,), "cpu", "another tenant takes the host's CPUs"),
    "memory_leak": FaultType(
        _memory_leak, _SERVES, "memory", "memory grows to its limit; the kernel kills the process"
    ),
    "disk_stall": FaultType(_disk_stall, (Type.HOST,), "disk", "the host's disk answers slowly", needs="disk"),
    "disk_full": FaultType(_disk_full, _SERVES, "disk", "the volume fills up and writes fail", needs="writes"),
    "network_delay": FaultType(_network_delay, _REMOTE, "edge_gap", "packets to and from the component are late"),
    "packet_loss": FaultType(_packet_loss, _REMOTE, "edge_gap", "packets to and from the component get lost"),
    "partition": FaultType(_partition, _REMOTE, "edge_gap", "callers cannot reach the component", needs="callers"),
    "error_burst": FaultType(_error_burst, _REMOTE, "errors", "a deploy brings a bug that fails requests", "deploy"),
    "slow_query": FaultType(_slow_query, (Type.DATABASE,), "latency", "a query plan degrades to full scans"),
    "lock_contention": FaultType(
        _lock_contention, (Type.DATABASE, Type.SERVICE), "latency", "requests wait for a lock"
    ),
    "pool_exhaustion": FaultType(
        _pool_exhaustion, (Type.SERVICE,), "saturation", "leaked connections leave the pool empty", needs="pool"
    ),
    "cache_outage": FaultType(_outage, (Type.CACHE,), "errors", "the cache refuses; misses fall on what is behind it"),
    "traffic_surge": FaultType(
        _traffic_surge, (Type.SERVICE,), "traffic", "users arrive in far larger numbers", needs="load"
    ),
    "crash_loop": FaultType(_crash_loop, _SERVES, "restarts", "the process dies soon after each start"),
    "dead_exporter": FaultType(_dead_exporter, _SERVES, "up", "metrics stop while the component works on"),
    "bad_config": FaultType(_bad_config, _SERVES, "saturation", "a config change leaves too few workers", "config"),
    "dependency_outage": FaultType(_dependency_outage, (Type.EXTERNAL,), "errors", "a third party fails and hangs"),
    "retry_storm": FaultType(
        _retry_storm,
        (Type.SERVICE,),
        "traffic",
        "a config change cuts timeouts and adds retries",
        "config",
        needs="callees",
    ),
    "consumer_stall": FaultType(
        _consumer_stall, (Type.SERVICE,), "saturation", "a consumer stops taking messages", needs="queue"
    ),
}
