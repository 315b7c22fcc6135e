"""Which component leans on which: the dependency graph as an immutable value that ranking asks questions of."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypocenter.model import Component, ComponentType, Dependency, DependencyType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_TOKEN = re.compile(r"[a-z]+", re.IGNORECASE)
_HOST_NAME = re.compile(r"^[a-z0-9-]+(\.[a-z0-9-]+){2,}", re.IGNORECASE)
_LEAST_ALIAS_TOKEN = 5
_BELOW = frozenset({DependencyType.RUNS_ON, DependencyType.INSTANCE_OF})
CALLEE_TYPES = {
    DependencyType.RUNS_ON: ComponentType.HOST,
    DependencyType.PUBLISHES: ComponentType.QUEUE,
    DependencyType.CONSUMES: ComponentType.QUEUE,
}


@dataclass(frozen=True)
class Topology:
    """Components and dependencies, looked up by name in either direction.

    `callees[c]` and `callers[c]` follow what is leaned on from beside: `CALLS`, `PUBLISHES`, `CONSUMES`, `DEPENDS_ON`;
    `hosts[c]` are what it runs on and its own instances, `guests[h]` the way back. `draining[q]` are the consumers of
    a queue. `aliases[x]` is the instrumented component that `x` is another name of.
    """

    components: Mapping[str, Component]
    dependencies: tuple[Dependency, ...]
    callees: Mapping[str, tuple[str, ...]]
    callers: Mapping[str, tuple[str, ...]]
    hosts: Mapping[str, tuple[str, ...]]
    guests: Mapping[str, tuple[str, ...]]
    draining: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    def distances(self, start: str) -> dict[str, int]:
        """Return the number of steps from `start` to all that it leans on, directly or not."""
        return _breadth_first(start, self.leaned_on)

    def impact(self, start: str) -> dict[str, int]:
        """Return the number of steps from all that leans on `start`, directly or not."""
        return _breadth_first(start, self.leaning)

    def joined(self, start: str) -> set[str]:
        """Return all that some path joins to `start`, whichever way its arrows point."""
        return set(_breadth_first(start, lambda c: self.leaned_on(c) + self.leaning(c)))

    def leaned_on(self, component: str) -> tuple[str, ...]:
        """Return what `component` leans on directly: callees, hosts, its other name, a queue's consumers."""
        alias = self.aliases.get(component)
        others = self.consumers(component) + ((alias,) if alias else ())
        return self.callees.get(component, ()) + self.hosts.get(component, ()) + others

    def consumers(self, component: str) -> tuple[str, ...]:
        """Return those that drain a queue, which backs up when they stall: as stated, or callers that nobody calls."""
        return self.draining.get(component, ())

    def leaning(self, component: str) -> tuple[str, ...]:
        """Return what leans on `component` directly: callers and guests."""
        return self.callers.get(component, ()) + self.guests.get(component, ())

    def path(self, start: str, end: str) -> tuple[str, ...]:
        """Return a shortest blame path from `start` down to `end`, or () when there is none."""
        previous: dict[str, str | None] = {start: None}
        queue = deque([start])
        while queue and end not in previous:
            component = queue.popleft()
            for other in self.leaned_on(component):
                if other not in previous:
                    previous[other] = component
                    queue.append(other)
        return _walk_back(previous, end)

    def components_type(self, component: str) -> ComponentType:
        """Return what a component is; a service where the graph does not know it."""
        return self.components[component].type if component in self.components else ComponentType.SERVICE

    def entries(self) -> tuple[str, ...]:
        """Return the components that nobody calls and that call somebody: where users come in."""
        draining = {c for queue in self.components for c in self.consumers(queue)}
        first = [c for c in self.components if self.callees.get(c) and not self.callers.get(c)]
        return tuple(c for c in first if c not in draining)


def _breadth_first(start: str, step: Callable[[str], tuple[str, ...]]) -> dict[str, int]:
    found = {start: 0}
    queue = deque([start])
    while queue:
        component = queue.popleft()
        for other in step(component):
            if other not in found:
                found[other] = found[component] + 1
                queue.append(other)
    return found


def _walk_back(previous: Mapping[str, str | None], end: str) -> tuple[str, ...]:
    path: list[str] = []
    component: str | None = end if end in previous else None
    while component is not None:
        path.append(component)
        component = previous[component]
    return tuple(reversed(path))


