"""Claims under other names: renamed at both ends, joined where they became equal, and nothing dropped."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import (
    ComponentClaim,
    DependencyClaim,
    Discovered,
    component_key,
    join_claims,
    merge_intervals,
)
from hypocenter_graph.credentials import without_credentials

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
    return join_claims(Discovered(tuple(claims)), {}, {}, gap).components


def _rewritten(
    claims: Iterable[DependencyClaim], names: Mapping[str, str], gap: timedelta
) -> tuple[DependencyClaim, ...]:
    """Replace the names that `names` holds: what was one before is joined, what becomes one is added up."""
    after: dict[DependencyKey, list[DependencyClaim]] = {}
    for claim in join_claims(Discovered(dependencies=tuple(claims)), {}, {}, gap).dependencies:
        caller, callee = names.get(claim.caller, claim.caller), names.get(claim.callee, claim.callee)
        after.setdefault((caller, callee, claim.type, claim.source), []).append(claim)
    return tuple(_added(key, became, gap) for key, became in after.items())


def _added(key: DependencyKey, claims: Sequence[DependencyClaim], gap: timedelta) -> DependencyClaim:
    """Return the claim on `key` that claims on different dependencies come to: rates seen last together add up."""
    moved = [DependencyClaim(*key, claim.seen, claim.confidence, claim.calls_per_s) for claim in claims]
    (joined,) = join_claims(Discovered(dependencies=tuple(moved)), {}, {}, gap).dependencies
    joined = replace(joined, confidence=max(claim.confidence for claim in claims))
    rated = [claim for claim in claims if claim.calls_per_s is not None]
    if len(rated) < 2:
        return joined
    last = max(rated, key=lambda claim: max((i.first.timestamp() for i in claim.seen), default=-math.inf))
    rates = (claim.calls_per_s or 0.0 for claim in rated if _meet(claim.seen, last.seen))
    return replace(joined, calls_per_s=math.fsum(rates))


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
