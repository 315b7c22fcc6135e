"""What can speak against a component: one function per channel, each from deviations to findings.

A finding's strength is 0 to 1 and means "how much this alone looks like the component broke". The shape of every
strength is the same: nothing below a threshold, then the logarithm of how far beyond it the component stands.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypocenter.model import MetricKind
from hypocenter_graph.deviation import UNUSUAL
from hypocenter_graph.event_words import of_alerts, of_change

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from hypocenter.model import Alert, ChangeEvent
    from hypocenter_graph.deviation import Deviation
    from hypocenter_graph.observations import Observations

CERTAIN = 200.0
CHANGE_SLACK_S = 60.0
CHANGE_MEMORY_S = 7200.0
CHANGE_LIFE_S = 1800.0
COINCIDENCE = 0.3
ALERT_TRUST = {"metric": 1.0, "trace": 0.1, "log": 0.1}
LEAST_RESTARTS = 0.5
UP_LEVEL = 0.5
LEAST_GAP_S = 5e-4
MATERIAL = 0.3
IMMATERIAL = 0.15
IMMATERIAL_USE = 0.3
COMPLAINT = re.compile(r"error|exception|fatal|panic|warn|fail|refused|timeout|timed out", re.IGNORECASE)
# As far as a single line stands out: it may be anybody's.
ONE_LINE = 1.7
TAIL_TRUST = {"mean": 1.0, "p50": 1.0, "last": 1.0, "p90": 0.9, "p95": 0.7, "p99": 0.4}

SURGE = 1.3
# How many spans were recorded says as much of the sampling as of the traffic.
SAMPLED = frozenset({"span_rate", "trace_rate", "traced_request_rate"})
FULL_SURGE = 2.0
_RESOURCES = {
    "cpu": frozenset({MetricKind.CPU}),
    "memory": frozenset({MetricKind.MEMORY}),
    "disk": frozenset({MetricKind.DISK}),
    "saturation": frozenset({MetricKind.SATURATION}),
}
_WORDS = re.compile(r"([^\w.-]+)")
_COUNTED = frozenset({MetricKind.LOG_LINES, MetricKind.OPERATION})


@dataclass(frozen=True, slots=True)
class Finding:
    """One channel's word on one component.

    `deviations` are what it rests on, the telling one first; `text` says it where no series can.
    """

    component: str
    channel: str
    strength: float
    deviations: tuple[Deviation, ...] = ()
    text: str = ""


def strength(z: float, threshold: float = UNUSUAL, certain: float = CERTAIN) -> float:
    """Return 0 up to the threshold, 1 from `certain` on, and the logarithm of the distance between.

    >>> strength(3.0), strength(200.0), round(strength(20.0), 2)
    (0.0, 1.0, 0.55)
    """
    if not z > threshold:
        return 0.0
    return min(1.0, math.log1p(z - threshold) / math.log1p(certain - threshold))


def resources(seen: Observations) -> list[Finding]:
    """Processor, memory, disk and saturation that a component uses beyond its normal, next to what others do.

    A large z on a tiny amount counts for less: what burns a thousandth of a core starves nobody.
    """
    found = []
    for channel, kinds in _RESOURCES.items():
        own = [d for component in seen.own for d in seen.of_kind(component, *kinds)]
        risen = [d for d in own if d.z > UNUSUAL and d.change > 0]
        largest: dict[str, float] = defaultdict(float)
        for d in risen:
            largest[d.series.metric] = max(largest[d.series.metric], d.change)
        usual = _usual_use(own)
        for d in risen:
            material = _share(d.change, max(largest[d.series.metric], usual.get(d.series.unit, 0.0)) / 2)
            weighed = strength(d.z) * (IMMATERIAL_USE + (1.0 - IMMATERIAL_USE) * material)
            found.append(Finding(d.series.component, channel, weighed, (d,)))
    return _strongest(found)


def _usual_use(own: Iterable[Deviation]) -> dict[str, float]:
    """Return, per unit, how much of a resource a component normally uses: the median over components of their most."""
    most: dict[tuple[str, str], float] = defaultdict(float)
    for d in own:
        if math.isfinite(d.before):
            component, unit = d.series.component, d.series.unit
            most[component, unit] = max(most[component, unit], d.before)
    by_unit: dict[str, list[float]] = defaultdict(list)
    for (_, unit), level in most.items():
        by_unit[unit].append(level)
    return {unit: sorted(levels)[len(levels) // 2] for unit, levels in by_unit.items()}


def own_time(seen: Observations) -> list[Finding]:
    """Time spent in the component itself, calls to others left out: the ratio of after to before."""
    found = []
    for component in seen.own:
        means = [d for d in seen.of_kind(component, MetricKind.SELF_TIME) if d.series.stat == "mean"]
        # Sources that count a client's waiting as its own work speak only where the better one does not.
        exact = [d for d in means if d.series.metric == "self_time_mean"] or means
        found += [Finding(component, "self_time", _ratio_strength(d), (d,)) for d in exact]
    return _strongest(found)


def gaps(seen: Observations) -> list[Finding]:
    """Time lost between a caller and its callee: a slow network shows on all edges of the slow end.

    An edge's gap is blamed on each end in so far as the other end's other edges are sound.
    """
    found = []
    lost = lost_on_edges(seen)
    for component, edges in lost.touching.items():
        blame = [max(0.0, lost.ratio[ends]) * lost.sound_elsewhere(other_end(component, ends), ends) for ends in edges]
        worst = sorted(edges, key=lambda ends: -lost.ratio[ends])[:3]
        typical = sum(blame) / len(blame)
        found.append(Finding(component, "network_gap", _saturate(typical - 0.3), tuple(lost.shown[e] for e in worst)))
    return _strongest(found)


@dataclass(frozen=True)
class LostTime:
    """Time lost on edges: `ratio` is the logarithm of after to before, `shown` what it was read from."""

    ratio: Mapping[tuple[str, str], float]
    shown: Mapping[tuple[str, str], Deviation]
    touching: Mapping[str, list[tuple[str, str]]]

    def sound_elsewhere(self, component: str, ends: tuple[str, str]) -> float:
        """Return how sound a component's other edges are, 1 when all are: slow everywhere means slow itself."""
        beyond = other_end(component, ends)
        other = [_saturate(self.ratio[e] - 0.3) for e in self.touching.get(component, ()) if beyond not in e]
        return 1.0 - sum(other) / len(other) if other else 1.0


