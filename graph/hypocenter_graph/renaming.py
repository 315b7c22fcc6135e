"""Claims under other names: renamed at both ends, joined where they became equal, and nothing dropped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import (
    ComponentClaim,
    DependencyClaim,
    Discovered,
    component_key,
    dependency_key,
    joined_component,
    joined_dependency,
    merge_intervals,
)
from hypocenter_graph.credentials import without_credentials

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import timedelta

    from hypocenter_graph.claims import ComponentKey, DependencyKey, Interval

# What a pod is, rather than what it does.
_BEING = frozenset({DependencyType.RUNS_ON, DependencyType.INSTANCE_OF})
_MOST_SHOWN = 5


def names_in(discovered: Discovered) -> set[str]:
    """Return every name that claims are about."""
    ends = {end for claim in discovered.dependencies for end in (claim.caller, claim.callee)}
    return ends | {claim.name for claim in discovered.components}


def doers(discovered: Discovered) -> set[str]:
    """Return the names at either end of a dependency that says what they do, not what they are."""
    return {end for c in discovered.dependencies if c.type not in _BEING for end in (c.caller, c.callee)}


def renamed(discovered: Discovered, names: Mapping[str, str], former: Mapping[str, str], gap: timedelta) -> Discovered:
    """Return the claims with every name replaced by `names`; what `former` has of one becomes an alias.

    `gap` is as for `claims.merge_intervals`.
    """
    components = [_renamed_component(claim, names, former) for claim in discovered.components]
    components += _former_names(discovered, names, former, gap)
    dependencies = _rewritten(discovered.dependencies, names, gap)
    changed = {name: to for name, to in names.items() if name != to}
    notes = _notes(changed, "names are other names of components")
    return Discovered(_joined_components(components, gap), dependencies, (*discovered.notes, *notes))


def lifted(discovered: Discovered, pods: Mapping[str, str], guessed: Collection[str], gap: timedelta) -> Discovered:
    """Return the claims with each of `pods` replaced, in what it does, by its workload.

    A pod that is `guessed` to be one is claimed with its `INSTANCE_OF`, so that it is not lost.
    """
    does = [claim for claim in discovered.dependencies if claim.type not in _BEING]
    is_ = [claim for claim in discovered.dependencies if claim.type in _BEING]
    found = [part for claim in does for part in _instances(claim, pods, guessed)]
    claims = [ComponentClaim(part.caller, part.source, part.seen, ComponentType.POD) for part in found]
    return Discovered(
        _joined_components([*discovered.components, *claims], gap),
        (*_rewritten(does, pods, gap), *_rewritten([*is_, *found], {}, gap)),
        (*discovered.notes, *_notes(pods, "pods stand for their workloads in what they call")),
    )


def _renamed_component(claim: ComponentClaim, names: Mapping[str, str], former: Mapping[str, str]) -> ComponentClaim:
    name = names[claim.name]
    if name == claim.name:
        return claim
    aliases = {*claim.aliases, former.get(claim.name, name)} - {name}
    return replace(claim, name=name, aliases=tuple(sorted(aliases)))


def _former_names(
    discovered: Discovered, names: Mapping[str, str], former: Mapping[str, str], gap: timedelta
) -> list[ComponentClaim]:
    """Return claims that keep the former names of ends that no claim of the same source on a component keeps."""
    there = {component_key(claim) for claim in discovered.components}
    seen: dict[ComponentKey, set[Interval]] = {}
    for claim in discovered.dependencies:
        for end in (claim.caller, claim.callee):
            if end in former and (end, claim.source) not in there:
                seen.setdefault((end, claim.source), set()).update(claim.seen)
    return [
        ComponentClaim(names[end], source, merge_intervals(intervals, gap), aliases=(former[end],))
        for (end, source), intervals in seen.items()
    ]


def _instances(claim: DependencyClaim, pods: Mapping[str, str], guessed: Collection[str]) -> Iterator[DependencyClaim]:
    for end in (claim.caller, claim.callee):
        if end in guessed:
            yield replace(claim, caller=end, callee=pods[end], type=DependencyType.INSTANCE_OF, calls_per_s=None)


def _joined_components(claims: Iterable[ComponentClaim], gap: timedelta) -> tuple[ComponentClaim, ...]:
    found: dict[ComponentKey, ComponentClaim] = {}
    for claim in claims:
        key = component_key(claim)
        found[key] = joined_component(found[key], claim, gap) if key in found else claim
    return tuple(found.values())


def _rewritten(
    claims: Iterable[DependencyClaim], names: Mapping[str, str], gap: timedelta
) -> tuple[DependencyClaim, ...]:
    """Replace the names that `names` holds: what was one before is joined, what becomes one is added up."""
    before: dict[DependencyKey, DependencyClaim] = {}
    for claim in claims:
        key = dependency_key(claim)
        before[key] = joined_dependency(before[key], claim, gap) if key in before else claim
    after: dict[DependencyKey, DependencyClaim] = {}
    for (caller, callee, type_, source), claim in before.items():
        key = names.get(caller, caller), names.get(callee, callee), type_, source
        moved = DependencyClaim(*key, claim.seen, claim.confidence, claim.calls_per_s)
        after[key] = _added(after[key], moved, gap) if key in after else moved
    return tuple(after.values())


def _added(one: DependencyClaim, other: DependencyClaim, gap: timedelta) -> DependencyClaim:
    """Join two claims that were on different dependencies: their rates add up where they were seen last together."""
    joined = replace(joined_dependency(one, other, gap), confidence=max(one.confidence, other.confidence))
    if one.calls_per_s is None or other.calls_per_s is None or not _meet(one.seen, other.seen):
        return joined
    return replace(joined, calls_per_s=one.calls_per_s + other.calls_per_s)


def _meet(one: tuple[Interval, ...], other: tuple[Interval, ...]) -> bool:
    if not one or not other:
        return one == other
    a, b = max(one, key=lambda i: i.first), max(other, key=lambda i: i.first)
    return (a.last is None or b.first <= a.last) and (b.last is None or a.first <= b.last)


def _notes(changed: Mapping[str, str], text: str) -> tuple[str, ...]:
    if not changed:
        return ()
    shown = ", ".join(f"{_public(name)} of {_public(changed[name])}" for name in sorted(changed)[:_MOST_SHOWN])
    more = f" and {len(changed) - _MOST_SHOWN:,} more" if len(changed) > _MOST_SHOWN else ""
    return (f"{len(changed):,} {text}: {shown}{more}",)


def _public(name: str) -> str:
    """Return a name as a note may show it."""
    return repr(without_credentials(name)[:80])
