"""Suspects, scored: every channel's finding on every component, joined by a noisy-or and weighed by the graph.

The joint strength 1 - prod(1 - w p) grows with every finding and never passes 1; -ln(1 - w p) is each finding's share.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from hypocenter.signals.components import is_pseudo
from hypocenter_graph.channels import CHANNELS, Finding, alerts, changes, surges
from hypocenter_graph.cleared import late_changes
from hypocenter_graph.common_causes import exonerate_by_common_cause
from hypocenter_graph.observations import observe
from hypocenter_graph.symptoms import Explained, Symptom, blamed_by_callers, exonerate, find_symptoms, symptom_findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from hypocenter.model import Alert, ChangeEvent, Target
    from hypocenter_graph.cleared import Cleared
    from hypocenter_graph.deviation import Deviation
    from hypocenter_graph.observations import Observations
    from hypocenter_graph.topology import Topology

WEIGHTS = {
    "cpu": 0.95,
    "memory": 0.90,
    "disk": 0.60,
    "saturation": 0.70,
    "latency": 0.90,
    "errors": 0.90,
    "network_gap": 0.95,
    "self_time": 0.90,
    "log_missing": 0.88,
    "log_surplus": 0.50,
    "log_error": 0.80,
    "calls_missing": 0.85,
    "calls_surplus": 0.40,
    "silence": 0.60,
    "restarts": 0.80,
    "traffic": 0.80,
    "unexplained": 0.05,
    "callers": 0.80,
    "change": 0.35,
    "alerts": 0.60,
}
BESIDE = 0.3
NOTABLE = 0.05


@dataclass(frozen=True, slots=True)
class Scored:
    """A component's joint strength and the findings behind it, each with its share of the score."""

    component: str
    score: float
    findings: tuple[tuple[Finding, float], ...]


@dataclass(frozen=True)
class Ranking:
    """All components, most suspect first, and what ranking learned on the way.

    `weights` are how much each of several starts counted in it, in the order in which they were given.
    """

    scored: tuple[Scored, ...]
    symptoms: Mapping[tuple[str, str], Symptom]
    explained: Mapping[tuple[str, str], Explained]
    seen: Observations
    cleared: tuple[Cleared, ...] = ()
    weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class Context:
    """What is known of an incident besides its series."""

    target: Target | None = None
    onset: datetime | None = None
    changes: tuple[ChangeEvent, ...] = ()
    alerts: tuple[Alert, ...] = ()


@dataclass(frozen=True)
class Signs:
    """What deviations show whatever the graph, the target and the changes: looked up, as symptoms, by channel."""

    seen: Observations
    symptoms: Mapping[tuple[str, str], Symptom]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Assumed:
    """A moment at which the incident may have begun, the deviations measured as if it had, and how likely that was."""

    onset: datetime | None
    deviations: tuple[Deviation, ...]
    prior: float = 1.0

    @cached_property
    def signs(self) -> Signs:
        """What the deviations show; worked out once, however many graphs they are ranked on."""
        return find_signs(self.deviations)


NOTHING = Scored("", 0.0, ())


def rank(deviations: Iterable[Deviation], topology: Topology, context: Context) -> Ranking:
    """Rank every component of the topology and of the deviations; ties are broken by name. Deterministic."""
    return rank_signs(find_signs(deviations), topology, context)


def find_signs(deviations: Iterable[Deviation]) -> Signs:
    """Read off deviations all that they show by themselves."""
    seen = observe(deviations)
    return Signs(seen, find_symptoms(seen), tuple(finding for channel in CHANNELS for finding in channel(seen)))


def rank_signs(signs: Signs, topology: Topology, context: Context) -> Ranking:
    """Rank every component of the topology and of the signs, as `rank` does."""
    seen, symptoms = signs.seen, signs.symptoms
    reach = _reach(topology, context.target)
    explained = exonerate(symptoms, topology, seen)
    findings = [*signs.findings]
    findings += symptom_findings(symptoms, explained, seen, context.target, reach)
    findings += blamed_by_callers(symptoms, explained)
    findings += changes(context.changes, context.onset, {f.component for f in findings if f.strength > NOTABLE})
    findings += [] if seen.own else alerts(context.alerts)
    findings += surges(seen, topology.entries())
    findings, cleared = exonerate_by_common_cause(findings, explained, topology, seen)
    by_component: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_component[finding.component].append(finding)
    scored = [
        _score(c, by_component[c], beside=_is_beside(c, topology, seen, reach))
        for c in components_of(topology, seen, by_component)
    ]
    cleared += late_changes(context.changes, context.onset)
    return Ranking(tuple(sorted(scored, key=lambda s: (-s.score, s.component))), symptoms, explained, seen, cleared)


