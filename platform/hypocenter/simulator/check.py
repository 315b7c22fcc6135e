"""What is wrong with a scenario as a whole: names that do not exist, calls in a circle, faults that cannot strike."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.model import ComponentType
from hypocenter.simulator.faults import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hypocenter.simulator.scenario import FaultSpec, Scenario

MAX_STEPS = 200_000
MAX_COMPONENTS = 5_000
MAX_SAMPLES = 10_000_000


@dataclass(frozen=True)
class Problem:
    """`text` says what is wrong with the `ordinal`-th statement of `kind` (None: with the whole) and how to mend it."""

    text: str
    kind: str | None = None
    ordinal: int = 0


def problems(scenario: Scenario) -> Iterator[Problem]:
    """Yield everything that keeps the scenario from being simulated."""
    yield from _size(scenario)
    yield from _names(scenario)
    yield from _calls(scenario)
    yield from _consumes(scenario)
    yield from _loads(scenario)
    yield from _faults(scenario)
    yield from _others(scenario)


def _size(scenario: Scenario) -> Iterator[Problem]:
    if not scenario.components or not scenario.loads:
        yield Problem("needs at least one component and one load; write for example 'service web' and 'load web 10/s'")
    if scenario.length / scenario.step > MAX_STEPS or scenario.steps < 8:
        yield Problem(f"length divided by step must lie between 8 and {MAX_STEPS}; change length or step")
    if len(scenario.components) + len(scenario.hosts) > MAX_COMPONENTS:
        yield Problem(f"has more than {MAX_COMPONENTS} components and hosts")
    if (len(scenario.components) + len(scenario.calls)) * scenario.length / scenario.step > MAX_SAMPLES:
        yield Problem(f"has more than {MAX_SAMPLES} components and calls times steps; shorten it or take a longer step")
    if scenario.seed < 0:
        yield Problem(f"seed must be zero or more, found {scenario.seed}")
    if scenario.step > 600:
        yield Problem("step must be at most 10m: queues move faster than that")


def _names(scenario: Scenario) -> Iterator[Problem]:
    hosts = [spec.name for spec in scenario.hosts]
    for kind, names in (("host", hosts), ("component", [spec.name for spec in scenario.components])):
        taken = Counter(hosts) if kind == "component" else Counter()
        for ordinal, name in enumerate(names):
            taken[name] += 1
            if taken[name] > 1:
                yield Problem(f"{name!r} is defined twice; use set to change an earlier line", kind, ordinal)
    for ordinal, spec in enumerate(scenario.components):
        if spec.on is not None and spec.on not in hosts:
            yield Problem(f"no host is called {spec.on!r}; add 'host {spec.on}'", "component", ordinal)
        if spec.limit <= spec.memory:
            yield Problem("limit must be above memory", "component", ordinal)
        if spec.cpu + spec.io + spec.wait <= 0:
            yield Problem("needs cpu, io or wait time above zero", "component", ordinal)


def _unknown(name: str, scenario: Scenario) -> str | None:
    if any(spec.name == name for spec in scenario.components):
        return None
    return f"no component is called {name!r}; define it first"


def _calls(scenario: Scenario) -> Iterator[Problem]:
    known = {spec.name for spec in scenario.components}
    pairs = Counter[tuple[str, str]]()
    for ordinal, spec in enumerate(scenario.calls):
        pair = (spec.caller, spec.callee)
        pairs[pair] += 1
        for name in pair:
            if name not in known:
                yield Problem(f"no component is called {name!r}; define it", "call", ordinal)
        if pairs[pair] > 1:
            yield Problem(f"{spec.caller} -> {spec.callee} is written twice; raise times instead", "call", ordinal)
        if spec.behind is not None and (spec.caller, spec.behind) not in pairs:
            yield Problem(
                f"behind={spec.behind} needs '{spec.caller} -> {spec.behind}' above this line", "call", ordinal
            )
    circle = _circle([(spec.caller, spec.callee) for spec in scenario.calls])
    if circle:
        yield Problem(f"calls run in a circle: {' -> '.join(circle)}; take one of them out")


def _circle(pairs: Iterable[tuple[str, str]]) -> list[str]:
    callees: dict[str, list[str]] = {}
    for caller, callee in pairs:
        callees.setdefault(caller, []).append(callee)
    done: set[str] = set()
    for start in callees:
        path, stack = [start], [iter(callees[start])]
        while stack and start not in done:
            step = next(stack[-1], None)
            if step is None:
                done.add(path.pop())
                stack.pop()
            elif step in path:
                return [*path[path.index(step) :], step]
            elif step not in done:
                path.append(step)
                stack.append(iter(callees.get(step, ())))
    return []


def _consumes(scenario: Scenario) -> Iterator[Problem]:
    types = {spec.name: spec.type for spec in scenario.components}
    consumers = Counter[str]()
    asked = {call.callee for call in scenario.calls} | {load.entry for load in scenario.loads}
    for ordinal, spec in enumerate(scenario.consumes):
        consumers[spec.consumer] += 1
        if types.get(spec.queue) is not ComponentType.QUEUE:
            yield Problem(f"{spec.queue!r} is no queue; add 'queue {spec.queue}'", "consume", ordinal)
        if types.get(spec.consumer) is not ComponentType.SERVICE:
            yield Problem(f"{spec.consumer!r} is no service; add 'service {spec.consumer}'", "consume", ordinal)
        if consumers[spec.consumer] > 1:
            yield Problem(f"{spec.consumer} consumes already; one queue per consumer", "consume", ordinal)
        if spec.consumer in asked:
            yield Problem(f"{spec.consumer} is called too; a consumer takes messages only", "consume", ordinal)


def _loads(scenario: Scenario) -> Iterator[Problem]:
    for ordinal, spec in enumerate(scenario.loads):
        if unknown := _unknown(spec.entry, scenario):
            yield Problem(unknown, "load", ordinal)


def _faults(scenario: Scenario) -> Iterator[Problem]:
    for ordinal, spec in enumerate(scenario.faults):
        problem = misplaced(spec, scenario)
        if problem:
            yield Problem(problem, "fault", ordinal)
        if not 0 <= spec.at < scenario.length:
            yield Problem("at lies behind the end of the scenario; shorten at or raise length", "fault", ordinal)


def misplaced(spec: FaultSpec, scenario: Scenario) -> str | None:
    """Return why the fault cannot strike there and what to do, or None when it can."""
    types = {s.name: s.type for s in scenario.components} | {s.name: ComponentType.HOST for s in scenario.hosts}
    fault = FAULTS.get(spec.type)
    if fault is None:
        return f"no fault type is called {spec.type!r}; known are {', '.join(FAULTS)}"
    if spec.component not in types:
        return f"no component or host is called {spec.component!r}"
    if types[spec.component] not in fault.strikes:
        return f"{spec.type} strikes {' or '.join(fault.strikes)}, and {spec.component} is a {types[spec.component]}"
    if fault.needs and not _has(fault.needs, spec.component, scenario):
        return f"{spec.type} needs a component with {fault.needs}, which {spec.component} has not"
    pairs = {(c.caller, c.callee) for c in scenario.calls}
    if spec.peer is not None and not pairs & {(spec.peer, spec.component), (spec.component, spec.peer)}:
        return f"peer={spec.peer} neither calls {spec.component} nor is called by it"
    return None


def _has(need: str, component: str, scenario: Scenario) -> bool:
    met = {
        "callers": any(call.callee == component for call in scenario.calls),
        "callees": any(call.caller == component for call in scenario.calls),
        "pool": any(call.caller == component and call.pool > 0 for call in scenario.calls),
        "load": any(load.entry == component for load in scenario.loads),
        "queue": any(consume.consumer == component for consume in scenario.consumes),
        "disk": any(spec.on == component and spec.io > 0 for spec in scenario.components),
        "writes": any(spec.name == component and spec.writes > 0 for spec in scenario.components),
    }
    return met[need]


def _others(scenario: Scenario) -> Iterator[Problem]:
    placed = [("decoy", i, spec.component, spec.at) for i, spec in enumerate(scenario.decoys)]
    placed += [("gap", i, spec.component, spec.at) for i, spec in enumerate(scenario.gaps)]
    for kind, ordinal, component, at in placed:
        if unknown := _unknown(component, scenario):
            yield Problem(unknown, kind, ordinal)
        if not 0 <= at < scenario.length:
            yield Problem("at lies behind the end of the scenario", kind, ordinal)
    for ordinal, name in enumerate(scenario.silent):
        if unknown := _unknown(name, scenario):
            yield Problem(unknown, "silent", ordinal)
