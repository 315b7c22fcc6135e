"""Suspects, scored: every channel's finding on every component, joined by a noisy-or and weighed by the graph.

The joint strength 1 - prod(1 - w p) grows with every finding and never passes 1; -ln(1 - w p) is each finding's share.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.signals.components import is_pseudo
from hypocenter_graph.channels import CHANNELS, Finding, alerts, changes, surges
from hypocenter_graph.common_causes import exonerate_by_common_cause
from hypocenter_graph.observations import observe
from hypocenter_graph.symptoms import Explained, Symptom, blamed_by_callers, exonerate, find_symptoms, symptom_findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from hypocenter.model import Alert, ChangeEvent, Target
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
UNREACHABLE = 0.3
NOTABLE = 0.05


@dataclass(frozen=True, slots=True)
class Scored:
    """A component's joint strength and the findings behind it, each with its share of the score."""

    component: str
    score: float
    findings: tuple[tuple[Finding, float], ...]


@dataclass(frozen=True)
class Ranking:
    """All components, most suspect first, and what ranking learned on the way."""

    scored: tuple[Scored, ...]
    symptoms: Mapping[tuple[str, str], Symptom]
    explained: Mapping[tuple[str, str], Explained]
    seen: Observations


@dataclass(frozen=True)
class Context:
    """What is known of an incident besides its series."""

    target: Target | None = None
    onset: datetime | None = None
    changes: tuple[ChangeEvent, ...] = ()
    alerts: tuple[Alert, ...] = ()


def rank(deviations: Iterable[Deviation], topology: Topology, context: Context) -> Ranking:
    """Rank every component of the topology and of the deviations; ties are broken by name. Deterministic."""
    seen = observe(deviations)
    symptoms = find_symptoms(seen)
    reach = _reach(topology, context.target)
    explained = exonerate(symptoms, topology, seen)
    findings = [finding for channel in CHANNELS for finding in channel(seen)]
    findings += symptom_findings(symptoms, explained, seen, context.target, reach)
    findings += blamed_by_callers(symptoms, explained)
    findings += changes(context.changes, context.onset, {f.component for f in findings if f.strength > NOTABLE})
    findings += [] if seen.own else alerts(context.alerts)
    findings += surges(seen, topology.entries())
    findings = exonerate_by_common_cause(findings, explained, topology, seen)
    by_component: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_component[finding.component].append(finding)
    scored = [_score(c, by_component[c], reach) for c in components_of(topology, seen, by_component)]
    return Ranking(tuple(sorted(scored, key=lambda s: (-s.score, s.component))), symptoms, explained, seen)


def components_of(topology: Topology, seen: Observations, named: Iterable[str] = ()) -> list[str]:
    """Return every component that can be a suspect: pseudo components such as `__entry__` are none."""
    return sorted(c for c in {*topology.components, *seen.own, *named} if not is_pseudo(c))


def _reach(topology: Topology, target: Target | None) -> dict[str, int] | None:
    if target is None or target.component not in topology.components:
        return None
    return topology.distances(target.component)


def _score(component: str, findings: list[Finding], reach: Mapping[str, int] | None) -> Scored:
    parts = [(f, -math.log1p(-min(0.99, WEIGHTS[f.channel] * f.strength))) for f in findings]
    total = sum(part for _, part in parts)
    score = 1.0 - math.exp(-total)
    if reach is not None and component not in reach:
        score *= UNREACHABLE
    ordered = sorted(parts, key=lambda p: (-p[1], p[0].channel))
    return Scored(component, score, tuple((f, part / total if total else 0.0) for f, part in ordered))
