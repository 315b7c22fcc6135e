"""Incidents to learn from: what could be known of each when its verdict was due, and apart from it the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from hypocenter.model import LearnedOpinion
    from hypocenter.telemetry import Case
    from hypocenter_graph.rank import Ranking
    from hypocenter_graph.topology import Topology


@dataclass(frozen=True)
class Example:
    """One incident as it was seen: the case as read, and what the unlearned ranking made of it. Knows no label.

    `decided_at` is when the verdict was due, None where the case holds no more than was there then: no feature sees
    what came later.
    """

    incident_id: str
    system: str
    at: datetime | None
    case: Case
    topology: Topology
    ranking: Ranking
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of an incident afterwards; None where nobody said.

    `roots` are the components at which it began, any of them right; `source` says who said so,
    `fixed_by` what ended the incident.
    """

    roots: tuple[str, ...] = ()
    fault_type: str | None = None
    source: str = ""
    fixed_by: str = ""


class Learned(Protocol):
    """What was learned from past incidents, as an investigation asks it."""

    def rescore(self, example: Example) -> Ranking:
        """Return the ranking of an incident in the learned order; as it is where the model is not to order suspects."""

    def opinion(self, example: Example) -> LearnedOpinion:
        """Say what type of fault it is, why, and which past incidents looked like it, by the last ranking."""
