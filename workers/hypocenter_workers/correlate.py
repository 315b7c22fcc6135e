"""Anomalies and alerts into one incident, and the symptom it is felt at."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypocenter.model import Alert, Anomaly, Incident, Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hypocenter_graph.topology import Topology

AROUND = timedelta(hours=1)


def correlate(
    anomalies: Sequence[Anomaly], alerts: Sequence[Alert], onset: datetime | None, topology: Topology
) -> Incident:
    """Join what began within an hour of the onset into one incident, in order of time.

    Of components that no path of the graph joins to the others, only those remain that the graph does not know at
    all: an incomplete graph is no proof of innocence.
    """
    near = [alert for alert in alerts if alert.at is None or onset is None or abs(alert.at - onset) <= AROUND]
    joined = _largest_group([a.series.component for a in anomalies] + [a.component for a in near], topology)
    kept = [a for a in anomalies if a.series.component in joined or a.series.component not in topology.components]
    return Incident(onset, tuple(sorted(kept, key=lambda a: (a.onset, -a.score, a.series.name))), tuple(near))


def _largest_group(components: Sequence[str], topology: Topology) -> set[str]:
    """Return the largest set of components that paths of the graph join, in either direction."""
    left, best = dict.fromkeys(components), set[str]()
    while left:
        group = topology.joined(next(iter(left)))
        if len(group & left.keys()) > len(best & set(components)):
            best = group
        left = {c: None for c in left if c not in group}
    return best


def choose_target(stated: Target | None, alerts: Sequence[Alert], topology: Topology) -> Target | None:
    """Return the symptom: as stated, else the first dated alert on a component of the graph, else None."""
    if stated is not None:
        return stated
    dated = [a for a in alerts if a.at is not None and a.component in topology.components]
    first = min(dated, key=lambda a: (a.at, a.component, a.name), default=None)
    return Target(first.component, first.name or None) if first else None
