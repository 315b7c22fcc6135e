"""A simulated day with faults, replayed step by step through detection, incidents and investigations as they live."""

from __future__ import annotations

import math
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import Batch, Samples
from hypocenter.events import KeptAlert, KeptChange, Origin
from hypocenter.readers.times import to_datetime
from hypocenter.simulator import read_scenario, simulate
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.opening import open_records
from hypocenter.telemetry import Case, RawTable
from hypocenter.verdict_json import investigation_from_json
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.contract import View
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.known_graph import KnownGraph
from hypocenter_workers.live import AFTER, BEFORE, Sources, due, follow, investigate_incident
from hypocenter_workers.ticks.shards import Roster
from hypocenter_workers.ticks.states import FileStates
from hypocenter_workers.ticks.tick import Place, tick

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from hypocenter.model import Verdict
    from hypocenter.simulator.scenario import FaultSpec, Scenario
    from hypocenter.simulator.simulation import Simulation
    from hypocenter.stores.live_incidents import LiveIncident
    from hypocenter.stores.records import Records
    from hypocenter_workers.learn.examples import Learned

# A series warms up for 200 steps.
WARM_S, APART_S, LASTS_S = 4 * 3600.0, 70 * 60.0, 20 * 60.0
BEGIN_S = 10 * 60.0
STEP = timedelta(minutes=1)
SHARDS = 2
EARLY, LATE = timedelta(minutes=5), timedelta(minutes=20)
MS = np.timedelta64(1, "ms")


@dataclass(frozen=True, slots=True)
class Compared:
    """One fault of the day: what the live path and the offline path put first; None where that saw no incident."""

    fault: FaultSpec
    live: Verdict | None
    offline: Verdict

    @property
    def same(self) -> bool:
        """Whether both put the same component first."""
        return self.live is not None and first(self.live) == first(self.offline)


@dataclass(frozen=True, slots=True)
class Day:
    """What became of a replayed day; `others` are incidents that opened while nothing was wrong."""

    faults: tuple[Compared, ...]
    others: tuple[LiveIncident, ...]


def first(verdict: Verdict) -> str | None:
    """Return the first suspect's component."""
    return verdict.suspects[0].component if verdict.suspects else None


def day_of(scenarios: Sequence[Path], start: datetime) -> Scenario:
    """Return a day of the shop in which the fault of each scenario comes after the other, each for a while."""
    read = [read_scenario(path) for path in scenarios]
    faults = tuple(
        replace(each.faults[0], at=WARM_S + number * APART_S, ramp=min(each.faults[0].ramp, 60.0), length=LASTS_S)
        for number, each in enumerate(read)
    )
    length = WARM_S + len(faults) * APART_S
    return replace(read[0], start=start, length=length, faults=faults, decoys=(), gaps=())


def replayed(folder: Path, scenario: Scenario, learned: Learned | None = None) -> Day:
    """Return what the live path made of a simulated day, beside the offline path."""
    simulation = simulate(scenario)
    end = scenario.start + timedelta(seconds=scenario.length)
    with ExitStack() as stack:
        metrics = stack.enter_context(closing(DuckDbMetrics(folder / "metrics", lambda: end)))
        records = stack.enter_context(closing(open_records(str(folder / "records.db"))))
        keep(metrics, simulation)
        keep_events(records, simulation)
        sources = Sources(metrics, records, graph_of(simulation), learned)
        place = Place(metrics, records.detections, FileStates(folder / "states"), Roster(metrics, SHARDS))
        live(sources, place, scenario)
        incidents = records.incidents.incidents()
        found = tuple(compared(simulation, fault, sources, incidents) for fault in scenario.faults)
        known = {each.incident_id for fault in scenario.faults for each in of_fault(incidents, scenario, fault)}
        return Day(found, tuple(each for each in incidents if each.incident_id not in known))


def live(sources: Sources, place: Place, scenario: Scenario) -> None:
    """Let a day pass: every minute ticks of all shards, then incidents, then investigations."""
    for minute in range(int((WARM_S - BEGIN_S) / 60), int(scenario.length / 60) + 1):
        now = scenario.start + minute * STEP + timedelta(seconds=30)
        for shard in range(SHARDS):
            tick(place, shard, now)
        follow(sources.records, sources.graph, now)
        for incident_id in due(sources.records, now, now - STEP):
            investigate_incident(incident_id, sources, now)


