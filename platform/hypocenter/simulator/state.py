"""Where the running system stands between two substeps."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hypocenter.simulator.system import Floats, System

REFUSED = 0.001


@dataclass
class State:
    """What the next substep starts from, per component unless the last lines say otherwise.

    `served` is completions per second, `response` (s) and `variance` (s2) are of the time from arrival to answer,
    `failing` the share of answers that are errors, `stretch` by which factor CPU work takes longer, `leaked` bytes,
    `depth` messages kept, `started` and `down_until` times of the last start and of its end, `dying` the crashes in a
    row. `disk_stretch` is per host (one more stands for "none"), `pooled` per call: who waits for a connection.
    """

    queue: Floats
    served: Floats
    response: Floats
    variance: Floats
    failing: Floats
    stretch: Floats
    leaked: Floats
    depth: Floats
    memory: Floats
    started: Floats
    down_until: Floats
    dying: Floats
    restarts: Floats
    disk_stretch: Floats
    pooled: Floats

    def copy(self) -> State:
        """Return an independent copy."""
        return State(**{field.name: getattr(self, field.name).copy() for field in fields(self)})


def idle(system: System) -> State:
    """Return the state of a system that has not served anything yet."""
    c = system.components
    zero = np.zeros(len(c.names))
    own = c.cpu + c.io + c.wait
    names = [field.name for field in fields(State)]
    state = State(**{name: zero.copy() for name in names})
    state.response, state.variance = own.copy(), (c.spread * own) ** 2 + REFUSED**2
    state.stretch, state.memory = np.ones_like(zero), c.memory.copy()
    state.started = np.full_like(zero, -np.inf)
    state.down_until = np.full_like(zero, -np.inf)
    state.disk_stretch = np.ones(len(system.hosts.names) + 1)
    state.pooled = np.zeros(len(system.calls.caller))
    return state
