"""From anomalies to verdicts by itself: incidents are brought up to now, and investigated when they open or grow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.incidents import Rules, changes, sign_of_alert
from hypocenter.report import render
from hypocenter.signals import resolve
from hypocenter.stores.live_incidents import Revision, Status
from hypocenter.stores.runtime_settings import setting
from hypocenter.stores.stored_case import read_stored
from hypocenter.verdict_json import investigation_to_json, verdict_of_investigation
from hypocenter_graph.claims import LABELS, Discovered
from hypocenter_graph.resolve import topology_of
from hypocenter_graph.topology import Topology, build_topology
from hypocenter_graph.walks import MOST_COMPONENTS, incident_subgraph
from hypocenter_workers.anomaly_signs import AnomalySigns
from hypocenter_workers.detect.anomalies import instant, moment
from hypocenter_workers.detect.onset import find_onsets
from hypocenter_workers.detect.windows import NEIGHBOUR
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.neighbourhood import neighbourhood

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Set
    from pathlib import Path

    from hypocenter.incidents import Change, Sign
    from hypocenter.model import Investigation, Verdict
    from hypocenter.stores.live_incidents import Judged, LiveIncident
    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.stores.records import Records
    from hypocenter.telemetry import Case, Signals
    from hypocenter_graph.walks import Subgraph
    from hypocenter_workers.known_graph import KnownGraph
    from hypocenter_workers.learn.examples import Learned

# As far back as a sign may still open an incident: workers that stood still for less than that lose nothing.
SIGNS = timedelta(hours=6)
# As `hypocenter investigate` reads by default.
BEFORE, AFTER = timedelta(hours=6), timedelta(minutes=30)
AGAIN = timedelta(minutes=2)
ALERTED_WITHIN, ALONE = timedelta(minutes=10), timedelta(minutes=5)
LOOKS = (timedelta(minutes=10), timedelta(minutes=30))
# Of one that lasts for longer the rest may be learned from: after hours of it nothing else were left.
SPOILT = timedelta(hours=1)
_MASKED: timedelta = NEIGHBOUR.item()


@dataclass(frozen=True, slots=True)
class Sources:
    """What an investigation reads: the stores, the graph and the learned model where there are any."""

    metrics: MetricsStore
    records: Records
    graph: KnownGraph | None = None
    learned: Learned | None = None

    @property
    def precision(self) -> float:
        """The wanted share of named causes that are right, as the setting is now."""
        return setting(self.records.settings.changed(), "precision")


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict that was kept, and the investigation that it came from."""

    revision: Revision
    investigation: Investigation


def follow(
    records: Records,
    graph: KnownGraph | None,
    now: datetime,
    rules: Rules | None = None,
    anomalies: AnomalySigns | None = None,
) -> tuple[Change, ...]:
    """Bring the incidents up to `now` by the anomalies and alerts that are kept; return what became of them.

    Who follows again and again gives the same `anomalies` each time. Of two that run at a time one keeps each change.
    Raises SourceError when records or graph cannot be asked.
    """
    before = records.incidents.incidents(Status.OPEN)
    start = min([now - SIGNS, *(incident.onset for incident in before)])
    signs = (anomalies or AnomalySigns(records.detections)).between(start, now) + _alerts(records, start, now)
    if signs:
        before = records.incidents.incidents(since=start)
    if not (signs or before):
        return ()
    near = Paths.around({sign.component for sign in signs} | _components(before), graph, now).near
    found = changes(before, signs, near, now, rules)
    return tuple(change for change in found if records.incidents.save(change.incident))


def _alerts(records: Records, start: datetime, now: datetime) -> list[Sign]:
    """Return the signs that alerts since `start` are; what began before that and lasts is no news."""
    signs = (sign_of_alert(each, now) for each in records.alerts.alerts(start, now))
    return [sign for sign in signs if sign.onset >= start]


def _components(incidents: Iterable[LiveIncident]) -> set[str]:
    return {component for incident in incidents for component in incident.components}


