"""Slow and failing components: how much of each one's trouble is its own, and how much its callees explain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.catalog import KINDS, describe, measure
from hypocenter.model import MetricKind, Target
from hypocenter_graph.channels import (
    IMMATERIAL,
    LEAST_GAP_S,
    MATERIAL,
    TAIL_TRUST,
    Finding,
    LostTime,
    lost_on_edges,
    strength,
)
from hypocenter_graph.deviation import UNUSUAL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hypocenter_graph.deviation import Deviation
    from hypocenter_graph.observations import Observations
    from hypocenter_graph.topology import Topology

LATENCY = "latency"
ERRORS = "errors"
LEAST_FAILED_SHARE = 0.001
SLOW_GROWTH = 3.0
TIMEOUT_GROWTH = 20.0
QUEUEING = 1.3
UNSEEN_SATURATION = 0.8
LEAST_BLAME = 0.5
_FAILURES = frozenset({MetricKind.ERRORS, MetricKind.AVAILABILITY})
_TYPICAL = frozenset({"mean", "p50", "last"})


@dataclass(frozen=True, slots=True)
class Symptom:
    """One component's excess of seconds or failed share, per statistic; `load` turns it into seconds or failures/s."""

    component: str
    channel: str
    excess: Mapping[str, float]
    deviations: Mapping[str, Deviation]
    load: float

    @property
    def impact(self) -> float:
        """The largest excess times the requests that felt it."""
        return max(self.excess.values()) * self.load


@dataclass(frozen=True, slots=True)
class Explained:
    """How much of a component's symptom its callee `by` explains: 0 (nothing) to 1 (all of it)."""

    by: str | None
    share: float


def find_symptoms(seen: Observations) -> dict[tuple[str, str], Symptom]:
    """Return the symptoms of all components, keyed by component and channel."""
    found = {}
    for component in seen.serving():
        load = seen.rate(component)
        for channel, deviations in ((LATENCY, _slow(seen, component)), (ERRORS, _failing(seen, component))):
            if deviations:
                excess = {stat: abs(d.change) for stat, d in deviations.items()}
                found[component, channel] = Symptom(
                    component, channel, excess, deviations, 1.0 if load is None else load
                )
    return found


def _slow(seen: Observations, component: str) -> dict[str, Deviation]:
    return _by_stat(d for d in seen.served(component, MetricKind.LATENCY) if d.change > 0 and d.z > UNUSUAL)


def _failing(seen: Observations, component: str) -> dict[str, Deviation]:
    served = seen.served(component, MetricKind.ERRORS, MetricKind.AVAILABILITY)
    worse = [d for d in served if abs(d.z) > UNUSUAL and _hurt(d) > LEAST_FAILED_SHARE]
    return {"share": max(worse, key=_hurt)} if worse else {}


def _hurt(d: Deviation) -> float:
    return -d.change if d.series.kind is MetricKind.AVAILABILITY else d.change


def _by_stat(deviations: Iterable[Deviation]) -> dict[str, Deviation]:
    best: dict[str, Deviation] = {}
    for d in deviations:
        if d.series.stat not in best or d.z > best[d.series.stat].z:
            best[d.series.stat] = d
    return best


def exonerate(
    symptoms: Mapping[tuple[str, str], Symptom], topology: Topology, seen: Observations
) -> dict[tuple[str, str], Explained]:
    """Say for each symptom how much of it the things its component leans on explain."""
    lost = lost_on_edges(seen)
    return {key: _explained(symptom, symptoms, topology, seen, lost) for key, symptom in symptoms.items()}


def _explained(
    symptom: Symptom,
    symptoms: Mapping[tuple[str, str], Symptom],
    topology: Topology,
    seen: Observations,
    lost: LostTime,
) -> Explained:
    best = Explained(None, 0.0)
    for below in _next_observed(symptom.component, topology, seen):
        slow = symptoms.get((below, LATENCY))
        share = max(
            _share_of(symptom, symptoms.get((below, symptom.channel))),
            _waiting(symptom, below, seen) * lost.sound_elsewhere(symptom.component, (symptom.component, below)),
            _queueing(symptom, slow, seen),
            _timeouts(symptom, slow),
        )
        if share > best.share:
            best = Explained(below, share)
    return best


