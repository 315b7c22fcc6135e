"""Slow and failing components: how much of each one's trouble is its own, and how much its callees explain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.model import MetricKind, Target
from hypocenter_graph.channels import IMMATERIAL, MATERIAL, TAIL_TRUST, UNUSUAL, Finding, strength

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypocenter_graph.deviation import Deviation
    from hypocenter_graph.observations import Observations
    from hypocenter_graph.topology import Topology

LATENCY = "latency"
ERRORS = "errors"
LEAST_FAILED_SHARE = 0.001


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
    for component in seen.own:
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
    return {key: _explained(symptom, symptoms, topology, seen) for key, symptom in symptoms.items()}


def _explained(
    symptom: Symptom, symptoms: Mapping[tuple[str, str], Symptom], topology: Topology, seen: Observations
) -> Explained:
    best = Explained(None, 0.0)
    for below in topology.leaned_on(symptom.component):
        share = max(_share_of(symptom, symptoms.get((below, symptom.channel))), _lost_on_the_way(symptom, below, seen))
        if share > best.share:
            best = Explained(below, share)
    return best


def _share_of(symptom: Symptom, below: Symptom | None) -> float:
    if below is None:
        return 0.0
    common = [stat for stat in symptom.excess if stat in below.excess]
    if symptom.channel == ERRORS:
        return min(1.0, below.impact / symptom.impact) if symptom.impact > 0 else 0.0
    return max((min(1.0, below.excess[stat] / symptom.excess[stat]) for stat in common), default=0.0)


def _lost_on_the_way(symptom: Symptom, below: str, seen: Observations) -> float:
    if symptom.channel != LATENCY:
        return 0.0
    edge = seen.edges.get((symptom.component, below), ())
    lost = [d.change for d in edge if d.series.kind is MetricKind.EDGE_GAP and d.series.stat == "mean"]
    worst = max(symptom.excess.values())
    return max((min(1.0, gap / worst) for gap in lost if gap > 0 and math.isfinite(gap)), default=0.0)


def symptom_findings(
    symptoms: Mapping[tuple[str, str], Symptom], explained: Mapping[tuple[str, str], Explained], target: Target | None
) -> list[Finding]:
    """Turn symptoms into findings: how unusual, how large, how little explained, how relevant to the target."""
    largest: dict[str, float] = {}
    for (_, channel), symptom in symptoms.items():
        largest[channel] = max(largest.get(channel, 0.0), symptom.impact)
    found = []
    for key, symptom in symptoms.items():
        telling = max(symptom.deviations.values(), key=lambda d: _trusted(d))
        material = min(1.0, symptom.impact / (MATERIAL * largest[symptom.channel])) if largest[symptom.channel] else 1.0
        value = _trusted(telling) * (IMMATERIAL + (1 - IMMATERIAL) * material) * (1 - explained[key].share)
        found.append(
            Finding(symptom.component, symptom.channel, value * _relevance(symptom, symptoms, target), (telling,))
        )
    return [finding for finding in found if finding.strength > 0]


def _trusted(d: Deviation) -> float:
    return strength(abs(d.z)) * TAIL_TRUST.get(d.series.stat, 1.0)


def _relevance(symptom: Symptom, symptoms: Mapping[tuple[str, str], Symptom], target: Target | None) -> float:
    """A component whose failures are few cannot explain many at the target, nor slowness alone explain failures."""
    if target is None:
        return 1.0
    felt = {channel for channel in (LATENCY, ERRORS) if (target.component, channel) in symptoms}
    if not felt:
        return 1.0
    if symptom.channel not in felt:
        return 0.4
    impact = symptoms[target.component, symptom.channel].impact
    return 0.2 + 0.8 * min(1.0, symptom.impact / impact) if impact > 0 else 1.0