def lost_on_edges(seen: Observations) -> LostTime:
    """Find the time lost on every edge whose two ends are known."""
    known = {ends: gap for ends, ds in seen.edges.items() if (gap := _gap(ds)) is not None}
    touching: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for ends in known:
        for end in ends:
            touching[end].append(ends)
    return LostTime({e: ratio for e, (ratio, _) in known.items()}, {e: d for e, (_, d) in known.items()}, touching)


def other_end(component: str, ends: tuple[str, str]) -> str:
    """Return the end of an edge that is not `component`."""
    return ends[1] if ends[0] == component else ends[0]


def _gap(ds: Iterable[Deviation]) -> tuple[float, Deviation] | None:
    """Return an edge's log-ratio of time lost, after to before, and the deviation that shows it."""
    measured = [
        d for d in ds if d.series.kind is MetricKind.EDGE_GAP and d.series.stat == "p50" and math.isfinite(d.change)
    ]
    if measured:
        return _log_ratio(measured[0]) * _clip(abs(measured[0].z) / 6.0), measured[0]
    latency = {(d.series.side, d.series.stat): d for d in ds if d.series.kind is MetricKind.LATENCY}
    for (side, stat), client in latency.items():
        server = latency.get(("server", stat))
        if side == "client" and server and math.isfinite(client.change + server.change):
            lost = replace(client, before=client.before - server.before, after=client.after - server.after)
            return _log_ratio(lost) * (0.5 + (1 - 0.5) * _clip(abs(client.z) / 6.0)), client
    return None


def lines(seen: Observations) -> list[Finding]:
    """Log statements that went missing or came up, and operations no longer or suddenly called, within a component."""
    found = []
    uttered = _utterers(seen)
    for component, ds in seen.own.items():
        found += [Finding(component, "log_error", _new_complaint(d), (d,)) for d in ds if d.series.metric in uttered]
        for kind, name in ((MetricKind.LOG_LINES, "log"), (MetricKind.OPERATION, "calls")):
            counts = [d for d in ds if d.series.kind is kind]
            found += [Finding(component, f"{name}_missing", _missing(d), (d,)) for d in counts]
            found += [Finding(component, f"{name}_surplus", _clip((d.z - 3.0) / 5.0), (d,)) for d in counts]
    return _strongest(found)


def _utterers(seen: Observations) -> frozenset[str]:
    """Return the complaints that one component alone utters.

    What several log in the same words comes from a library of theirs: it tells that calls fail, not whose.
    """
    names = seen.own.keys() | seen.touched
    complaints = [
        d.series.metric
        for ds in seen.own.values()
        for d in ds
        if d.series.kind is MetricKind.LOG_LINES and COMPLAINT.search(d.series.metric)
    ]
    spoken = Counter(_without_names(metric, names) for metric in complaints)
    return frozenset(metric for metric in complaints if spoken[_without_names(metric, names)] == 1)


def _without_names(metric: str, names: Collection[str]) -> str:
    """Return a statement with the components that it names left out: whom it names is not in what words it speaks."""
    return "".join("<*>" if word in names else word for word in _WORDS.split(metric))


def _new_complaint(d: Deviation) -> float:
    """How surely a complaint that never came before comes now."""
    return _clip((d.z - 1.0) / 3.0) if d.before == 0 and d.after > 0 and d.z > ONE_LINE else 0.0


def _missing(d: Deviation) -> float:
    """How surely an expected statement no longer comes; a complaint that stays away is no complaint."""
    if d.z >= 0 or d.before <= 0 or COMPLAINT.search(d.series.metric):
        return 0.0
    gone = 1.0 - min(1.0, d.after / d.before)
    return _clip((-d.z * math.sqrt(gone) - 1.8) / 2.5)


