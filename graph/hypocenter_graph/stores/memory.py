"""Claims in a networkx graph of this process."""

from __future__ import annotations

from collections import Counter, defaultdict
from heapq import nsmallest
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_graph.claims import (
    ComponentClaim,
    Discovered,
    component_key,
    dependency_key,
    join_claims,
    other_names,
    retracted_claims,
)
from hypocenter_graph.stores.around import Around, Steps, around
from hypocenter_graph.stores.checks import check_claims
from hypocenter_graph.stores.contract import EXPIRY, HUB, TWO_WAY, Found

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

    import networkx as nx
    from numpy.typing import NDArray

    from hypocenter_graph.claims import ComponentKey, DependencyClaim, DependencyKey
    from hypocenter_graph.stores.contract import View


class MemoryStore:
    """A graph store without a server; what it holds ends with the process."""

    def __init__(self, gap: timedelta = EXPIRY) -> None:
        import networkx as nx

        self._gap = gap
        self._graph: nx.DiGraph[str] = nx.DiGraph()
        # The plain dictionaries below networkx's views, which cost several times what they show.
        self._nodes, self._down, self._up = self._graph._node, self._graph._succ, self._graph._pred  # type: ignore[attr-defined]
        self._ids: dict[str, int] = {}
        self._names: list[str] = []
        self._around_down: dict[str, Around] = {}
        self._around_up: dict[str, Around] = {}
        self._components: dict[ComponentKey, ComponentClaim] = {}
        self._dependencies: dict[DependencyKey, DependencyClaim] = {}
        self._upon: Counter[str] = Counter()
        self._bearers: defaultdict[str, set[str]] = defaultdict(set)

    def upsert(self, found: Discovered) -> None:
        """Join claims with those that are there; all of them or none."""
        self.keep(self.changes(found))

    def changes(self, found: Discovered) -> Discovered:
        """Return the claims that `upsert` would write, as they would be after it."""
        check_claims(found)
        return join_claims(found, self._components, self._dependencies, self._gap)

    def retract(self, source: str, at: datetime, but: Discovered) -> int:
        """End at `at` what `source` declared and `but` does not say any more; return how many claims ended."""
        ended = self.endings(source, at, but)
        self.keep(ended)
        return len(ended.components) + len(ended.dependencies)

    def endings(self, source: str, at: datetime, but: Discovered) -> Discovered:
        """Return the claims that `retract` would write, as they would be after it."""
        return retracted_claims(self._components.values(), self._dependencies.values(), source, at, but)

    def keep(self, claims: Discovered) -> None:
        """Put claims in the place of those with the same keys."""
        for component in claims.components:
            if component.source:
                self._components[component_key(component)] = component
                self._keep_node(component.name, component)
                for alias in component.aliases:
                    self._bearers[alias].add(component.name)
            elif component.name not in self._graph:
                self._keep_node(component.name)
        for dependency in claims.dependencies:
            key = dependency_key(dependency)
            self._upon[dependency.callee] += key not in self._dependencies
            self._dependencies[key] = dependency
            for end in (dependency.caller, dependency.callee):
                if end not in self._graph:
                    self._keep_node(end)
            self._keep_step(dependency.caller, dependency.callee, "", dependency)
            if dependency.type in TWO_WAY and dependency.caller != dependency.callee:
                self._keep_step(dependency.callee, dependency.caller, "back", dependency)

    def _keep_node(self, name: str, claim: ComponentClaim | None = None) -> None:
        if name not in self._ids:
            self._ids[name] = len(self._names)
            self._names.append(name)
        before = self._nodes[name]["claims"] if name in self._nodes else ()
        others = [other for other in before if other.source and claim and other.source != claim.source]
        claims = sorted([*others, claim or ComponentClaim(name, "")], key=component_key)
        self._graph.add_node(name, claims=tuple(claims))

    def _keep_step(self, start: str, end: str, way: str, claim: DependencyClaim) -> None:
        if not self._graph.has_edge(start, end):
            self._graph.add_edge(start, end)
        self._down[start][end][claim.type, claim.source, way] = claim
        self._around_down.pop(start, None)
        self._around_up.pop(end, None)

    def remove(self, names: Collection[str]) -> None:
        """Take components out of the graph, and all dependencies from and to them."""
        for name in self._known(names):
            beside = (*self._down[name].values(), *self._up[name].values())
            for claim in {dependency_key(claim): claim for claims in beside for claim in claims.values()}.values():
                self._upon[claim.callee] -= 1
                del self._dependencies[dependency_key(claim)]
            for component in self._nodes[name]["claims"]:
                self._components.pop(component_key(component), None)
            self._upon.pop(name, None)
            for other in {name, *self._down[name], *self._up[name]}:
                self._around_down.pop(other, None)
                self._around_up.pop(other, None)
            self._graph.remove_node(name)

    def neighbours(self, names: Collection[str]) -> set[str]:
        """Return both ends of all dependencies from and to `names`."""
        return {end for name in self._known(names) for end in (*self._down[name], *self._up[name])}

    def claims(self, names: Collection[str] | None = None, view: View | None = None) -> Discovered:
        """Return the claims on the named components and on dependencies between them, or all there are."""
        known = sorted(self._known(names))
        components = tuple(chain.from_iterable([self._nodes[name]["claims"] for name in known]))
        steps = Steps([self._around(name, up=False) for name in known])
        between = self._marked(known)[steps.others] & steps.forward
        places = np.flatnonzero(between) if view is None else steps.shown(between, view)
        return Discovered(components, tuple(steps.claims(places)))

    def names(self, after: str, most: int) -> Sequence[str]:
        """Return the first `most` components whose names come after a text, in order of code points."""
        return nsmallest(most, (name for name in self._down if name > after))

    def named(self, names: Collection[str]) -> Mapping[str, str]:
        """Return the component that each of `names` is another name of; left out is what several go by, or none."""
        others = [name for name in names if name not in self._graph]
        bearers = {component for name in others for component in self._bearers.get(name, ())}
        claims = chain.from_iterable(self._nodes[name]["claims"] for name in self._known(bearers))
        return other_names(others, claims)

    def steps(self, names: Collection[str], view: View, *, up: bool = False) -> Mapping[str, Sequence[str]]:
        """Return what lies one step from each of `names`, sorted; names with nothing near are left out."""
        parts = {name: self._around(name, up=up) for name in self._known(names)}
        steps = Steps(list(parts.values()))
        near = zip(parts, steps.by_part(steps.shown(steps.leading, view)), strict=False)
        return {name: sorted(self._names[other] for other in set(found.tolist())) for name, found in near if found.size}

    def nearest(
        self, above: Collection[str], below: Collection[str], known: Collection[str], most: int, view: View
    ) -> Found:
        """Return the `most` best components one step down from `above` or one step up from `below`, without `known`."""
        steps = Steps(
            [self._around(name, up=False) for name in self._known(above)]
            + [self._around(name, up=True) for name in self._known(below) if self._upon[name] <= HUB]
        )
        new = steps.leading & ~self._marked(self._known(known))[steps.others]
        first, tied, total = steps.best(steps.shown(new, view), most)
        names = sorted(self._names[other] for other in first.tolist())
        return Found((*names, *sorted(self._names[other] for other in tied.tolist())[: most - len(names)]), total)

    def close(self) -> None:
        """Let go of nothing: there is no connection and no file."""

    def _known(self, names: Collection[str] | None) -> Collection[str]:
        return set(self._down) if names is None else set(names) & self._down.keys()

    def _marked(self, names: Collection[str]) -> NDArray[np.bool_]:
        """Return by id whether a component is one of `names`."""
        marks = np.zeros(len(self._names), dtype=bool)
        marks[[self._ids[name] for name in names]] = True
        return marks

    def _around(self, name: str, *, up: bool) -> Around:
        """Return the steps from a component, in order of their keys; put into arrays when they are first looked at."""
        kept, near = (self._around_up, self._up) if up else (self._around_down, self._down)
        if name not in kept:
            ordered = {other: [claims[key] for key in sorted(claims)] for other, claims in sorted(near[name].items())}
            kept[name] = around(name, ordered, self._ids)
        return kept[name]
