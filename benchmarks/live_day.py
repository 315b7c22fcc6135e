"""A simulated day with faults, passed minute by minute through everything that lives, beside the offline path."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from live_platform import running, settings_of
from pager import listening

from hypocenter.notify.messages import Event
from hypocenter.readers.times import to_datetime
from hypocenter.remote_write_encoding import HEADERS
from hypocenter.simulator import read_scenario
from hypocenter.simulator.send import millis_of, requests
from hypocenter.telemetry import Case, RawTable
from hypocenter.verdict_json import investigation_from_json
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.contract import View
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.known_graph import KnownGraph
from hypocenter_workers.learn.serving import chosen
from hypocenter_workers.live import AFTER, BEFORE, masks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from live_platform import LivePlatform
    from pager import Rung

    from hypocenter.model import Alert, Investigation, Verdict
    from hypocenter.simulator.scenario import FaultSpec, Scenario
    from hypocenter.simulator.simulation import Simulation
    from hypocenter.stores.live_incidents import LiveIncident, Revision

# A series warms up for 200 steps; that it fell silent is told when it was seen for two days.
WARM_S, LONG_S = 4 * 3600.0, 50 * 3600.0
APART_S, LASTS_S = 70 * 60.0, 20 * 60.0
BEGIN = timedelta(minutes=10)
STEP, SETTLE = timedelta(minutes=1), timedelta(seconds=30)
SHARDS = 2
EARLY, LATE = timedelta(minutes=5), timedelta(minutes=20)
# An alert that fires when its fault is over does so for as long.
AFTERWARDS = timedelta(minutes=5)
DAY_S = 86_400.0
SECOND = np.timedelta64(1, "s")
OPENED, REOPENED = str(Event.OPENED), str(Event.REOPENED)


@dataclass(frozen=True, slots=True)
class Lived:
    """What the live path made of a simulation: incidents, their verdicts, and what the pager was told."""

    incidents: Sequence[LiveIncident]
    revisions: Sequence[Revision]
    rung: Sequence[Rung]
    dead_letters: int


@dataclass(frozen=True, slots=True)
class Compared:
    """One fault of the day, what opened or opened again while it lasted, and the verdicts on the first of these.

    `until` is when the next fault began, or the day ended. `live` is the last verdict before that, None where there was
    none; `named_at` when it was first said.
    """

    fault: FaultSpec
    began: datetime
    until: datetime
    opened: Sequence[Rung]
    live: Verdict | None
    named_at: datetime | None
    offline: Verdict

    @property
    def same(self) -> bool:
        """Whether both paths put the same component first, and name the same causes or none."""
        return self.live is not None and says(self.live) == says(self.offline)


def first(verdict: Verdict) -> str | None:
    """Return the first suspect's component."""
    return verdict.suspects[0].component if verdict.suspects else None


def says(verdict: Verdict) -> tuple[str | None, tuple[str, ...]]:
    """Return what somebody who was called would act on: the first suspect, and the causes that are named."""
    return first(verdict), verdict.causes


def day_of(scenarios: Sequence[Path], start: datetime, warm_s: float = WARM_S, apart_s: float = APART_S) -> Scenario:
    """Return a day of the shop in which the fault of each scenario comes after the other, each for a while.

    Before the first one nothing happens for `warm_s`; the next begins `apart_s` after it.
    """
    read = [read_scenario(path) for path in scenarios]
    faults = tuple(
        replace(each.faults[0], at=warm_s + number * apart_s, ramp=min(each.faults[0].ramp, 60.0), length=LASTS_S)
        for number, each in enumerate(read)
    )
    length = warm_s + len(faults) * apart_s
    return replace(read[0], start=start, length=length, faults=faults, decoys=(), gaps=())


