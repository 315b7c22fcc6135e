"""The running system, time-stepped: queues are fluids, response times follow from them, faults turn knobs.

Every component is an M/G/c queue whose service time contains its share of the CPU, its disk and the calls it makes;
short fluctuations are stationary closed forms, long ones a fluid backlog. Calls see their callee's state of the substep
before, so trouble and load travel one hop per substep of at most `PACE` seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.simulator.calling import Calling, call
from hypocenter.simulator.knobs import Knobs, neutral
from hypocenter.simulator.serving import LEAST_WORKERS, Holding, Sharing, enqueue, hold, remember, restart, share, sites
from hypocenter.simulator.state import State, idle
from hypocenter.simulator.system import sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.simulator.faults import Place, Turn
    from hypocenter.simulator.load import Drive
    from hypocenter.simulator.record import Record
    from hypocenter.simulator.system import Bools, Floats, System

PACE = 5.0
SETTLING = 80
QUICKEST = 1e-5
TINY = 1e-9


@dataclass(frozen=True)
class Disturbance:
    """Something turned at a place with a strength (0 to 1) at every substep."""

    turn: Turn
    place: Place
    strength: Floats


@dataclass(frozen=True)
class Moment:
    """What one substep did; `arrivals` and `refused` are requests per second."""

    calling: Calling
    holding: Holding
    sharing: Sharing
    arrivals: Floats
    refused: Floats
    own_errors: Floats
    up: Bools


class Engine:
    """Runs a system under its drive, `step` seconds at a time."""

    def __init__(self, system: System, drive: Drive, step: float) -> None:
        self.system, self.drive = system, drive
        self.substeps = max(1, math.ceil(step / PACE - TINY))
        self.dt = step / self.substeps
        self._sites = sites(system)
        numbers = np.arange(len(system.components.names))
        self._consumes, self._keeps = np.isin(numbers, system.consumer), np.isin(numbers, system.queue)

    def settled(self) -> State:
        """Return the state into which the system settles under its first step's load."""
        state, knobs = idle(self.system), neutral(self.system)
        for _ in range(SETTLING):
            self._advance(state, knobs, 0, -1.0)
        return state

    def run(self, state: State, disturbances: Sequence[Disturbance], record: Record, steps: range) -> None:
        """Advance `state` through `steps`, adding what happens to `record`."""
        knobs, turned = neutral(self.system), False
        for step in steps:
            for substep in range(step * self.substeps, (step + 1) * self.substeps):
                active = [d for d in disturbances if d.strength[substep] > 0]
                if turned:
                    knobs.reset()
                for disturbance in active:
                    disturbance.turn(knobs, disturbance.place, float(disturbance.strength[substep]))
                turned = bool(active)
                moment = self._advance(state, knobs, step, substep * self.dt)
                _note(record, step, 1 / self.substeps, state, knobs, moment)

    def _advance(self, state: State, knobs: Knobs, step: int, now: float) -> Moment:
        system, c = self.system, self.system.components
        full = np.where(knobs.fill > 0.999, c.writes, 0.0)
        own_errors = np.minimum(c.errors + knobs.errors + full, 1.0)
        calling = call(system, state, knobs, 1 - own_errors, self.dt)
        up = restart(system, state, knobs, now)
        holding = hold(system, self._sites, state, knobs, calling, self.drive.noise[step])
        arrivals = sums(system.calls.callee, calling.attempts * (1 - knobs.cut), len(c.names))
        arrivals += self.drive.arrivals[step] * knobs.arrivals + self._pull(state, knobs, holding, up)
        refused = enqueue(system, state, knobs, holding, arrivals, up, self.dt)
        taking = self._consumes & up  # who takes messages leaves the rest in the broker: nobody waits at its door
        state.queue[taking], state.served[taking] = 0.0, arrivals[taking]
        state.response[taking] = holding.time[taking]
        state.failing = self._failing(calling, own_errors, refused / (arrivals + TINY), up)
        sharing = share(system, self._sites, state, knobs, holding)
        remember(system, state, knobs, holding, up, self.dt)
        return Moment(calling, holding, sharing, arrivals, refused, own_errors, up)

    def _pull(self, state: State, knobs: Knobs, holding: Holding, up: Bools) -> Floats:
        """Let consumers take what they can from their queues; moves the queues' depth, returns messages per second."""
        consumer, queue, c = self.system.consumer, self.system.queue, self.system.components
        able = (
            0.95
            * np.maximum(c.workers * knobs.workers, LEAST_WORKERS)[consumer]
            / holding.time[consumer]
            * up[consumer]
        )
        together = sums(queue, able, len(c.names))
        published = state.served * (1 - state.failing) * self._keeps
        offered = (state.depth / self.dt + published) * up
        taken = able * np.minimum(1.0, offered / (together + TINY))[queue]
        state.depth = np.maximum(state.depth + (published - sums(queue, taken, len(c.names))) * self.dt, 0.0)
        return sums(consumer, taken, len(c.names))

    def _failing(self, calling: Calling, own: Floats, refused: Floats, up: Bools) -> Floats:
        calls = self.system.calls
        lost, often = np.minimum(calling.given_up, 1 - TINY), calling.often
        survives = np.where(often > 1, often * np.log1p(-lost), np.log1p(-np.minimum(often, 1.0) * lost))
        fine = np.exp(sums(calls.caller, np.where(calls.optional, 0.0, survives), len(own)))
        return np.where(up, 1 - (1 - own) * (1 - refused) * fine, 1.0)


def _note(record: Record, step: int, weight: float, state: State, knobs: Knobs, moment: Moment) -> None:
    calling, sharing = moment.calling, moment.sharing
    record.add(step, weight, {
        "arrivals": moment.arrivals, "served": state.served, "refused": moment.refused, "failing": state.failing,
        "response": state.response, "deviation": np.sqrt(state.variance),
        "own": np.maximum(state.response - moment.holding.away, QUICKEST), "own_errors": moment.own_errors,
        "busy": state.served * moment.holding.time, "queue": state.queue, "depth": state.depth, "cpu": sharing.cpu,
        "throttled": 1 - 1 / state.stretch, "io": state.served * moment.holding.disk, "memory": state.memory,
        "fill": knobs.fill, "up": moment.up, "restarts": state.restarts, "unwatched": knobs.unwatched,
        "attempts": calling.attempts, "failed": calling.failed, "client": calling.mean,
        "client_deviation": np.sqrt(calling.variance), "connections": calling.connections,
        "capacity": calling.capacity, "waiters": state.pooled, "dropped": knobs.loss, "often": calling.often,
        "network": calling.network, "cut": knobs.cut, "patience": calling.patience, "tries": calling.tries,
        "host_cpu": sharing.host_cpu, "host_io": sharing.host_io,
    })  # fmt: skip
    record.up[step], record.restarts[step] = moment.up, state.restarts
