"""A scenario simulated: telemetry, alerts, changes, and the truth with its fault-free twin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hypocenter.model import Alert, ChangeEvent, Component, ComponentType, Dependency, DependencyType, Target
from hypocenter.simulator.alerts import alerts, target
from hypocenter.simulator.disturbances import decoys, faults
from hypocenter.simulator.engine import Engine
from hypocenter.simulator.events import changes
from hypocenter.simulator.faults import FAULTS
from hypocenter.simulator.load import drive
from hypocenter.simulator.logs import log_lines
from hypocenter.simulator.read import checked
from hypocenter.simulator.record import Record, blank
from hypocenter.simulator.spans import spans
from hypocenter.simulator.system import build
from hypocenter.simulator.telemetry import metrics

if TYPE_CHECKING:
    import pandas as pd

    from hypocenter.simulator.scenario import Scenario
    from hypocenter.simulator.system import System
    from hypocenter.telemetry import RawTable


@dataclass(frozen=True)
class Truth:
    """What a simulation knows and an investigation must find out; `metrics` are all series as without the fault."""

    root_components: tuple[str, ...]
    root_metric: str | None
    fault_type: str | None
    started_at: datetime | None
    metrics: RawTable


@dataclass(frozen=True)
class Simulation:
    """A scenario's telemetry and truth.

    `metrics` is as exporters would show it: raw counters, gauges, NaN where nothing was scraped; `spans` and
    `log_lines` have the columns of a `Case`; `target` is the symptom that users felt, with the time it was noticed.
    """

    scenario: Scenario
    seed: int
    metrics: RawTable
    spans: pd.DataFrame
    log_lines: pd.DataFrame
    alerts: tuple[Alert, ...]
    changes: tuple[ChangeEvent, ...]
    components: tuple[Component, ...]
    dependencies: tuple[Dependency, ...]
    target: Target | None
    noticed_at: datetime | None
    truth: Truth


def simulate(scenario: Scenario, seed: int | None = None) -> Simulation:
    """Run a scenario and its fault-free twin on the same random numbers; `seed` overrides the scenario's.

    Raises InputError when the scenario cannot be simulated.
    """
    scenario = checked(scenario if seed is None else replace(scenario, seed=seed))
    system = build(scenario)
    twin, real = run(scenario, system)
    fired = alerts(scenario, system, real)
    made = changes(scenario)
    symptom, noticed_at = target(scenario, fired)
    return Simulation(
        scenario=scenario,
        seed=scenario.seed,
        metrics=metrics(scenario, system, real, made),
        spans=spans(scenario, system, real),
        log_lines=log_lines(scenario, system, real),
        alerts=fired,
        changes=made,
        components=_components(scenario),
        dependencies=_dependencies(scenario),
        target=symptom,
        noticed_at=noticed_at,
        truth=_truth(scenario, metrics(scenario, system, twin, changes(replace(scenario, faults=())))),
    )


def run(scenario: Scenario, system: System) -> tuple[Record, Record]:
    """Return what happens without and with the faults; until the first fault both are one run."""
    engine = Engine(system, drive(scenario), scenario.step)
    noisy, broken = decoys(scenario, engine), faults(scenario, engine)
    fork = min([scenario.steps, *(int(spec.at // scenario.step) for spec in scenario.faults)])
    twin, state = blank(system, scenario.steps), engine.settled()
    engine.run(state, noisy, twin, range(fork))
    real, real_state = twin.copy(), state.copy()
    engine.run(state, noisy, twin, range(fork, scenario.steps))
    engine.run(real_state, noisy + broken, real, range(fork, scenario.steps))
    return twin, real


def _components(scenario: Scenario) -> tuple[Component, ...]:
    hosts = (Component(spec.name, ComponentType.HOST) for spec in scenario.hosts)
    return (*(Component(spec.name, spec.type) for spec in scenario.components), *hosts)


def _dependencies(scenario: Scenario) -> tuple[Dependency, ...]:
    source = "scenario"
    return (
        *(Dependency(call.caller, call.callee, DependencyType.CALLS, source) for call in scenario.calls),
        *(Dependency(each.consumer, each.queue, DependencyType.CALLS, source) for each in scenario.consumes),
        *(Dependency(c.name, c.on, DependencyType.RUNS_ON, source) for c in scenario.components if c.on is not None),
    )


def _truth(scenario: Scenario, twin: RawTable) -> Truth:
    if not scenario.faults:
        return Truth((), None, None, None, twin)
    first = min(scenario.faults, key=lambda spec: spec.at)
    return Truth(
        root_components=tuple(dict.fromkeys(spec.component for spec in scenario.faults)),
        root_metric=FAULTS[first.type].metric,
        fault_type=first.type,
        started_at=scenario.start + timedelta(seconds=first.at),
        metrics=twin,
    )