def rank_over(starts: Sequence[Assumed], topology: Topology, context: Context) -> tuple[Ranking, int]:
    """Rank over several moments at which the incident may have begun; returns the ranking and the place of the best.

    A component's score joins what it scored from each start, averaged on the logarithmic scale of shares. A start
    counts by its prior, and less where it leaves little to explain: then it was too late, or beside the incident. The
    best is the one that counts most; findings, symptoms and exonerations are its own. Without any start, what is left
    are alerts and the graph.
    """
    if not starts:
        return rank((), topology, context), 0
    rankings = [rank_signs(s.signs, topology, replace(context, onset=s.onset)) for s in starts]
    weights = _weights([s.prior for s in starts], [_evidence(ranking) for ranking in rankings])
    best = max(range(len(starts)), key=lambda k: (weights[k], -k))
    return replace(_joined(rankings, weights, rankings[best]), weights=tuple(weights)), best


def _evidence(ranking: Ranking) -> float:
    """Return how much there is to explain: the sum of all scores on the scale of shares."""
    return math.fsum(_weight_of_evidence(scored.score) for scored in ranking.scored)


def _weight_of_evidence(score: float) -> float:
    return -math.log1p(-min(0.99, score))


def _weights(priors: Sequence[float], evidence: Sequence[float]) -> list[float]:
    most = max(evidence)
    return [prior * math.exp((e - most) / most if most > 0 else 0.0) for prior, e in zip(priors, evidence, strict=True)]


def _joined(rankings: Sequence[Ranking], weights: Sequence[float], best: Ranking) -> Ranking:
    total = math.fsum(weights)
    parts: dict[str, list[float]] = defaultdict(list)
    findings: dict[str, Scored] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for scored in ranking.scored:
            parts[scored.component].append(weight * _weight_of_evidence(scored.score))
            if scored.score > findings.get(scored.component, NOTHING).score:
                findings[scored.component] = scored
    findings |= {scored.component: scored for scored in best.scored if scored.score > 0}
    joined = [
        Scored(c, -math.expm1(-math.fsum(own) / total), findings.get(c, NOTHING).findings) for c, own in parts.items()
    ]
    own = {scored.component: scored.score for scored in best.scored}
    return replace(
        best, scored=tuple(sorted(joined, key=lambda s: (-s.score, -own.get(s.component, 0.0), s.component)))
    )


def components_of(topology: Topology, seen: Observations, named: Iterable[str] = ()) -> list[str]:
    """Return every component that can be a suspect: pseudo components such as `__entry__` are none."""
    return sorted(c for c in {*topology.components, *seen.own, *named} if not is_pseudo(c))


def _reach(topology: Topology, target: Target | None) -> dict[str, int] | None:
    """Return what the target leans on, with its distance; None where the graph knows nothing of the target."""
    if target is None or not (topology.leaned_on(target.component) or topology.leaning(target.component)):
        return None
    return topology.distances(target.component)


def _is_beside(component: str, topology: Topology, seen: Observations, reach: Mapping[str, int] | None) -> bool:
    """Say whether a component is hardly a cause whatever it shows: the symptom does not lean on it, or it is a name.

    What a caller sees at another name of a component that is observed itself is that component's trouble.
    """
    return topology.aliases.get(component) in seen.own or (reach is not None and component not in reach)


def _score(component: str, findings: list[Finding], *, beside: bool) -> Scored:
    parts = [(f, -math.log1p(-min(0.99, WEIGHTS[f.channel] * f.strength))) for f in findings]
    total = sum(part for _, part in parts)
    score = 1.0 - math.exp(-total)
    if beside:
        score *= BESIDE
    ordered = sorted(parts, key=lambda p: (-p[1], p[0].channel))
    return Scored(component, score, tuple((f, part / total if total else 0.0) for f, part in ordered))
