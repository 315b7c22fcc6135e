"""Several faults at once: which of the suspects broke independently of one another."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from hypocenter.model import MetricKind
from hypocenter_graph.channels import surge_strength
from hypocenter_graph.evidence import OLDER_TROUBLE
from hypocenter_graph.verdict import propagation

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from hypocenter.model import Step
    from hypocenter_graph.rank import Ranking, Scored
    from hypocenter_graph.topology import Topology

MOST_CAUSES = 3
# Two faults at once are rare, so a further cause must show more than what would do for a first suspect.
LEAST_EVIDENCE = 0.7
LATEST = timedelta(minutes=5)
SURGED = 0.2
# What others' rules or an unclassified series say is too little for a further cause.
NOT_TELLING = frozenset({"alerts", "unexplained"})
# What more work brings about: retries, or what a cache no longer answers.
LOAD = frozenset({"cpu", "memory", "disk", "saturation", "latency", "self_time", "traffic", "callers"})
# Time lost between two may lie with either end.
BETWEEN = frozenset({"network_gap"})
HALF = 0.5
# What a component does not catch from what it leans on.
BROKEN = frozenset({"cpu", "memory", "disk", "restarts", "silence"})


def independent_causes(
    ranking: Ranking,
    topology: Topology,
    chances: Mapping[str, float],
    threshold: float,
    onsets: Mapping[str, datetime],
    onset: datetime | None,
) -> tuple[str, ...]:
    """Return the components that broke independently, most suspect first; () where none is sure enough.

    Probabilities of being *the* cause are shared out, so two real causes get about a half each and neither reaches
    the `threshold`. Causes are therefore chosen by their evidence, before it is shared out: the first suspect, and as
    many as two more that fell ill with the incident, whose own evidence would do alone, and that nothing chosen before
    explains. They are named together where the probability that the cause is among them, the sum of their `chances`,
    reaches the threshold; one alone is named by its plain probability. `onsets` are the first anomalies of components,
    `onset` is the start of the incident.
    """
    chosen = _chosen(ranking, topology, onsets, onset)
    while chosen and math.fsum(chances.get(c, 0.0) for c in chosen) < threshold:
        chosen = chosen[:-1]
    return tuple(chosen)


def propagation_of_all(
    ranking: Ranking, topology: Topology, causes: Sequence[str], onsets: Mapping[str, datetime]
) -> tuple[Step, ...]:
    """Tell how the trouble of every cause travelled, one cause after the other; who suffers from two is told once."""
    told: dict[str, Step] = {}
    for cause in causes:
        for step in propagation(ranking, topology, cause, onsets):
            if step.component == cause or step.component not in causes:
                told.setdefault(step.component, step)
    return tuple(told.values())


def _chosen(ranking: Ranking, topology: Topology, onsets: Mapping[str, datetime], onset: datetime | None) -> list[str]:
    """Take greedily, the strongest first: what is left after a cause is what that cause does not explain."""
    chosen = [s for s in ranking.scored[:1] if s.score > 0]
    for scored in ranking.scored[1:]:
        if len(chosen) == MOST_CAUSES or scored.score < LEAST_EVIDENCE:
            break
        new = _new(onsets.get(scored.component), onset)
        if new and all(_independent(scored, other, ranking, topology) for other in chosen):
            chosen.append(scored)
    return [s.component for s in chosen]


def _independent(further: Scored, known: Scored, ranking: Ranking, topology: Topology) -> bool:
    """Whether a further suspect broke beside a known cause: both in the graph, and not one through the other.

    Where one leans on the other, the upper must show what it cannot catch from below. Of components that the graph
    does not join it cannot tell, and so does not.
    """
    if further.component not in topology.joined(known.component):
        return False
    if evidence_alone(further, ranking) < LEAST_EVIDENCE:
        return False
    for upper, lower in ((further, known), (known, further)):
        if lower.component in topology.distances(upper.component):
            return evidence_alone(upper, ranking, BROKEN) >= LEAST_EVIDENCE
    return True


def evidence_alone(scored: Scored, ranking: Ranking, channels: Collection[str] | None = None) -> float:
    """Return the joint strength, 0 to 1, of what speaks of a fault at the component itself, of `channels` if given.

    Where more work than normal reaches the component, what work brings about says nothing.
    """
    silent = NOT_TELLING | LOAD if _surged(scored.component, ranking) else NOT_TELLING
    told = [
        share * (HALF if finding.channel in BETWEEN else 1.0)
        for finding, share in scored.findings
        if finding.channel not in silent and (channels is None or finding.channel in channels)
    ]
    return 1.0 - math.exp(math.fsum(told) * math.log1p(-min(scored.score, 1.0 - 1e-12)))


def _new(first: datetime | None, onset: datetime | None) -> bool:
    """Whether a component fell ill with the incident: neither long before it nor long after."""
    return first is None or onset is None or -OLDER_TROUBLE < first - onset <= LATEST


def _surged(component: str, ranking: Ranking) -> bool:
    return any(surge_strength(d) > SURGED for d in ranking.seen.served(component, MetricKind.TRAFFIC))
