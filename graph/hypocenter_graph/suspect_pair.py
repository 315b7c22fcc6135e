"""Two suspects to tell apart, and a check that might: what it would show of either, and how much that tells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.model import ComponentType

if TYPE_CHECKING:
    from hypocenter.model import MetricKind, Suspect
    from hypocenter_graph.rank import Ranking
    from hypocenter_graph.topology import Topology

# Judgements, not measurements: how often a cause shows where it is looked for, when nothing else is known (half the
# time), when what is looked for must lie with one of the two, and when it was changed shortly before.
SHOWS = 0.5
DECIDES = 0.9
CHANGED = 0.7
# The weight that ranking would give what is no channel of its own: how rarely the innocent look the same.
UNDONE = 0.93
SHARED = 0.9
RELIEVED = 0.6
EARLIER = 0.5


@dataclass(frozen=True, slots=True)
class Check:
    """One possible observation: it comes out against `about` with probability `shows` if that is the cause.

    `strays` is the probability that it does if the other suspect is.
    """

    about: str
    shows: float
    strays: float
    text: str


@dataclass(frozen=True)
class Pair:
    """Two suspects and what is known of them; `orders` is the pair both ways round."""

    first: Suspect
    second: Suspect
    ranking: Ranking
    topology: Topology
    uncertainty_s: float | None

    @property
    def orders(self) -> tuple[tuple[Suspect, Suspect], tuple[Suspect, Suspect]]:
        """The pair and the pair turned around."""
        return (self.first, self.second), (self.second, self.first)

    def observed(self, component: str, *kinds: MetricKind) -> bool:
        """Say whether any series of these kinds is known of the component itself."""
        return bool(self.ranking.seen.of_kind(component, *kinds))

    def outside(self, component: str) -> bool:
        """Say whether a component is somebody else's, so that nobody here can look into it."""
        return self.topology.components_type(component) is ComponentType.EXTERNAL

    def bits(self, check: Check) -> float:
        """Return the information that the check is expected to give on which of the two it is."""
        whole = self.first.probability + self.second.probability
        one = self.first if self.first.component == check.about else self.second
        return information(one.probability / whole, check.shows, check.strays)


def check_of(about: Suspect, shows: float, weight: float, text: str) -> Check:
    """A finding of some weight divides the odds of innocence by 1 / (1 - weight), in ranking as here."""
    return Check(about.component, shows, shows * (1 - weight), text)


def information(prior: float, shows: float, strays: float) -> float:
    """Return the bits that an outcome is expected to tell of a hypothesis of probability `prior`.

    `shows` and `strays` are the probabilities of the outcome when the hypothesis is true and when it is false.

    >>> information(0.5, 1.0, 0.0), round(information(0.5, 0.9, 0.1), 2), information(0.5, 0.3, 0.3)
    (1.0, 0.53, 0.0)
    """
    mixed = _entropy(prior * shows + (1 - prior) * strays)
    return max(0.0, mixed - prior * _entropy(shows) - (1 - prior) * _entropy(strays))


def _entropy(chance: float) -> float:
    return -sum(p * math.log2(p) for p in (chance, 1 - chance) if p > 0)