def silence(seen: Observations) -> list[Finding]:
    """A component whose series stopped, and one that restarted or that its scraper calls down."""
    found = []
    for component, ds in seen.own.items():
        reporting = [d for d in ds if d.series.kind not in _COUNTED and math.isfinite(d.before) and not d.series.host]
        silent = [d for d in reporting if d.silent]
        if silent:
            share = len(silent) / len(reporting)
            found.append(Finding(component, "silence", _clip(2.0 * share - 0.2), tuple(silent[:1])))
        found += [Finding(component, "restarts", 1.0, (d,)) for d in reporting if _went_down(d)]
    return _strongest(found)


def _went_down(d: Deviation) -> bool:
    if d.series.kind not in (MetricKind.UP, MetricKind.RESTARTS):
        return False
    if d.series.unit == "s":
        # An uptime grows while all is well, and starts anew with a restart.
        return d.after < d.before / 2
    if d.series.kind is MetricKind.RESTARTS:
        return d.after - d.before >= LEAST_RESTARTS
    return d.after < UP_LEVEL <= d.before


def unexplained(seen: Observations) -> list[Finding]:
    """Any other series far from its normal, such as traffic or network use: a hint that only breaks ties."""
    other = (MetricKind.TRAFFIC, MetricKind.NETWORK, MetricKind.OTHER, MetricKind.ERROR_LINES)
    return _strongest(
        Finding(component, "unexplained", strength(abs(d.z)), (d,))
        for component in seen.own
        for d in seen.of_kind(component, *other)
    )


def changes(events: Iterable[ChangeEvent], onset: datetime | None, unwell: Collection[str]) -> list[Finding]:
    """A deploy, config, flag or scaling shortly before the onset; one after it cannot have caused it.

    A change of a component that shows nothing else is a coincidence until proven otherwise.
    """
    found = []
    for event in events:
        age_s = (onset - event.at).total_seconds() if onset else math.inf
        if -CHANGE_SLACK_S <= age_s <= CHANGE_MEMORY_S:
            text = f"{of_change(event)} {max(age_s, 0) / 60:.0f} min before the onset"
            trust = 1.0 if event.component in unwell else COINCIDENCE
            found.append(
                Finding(event.component, "change", trust * math.exp(-max(age_s, 0.0) / CHANGE_LIFE_S), text=text)
            )
    return _strongest(found)


def alerts(fired: Iterable[Alert]) -> list[Finding]:
    """Rules of others that fired on a component, for incidents of which nothing else is known.

    What fires everywhere tells least about where it began, so each kind of alert counts by how few components it hit;
    a component's own metrics count in full, failing calls and log lines, which callers share, a little.
    """
    known = tuple(fired)
    own: dict[str, list[Alert]] = defaultdict(list)
    kinds: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    hit: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for alert in known:
        own[alert.component].append(alert)
        kind = (alert.modality, alert.name, "" if alert.modality == "log" else alert.state)
        kinds[alert.component].add(kind)
        hit[kind].add(alert.component)
    weight = {
        component: math.fsum(ALERT_TRUST.get(kind[0], 1.0) * math.log1p(len(kinds) / len(hit[kind])) for kind in of)
        for component, of in kinds.items()
    }
    most = max(weight.values(), default=1.0)
    return [Finding(c, "alerts", w / most, text=of_alerts(own[c], known)) for c, w in weight.items()]


def surges(seen: Observations, entries: Iterable[str]) -> list[Finding]:
    """More work than normal arriving where users come in: the fault then lies with nobody behind the entry."""
    found = []
    for component in entries:
        risen = [d for d in seen.served(component, MetricKind.TRAFFIC) if d.z > UNUSUAL and d.before > 0]
        risen = [d for d in risen if d.series.metric not in SAMPLED]
        found += [Finding(component, "traffic", surge_strength(d), (d,)) for d in risen]
    return _strongest(found)


def surge_strength(d: Deviation) -> float:
    """Return 0 up to a rise by 30 % and 1 from a doubling on."""
    ratio = d.after / d.before if d.before > 0 else 1.0
    return _clip(math.log(max(ratio, 1.0) / SURGE) / math.log(FULL_SURGE / SURGE))


CHANNELS: tuple[Callable[[Observations], list[Finding]], ...] = (resources, own_time, gaps, lines, silence, unexplained)


def _strongest(findings: Iterable[Finding]) -> list[Finding]:
    best: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.component, finding.channel)
        if finding.strength > 0 and (key not in best or finding.strength > best[key].strength):
            best[key] = finding
    return list(best.values())


def _ratio_strength(d: Deviation) -> float:
    return _saturate(_log_ratio(d) - 0.4) * _clip(d.z / 6.0) if math.isfinite(d.change) else 0.0


def _log_ratio(d: Deviation) -> float:
    return math.log((max(d.after, 0.0) + LEAST_GAP_S) / (max(d.before, 0.0) + LEAST_GAP_S))


def _share(part: float, whole: float) -> float:
    return min(1.0, part / whole) if whole > 0 else 1.0


def _saturate(log_ratio: float) -> float:
    return 1.0 - math.exp(-max(0.0, log_ratio) / 1.2)


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
