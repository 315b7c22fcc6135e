"""Systems of any size, generated: chains, fans, meshes and shared hosts of 5 to 500 services."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.model import ComponentType
from hypocenter.simulator.check import misplaced
from hypocenter.simulator.faults import FAULTS
from hypocenter.simulator.load import stream
from hypocenter.simulator.parser import DEFAULTS
from hypocenter.simulator.read import checked
from hypocenter.simulator.scenario import (
    CallSpec,
    ComponentSpec,
    ConsumeSpec,
    DecoySpec,
    FaultSpec,
    HostSpec,
    LoadSpec,
    Scenario,
    TelemetrySpec,
)

if TYPE_CHECKING:
    import numpy as np

SHAPES = ("chain", "fan", "mesh", "shared_hosts")
FEWEST, MOST = 5, 500
LENGTH = 2 * 3600.0
LONGEST_CHAIN = 8
WIDTH = 6
COMPACT_ABOVE = 60
BUSY = 0.35
SPARE = 6


def generate_scenario(
    shape: str = "mesh", services: int = 20, seed: int = 1, fault: str | None = None, *, length: float = LENGTH
) -> Scenario:
    """Return a system of that shape and number of services, with a fault three quarters through its `length` (s).

    Beside the services there are databases, a cache, a queue, an external service and hosts, all sized to their load.
    The fault's type and place follow from the seed; `fault` fixes its type, "none" leaves it out. Raises InputError for
    an unknown shape or fault type, or a size that is not 5 to 500.
    """
    if shape not in SHAPES:
        raise InputError(f"shape {shape!r} is not known; choose one of {', '.join(SHAPES)}")
    if not FEWEST <= services <= MOST:
        raise InputError(f"services must lie between {FEWEST} and {MOST}, found {services}")
    if fault not in {None, "none", *FAULTS}:
        raise InputError(f"no fault type is called {fault!r}; known are {', '.join(FAULTS)} and none")
    if seed < 0:
        raise InputError(f"seed must be zero or more, found {seed}")
    random = stream(seed, "shape", shape, str(services))
    scenario = _sized(_drawn(shape, services, seed, random, length), 12 if shape == "shared_hosts" else 4)
    if fault == "none":
        return checked(scenario)
    return checked(_broken(scenario, fault, random))


def _drawn(shape: str, services: int, seed: int, random: np.random.Generator, length: float) -> Scenario:
    """Return components and calls as drawn, not yet sized and without hosts."""
    names = [f"service-{i:03d}" for i in range(services)]
    draw = {"chain": _chains, "fan": _fan}.get(shape, _mesh)
    pairs = [(names[caller], names[callee]) for caller, callee in draw(services - 1, random)]
    callers = dict.fromkeys(caller for caller, _ in pairs)
    times = {name: min(1.0, 1.3 / sum(caller == name for caller, _ in pairs)) for name in callers}
    calls = [CallSpec(a, b, times[a], retries=int(random.integers(0, 3))) for a, b in pairs]
    stores, reads = _stores(names[:-1], random)
    components = [ComponentSpec(name, cpu=float(random.uniform(0.002, 0.008))) for name in names]
    return Scenario(
        system=f"{shape}-{services}",
        length=length,
        seed=seed,
        components=(*components, *stores),
        calls=(*calls, *reads),
        consumes=(ConsumeSpec(names[-1], "events"),),
        loads=(LoadSpec(names[0], 20.0 + services),),
        telemetry=TelemetrySpec(detail="full" if services <= COMPACT_ABOVE else "compact"),
    )


def _chains(services: int, _: np.random.Generator) -> list[tuple[int, int]]:
    return [(i - 1 if i % LONGEST_CHAIN else 0, i) for i in range(1, services)]


def _fan(services: int, _: np.random.Generator) -> list[tuple[int, int]]:
    return [((i - 1) // WIDTH, i) for i in range(1, services)]


def _mesh(services: int, random: np.random.Generator) -> list[tuple[int, int]]:
    pairs = []
    for i in range(1, services):
        layer = (i - 1) // WIDTH  # of the tree that the mesh grows from: callers are near it
        near = range(max(0, layer - 2), min(i, layer + 3))
        several = min(len(near), int(random.integers(1, 4)))
        pairs += [(int(caller), i) for caller in sorted(random.choice(near, several, replace=False))]
    return pairs


def _stores(names: list[str], random: np.random.Generator) -> tuple[list[ComponentSpec], list[CallSpec]]:
    """Return databases, a cache, a queue and an external service, and the calls to them."""
    databases = [f"db-{i:02d}" for i in range(max(1, len(names) // 10))]
    kinds = {ComponentType.DATABASE: databases, ComponentType.CACHE: ["cache"], ComponentType.QUEUE: ["events"],
             ComponentType.EXTERNAL: ["third-party"]}  # fmt: skip
    stores = [
        ComponentSpec(**{"name": name, "type": kind, **DEFAULTS[kind]}) for kind, some in kinds.items() for name in some
    ]
    calls = [CallSpec(names[1], "cache", timeout=0.3, optional=True), CallSpec(names[2], "events", 0.3, retries=1),
             CallSpec(names[-1], "third-party", 0.5, retries=1)]  # fmt: skip
    calls.append(CallSpec(names[1], databases[0], 1.0, pool=1, behind="cache"))
    storing = [name for name in names[3:] if random.random() < 0.5]
    for i, name in enumerate(storing, start=1):
        calls += [CallSpec(name, databases[i % len(databases)], float(random.uniform(0.5, 2.0)), pool=1)]
    return stores, calls


def _sized(scenario: Scenario, per_host: int) -> Scenario:
    """Return the scenario with cores, workers, pools, timeouts and hosts that fit the expected load."""
    rates, times = _expected(scenario)
    fitted = {
        c.name: replace(
            c,
            cores=max(1.0, math.ceil(rates[c.name] * c.cpu / BUSY)),
            workers=max(c.workers, math.ceil(rates[c.name] * times[c.name] * SPARE)),
        )
        for c in scenario.components
    }
    inside = [c for c in fitted.values() if c.type is not ComponentType.EXTERNAL]
    placed = {c.name: f"host-{i // per_host:03d}" for i, c in enumerate(inside)}
    hosts = []
    for host in dict.fromkeys(placed.values()):
        here = [c for c in inside if placed[c.name] == host]
        work, disk = (sum(rates[c.name] * getattr(c, part) for c in here) for part in ("cpu", "io"))
        hosts.append(HostSpec(host, cpus=max(8.0, math.ceil(work / BUSY)), disks=max(1.0, math.ceil(disk / BUSY))))
    calls = [_fitted(call, rates, times) for call in scenario.calls]
    components = tuple(replace(c, on=placed.get(c.name)) for c in fitted.values())
    return replace(scenario, components=components, hosts=tuple(hosts), calls=tuple(calls))


def _fitted(call: CallSpec, rates: dict[str, float], times: dict[str, float]) -> CallSpec:
    pool = max(8, math.ceil(rates[call.caller] * call.times * times[call.callee] * 5)) if call.pool else 0
    return replace(call, timeout=max(0.3, 15 * times[call.callee]), pool=pool)


def _expected(scenario: Scenario) -> tuple[dict[str, float], dict[str, float]]:
    """Return requests per second and seconds per request of every component, without any waiting."""
    order = [c.name for c in scenario.components]  # callers stand before what they call
    rates = dict.fromkeys(order, 0.0)
    times = {c.name: c.cpu + c.io + c.wait for c in scenario.components}
    for load in scenario.loads:
        rates[load.entry] += load.rate * (1 + load.daily)
    for name in order:
        for call in (call for call in scenario.calls if call.caller == name):
            rates[call.callee] += rates[name] * call.times
    for name in reversed(order):
        times[name] += sum(call.times * times[call.callee] for call in scenario.calls if call.caller == name)
    for consume in scenario.consumes:
        rates[consume.consumer] += rates[consume.queue]
    return rates, times


def _broken(scenario: Scenario, fault: str | None, random: np.random.Generator) -> Scenario:
    """Return the scenario with a fault where it can strike and hurt, and two decoys elsewhere."""
    at = scenario.step * (scenario.steps * 3 // 4)
    for type_ in [fault] if fault else random.permutation(list(FAULTS)):
        fits = _struck(scenario, str(type_), at, random)
        if fits is not None:
            break
    else:
        raise InputError(f"{scenario.system} has no component at which {fault} can strike; choose another fault type")
    services = [c.name for c in scenario.components if c.type is ComponentType.SERVICE and c.name != fits.component]
    noisy, deployed = (str(name) for name in random.choice(services, 2, replace=False))
    decoys = (DecoySpec("noisy", noisy, max(0.0, at - 900)), DecoySpec("deploy", deployed, max(0.0, at - 240)))
    tuned = _tuned(scenario, fits.component) if fits.type == "bad_config" else scenario
    return replace(tuned, faults=(fits,), decoys=decoys)


def _struck(scenario: Scenario, type_: str, at: float, random: np.random.Generator) -> FaultSpec | None:
    """Return a fault of that type at a place where it can strike, or None."""
    places = [*(c.name for c in scenario.components), *(host.name for host in scenario.hosts)]
    specs = (FaultSpec(type_, str(name), at, ramp=60.0) for name in random.permutation(places))
    return next((spec for spec in specs if misplaced(spec, scenario) is None), None)


def _tuned(scenario: Scenario, component: str) -> Scenario:
    """Return the scenario with no more workers at a component than its load keeps busy at times.

    Where most of them have nothing to do, the loss of most hurts nobody.
    """
    rates, times = _expected(scenario)
    workers = math.ceil(rates[component] * times[component] * SPARE)
    tuned = (replace(c, workers=workers) if c.name == component else c for c in scenario.components)
    return replace(scenario, components=tuple(tuned))