def calm_of(scenario: Path, start: datetime, days: int) -> Scenario:
    """Return days without a fault, each with the scenario's decoys, after a time in which nothing happens."""
    read = read_scenario(scenario)
    decoys = tuple(
        replace(each, at=LONG_S + day * DAY_S + number * DAY_S / len(read.decoys))
        for day in range(days)
        for number, each in enumerate(read.decoys)
    )
    return replace(read, start=start, length=LONG_S + days * DAY_S, step=60.0, decoys=decoys, gaps=())


def thinned(simulation: Simulation, warm_s: float) -> Simulation:
    """Return a simulation with a sample a minute only of what is too old for investigations to read."""
    table = simulation.metrics
    seconds = (table.times - np.datetime64(simulation.scenario.start.replace(tzinfo=None), "ns")) / SECOND
    rows = (seconds >= warm_s - 2 * BEFORE.total_seconds()) | (seconds % STEP.total_seconds() == 0)
    return replace(simulation, metrics=RawTable(table.labels, table.times[rows], table.values[rows]))


def lived(folder: Path, simulation: Simulation, warm_s: float = WARM_S) -> Lived:
    """Return what the live path, begun shortly before `warm_s` are over, makes of a simulation."""
    begin = simulation.scenario.start + timedelta(seconds=warm_s) - BEGIN
    with listening() as pager, settings_of(pager, folder / "secret", SHARDS), running(folder, begin) as platform:
        live(platform, simulation, begin)
        kept = platform.stores.records
        incidents = kept.incidents.incidents()
        revisions = [each for one in incidents for each in kept.incidents.revisions(one.incident_id)]
        return Lived(incidents, revisions, tuple(pager.rung), kept.dead_letters.count())


def live(platform: LivePlatform, simulation: Simulation, begin: datetime) -> None:
    """Let a day pass: every minute its telemetry is sent, and what is due is done."""
    platform.graph.upsert(discovered(simulation))
    feed, now = Feed(platform, simulation), begin
    while now <= simulation.scenario.start + timedelta(seconds=simulation.scenario.length):
        feed.send(now)
        platform.turn(now + SETTLE)
        now += STEP


class Feed:
    """A simulation's samples, alerts and changes as the tools beside it would send them."""

    def __init__(self, platform: LivePlatform, simulation: Simulation) -> None:
        self._platform, self._table = platform, simulation.metrics
        self._millis = millis_of(simulation.metrics)
        self._events = sorted(_events(simulation), key=lambda event: event[0])
        self._rows = self._told = 0

    def send(self, now: datetime) -> None:
        """Send all up to a moment that was not sent yet."""
        self._platform.clock.now = now
        last = bisect_right(self._millis, round(now.timestamp() * 1000))
        if last > self._rows:
            for body, _ in requests(self._table, self._millis, self._rows, last):
                self._platform.post("/api/v1/write", body, HEADERS)
        self._rows = last
        for at, path, document in self._events[self._told :]:
            if at > now:
                break
            self._platform.post(path, json.dumps(document).encode())
            self._told += 1


def _events(simulation: Simulation) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    """Yield when which path is told what: an alert twice, when it fires and when it ends."""
    for alert in simulation.alerts:
        if alert.at is None:
            continue
        end, told = _end(simulation.scenario, alert.at), _told(alert)
        yield alert.at, "/api/v1/alerts", told
        yield end, "/api/v1/alerts", told | {"ends_at": end.isoformat()}
    for change in simulation.changes:
        told = {"component": change.component, "at": change.at.isoformat(), "type": change.type, "title": change.title}
        yield change.at, "/api/v1/changes", told


def _told(alert: Alert) -> dict[str, Any]:
    assert alert.at is not None
    starts_at = alert.at.isoformat()
    named = {"id": f"{alert.component}/{alert.name}/{starts_at}", "component": alert.component, "name": alert.name}
    return {**named, "starts_at": starts_at, "severity": alert.severity, "summary": alert.summary}


