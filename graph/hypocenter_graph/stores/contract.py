"""The contract of graph stores: keep claims, and answer what lies one step from many components at once.

Walks over the graph (`hypocenter_graph.walks`) are written once above it, so that every store gives the same answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from hypocenter.model import DependencyType
from hypocenter_graph.claims import LEARNED, Discovered, component_key, is_held

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from hypocenter_graph.claims import ComponentClaim, DependencyClaim

EXPIRY = timedelta(days=7)
HUB = 1000
# Blame passes these both ways: a queue backs up when its consumer stalls, and an instance is a part of its workload.
TWO_WAY = frozenset({DependencyType.CONSUMES, DependencyType.INSTANCE_OF})


@dataclass(frozen=True, slots=True)
class View:
    """Which dependencies count: those that are held to exist at `at` (None: ever seen), learned ones only if wanted.

    What was observed is held to exist for `expiry` after it was last seen.
    """

    at: datetime | None = None
    expiry: timedelta = EXPIRY
    learned: bool = False

    def shows(self, claim: ComponentClaim | DependencyClaim) -> bool:
        """Whether what is claimed is part of this view."""
        return (self.learned or claim.source != LEARNED) and is_held(claim, self.at, self.expiry)

    def told(self, claims: Discovered) -> Discovered:
        """Return what this view shows of claims: dependencies, and components by themselves or as ends of those."""
        shown = Discovered(claims.components, tuple(claim for claim in claims.dependencies if self.shows(claim)))
        return Discovered(self.told_of_components(shown), shown.dependencies)

    def told_of_components(self, claims: Discovered) -> tuple[ComponentClaim, ...]:
        """Return the claims on components that count beside dependencies of this view.

        Of an end of which nothing is claimed as of then, what was claimed at other times is told.
        """
        shown = {component_key(claim) for claim in claims.components if self.shows(claim)}
        ends = {end for claim in claims.dependencies for end in (claim.caller, claim.callee)}
        bare = ends - {name for name, _ in shown}
        return tuple(c for c in claims.components if c.name in bare or component_key(c) in shown)


@dataclass(frozen=True, slots=True)
class Found:
    """The nearest components of one step, best first, and how many there were before the cut."""

    names: tuple[str, ...]
    total: int


class GraphStore(Protocol):
    """Claims of one tenant. Every method may raise SourceError when a server does not answer in time.

    A step down leads to what a component leans on, a step up to what leans on it; `TWO_WAY` dependencies are passed
    both ways. Self-calls are kept and never a step. Unknown names are no error: nothing is near them.
    """

    def upsert(self, found: Discovered) -> None:
        """Join claims with those that are there. Writing the same again changes nothing.

        All of them are written or none; a server may write several batches, each of them whole. Both ends of a
        dependency become components.
        """

    def retract(self, source: str, at: datetime, but: Discovered) -> int:
        """End at `at` what `source` declared and `but` does not say any more; return how many claims ended."""

    def remove(self, names: Collection[str]) -> None:
        """Take components out of the graph, and all dependencies from and to them."""

    def claims(self, names: Collection[str] | None = None, view: View | None = None) -> Discovered:
        """Return the claims on the named components and on dependencies between them, or all there are.

        With a view, only the dependencies that it shows. Claims are in order of their keys. A component that is
        known only as an end of a dependency has one claim, whose source is "".
        """

    def names(self, after: str, most: int) -> Sequence[str]:
        """Return the first `most` components whose names come after a text, in order of code points."""

    def named(self, names: Collection[str]) -> Mapping[str, str]:
        """Return the component that each of `names` is another name of.

        Left out is what several components go by, or none, and what is a component's own name.
        """

    def steps(self, names: Collection[str], view: View, *, up: bool = False) -> Mapping[str, Sequence[str]]:
        """Return what lies one step from each of `names`, sorted; names with nothing near are left out."""

    def nearest(
        self, above: Collection[str], below: Collection[str], known: Collection[str], most: int, view: View
    ) -> Found:
        """Return the `most` best components one step down from `above` or one step up from `below`, without `known`.

        Best is the highest confidence, then the highest rate of calls, then the name; what comes back is in no order.
        Steps up from a component with more than `HUB` claims upon it are not taken: everything leans on it.
        """

    def close(self) -> None:
        """Let go of connections and files; the store answers no more."""