def build_topology(components: Iterable[Component], dependencies: Iterable[Dependency]) -> Topology:
    """Join components and dependencies into a topology; self-calls and repeated edges are dropped.

    >>> shop = build_topology([], [Dependency("front", "cart"), Dependency("cart", "cart-db")])
    >>> shop.path("front", "cart-db")
    ('front', 'cart', 'cart-db')
    """
    kept = {(d.caller, d.callee, d.type): d for d in dependencies if d.caller != d.callee}
    edges = tuple(kept[key] for key in sorted(kept))
    nodes = {component.name: component for component in components}
    roles = {edge.callee: CALLEE_TYPES[type_] for type_ in CALLEE_TYPES for edge in edges if edge.type is type_}
    for name in (end for edge in edges for end in (edge.caller, edge.callee)):
        nodes.setdefault(name, Component(name, roles.get(name, ComponentType.SERVICE)))
    names = {name: nodes[name] for name in sorted(nodes)}
    beside = dict.fromkeys((e.caller, e.callee) for e in edges if e.type not in _BELOW)
    below = dict.fromkeys(_standing(e) for e in edges if e.type in _BELOW)
    callees, callers = _adjacency(beside), _adjacency((callee, caller) for caller, callee in beside)
    return Topology(
        components=names,
        dependencies=edges,
        callees=callees,
        callers=callers,
        hosts=_adjacency(below),
        guests=_adjacency((host, guest) for guest, host in below),
        draining=_draining(names, edges, callers),
        aliases=find_aliases(names, callees),
    )


def _draining(
    nodes: Mapping[str, Component], edges: Sequence[Dependency], callers: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Return the consumers of each queue: as stated, else callers that nobody calls and that do not publish."""
    publishing = {(e.caller, e.callee) for e in edges if e.type is DependencyType.PUBLISHES}
    stated = _adjacency((e.callee, e.caller) for e in edges if e.type is DependencyType.CONSUMES)
    queues = [name for name, node in nodes.items() if node.type is ComponentType.QUEUE and name not in stated]
    guessed = {
        q: tuple(c for c in callers.get(q, ()) if not callers.get(c) and (c, q) not in publishing) for q in queues
    }
    return {**stated, **{queue: consumers for queue, consumers in guessed.items() if consumers}}


def _standing(edge: Dependency) -> tuple[str, str]:
    """Return what stands on what: a workload on its instances, though they name it and not it them."""
    if edge.type is DependencyType.INSTANCE_OF:
        return edge.callee, edge.caller
    return edge.caller, edge.callee


def _adjacency(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for left, right in pairs:
        found.setdefault(left, []).append(right)
    return {left: tuple(rights) for left, rights in found.items()}


def find_aliases(components: Iterable[str], callees: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return, for each leaf that is only a host name in front of a component, that component.

    A load balancer's DNS name seen from the caller is the component behind it, not a dependency of its own. Names are
    often cut, so a token of five letters or more that stands in exactly one component's name is enough; where a caller
    and its callee both hold it, the callee is meant.

    >>> find_aliases(["site", "orders", "shop-order.eu.lb.example.com"], {"site": ("shop-order.eu.lb.example.com",)})
    {'shop-order.eu.lb.example.com': 'orders'}
    """
    names = tuple(components)
    leaves = [name for name in names if _HOST_NAME.match(name) and not callees.get(name)]
    real = [name for name in names if not _HOST_NAME.match(name)]
    found = {}
    for leaf in leaves:
        tokens = [t.lower() for t in _TOKEN.findall(leaf.split(".")[0]) if len(t) >= _LEAST_ALIAS_TOKEN]
        meant = {_lowest_named(token, real, callees) for token in tokens} - {None}
        if len(meant) == 1:
            found[leaf] = str(meant.pop())
    return found


def _lowest_named(token: str, names: list[str], callees: Mapping[str, tuple[str, ...]]) -> str | None:
    holding = {name for name in names if token in _letters(name)}
    lowest = [name for name in holding if not holding & set(callees.get(name, ()))]
    return lowest[0] if len(lowest) == 1 else None


def _letters(name: str) -> str:
    return "".join(_TOKEN.findall(name)).lower()
