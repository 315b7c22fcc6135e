"""What happened in the running system, step by step: the engine writes it, telemetry reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypocenter.simulator.system import Bools, Floats, System


@dataclass
class Record:
    """Means over each step, [step, component], [step, call] or [step, host].

    Per component: `arrivals`, `served` and `refused` per second; `failing` share of the served and refused; `response`
    mean and `deviation` in seconds at the component's door, `own` the part of it that is not spent in calls,
    `own_errors` the share of requests that fail without any call; `busy` workers, `queue` waiting, `depth` messages
    kept; `cpu` cores used, `throttled` share of time without CPU, `io` disk seconds per second, `memory` bytes, `fill`
    of the volume, `up` (0 or 1), `restarts` so far, `unwatched` (above 0: its exporter is dead).
    Per call: `attempts` per second; `failed` share of them; `client` mean and `client_deviation` as the caller sees it;
    `connections` at work, `capacity` of the pool that has not leaked, `waiters` for it; `dropped` share of packets;
    `often` calls per request of the caller, `network` seconds added, `cut` share without an answer, `patience` the
    timeout in seconds, `tries` attempts at most.
    Per host: `host_cpu` cores used, `host_io` share of time the disk is busy.
    All are views of three `parts`, [step, field, component or call or host].
    """

    arrivals: Floats
    served: Floats
    refused: Floats
    failing: Floats
    response: Floats
    deviation: Floats
    own: Floats
    own_errors: Floats
    busy: Floats
    queue: Floats
    depth: Floats
    cpu: Floats
    throttled: Floats
    io: Floats
    memory: Floats
    fill: Floats
    up: Floats
    restarts: Floats
    unwatched: Floats
    attempts: Floats
    failed: Floats
    client: Floats
    client_deviation: Floats
    connections: Floats
    capacity: Floats
    waiters: Floats
    dropped: Floats
    often: Floats
    network: Floats
    cut: Floats
    patience: Floats
    tries: Floats
    host_cpu: Floats
    host_io: Floats
    parts: tuple[Floats, Floats, Floats]

    def copy(self) -> Record:
        """Return an independent copy."""
        components, calls, hosts = self.parts
        return _over((components.copy(), calls.copy(), hosts.copy()))

    def add(self, step: int, weight: float, values: Mapping[str, Floats | Bools]) -> None:
        """Add `weight` times the values, one per field, to what is noted of a step."""
        for names, part in zip(_GROUPS, self.parts, strict=True):
            part[step] += weight * np.array([values[name] for name in names], dtype=np.float64)


_GROUPS = (
    (
        "arrivals", "served", "refused", "failing", "response", "deviation", "own", "own_errors", "busy", "queue",
        "depth", "cpu", "throttled", "io", "memory", "fill", "up", "restarts", "unwatched",
    ),
    (
        "attempts", "failed", "client", "client_deviation", "connections", "capacity", "waiters", "dropped", "often",
        "network", "cut", "patience", "tries",
    ),
    ("host_cpu", "host_io"),
)  # fmt: skip


def blank(system: System, steps: int) -> Record:
    """Return a record of zeros."""
    widths = (len(system.components.names), len(system.calls.caller), len(system.hosts.names))
    components, calls, hosts = (np.zeros((steps, len(names), n)) for names, n in zip(_GROUPS, widths, strict=True))
    return _over((components, calls, hosts))


def _over(parts: tuple[Floats, Floats, Floats]) -> Record:
    views = {name: part[:, i] for names, part in zip(_GROUPS, parts, strict=True) for i, name in enumerate(names)}
    return Record(**views, parts=parts)