def compared(simulation: Simulation, fault: FaultSpec, sources: Sources, incidents: Sequence[LiveIncident]) -> Compared:
    """Return what both paths say of one fault of the day."""
    own = of_fault(incidents, simulation.scenario, fault)
    revisions = [each for one in own[:1] for each in sources.records.incidents.revisions(one.incident_id)]
    told = investigation_from_json(revisions[-1].document).verdict if revisions else None
    began = simulation.scenario.start + timedelta(seconds=fault.at)
    case = case_of(simulation, began)
    return Compared(fault, told, investigate(case, Options(at=began), sources.graph, learned=sources.learned).verdict)


def of_fault(incidents: Sequence[LiveIncident], scenario: Scenario, fault: FaultSpec) -> list[LiveIncident]:
    """Return the incidents that began when a fault did."""
    began = scenario.start + timedelta(seconds=fault.at)
    return [each for each in incidents if began - EARLY <= each.onset <= began + LATE]


def case_of(simulation: Simulation, began: datetime) -> Case:
    """Return what `hypocenter investigate` would read of a fault of the day."""
    table = simulation.metrics
    times = [to_datetime(int(at) / 1e9, "time") for at in table.times.astype(np.int64)]
    rows = np.array([began - BEFORE <= at <= began + AFTER for at in times])
    others = tuple(simulation.scenario.start + timedelta(seconds=each.at) for each in simulation.scenario.faults)
    return Case(
        case_id=f"offline-{began:%H%M}",
        metrics=RawTable(table.labels, table.times[rows], table.values[rows]),
        alerts=tuple(each for each in simulation.alerts if each.at and began - EARLY <= each.at <= began + AFTER),
        changes=tuple(each for each in simulation.changes if began - BEFORE <= each.at <= began + AFTER),
        masked=tuple(other for other in others if other != began and began - BEFORE <= other <= began + AFTER),
        started_at=began,
    )


def keep(metrics: DuckDbMetrics, simulation: Simulation) -> None:
    """Keep a simulation's samples."""
    table = simulation.metrics
    numbers = metrics.number([tuple(sorted(labels.items())) for labels in table.labels])
    rows, columns = np.nonzero(~np.isnan(table.values))
    at_ms = ((table.times - np.datetime64(0, "ns")) / MS).astype(np.int64)
    metrics.append([Batch(Samples(numbers[columns], at_ms[rows], table.values[rows, columns]))])


def keep_events(records: Records, simulation: Simulation) -> None:
    """Keep a simulation's alerts, each of which ends with its fault, and its changes."""
    alerts = [
        KeptAlert(each, Origin(f"{each.component}/{each.name}/{each.at}"), end, resolved=end is not None)
        for each in simulation.alerts
        if each.at is not None
        for end in [_end(simulation.scenario, each.at)]
    ]
    records.alerts.add_alerts(alerts)
    records.changes.add_changes([KeptChange(c, Origin(f"{c.component}/{c.at}")) for c in simulation.changes])


def _end(scenario: Scenario, at: datetime) -> datetime | None:
    """Return when the fault ends that is going on at a time, None where it lasts to the end."""
    lasting = (each for each in scenario.faults if math.isfinite(each.length))
    ends = (scenario.start + timedelta(seconds=each.at + each.length) for each in lasting)
    return min((end for end in ends if end >= at), default=None)


def graph_of(simulation: Simulation) -> KnownGraph:
    """Return the simulated system's graph as one that is kept."""
    store = MemoryStore()
    store.upsert(Discovered(tuple(_components(simulation)), tuple(_dependencies(simulation))))
    return KnownGraph(store, View())


def _components(simulation: Simulation) -> Iterator[ComponentClaim]:
    for each in simulation.components:
        yield ComponentClaim(each.name, "declared", (Interval(simulation.scenario.start, None),), type=each.type)


def _dependencies(simulation: Simulation) -> Iterator[DependencyClaim]:
    since = (Interval(simulation.scenario.start, None),)
    for each in simulation.dependencies:
        yield DependencyClaim(each.caller, each.callee, each.type, "declared", since)
