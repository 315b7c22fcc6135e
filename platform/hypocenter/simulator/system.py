"""A scenario as arrays: components, hosts and calls by number, ready for the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypocenter.model import ComponentType
    from hypocenter.simulator.scenario import Scenario

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Components:
    """One entry per component; `host` is its host's number or -1; sizes in bytes, times in seconds."""

    names: tuple[str, ...]
    types: tuple[ComponentType, ...]
    host: Ints
    workers: Floats
    queue: Floats
    cpu: Floats
    io: Floats
    wait: Floats
    spread: Floats
    errors: Floats
    cores: Floats
    memory: Floats
    limit: Floats
    per_request: Floats
    bytes: Floats
    writes: Floats
    volume: Floats
    restart: Floats

    def of_type(self, *types: ComponentType) -> Ints:
        """Return the numbers of all components of these types."""
        return np.array([i for i, type_ in enumerate(self.types) if type_ in types], dtype=np.int64)


@dataclass(frozen=True)
class Hosts:
    """One entry per host."""

    names: tuple[str, ...]
    cpus: Floats
    memory: Floats
    disks: Floats


@dataclass(frozen=True)
class Calls:
    """One entry per call edge: `behind` is the edge to the cache in front, or -1; `pool` is infinite when unbounded."""

    caller: Ints
    callee: Ints
    times: Floats
    timeout: Floats
    retries: Floats
    backoff: Floats
    pool: Floats
    optional: Bools
    behind: Ints
    hit: Floats
    network: Floats


@dataclass(frozen=True)
class System:
    """All that does not change while time passes; `consumer` and `queue` pair up message consumers."""

    components: Components
    hosts: Hosts
    calls: Calls
    consumer: Ints
    queue: Ints

    def number(self, name: str) -> int:
        """Return the number of the component called `name`."""
        return self.components.names.index(name)


def sums(groups: Ints, values: Floats, size: int) -> Floats:
    """Return the sum of `values` per group, for groups 0 to `size` - 1."""
    return np.bincount(groups, values, size).astype(np.float64, copy=False)


def build(scenario: Scenario) -> System:
    """Return the arrays of a checked scenario."""
    names = tuple(spec.name for spec in scenario.components)
    index = {name: number for number, name in enumerate(names)}
    return System(
        components=_components(scenario),
        hosts=_hosts(scenario),
        calls=_calls(scenario, index),
        consumer=_ints(index[spec.consumer] for spec in scenario.consumes),
        queue=_ints(index[spec.queue] for spec in scenario.consumes),
    )


def _components(scenario: Scenario) -> Components:
    hosts = {spec.name: number for number, spec in enumerate(scenario.hosts)}
    specs = scenario.components
    plain = ("workers", "queue", "cpu", "io", "wait", "spread", "errors", "cores", "memory", "limit", "per_request",
             "bytes", "writes", "volume", "restart")  # fmt: skip
    return Components(
        names=tuple(spec.name for spec in specs),
        types=tuple(spec.type for spec in specs),
        host=_ints(-1 if spec.on is None else hosts[spec.on] for spec in specs),
        **{name: _column(specs, name) for name in plain},
    )


def _hosts(scenario: Scenario) -> Hosts:
    specs = scenario.hosts
    columns = {name: _column(specs, name) for name in ("cpus", "memory", "disks")}
    return Hosts(names=tuple(spec.name for spec in specs), **columns)


def _calls(scenario: Scenario, index: dict[str, int]) -> Calls:
    specs = scenario.calls
    number = {(spec.caller, spec.callee): edge for edge, spec in enumerate(specs)}
    plain = ("times", "timeout", "retries", "backoff", "hit", "network")
    pool = _column(specs, "pool")
    return Calls(
        caller=_ints(index[spec.caller] for spec in specs),
        callee=_ints(index[spec.callee] for spec in specs),
        pool=np.where(pool > 0, pool, np.inf),
        optional=np.array([spec.optional for spec in specs], dtype=bool),
        behind=_ints(-1 if spec.behind is None else number[spec.caller, spec.behind] for spec in specs),
        **{name: _column(specs, name) for name in plain},
    )


def _column(specs: Sequence[object], name: str) -> Floats:
    return np.array([getattr(spec, name) for spec in specs], dtype=np.float64)


def _ints(numbers: Iterable[int]) -> Ints:
    return np.array(list(numbers), dtype=np.int64)
