"""From a ranking to what is said: probabilities, the cause or none, the way the trouble travelled, the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.model import Component, GraphNode, GraphView, Step, Suspect
from hypocenter_graph.calibration import probabilities
from hypocenter_graph.evidence import CALLERS, evidence_for, exoneration, fault_type_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from hypocenter.model import Series, Target
    from hypocenter_graph.rank import Ranking
    from hypocenter_graph.topology import Topology

MOST_SUSPECTS = 10
MOST_NODES = 200
UNWELL = 0.02


def suspects_of(
    ranking: Ranking,
    topology: Topology,
    target: Target | None,
    onsets: Mapping[Series, datetime],
    onset: datetime | None = None,
) -> tuple[Suspect, ...]:
    """Return all components as suspects, most likely first; evidence is told of the first ten."""
    chances = probabilities(ranking)
    suspects = []
    for place, scored in enumerate(ranking.scored):
        told = place < MOST_SUSPECTS
        evidence = evidence_for(scored, ranking, onsets, onset) if told else ()
        suspects.append(
            Suspect(
                component=scored.component,
                probability=chances[scored.component],
                score=scored.score,
                fault_type=fault_type_of(scored),
                evidence=evidence,
                path=blame_path(topology, target, scored.component) if told else (),
                series=next((e.series for e in evidence if e.supports and e.series and e.channel != CALLERS), None),
            )
        )
    return tuple(suspects)


def blame_path(topology: Topology, target: Target | None, component: str) -> tuple[str, ...]:
    """Return the way from a suspect up to the symptom, or () when there is none."""
    return tuple(reversed(topology.path(target.component, component))) if target else ()


def propagation(ranking: Ranking, topology: Topology, cause: str, onsets: Mapping[str, datetime]) -> tuple[Step, ...]:
    """Tell how the trouble travelled: the cause, then the unwell components that lean on it, nearest first."""
    distance = topology.impact(cause)
    unwell = {component for component, _ in ranking.symptoms} & distance.keys() - {cause}
    steps = [Step(cause, onsets.get(cause), None, "where it began")]
    for component in sorted(unwell, key=lambda c: (distance[c], c)):
        channel, explained = max(
            ((ch, e) for (c, ch), e in ranking.explained.items() if c == component), key=lambda item: item[1].share
        )
        via = explained.by or next((c for c in topology.leaned_on(component) if c in distance), None)
        text = exoneration(ranking.symptoms[component, channel], explained) if explained.by else ""
        steps.append(Step(component, onsets.get(component), via, text))
    return tuple(steps)


def graph_view(
    ranking: Ranking, topology: Topology, suspects: Sequence[Suspect], causes: Sequence[str], keep: Sequence[str]
) -> GraphView:
    """Return the picture's nodes and edges: everything in a small system, the causal neighbourhood of a large one."""
    scores = {s.component: s.score for s in ranking.scored}
    states = {c: _state(c, causes, suspects, scores, ranking) for c in {*scores, *topology.components}}
    shown = _shown(states, topology, keep, scores)
    nodes = tuple(
        GraphNode(c, topology.components.get(c, Component(c)).type, states[c], scores.get(c, 0.0))
        for c in sorted(shown)
    )
    edges = tuple(d for d in topology.dependencies if d.caller in shown and d.callee in shown)
    return GraphView(nodes, edges, len(states) - len(shown))


def _state(
    component: str, causes: Sequence[str], suspects: Sequence[Suspect], scores: Mapping[str, float], ranking: Ranking
) -> str:
    if component in causes:
        return "cause"
    if any(s.component == component and s.probability >= 0.1 for s in suspects[:MOST_SUSPECTS]):
        return "suspect"
    if scores.get(component, 0.0) > UNWELL or any(c == component for c, _ in ranking.symptoms):
        return "affected"
    seen = component in ranking.seen.own or any(component in ends for ends in ranking.seen.edges)
    return "normal" if seen else "unobserved"


def _shown(states: Mapping[str, str], topology: Topology, keep: Sequence[str], scores: Mapping[str, float]) -> set[str]:
    if len(states) <= MOST_NODES:
        return set(states)
    wanted = [c for c in keep if c in states] + sorted(scores, key=lambda c: (-scores[c], c))[: MOST_NODES // 4]
    shown: set[str] = set()
    for component in wanted:
        for other in (component, *topology.leaned_on(component), *topology.leaning(component)):
            if len(shown) < MOST_NODES and other in states:
                shown.add(other)
    return shown