def _end(scenario: Scenario, at: datetime) -> datetime:
    """Return when an alert ends: with its fault, or a while after it fired."""
    lasting = (each for each in scenario.faults if math.isfinite(each.length))
    spans = ((each.at, each.at + each.length) for each in lasting)
    seconds = (at - scenario.start).total_seconds()
    ends = [scenario.start + timedelta(seconds=end) for begin, end in spans if begin <= seconds <= end]
    return max([at + AFTERWARDS, *ends])


def compared(simulation: Simulation, day: Lived, graph: KnownGraph) -> tuple[Compared, ...]:
    """Return what both paths say of each fault of the day."""
    scenario = simulation.scenario
    seconds = [*(fault.at for fault in scenario.faults), scenario.length]
    moments = [scenario.start + timedelta(seconds=each) for each in seconds]
    spans = zip(scenario.faults, moments, moments[1:], strict=False)
    return tuple(_compared(fault, span, day, offline(simulation, span[0], graph).verdict) for fault, *span in spans)


def _compared(fault: FaultSpec, span: Sequence[datetime], day: Lived, told: Verdict) -> Compared:
    began, until = span
    opened = [each for each in openings(day) if began <= each.at <= began + timedelta(seconds=LASTS_S) + LATE]
    verdicts = verdicts_of(day, opened[0], until) if opened else []
    last = verdicts[-1][1] if verdicts else None
    named_at = next((at for at, verdict in verdicts if last is not None and says(verdict) == says(last)), None)
    return Compared(fault, began, until, opened, last, named_at, told)


def openings(day: Lived) -> list[Rung]:
    """Return the messages that an incident opened, or opened again."""
    return [each for each in day.rung if each.about in {OPENED, REOPENED}]


def verdicts_of(day: Lived, opened: Rung, until: datetime) -> list[tuple[datetime, Verdict]]:
    """Return the verdicts on an incident since it opened, with their times."""
    own = [each for each in day.revisions if each.incident_id == opened.incident_id and each.at < until]
    return [(each.at, investigation_from_json(each.document).verdict) for each in own if each.at >= opened.at - STEP]


def offline(simulation: Simulation, began: datetime, graph: KnownGraph) -> Investigation:
    """Return what `hypocenter investigate --at BEGAN` says of a fault of the day."""
    return investigate(case_of(simulation, began), Options(at=began), graph, learned=chosen())


def case_of(simulation: Simulation, began: datetime) -> Case:
    """Return what `hypocenter investigate` would read of a fault of the day."""
    table = simulation.metrics
    times = [to_datetime(int(at) / 1e9, "time") for at in table.times.astype(np.int64)]
    rows = np.array([began - BEFORE <= at <= began + AFTER for at in times])
    others = (simulation.scenario.start + timedelta(seconds=each.at) for each in simulation.scenario.faults)
    masks = tuple(at for each in others if each < began for at in masks_of(each, each + timedelta(seconds=LASTS_S)))
    return Case(
        case_id=f"offline-{began:%H%M}",
        metrics=RawTable(table.labels, table.times[rows], table.values[rows]),
        alerts=tuple(each for each in simulation.alerts if each.at and began - EARLY <= each.at <= began + AFTER),
        changes=tuple(each for each in simulation.changes if began - BEFORE <= each.at <= began + AFTER),
        masked=tuple(at for at in masks if began - BEFORE <= at),
        started_at=began,
    )


def discovered(simulation: Simulation) -> Discovered:
    """Return the simulated system as a graph that somebody declared."""
    since = (Interval(simulation.scenario.start, None),)
    components = (ComponentClaim(each.name, "declared", since, type=each.type) for each in simulation.components)
    dependencies = (
        DependencyClaim(each.caller, each.callee, each.type, "declared", since) for each in simulation.dependencies
    )
    return Discovered(tuple(components), tuple(dependencies))


def graph_of(simulation: Simulation) -> KnownGraph:
    """Return the simulated system as a kept graph."""
    store = MemoryStore()
    store.upsert(discovered(simulation))
    return KnownGraph(store, View())
