"""What the claims of several sources come to: one component, one dependency, one topology as of a time.

The most trusted source that says something is believed, by the order of `claims.SOURCES`; of a dependency, the surest
claim gives the confidence. `DEPENDS_ON` is left out beside a dependency that says more, and what was learned beside
anything else: a suggestion counts only where nobody knows better.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from hypocenter.model import Component, ComponentType, Dependency, DependencyType
from hypocenter.signals.components import type_of
from hypocenter_graph.claims import LEARNED, precedence
from hypocenter_graph.topology import CALLEE_TYPES, Topology, build_topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hypocenter_graph.claims import ComponentClaim, DependencyClaim

_CALLER_TYPES = {DependencyType.INSTANCE_OF: ComponentType.INSTANCE}


def component_of(claims: Sequence[ComponentClaim], role: ComponentType | None = None) -> Component:
    """Return what the claims on one component come to; where none gives a type, its role or its name does."""
    trusted = sorted(claims, key=lambda claim: precedence(claim.source))
    name = trusted[0].name
    return Component(
        name=name,
        type=next((claim.type for claim in trusted if claim.type), None) or role or type_of(name),
        owner=next((claim.owner for claim in trusted if claim.owner), ""),
        links=tuple(dict.fromkeys(link for claim in trusted for link in claim.links)),
    )


def dependency_of(claims: Sequence[DependencyClaim]) -> Dependency:
    """Return what the claims on one dependency come to."""
    trusted = sorted(claims, key=lambda claim: precedence(claim.source))
    first = trusted[0]
    return Dependency(
        first.caller,
        first.callee,
        first.type,
        first.source,
        confidence=max(claim.confidence for claim in claims),
        # Traces are often sampled: of several rates the highest is the least wrong.
        calls_per_s=max((claim.calls_per_s for claim in claims if claim.calls_per_s is not None), default=None),
    )


def dependencies_of(claims: Iterable[DependencyClaim]) -> tuple[Dependency, ...]:
    """Return what claims on dependencies come to, in order of caller, callee and type."""
    ordered = sorted(claims, key=_ends)
    known = {(claim.caller, claim.callee) for claim in ordered if claim.source != LEARNED}
    believed = (c for c in ordered if c.source != LEARNED or (c.caller, c.callee) not in known)
    found = [dependency_of(list(group)) for _, group in groupby(believed, key=_ends)]
    said = {(d.caller, d.callee) for d in found if d.type is not DependencyType.DEPENDS_ON}
    return tuple(d for d in found if d.type is not DependencyType.DEPENDS_ON or (d.caller, d.callee) not in said)


def components_of(claims: Iterable[ComponentClaim], dependencies: Iterable[Dependency]) -> tuple[Component, ...]:
    """Return what claims on components come to, in order of name; `dependencies` tell the roles of those untold."""
    roles = _roles(dependencies)
    ordered = sorted(claims, key=lambda claim: claim.name)
    return tuple(component_of(list(group), roles.get(name)) for name, group in groupby(ordered, key=lambda c: c.name))


def topology_of(components: Iterable[ComponentClaim], dependencies: Iterable[DependencyClaim]) -> Topology:
    """Return the topology that claims come to."""
    edges = dependencies_of(dependencies)
    return build_topology(components_of(components, edges), edges)


def _ends(claim: DependencyClaim) -> tuple[str, str, DependencyType]:
    return claim.caller, claim.callee, claim.type


def _roles(dependencies: Iterable[Dependency]) -> Mapping[str, ComponentType]:
    roles: dict[str, ComponentType] = {}
    for dependency in dependencies:
        if dependency.type in CALLEE_TYPES:
            roles[dependency.callee] = CALLEE_TYPES[dependency.type]
        if dependency.type in _CALLER_TYPES:
            roles.setdefault(dependency.caller, _CALLER_TYPES[dependency.type])
    return roles
