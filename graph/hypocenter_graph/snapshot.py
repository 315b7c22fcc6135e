"""The graph as of a time, what lies around a component, and what became of dependencies between two times."""

from __future__ import annotations

import difflib
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter_graph.claims import LEARNED, Discovered, held, is_active, merge_intervals
from hypocenter_graph.resolve import dependencies_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from hypocenter.model import DependencyType
    from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Interval
    from hypocenter_graph.stores.contract import GraphStore, View

Ends = tuple[str, str, "DependencyType"]
_MOST_NAMED = 5


def find_component(store: GraphStore, name: str) -> str:
    """Return the component that goes by `name`, or that alone has it as another name.

    Raises InputError that names the most similar ones, and other names, when there is none.
    """
    if store.claims([name]).components:
        return name
    owner = store.named([name]).get(name)
    if owner is not None:
        return owner
    components = store.claims().components
    if not components:
        raise InputError("the graph is empty; fill it with: hypocenter graph import FILE")
    near = _similar(name, components)
    said = f"is it {', '.join(map(repr, near))}?" if near else "`hypocenter graph show` lists those there are"
    raise InputError(f"{name[:80]!r} is no component of the graph; {said}")


def _similar(name: str, components: Iterable[ComponentClaim]) -> list[str]:
    """Return the names most like `name`; an other name that several go by stands for those."""
    bearers: dict[str, set[str]] = {}
    for claim in components:
        for known in (claim.name, *claim.aliases):
            bearers.setdefault(known, set()).add(claim.name)
    likeness = {known: _likeness(name.casefold(), known.casefold()) for known in bearers}
    nearest = sorted((known for known in bearers if likeness[known]), key=lambda known: (-likeness[known], known))
    found = (one for known in nearest for one in (sorted(bearers[known]) if len(bearers[known]) > 1 else [known]))
    return list(dict.fromkeys(found))[:_MOST_NAMED]


def _likeness(name: str, known: str) -> float:
    """Return how like `name` is to a known one, or to how that or what follows its namespace begins; 0 for unlike."""
    length, tail = len(name), known.rpartition("/")[2]
    parts = ((known, 0.5), (known[:length], 0.75), (tail, 0.75), (tail[:length], 0.75))
    return max(_ratio(part, name, least) for part, least in parts)


def _ratio(part: str, name: str, least: float) -> float:
    matcher = difflib.SequenceMatcher(None, part, name)
    # The bounds are much cheaper, and most names are like none.
    near = matcher.real_quick_ratio() >= least and matcher.quick_ratio() >= least
    ratio = matcher.ratio() if near else 0.0
    return ratio if ratio >= least else 0.0


def neighbourhood(store: GraphStore, name: str, view: View, depth: int, most: int) -> tuple[dict[str, int], int]:
    """Return what lies up to `depth` steps from `name`, either way, with its distance, and how many had no room."""
    distances, frontier, left_out = {name: 0}, [name], 0
    for step in range(1, depth + 1):
        found = [store.steps(frontier, view, up=up) for up in (False, True)]
        level = sorted({other for near in found for others in near.values() for other in others} - distances.keys())
        room = most - len(distances)
        distances.update(dict.fromkeys(level[:room], step))
        frontier, left_out = level[:room], max(0, len(level) - room)
        if left_out or not frontier:
            break
    return distances, left_out


def most_connected(claims: Discovered, most: int) -> set[str]:
    """Return the names of the `most` components that have the most others beside them, the first by name of equals."""
    beside: dict[str, set[str]] = defaultdict(set)
    for claim in claims.dependencies:
        beside[claim.caller].add(claim.callee)
        beside[claim.callee].add(claim.caller)
    names = sorted({claim.name for claim in claims.components}, key=lambda name: (-len(beside[name]), name))
    return set(names[:most])


def part(claims: Discovered, names: Iterable[str]) -> Discovered:
    """Return the claims on some components and on the dependencies between them."""
    kept = set(names)
    return Discovered(
        tuple(claim for claim in claims.components if claim.name in kept),
        tuple(claim for claim in claims.dependencies if claim.caller in kept and claim.callee in kept),
    )


def by_ends(claims: Iterable[DependencyClaim]) -> dict[Ends, list[DependencyClaim]]:
    """Return claims by the dependency that they are on."""
    found: dict[Ends, list[DependencyClaim]] = {}
    for claim in claims:
        found.setdefault((claim.caller, claim.callee, claim.type), []).append(claim)
    return found


def seen_by_any(claims: Sequence[DependencyClaim], gap: timedelta) -> tuple[Interval, ...]:
    """Return the intervals in which any of several claims was seen; those at most `gap` apart are one."""
    return merge_intervals((interval for claim in claims for interval in claim.seen), gap)


def held_by_any(claims: Sequence[DependencyClaim], expiry: timedelta) -> tuple[Interval, ...]:
    """Return the intervals in which any of several claims is held to exist."""
    return merge_intervals((interval for claim in claims for interval in held(claim, expiry)), timedelta(0))


@dataclass(frozen=True)
class Changes:
    """What became of dependencies from one time to a later one.

    `appeared` were never seen before, `returned` were there before and not all the while, `vanished` are there no more.
    """

    appeared: tuple[Ends, ...] = ()
    returned: tuple[Ends, ...] = ()
    vanished: tuple[Ends, ...] = ()


def changes_between(claims: Discovered, then: datetime, now: datetime, view: View) -> Changes:
    """Return what became of dependencies from `then` to `now`; whoever claims them counts alike.

    Of `view` count its expiry and whether it shows what is learned. What another dependency says better, then or now,
    neither appears nor vanishes.
    """
    before, after = (_listed(claims, replace(view, at=time)) for time in (then, now))
    kept = (claim for claim in claims.dependencies if view.learned or claim.source != LEARNED)
    kinds: Mapping[str, list[Ends]] = {"appeared": [], "returned": [], "vanished": []}
    for ends, group in sorted(by_ends(kept).items()):
        kind = _change(held_by_any(group, view.expiry), then, now)
        if kind and ends in (before if kind == "vanished" else after):
            kinds[kind].append(ends)
    return Changes(**{kind: tuple(found) for kind, found in kinds.items()})


def _listed(claims: Discovered, view: View) -> set[Ends]:
    return {(one.caller, one.callee, one.type) for one in dependencies_of(filter(view.shows, claims.dependencies))}


def _change(there: Sequence[Interval], then: datetime, now: datetime) -> str | None:
    before, after = ([i for i in there if is_active((i,), time, timedelta(0))] for time in (then, now))
    if not after:
        return "vanished" if before else None
    if before == after:
        return None
    return "returned" if there[0].first <= then else "appeared"