def _next_observed(component: str, topology: Topology, seen: Observations) -> list[str]:
    """Return what a component leans on, seen through whatever was not observed at all on the way."""
    found, queue = dict.fromkeys(topology.leaned_on(component)), list(topology.leaned_on(component))
    while queue:
        below = queue.pop()
        if below in seen.own or below in seen.touched:
            continue
        further = [c for c in topology.leaned_on(below) if c not in found and c != component]
        found.update(dict.fromkeys(further))
        queue += further
    return list(found)


def _queueing(symptom: Symptom, slow: Symptom | None, seen: Observations) -> float:
    """Waiting for a slow callee grows faster than the callee's own time once workers or connections run out.

    So where a caller is saturated, or nobody counts its workers, orders of magnitude are compared, not seconds.
    """
    if slow is None or symptom.channel != LATENCY:
        return 0.0
    grown, below = _growth(symptom), _growth(slow)
    sure = _saturation(seen, symptom.component, below)
    return sure * min(1.0, QUEUEING * below / grown) if grown > 0 else 0.0


def _timeouts(symptom: Symptom, slow: Symptom | None) -> float:
    """A callee that became many times slower explains failures of its caller: they are timeouts."""
    if slow is None or symptom.channel != ERRORS:
        return 0.0
    enough = min(1.0, slow.load / symptom.impact) if symptom.impact > 0 else 0.0
    return _many_times(_growth(slow)) * enough


def _growth(symptom: Symptom) -> float:
    """Log of how many times slower, by the statistic that grew most."""
    ratios = [d.after / max(d.before, LEAST_GAP_S) for d in symptom.deviations.values() if d.after > 0]
    return math.log(max([1.0, *ratios]))


def _saturation(seen: Observations, component: str, below: float) -> float:
    """Return how sure it is that a component ran out of workers or connections.

    Where nobody counts them, a callee that became many times slower (`below`, the log of it) is likely to use them up.
    """
    own = seen.of_kind(component, MetricKind.SATURATION)
    if not own:
        return UNSEEN_SATURATION * _many_times(below)
    return 1.0 if any(d.z > UNUSUAL and d.change > 0 for d in own) else 0.0


def _many_times(grown: float) -> float:
    """Return 0 up to a growth by three and 1 from twenty on; `grown` is its logarithm."""
    beyond = (grown - math.log(SLOW_GROWTH)) / math.log(TIMEOUT_GROWTH / SLOW_GROWTH)
    return min(1.0, max(0.0, beyond))


def _share_of(symptom: Symptom, below: Symptom | None) -> float:
    if below is None:
        return 0.0
    common = [stat for stat in symptom.excess if stat in below.excess]
    if symptom.channel == ERRORS:
        return min(1.0, below.impact / symptom.impact) if symptom.impact > 0 else 0.0
    return max((min(1.0, below.excess[stat] / symptom.excess[stat]) for stat in common), default=0.0)


def _waiting(symptom: Symptom, below: str, seen: Observations) -> float:
    """How much of the trouble lies in the calls themselves, as the caller sees them: time lost or calls failed."""
    edge = seen.edges.get((symptom.component, below), ())
    if symptom.channel == ERRORS:
        failing = [_hurt(d) for d in edge if d.series.kind in _FAILURES and math.isfinite(d.change)]
        return max((min(1.0, share / max(symptom.excess.values())) for share in failing), default=0.0)
    waits = [d for d in edge if d.series.stat in _TYPICAL and math.isfinite(d.change)]
    longer = [d.change for d in waits if d.series.kind is MetricKind.EDGE_GAP or _waited(d)]
    worst = max(symptom.excess.values())
    return max(
        (min(1.0, _calls_each(symptom, edge) * seconds / worst) for seconds in longer if seconds > 0), default=0.0
    )


