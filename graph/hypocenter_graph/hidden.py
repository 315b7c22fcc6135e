"""What a view of the graph does not show and the graph knows: at other times, as suggestions, or said better."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypocenter_graph.claims import LEARNED, Discovered
from hypocenter_graph.resolve import dependencies_of
from hypocenter_graph.stores.contract import View

if TYPE_CHECKING:
    from datetime import datetime

    from hypocenter_graph.claims import ComponentClaim, DependencyClaim
    from hypocenter_graph.snapshot import Ends
    from hypocenter_graph.stores.contract import GraphStore


@dataclass(frozen=True)
class Hidden:
    """How many dependencies a view does not show, by why, and from when to when the graph knows anything.

    `better` are said better by another dependency, `learned` are suggestions that the view leaves out, `other_times`
    are not held to exist at its time. `first` is None where the graph knows of no time, `last` where something holds
    until further notice.
    """

    better: int = 0
    learned: int = 0
    other_times: int = 0
    first: datetime | None = None
    last: datetime | None = None


def hidden(claims: Discovered, view: View) -> Hidden:
    """Return what `view` does not show of all that is claimed."""
    shown = [claim for claim in claims.dependencies if view.shows(claim)]
    wide = replace(view, learned=True)
    suggested = {_ends(claim) for claim in claims.dependencies if wide.shows(claim)} - {_ends(c) for c in shown}
    every = {_ends(claim) for claim in claims.dependencies}
    known = {_ends(claim) for claim in shown}
    first, last = _times(claims, learned=view.learned)
    if first is None and not suggested:
        first, last = _times(claims, learned=True)
    listed = {(one.caller, one.callee, one.type) for one in dependencies_of(shown)}
    return Hidden(len(known - listed), len(suggested), len(every - known - suggested), first, last)


def _times(claims: Discovered, *, learned: bool) -> tuple[datetime | None, datetime | None]:
    every: tuple[ComponentClaim | DependencyClaim, ...] = (*claims.components, *claims.dependencies)
    seen = [interval for claim in every if learned or claim.source != LEARNED for interval in claim.seen]
    if not seen:
        return None, None
    lasts = [interval.last for interval in seen if interval.last is not None]
    return min(interval.first for interval in seen), max(lasts) if len(lasts) == len(seen) else None


def hidden_around(store: GraphStore, name: str, view: View, *, up_only: bool = False) -> Hidden | None:
    """Return what is not shown of what leans on `name`, and of what it leans on; None where something is shown."""
    ways = (True,) if up_only else (True, False)
    if any(store.steps([name], view, up=up) for up in ways):
        return None
    ever = View(None, view.expiry, learned=True)
    near = {other for up in ways for other in store.steps([name], ever, up=up).get(name, ())}
    claims = store.claims({name, *near}).dependencies
    found = hidden(Discovered(dependencies=tuple(c for c in claims if _joins(c, name, near))), view)
    return found if found.first or found.learned else None


def _joins(claim: DependencyClaim, name: str, near: set[str]) -> bool:
    return name in (claim.caller, claim.callee) and not near.isdisjoint((claim.caller, claim.callee))


def _ends(claim: DependencyClaim) -> Ends:
    return claim.caller, claim.callee, claim.type


def sources_of_components(claims: Discovered, view: View) -> dict[str, set[str]]:
    """Return who tells of each component as of a view: who claims it, else who claims a dependency of it."""
    found: dict[str, set[str]] = {}
    for claim in claims.components:
        if claim.source and view.shows(claim):
            found.setdefault(claim.name, set()).add(claim.source)
    by_dependencies: dict[str, set[str]] = {}
    for dependency in filter(view.shows, claims.dependencies):
        for end in (dependency.caller, dependency.callee):
            by_dependencies.setdefault(end, set()).add(dependency.source)
    return {**by_dependencies, **found}
