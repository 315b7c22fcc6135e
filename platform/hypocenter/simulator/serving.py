"""How components serve in one substep: starts and crashes, service times, queues, shared CPUs and disks, memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.simulator.queueing import delayed, stretch, waiting
from hypocenter.simulator.state import REFUSED
from hypocenter.simulator.system import sums

if TYPE_CHECKING:
    from hypocenter.simulator.calling import Calling
    from hypocenter.simulator.knobs import Knobs
    from hypocenter.simulator.state import State
    from hypocenter.simulator.system import Bools, Floats, Ints, System

LIFE = 30.0
LONGEST_BACKOFF = 8.0
FORGIVEN = 300.0
IDLE_CPU = 0.01
PLENTY = 1e6
# A component whose workers are cut to less than one serves as if one of them worked a part of the time.
LEAST_WORKERS = 0.02
TIGHT, COLLECTING = 0.85, 15.0
EASE = 0.5
TINY = 1e-9


@dataclass(frozen=True)
class Holding:
    """Per component: `time` a request holds a worker, its `variance`; of it `work` (CPU), `disk` and `away` (calls)."""

    time: Floats
    variance: Floats
    work: Floats
    disk: Floats
    away: Floats


@dataclass(frozen=True)
class Sites:
    """On which host each component runs (the last one stands for none), and what the hosts have."""

    host: Ints
    cpus: Floats
    disks: Floats


@dataclass(frozen=True)
class Sharing:
    """CPU in cores: `cpu` per component, `host_cpu` per host; `host_io` share of time the disks are busy."""

    cpu: Floats
    host_cpu: Floats
    host_io: Floats


def sites(system: System) -> Sites:
    """Return where the system's components run."""
    nowhere = len(system.hosts.names)
    host = np.where(system.components.host < 0, nowhere, system.components.host)
    return Sites(host, np.append(system.hosts.cpus, PLENTY), np.append(system.hosts.disks, PLENTY))


def restart(system: System, state: State, knobs: Knobs, now: float) -> Bools:
    """Kill what is out of memory or crash-looping, start what has waited its time; return what is up."""
    c = system.components
    up = now >= state.down_until
    looping = (knobs.crash > 0) & (now - state.started > LIFE * (1.5 - knobs.crash))
    dies = up & (looping | (state.memory > c.limit))
    if not dies.any():
        return up
    state.dying = np.where(dies, np.where(now - state.started > FORGIVEN, 1, state.dying + 1), state.dying)
    down = c.restart * np.minimum(2 ** (state.dying - 1), LONGEST_BACKOFF)
    state.down_until = np.where(dies, now + down, state.down_until)
    state.started = np.where(dies, now + down, state.started)
    state.restarts += dies
    state.leaked[dies] = state.queue[dies] = state.depth[dies] = 0.0
    state.memory[dies] = c.memory[dies]
    return up & ~dies


def hold(system: System, sites: Sites, state: State, knobs: Knobs, calling: Calling, noise: Floats) -> Holding:
    """Return how long requests hold their worker: CPU, disk and waiting of their own, and their calls."""
    c, calls = system.components, system.calls
    tight = np.maximum(state.memory / c.limit - TIGHT, 0.0)
    work = c.cpu * knobs.cpu * noise * (1 + COLLECTING * tight)
    disk = c.io * knobs.io * noise
    on_disk = disk * (state.disk_stretch * knobs.disk)[sites.host]
    own = work * state.stretch + on_disk + c.wait + knobs.wait
    away = sums(calls.caller, calling.often * calling.took, len(c.names))
    away_variance = sums(calls.caller, calling.often * calling.variance, len(c.names))
    return Holding(own + away + TINY, (c.spread * own) ** 2 + away_variance + TINY, work, disk, away)


def enqueue(
    system: System, state: State, knobs: Knobs, holding: Holding, arrivals: Floats, up: Bools, dt: float
) -> Floats:
    """Let requests arrive, wait and be served; moves the queue and the response time, returns refusals per second."""
    c = system.components
    workers = np.maximum(c.workers * knobs.workers, LEAST_WORKERS)
    most = workers / holding.time * up + TINY
    variability = (1 + holding.variance / holding.time**2) / 2
    usual = waiting(arrivals / most, workers, variability)
    backlog = state.queue + (arrivals - most) * dt
    queue = np.where(up, np.minimum(np.maximum(usual, backlog), c.queue), 0.0)
    refused = np.where(up, np.maximum(backlog - c.queue, 0.0) / dt, arrivals)
    served = np.minimum(np.maximum(arrivals - refused - (queue - state.queue) / dt, 0.0), most)
    wait = queue / np.maximum(served, arrivals * 0.5 + TINY)
    waits = np.maximum(delayed(arrivals / most, workers), 0.05)
    wait_variance = wait**2 * np.where(backlog > usual, 1.0, 2 / waits - 1)
    state.queue, state.served = queue, np.where(up, served, 0.0)
    response = np.where(up, wait + holding.time, REFUSED)
    state.response = np.where(up, EASE * response + (1 - EASE) * np.maximum(state.response, REFUSED), REFUSED)
    state.variance = np.where(up, wait_variance + holding.variance, REFUSED**2)
    return np.minimum(refused, arrivals)


def share(system: System, sites: Sites, state: State, knobs: Knobs, holding: Holding) -> Sharing:
    """Let components share the CPUs and disks of their hosts; moves how much both stretch."""
    c, hosts = system.components, len(sites.cpus)
    used = state.served * holding.work
    runnable = np.minimum(used * state.stretch, c.workers)
    wanted = runnable + knobs.hog
    own = np.maximum(stretch(used / c.cores, c.cores), wanted / c.cores)
    cpu = np.minimum(used + knobs.hog * np.minimum(1.0, c.cores / np.maximum(wanted, TINY)), c.cores)
    host_used = sums(sites.host, cpu, hosts)
    crowd = sums(sites.host, np.minimum(wanted, c.cores), hosts) + knobs.host_hog
    host = np.maximum(stretch(host_used / sites.cpus, sites.cpus), crowd / sites.cpus)
    state.stretch = EASE * np.maximum(own, host[sites.host]) + (1 - EASE) * state.stretch
    busy_disks = sums(sites.host, state.served * holding.disk, hosts) / sites.disks
    state.disk_stretch = EASE * stretch(busy_disks, sites.disks) + (1 - EASE) * state.disk_stretch
    granted = knobs.host_hog / np.maximum(1.0, crowd / sites.cpus)
    host_io = np.minimum(busy_disks * knobs.disk, 1.0)
    return Sharing(cpu + IDLE_CPU, (host_used + granted)[:-1], host_io[:-1])


def remember(system: System, state: State, knobs: Knobs, holding: Holding, up: Bools, dt: float) -> None:
    """Move memory: what is always there, what leaked, and what the requests inside need."""
    c = system.components
    state.leaked += knobs.leak * up * dt
    inside = state.served * holding.time + state.queue + state.depth
    state.memory = c.memory + state.leaked + c.per_request * inside