def _waited(d: Deviation) -> bool:
    return d.series.kind is MetricKind.LATENCY and d.series.side == "client"


def _calls_each(symptom: Symptom, edge: Iterable[Deviation]) -> float:
    """How many calls a request makes over an edge, retries included; 1 at least, where the rates are not known too."""
    rates = [d.after for d in edge if d.series.kind is MetricKind.TRAFFIC and math.isfinite(d.after)]
    return max(1.0, max(rates) / symptom.load) if rates and symptom.load > 0 else 1.0


def symptom_findings(
    symptoms: Mapping[tuple[str, str], Symptom],
    explained: Mapping[tuple[str, str], Explained],
    seen: Observations,
    target: Target | None,
    reach: Collection[str] | None = None,
) -> list[Finding]:
    """Turn symptoms into findings: how unusual, how large, how little explained, how relevant to the target."""
    largest: dict[str, float] = {}
    for (component, channel), symptom in symptoms.items():
        if reach is not None and component not in reach:
            continue
        largest[channel] = max(largest.get(channel, 0.0), symptom.impact)
    felt = _felt(symptoms, target, seen) if target else set()
    found = []
    for key, symptom in symptoms.items():
        telling = max(symptom.deviations.values(), key=lambda d: _trusted(d))
        most = MATERIAL * largest.get(symptom.channel, 0.0)
        material = min(1.0, symptom.impact / most) if most else 1.0
        value = _trusted(telling) * (IMMATERIAL + (1 - IMMATERIAL) * material) * (1 - explained[key].share)
        found.append(
            Finding(symptom.component, symptom.channel, value * _relevance(symptom, symptoms, target, felt), (telling,))
        )
    return [finding for finding in found if finding.strength > 0]


def blamed_by_callers(
    symptoms: Mapping[tuple[str, str], Symptom], explained: Mapping[tuple[str, str], Explained]
) -> list[Finding]:
    """Turn what callers wait for into findings on a callee that shows nothing itself: cut off, or not observed."""
    found: dict[str, Finding] = {}
    for key, reason in explained.items():
        if (
            reason.by is None
            or reason.share < LEAST_BLAME
            or any((reason.by, c) in symptoms for c in (LATENCY, ERRORS))
        ):
            continue
        telling = max(symptoms[key].deviations.values(), key=_trusted)
        text = f"{describe(telling.series, telling.before, telling.after)}, {reason.share:.0%} of that on it"
        blamed = Finding(reason.by, "callers", reason.share * _trusted(telling), (), text)
        if reason.by not in found or blamed.strength > found[reason.by].strength:
            found[reason.by] = blamed
    return list(found.values())


def _trusted(d: Deviation) -> float:
    return strength(abs(d.z)) * TAIL_TRUST.get(d.series.stat, 1.0)


def _relevance(
    symptom: Symptom, symptoms: Mapping[tuple[str, str], Symptom], target: Target | None, felt: Collection[str]
) -> float:
    """A component whose failures are few cannot explain many at the target, nor slowness alone explain failures."""
    if target is None or not felt:
        return 1.0
    if symptom.channel not in felt:
        return 0.4
    at_target = symptoms.get((target.component, symptom.channel))
    if at_target is None or at_target.impact <= 0:
        return 1.0
    return 0.2 + 0.8 * min(1.0, symptom.impact / at_target.impact)


def _felt(symptoms: Mapping[tuple[str, str], Symptom], target: Target, seen: Observations) -> set[str]:
    """Return how the target hurts: as its metric says, where that is observed at all, else as it was seen to."""
    stated = KINDS[measure(target.metric).kind].group if target.metric else ""
    if stated in (LATENCY, ERRORS) and stated in seen.groups():
        return {stated}
    return {channel for channel in (LATENCY, ERRORS) if (target.component, channel) in symptoms}
