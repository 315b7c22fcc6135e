"""What sources found into a store, under the names of its components: planned wholly before anything is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypocenter_graph.claims import SOURCES, Discovered, component_key, dependency_key, join_claims
from hypocenter_graph.identity import find_identity, resolved
from hypocenter_graph.identity_overrides import NO_OVERRIDES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from hypocenter_graph.identity import Identity
    from hypocenter_graph.identity_overrides import Overrides
    from hypocenter_graph.stores.contract import GraphStore


@dataclass(frozen=True)
class Plan:
    """What will be written: claims that were `found`, and those of the store that are `moved` from other names.

    `new` and `extended` count claims that are not in the store yet or change there; `folded` maps the names of
    components of the store to those that they turned out to be names of. `notes` are what was bent or not understood.
    """

    found: Discovered
    moved: Discovered
    folded: Mapping[str, str]
    new: Discovered
    extended: Discovered
    notes: tuple[str, ...] = field(default=())

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many components and dependencies were found, by source, the most trusted first."""
        components = Counter(claim.source for claim in self.found.components)
        dependencies = Counter(claim.source for claim in self.found.dependencies)
        known = [name for name in SOURCES if name in components or name in dependencies]
        return {name: {"components": components[name], "dependencies": dependencies[name]} for name in known}


def plan_import(
    there: Discovered, sources: Sequence[Discovered], gap: timedelta, overrides: Overrides = NO_OVERRIDES
) -> Plan:
    """Return what to write of what `sources` found, given all that is `there` in a store.

    Names are resolved by the user's overrides, by aliases in the input and in the store, and by form; a component of
    the store that turns out to be another's other name is folded into that. Raises InputError for overrides that lead
    back to where they begin.
    """
    identity = find_identity((there, *sources), overrides)
    found = _joined([resolved(source, identity, gap) for source in sources])
    moved, folded = _folded(there, identity, gap)
    kept = _without(there, folded)
    before = {component_key(c): c for c in kept.components}, {dependency_key(d): d for d in kept.dependencies}
    changed = join_claims(found, *before, gap)
    return Plan(
        found,
        moved,
        folded,
        _picked(changed, before, there=False),
        _picked(changed, before, there=True),
        tuple(dict.fromkeys((*identity.notes, *found.notes))),
    )


def write_import(store: GraphStore, plan: Plan, retracted: datetime | None = None) -> int:
    """Write a plan; with `retracted`, end what its sources declared before and do not say any more.

    Returns how many claims were ended. What is found is written at once or not at all.
    """
    store.upsert(_joined([plan.moved, plan.found]))
    if plan.folded:
        store.remove(tuple(plan.folded))
    if retracted is None:
        return 0
    declaring = [name for name in plan.counts() if not SOURCES[name].observed]
    return sum(store.retract(name, retracted, plan.found) for name in declaring)


def _joined(parts: Iterable[Discovered]) -> Discovered:
    found = tuple(parts)
    return Discovered(
        tuple(claim for one in found for claim in one.components),
        tuple(claim for one in found for claim in one.dependencies),
        tuple(note for one in found for note in one.notes),
    )


def _folded(there: Discovered, identity: Identity, gap: timedelta) -> tuple[Discovered, dict[str, str]]:
    """Return the claims on components of the store that have another name now, under that, and those names."""
    names = identity.resolve_all({claim.name for claim in there.components})
    folded = {name: to for name, to in names.items() if name != to}
    if not folded:
        return Discovered(), {}
    # A claim of nobody says only that something is an end of a dependency, which the dependency says too.
    components = tuple(c for c in there.components if c.name in folded and c.source)
    touching = tuple(d for d in there.dependencies if d.caller in folded or d.callee in folded)
    moved = resolved(Discovered(components, touching), identity, gap)
    return Discovered(moved.components, moved.dependencies), folded


def _without(there: Discovered, names: Collection[str]) -> Discovered:
    return Discovered(
        tuple(c for c in there.components if c.name not in names),
        tuple(d for d in there.dependencies if d.caller not in names and d.callee not in names),
    )


def _picked(changed: Discovered, before: tuple[Collection[object], Collection[object]], *, there: bool) -> Discovered:
    return Discovered(
        tuple(c for c in changed.components if (component_key(c) in before[0]) is there),
        tuple(d for d in changed.dependencies if (dependency_key(d) in before[1]) is there),
    )
