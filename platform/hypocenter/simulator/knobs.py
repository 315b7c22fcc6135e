"""What faults can turn in the running system: a value per component, call or host, neutral until something breaks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hypocenter.simulator.system import Floats, System


@dataclass
class Knobs:
    """Neutral is 0 for what is added and 1 for what is multiplied.

    Per component: `cpu`, `io`, `workers` and `arrivals` multiply; `wait` (s), `errors` (share), `hog` (threads that
    burn CPU), `leak` (bytes/s), `fill` (share of the free volume), `crash` and `unwatched` (above 0: crash-looping,
    exporter dead) add.
    Per call: `delay` (s), `loss` (packet share) and `cut` (share that gets no answer) add; `pool` and `timeout`
    multiply; `retries` add. Per host: `host_hog` (threads) adds, `disk` multiplies disk time.
    """

    cpu: Floats
    io: Floats
    workers: Floats
    arrivals: Floats
    wait: Floats
    errors: Floats
    hog: Floats
    leak: Floats
    fill: Floats
    crash: Floats
    unwatched: Floats
    delay: Floats
    loss: Floats
    cut: Floats
    pool: Floats
    timeout: Floats
    retries: Floats
    host_hog: Floats
    disk: Floats

    def reset(self) -> None:
        """Turn everything back to neutral."""
        for field in fields(self):
            getattr(self, field.name).fill(1.0 if field.name in _MULTIPLY else 0.0)


_MULTIPLY = frozenset({"cpu", "io", "workers", "arrivals", "pool", "timeout", "disk"})
_PER_CALL = frozenset({"delay", "loss", "cut", "pool", "timeout", "retries"})
_PER_HOST = frozenset({"host_hog", "disk"})


def neutral(system: System) -> Knobs:
    """Return knobs of the system's sizes, all neutral."""
    sizes = dict.fromkeys(_PER_CALL, len(system.calls.caller))
    sizes |= dict.fromkeys(_PER_HOST, len(system.hosts.names) + 1)  # the last one stands for "no host"
    usual = len(system.components.names)
    knobs = Knobs(**{field.name: np.empty(sizes.get(field.name, usual)) for field in fields(Knobs)})
    knobs.reset()
    return knobs
