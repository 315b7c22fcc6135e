"""Walks over a graph store, written once for every store: incident subgraphs, blame paths, impact, common causes.

Each asks the store about a whole frontier at once, so that a server is asked once for each level of a walk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hypocenter_graph.claims import ComponentClaim, DependencyClaim
    from hypocenter_graph.stores.contract import GraphStore, View

MOST_COMPONENTS = 500
STEP_DOWN, STEP_UP = 1, 2


@dataclass(frozen=True)
class Subgraph:
    """The part of the graph around some components; `left_out` counts the nearest that had no room, `cut` says so."""

    components: tuple[ComponentClaim, ...]
    dependencies: tuple[DependencyClaim, ...]
    costs: Mapping[str, int] = field(default_factory=dict)
    left_out: int = 0


def incident_subgraph(store: GraphStore, seeds: Iterable[str], view: View, most: int = MOST_COMPONENTS) -> Subgraph:
    """Return what is joined to the seeds, nearest first, up to `most` components, with the dependencies between them.

    A step down to what a component leans on costs 1, a step up to what leans on it costs 2, since causes lie below.
    Of equals the surest and busiest dependencies go first.
    """
    wanted = list(dict.fromkeys(seeds))
    costs = dict.fromkeys(wanted[:most], 0)
    left_out = len(wanted) - len(costs)
    levels: list[Sequence[str]] = [tuple(costs)]
    while not left_out and any(levels[-STEP_UP:]):
        above, below = levels[-STEP_DOWN], levels[-STEP_UP] if len(levels) >= STEP_UP else ()
        found = store.nearest(above, below, costs.keys(), most - len(costs), view)
        left_out = found.total - len(found.names)
        costs.update(dict.fromkeys(found.names, len(levels)))
        levels.append(found.names)
    claims = store.claims(costs.keys(), view)
    components = view.told_of_components(claims)
    there = {claim.name for claim in components}
    kept = {name: cost for name, cost in costs.items() if name in there}
    return Subgraph(components, claims.dependencies, kept, left_out)


def blame_path(store: GraphStore, start: str, end: str, view: View) -> tuple[str, ...]:
    """Return the shortest way down from `start` to `end`, () when there is none; of several, the first by name."""
    if start == end:
        return tuple(claim.name for claim in store.claims([start]).components[:1])
    down, up = _Search(start), _Search(end)
    while down.frontier and up.frontier:
        side = down if len(down.frontier) <= len(up.frontier) else up
        side.advance(store, view, up=side is up)
        if not down.frontier.isdisjoint(up.frontier):
            return _first_path(down, up)
    return ()


class _Search:
    """One side of a search from both ends: the levels it has reached and the steps it has seen."""

    def __init__(self, start: str) -> None:
        self.levels: list[set[str]] = [{start}]
        self.seen: set[str] = {start}
        self.near: dict[str, Sequence[str]] = {}

    @property
    def frontier(self) -> set[str]:
        """The components that were reached last."""
        return self.levels[-1]

    def advance(self, store: GraphStore, view: View, *, up: bool) -> None:
        """Take one step from every component of the frontier."""
        found = store.steps(self.frontier, view, up=up)
        self.near.update(found)
        level = {other for others in found.values() for other in others} - self.seen
        self.seen |= level
        self.levels.append(level)


def _first_path(down: _Search, up: _Search) -> tuple[str, ...]:
    """Return the first by name of the shortest paths, once the two frontiers meet."""
    leading = [down.frontier & up.frontier]
    for level in reversed(down.levels[:-1]):
        leading.append({name for name in level if not leading[-1].isdisjoint(down.near.get(name, ()))})
    path = [min(leading.pop())]
    while leading:
        path.append(min(leading.pop().intersection(down.near[path[-1]])))
    for level in reversed(up.levels[:-1]):
        path.append(min(name for name in level if path[-1] in up.near.get(name, ())))
    return tuple(path)


@dataclass(frozen=True)
class Reach:
    """Components and their distance in steps, nearest first; `left_out` counts the nearest that had no room."""

    distances: Mapping[str, int]
    left_out: int = 0


def impact(store: GraphStore, name: str, view: View, most: int = MOST_COMPONENTS) -> Reach:
    """Return what leans on `name`, directly or not, and so suffers when it fails."""
    return _reaches(store, [name], view, most, up=True)[name]


def common_causes(
    store: GraphStore, names: Sequence[str], view: View, most: int = MOST_COMPONENTS
) -> Mapping[str, tuple[int, ...]]:
    """Return what all of `names` lean on, nearest first, each with its distances from them in their order.

    A name is among them when all others lean on it. The walk from each name ends at `most` components.
    """
    reaches = _reaches(store, names, view, most, up=False)
    ways = [reaches[name].distances for name in names]
    shared = set.intersection(*(set(way) for way in ways)) if ways else set()
    found = {cause: tuple(way[cause] for way in ways) for cause in shared}
    return dict(sorted(found.items(), key=lambda item: (max(item[1]), sum(item[1]), item[0])))


def _reaches(store: GraphStore, starts: Sequence[str], view: View, most: int, *, up: bool) -> Mapping[str, Reach]:
    """Walk from several starts at once, asking the store once for each level of all of them."""
    there = {claim.name for claim in store.claims(starts).components}
    distances = {start: {start: 0} if start in there else {} for start in starts}
    left_out = dict.fromkeys(starts, 0)
    frontiers = {start: [start] for start in there}
    near: dict[str, Sequence[str]] = {}
    while frontiers:
        asked = {name for frontier in frontiers.values() for name in frontier} - near.keys()
        near.update({**dict.fromkeys(asked, ()), **store.steps(asked, view, up=up)})
        for start, frontier in list(frontiers.items()):
            reached = distances[start]
            level = sorted({other for name in frontier for other in near[name]} - reached.keys())
            room = max(0, most + 1 - len(reached))
            reached.update(dict.fromkeys(level[:room], max(reached.values()) + 1))
            left_out[start] = len(level) - len(level[:room])
            frontiers[start] = level[:room]
            if not level[:room] or left_out[start]:
                del frontiers[start]
    return {start: Reach(distances[start], left_out[start]) for start in starts}
