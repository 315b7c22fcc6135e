"""When faults and decoys turn which knobs: their strength at every substep and the place they strike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.simulator.engine import Disturbance
from hypocenter.simulator.faults import FAULTS, Place
from hypocenter.simulator.load import stream

if TYPE_CHECKING:
    from hypocenter.simulator.engine import Engine
    from hypocenter.simulator.knobs import Knobs
    from hypocenter.simulator.scenario import DecoySpec, FaultSpec, Scenario
    from hypocenter.simulator.system import Floats, System

BURST = 60.0
TINY_STEP = 1e-6


def faults(scenario: Scenario, engine: Engine) -> list[Disturbance]:
    """Return the scenario's faults as disturbances of the engine's system."""
    now = _substeps(scenario, engine)
    return [
        Disturbance(FAULTS[spec.type].turn, place(engine.system, spec.component, spec.peer), _ramp(spec, now))
        for spec in scenario.faults
    ]


def decoys(scenario: Scenario, engine: Engine) -> list[Disturbance]:
    """Return the restless bystanders; they are there with and without the faults."""
    now = _substeps(scenario, engine)
    return [
        Disturbance(_restless, place(engine.system, spec.component, None), _bursts(spec, scenario, now))
        for spec in scenario.decoys
        if spec.type == "noisy"
    ]


def place(system: System, name: str, peer: str | None) -> Place:
    """Return where `name`, a component or host, is; with `peer` only the calls between the two count."""
    names, calls = system.components.names, system.calls
    if name not in names:
        none = np.array([], dtype=np.int64)
        return Place(-1, system.hosts.names.index(name), none, none, system)
    number = names.index(name)
    other = names.index(peer) if peer else -1
    incoming = np.flatnonzero((calls.callee == number) & ((other < 0) | (calls.caller == other)))
    outgoing = np.flatnonzero((calls.caller == number) & ((other < 0) | (calls.callee == other)))
    return Place(number, -1, incoming, outgoing, system)


def _substeps(scenario: Scenario, engine: Engine) -> Floats:
    return np.multiply(np.arange(scenario.steps * engine.substeps), engine.dt, dtype=np.float64)


def _ramp(spec: FaultSpec, now: Floats) -> Floats:
    since = now - spec.at
    rising = np.clip((since + TINY_STEP) / max(spec.ramp, TINY_STEP), 0.0, 1.0)
    return np.where((since >= 0) & (since < spec.length), spec.severity * rising, 0.0)


def _bursts(spec: DecoySpec, scenario: Scenario, now: Floats) -> Floats:
    random = stream(scenario.seed, "decoy", spec.component)
    bursts = random.random(int(scenario.length // BURST) + 1) ** 2
    inside = (now >= spec.at) & (now < spec.at + spec.length)
    return np.where(inside, spec.severity * bursts[(now // BURST).astype(int)], 0.0)


def _restless(knobs: Knobs, at: Place, strength: float) -> None:
    knobs.cpu[at.component] *= 1 + 6 * strength
    knobs.hog[at.component] += at.system.components.cores[at.component] * 0.8 * strength
    knobs.errors[at.component] += 0.03 * strength
