"""Which incidents nobody labelled would teach most if somebody did.

An incident teaches by how unsure the model is of it, and by how many others are like it; one that is like another
already in the queue teaches little more, so it comes later.
Source: Settles, Active learning literature survey, 2009 (uncertainty weighted by density).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_workers.learn.similar import remember

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter_workers.learn.boosting import Floats
    from hypocenter_workers.learn.type_trees import Look


@dataclass(frozen=True, slots=True)
class ToReview:
    """An incident to label and why: how unsure its type is (0 to 1), and how many others it resembles."""

    incident_id: str
    unsure: float
    alike: int
    reason: str


ALIKE = 0.5


def review_queue(looks: Sequence[Look], chances: Sequence[Sequence[float]], most: int = 10) -> tuple[ToReview, ...]:
    """Return the incidents whose label would teach most, first things first.

    `chances` are the probabilities of every type and of none of them, by incident.
    """
    if not looks:
        return ()
    from hypocenter_workers.learn.examples import Label

    likeness = remember(looks, [Label()] * len(looks)).likenesses(looks)
    unsure = np.array([_unsureness(each) for each in chances])
    return tuple(
        _to_review(looks[at].incident.incident_id, float(unsure[at]), int((np.delete(likeness[at], at) >= ALIKE).sum()))
        for at in _order(unsure * likeness.mean(axis=1), likeness, most)
    )


def _unsureness(chances: Sequence[float]) -> float:
    """Return the entropy of chances, as a share of the greatest that so many could have."""
    known = np.array([chance for chance in chances if chance > 0])
    return float(-(known * np.log(known)).sum() / np.log(len(chances))) if len(chances) > 1 else 1.0


def _order(worth: Floats, likeness: Floats, most: int) -> list[int]:
    """Pick the most worth again and again; what is like a pick loses by its likeness."""
    left = worth.copy()
    picked: list[int] = []
    while len(picked) < min(most, len(worth)):
        best = int(np.argmax(left))
        picked.append(best)
        left = left * (1.0 - np.clip(likeness[best], 0.0, 1.0))
        left[picked] = -1.0
    return picked


def _to_review(incident_id: str, unsure: float, alike: int) -> ToReview:
    others = f"{alike} other incidents are" if alike != 1 else "1 other incident is"
    return ToReview(incident_id, unsure, alike, f"its type is {unsure:.0%} undecided, and {others} much like it")