@dataclass(frozen=True)
class Paths:
    """Which components paths of the graph join; those that it does not know are held to be joined to each other.

    What labels of metrics alone show does not count: they tell of calls, and seldom of machines, so that what begins
    together would be torn into services and hosts.
    """

    topology: Topology
    known_as: Mapping[str, str]
    components: Set[str]

    @classmethod
    def around(cls, components: Set[str], graph: KnownGraph | None, now: datetime) -> Paths:
        """Read the part of the graph around components, as it is held to be now, or where nothing is as it ever was.

        Raises SourceError when the graph cannot be asked.
        """
        if graph is None:
            return cls(build_topology((), ()), {}, components)
        if isinstance(graph.store, Exception):
            raise graph.store
        known_as = graph.store.named(sorted(components))
        seeds = sorted({known_as.get(name, name) for name in components})
        most = MOST_COMPONENTS + len(seeds)
        views = (replace(graph.view, at=at) for at in (now, None))
        parts = (_without_labels(incident_subgraph(graph.store, seeds, view, most)) for view in views)
        found = next((part for part in parts if part.components), Discovered())
        return cls(topology_of(found.components, found.dependencies), known_as, components)

    def near(self, component: str) -> set[str]:
        """Return those of the components to which blame may pass from this one, or from which to it."""
        name = self._name(component)
        if name not in self.topology.components:
            return {other for other in self.components if self._name(other) not in self.topology.components}
        joined = {*self.topology.distances(name), *self.topology.impact(name)}
        return {other for other in self.components if self._name(other) in joined}

    def _name(self, component: str) -> str:
        return self.known_as.get(component, component)


def _without_labels(found: Subgraph) -> Discovered:
    dependencies = tuple(each for each in found.dependencies if each.source != LABELS)
    ends = {end for each in dependencies for end in (each.caller, each.callee)}
    return Discovered(tuple(c for c in found.components if c.source != LABELS or c.name in ends), dependencies)


def due(records: Records, now: datetime, since: datetime) -> tuple[str, ...]:
    """Return the incidents that are to be investigated now; `since` is when this was asked before.

    Those without a verdict, those that changed after their last one when that is a while ago, and each once more when
    its effects have had time to show.
    """
    incidents = records.incidents.incidents(since=since - AGAIN)
    return tuple(each.incident_id for each in incidents if _is_due(each, records, now, since))


def _is_due(incident: LiveIncident, records: Records, now: datetime, since: datetime) -> bool:
    judged = records.incidents.judged(incident.incident_id)
    if judged is None:
        return True
    if judged.incident_version < incident.version:
        return incident.status is Status.RESOLVED or _is_stale(incident, records, now)
    return any(since < incident.onset + look <= now for look in LOOKS)


def _is_stale(incident: LiveIncident, records: Records, now: datetime) -> bool:
    """Whether the last verdict is old: one that grows each minute must not be waited for until it is calm."""
    known = records.incidents.judged_incident(incident.incident_id)
    return known is None or known.judgement is None or now - known.judgement.at >= AGAIN


def investigate_incident(incident_id: str, sources: Sources, now: datetime) -> Judgement | None:
    """Investigate an incident and keep the verdict; None where it says nothing new, or another was quicker.

    Raises InputError where nothing is kept of that time.
    """
    store = sources.records.incidents
    incident, judged = store.incident(incident_id), store.judged(incident_id)
    if incident is None:
        return None
    found = investigation_of(incident, sources, now)
    if judged is not None and judged.incident_version == incident.version:
        if _says(_last(sources.records, incident_id)) == _says(found.verdict):
            return None
        incident = replace(incident, updated_at=now, version=incident.version + 1)
        if not store.save(incident):
            return None
    revision = _revision(incident, judged, found, now)
    return Judgement(revision, found) if store.add_revision(revision) else None


