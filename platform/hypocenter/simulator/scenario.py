"""A scenario: the system, its load, what breaks and what merely looks as if; values only, no behaviour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from hypocenter.model import ComponentType

GIB = 2.0**30
MIB = 2.0**20


@dataclass(frozen=True, slots=True)
class HostSpec:
    """A machine: CPU cores, memory in bytes, and disk operations that it can do at once."""

    name: str
    cpus: float = 8.0
    memory: float = 32 * GIB
    disks: float = 1.0


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """Something that serves requests.

    Per request: `cpu`, `io` and `wait` seconds of CPU, disk and plain waiting, `spread` the coefficient of variation
    of their sum, `writes` the share that writes to disk, `bytes` received plus sent. `workers` serve at once, `queue`
    more may wait; `cores`, `limit` and `volume` bound CPU, memory and disk space (bytes), `memory` is in use when
    idle; `restart` is the seconds from a crash to serving again.
    """

    name: str
    type: ComponentType = ComponentType.SERVICE
    on: str | None = None
    workers: int = 64
    queue: int = 500
    cpu: float = 0.005
    io: float = 0.0
    wait: float = 0.0
    spread: float = 1.0
    errors: float = 0.0005
    cores: float = 2.0
    memory: float = 256 * MIB
    limit: float = 1 * GIB
    per_request: float = 0.25 * MIB
    bytes: float = 12_000.0
    writes: float = 0.0
    volume: float = 50 * GIB
    restart: float = 20.0


@dataclass(frozen=True, slots=True)
class CallSpec:
    """A synchronous call: `times` per request of the caller, each attempt with a timeout (s), then retried.

    `pool` bounds connections in use at once (0: unbounded); `optional` failures do not fail the caller; `behind` names
    a cache that answers the share `hit` of these calls while it works; `network` is the round trip in seconds.
    """

    caller: str
    callee: str
    times: float = 1.0
    timeout: float = 5.0
    retries: int = 0
    backoff: float = 0.05
    pool: int = 0
    optional: bool = False
    behind: str | None = None
    hit: float = 0.9
    network: float = 0.0005


@dataclass(frozen=True, slots=True)
class ConsumeSpec:
    """`consumer` takes messages from `queue`."""

    consumer: str
    queue: str


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """Users who do not wait for each other: requests/s at `entry`, with daily and weekly pattern and noise."""

    entry: str
    rate: float
    daily: float = 0.3
    peak: float = 20 * 3600.0
    weekly: float = 0.2
    noise: float = 0.04


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """What breaks: a fault type at a component from `at` seconds on for `length`; full strength after `ramp`.

    `peer` narrows a network fault to the calls between the two.
    """

    type: str
    component: str
    at: float
    severity: float = 0.7
    ramp: float = 0.0
    length: float = float("inf")
    peer: str | None = None


@dataclass(frozen=True, slots=True)
class DecoySpec:
    """What looks guilty and is not: type `noisy` (restless CPU and latency) or `deploy` (a change and a restart)."""

    type: str
    component: str
    at: float
    severity: float = 0.5
    length: float = float("inf")
    title: str = ""


@dataclass(frozen=True, slots=True)
class GapSpec:
    """Nothing of a component was scraped from `at` on, for `length` seconds."""

    component: str
    at: float
    length: float


@dataclass(frozen=True, slots=True)
class TelemetrySpec:
    """What is recorded and how.

    `edges`: `graph` (service-graph metrics from traces), `client` (each caller's own client metrics) or `none`;
    `detail`: `full` (histogram buckets) or `compact` (only sums and counts); `missed`: the share of scrapes that fail;
    `traces`: sampled traces per minute; `lines`: most log lines per second and component; `window`: seconds before the
    fault from which spans and log lines are kept.
    """

    edges: str = "graph"
    detail: str = "full"
    missed: float = 0.001
    traces: float = 40.0
    lines: float = 0.5
    window: float = 1800.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A system and what happens to it; times are seconds from `start`, `length` and `step` are seconds."""

    system: str
    start: datetime = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
    length: float = 6 * 3600.0
    step: float = 15.0
    seed: int = 1
    hosts: tuple[HostSpec, ...] = ()
    components: tuple[ComponentSpec, ...] = ()
    calls: tuple[CallSpec, ...] = ()
    consumes: tuple[ConsumeSpec, ...] = ()
    loads: tuple[LoadSpec, ...] = ()
    faults: tuple[FaultSpec, ...] = ()
    decoys: tuple[DecoySpec, ...] = ()
    gaps: tuple[GapSpec, ...] = ()
    silent: tuple[str, ...] = ()
    telemetry: TelemetrySpec = TelemetrySpec()

    @property
    def steps(self) -> int:
        """How many samples each series has."""
        return math.ceil(self.length / self.step - 1e-9)