def investigation_of(incident: LiveIncident, sources: Sources, now: datetime) -> Investigation:
    """Return what an investigation says of an incident from all that is kept up to `now`."""
    window = incident.onset - BEFORE, min(now, _noticed(incident) + AFTER)
    near = neighbourhood(sources.metrics, sources.graph, incident.components, incident.onset, window)
    case = read_stored(sources.metrics, sources.records, window, near=near)
    case = replace(
        case,
        case_id=incident.incident_id,
        alerts=tuple(
            kept.alert for kept in sources.records.alerts.alerts(*window) if kept.origin.key in set(incident.alerts)
        ),
        masked=_others(incident, sources.records, window, near),
        started_at=incident.onset,
    )
    resolved = resolve(case)
    options = Options(at=_began(case, resolved, incident), precision=sources.precision)
    return investigate(case, options, sources.graph, resolved=resolved, learned=sources.learned)


def _noticed(incident: LiveIncident) -> datetime:
    """Return the first sign, or when the incident opened where that sign stood alone for long and may be another's."""
    return incident.onset if incident.opened_at - incident.onset <= ALONE else incident.opened_at


def _began(case: Case, resolved: Signals, incident: LiveIncident) -> datetime:
    """Return when an incident began: with its first sign, or as the telemetry says where that is not sure.

    It is not where the sign is an alert, whose rule waits before it fires, nor where it stood alone for long.
    """
    onset, noticed = incident.onset, _noticed(incident)
    if noticed == onset and all(alert.at is None or alert.at > onset for alert in case.alerts):
        return onset
    masked = [instant(start) for start in case.masked]
    within = np.timedelta64(noticed - onset + ALERTED_WITHIN)
    found = find_onsets(resolved.tables, resolved.reference, masked, instant(noticed), within)
    return moment(found[0].at) if found else onset


def _others(
    incident: LiveIncident, records: Records, window: tuple[datetime, datetime], near: Sequence[str] | None
) -> tuple[datetime, ...]:
    """Return what to mask of other incidents in the window and near: normal is not to be learned from them."""
    start, end = window
    others = (one for one in records.incidents.incidents(since=start) if one.incident_id != incident.incident_id)
    beside = (one for one in others if near is None or not set(near).isdisjoint(one.components))
    # What is masked ends where this one may have begun.
    last = incident.onset - ALERTED_WITHIN - _MASKED
    masks = (at for other in beside for at in masks_of(other.onset, min(_lasted_until(other), last)))
    return tuple(at for at in masks if start <= at <= end)


def masks_of(began: datetime, until: datetime) -> tuple[datetime, ...]:
    """Return what `Case.masked` takes for a fault of some time: each moment hides only the minutes after it.

    >>> began = datetime.fromisoformat("2026-03-01T12:00:00Z")
    >>> [f"{at:%H:%M}" for at in masks_of(began, began + timedelta(minutes=12))]
    ['12:00', '12:05', '12:10']
    """
    return tuple(began + number * _MASKED for number in range(1 + max(until - began, timedelta(0)) // _MASKED))


def _lasted_until(incident: LiveIncident) -> datetime:
    """Return until when an incident lasted, or when it is not held to be unusual any more."""
    most = incident.onset + SPOILT
    return most if incident.resolved_at is None else min(most, incident.resolved_at - Rules().quiet)


def _last(records: Records, incident_id: str) -> Verdict:
    last = records.incidents.revision(incident_id, charts=False)
    assert last is not None
    return verdict_of_investigation(last.document)


def _revision(incident: LiveIncident, judged: Judged | None, found: Investigation, now: datetime) -> Revision:
    number = 1 if judged is None else judged.number + 1
    return Revision(incident.incident_id, number, now, incident.version, investigation_to_json(found))


def _says(verdict: Verdict) -> tuple[object, ...]:
    types = [each.fault_type for each in verdict.suspects[:1]]
    return verdict.cause, verdict.causes, verdict.abstained, verdict.candidates, types


def write_report(folder: Path, judgement: Judgement) -> Path:
    """Write the report of a verdict and return its file: `<incident>/<number>.html` in the folder."""
    revision = judgement.revision
    path = folder / revision.incident_id / f"{revision.number}.html"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(render(judgement.investigation), encoding="utf-8")
    draft.replace(path)
    return path
