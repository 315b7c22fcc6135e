"""What sources found into a store, under the names of its components: planned wholly before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypocenter_graph.claims import SOURCES, Discovered, component_key, dependency_key, join_claims, lasting, precedence
from hypocenter_graph.credentials import without_secrets
from hypocenter_graph.identity import find_identity, resolved
from hypocenter_graph.identity_overrides import NO_OVERRIDES
from hypocenter_graph.renaming import names_in, renamed
from hypocenter_graph.stores.contract import View

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from hypocenter_graph.claims import ComponentClaim
    from hypocenter_graph.identity import Identity
    from hypocenter_graph.identity_overrides import Overrides
    from hypocenter_graph.stores.contract import GraphStore

_MOST_ROUNDS = 5


@dataclass(frozen=True)
class Counts:
    """How many components and dependencies; an end of a dependency is a component, whoever claims a dependency."""

    components: int
    dependencies: int


@dataclass(frozen=True)
class Plan:
    """What will be written: claims that were `found`, and those of the store that are `moved` from other names.

    `new` counts what the store does not know at all yet, `extended` what it will know more of. `folded` maps the names
    of components of the store to those that they turned out to be names of, `replaced` are the claims on them that
    `moved` stands for. `notes` tell what was bent or not understood.
    """

    found: Discovered
    moved: Discovered
    folded: Mapping[str, str]
    new: Counts
    extended: Counts
    replaced: Discovered
    notes: tuple[str, ...] = ()

    def by_source(self) -> dict[str, Counts]:
        """Return how much each source told, the most trusted first."""
        names = {c.source for c in self.found.components} | {d.source for d in self.found.dependencies}
        return {name: _counts(_of_source(self.found, name)) for name in sorted(names, key=precedence)}


def plan_import(
    there: Discovered, sources: Sequence[Discovered], gap: timedelta, overrides: Overrides = NO_OVERRIDES
) -> Plan:
    """Return what to write of what `sources` found, given all that is `there` in a store.

    Names are resolved by the user's overrides, by aliases in the input, by those in the store that had not ended by
    when the sources speak of, and by form; `gap` is also for how long what was observed holds. A component of the
    store that turns out to be another's other name is folded into that. Raises InputError for overrides that lead back
    to where they begin.
    """
    names = _resolved(there, [_once(source, gap) for source in sources], gap, overrides)
    found = join_claims(names.said, {}, {}, gap)
    kept = _joined([_without(there, names.folded), names.moved])
    before = {component_key(c): c for c in kept.components}, {dependency_key(d): d for d in kept.dependencies}
    changed = join_claims(found, *before, gap)
    new = Counts(len(_names(changed) - _names(kept)), len(_ends(changed) - _ends(kept)))
    known = {claim.name for claim in changed.components} & _names(kept)
    extended = Counts(len(known), len(_ends(changed) & _ends(kept)))
    notes = tuple(dict.fromkeys((*names.notes, *names.said.notes)))
    replaced = _touching(there, names.folded)
    return Plan(found, names.moved, names.folded, new, extended, replaced, notes)


def _once(source: Discovered, gap: timedelta) -> Discovered:
    """Return what a source found with one claim for each thing, and no credentials in it."""
    return replace(join_claims(without_secrets(source), {}, {}, gap), notes=source.notes)


@dataclass(frozen=True)
class _Resolved:
    """What sources `said` under the names of components, and what of the store that comes to: `moved` and `folded`."""

    said: Discovered
    moved: Discovered
    folded: Mapping[str, str]
    notes: tuple[str, ...]


def _resolved(there: Discovered, sources: Sequence[Discovered], gap: timedelta, overrides: Overrides) -> _Resolved:
    """Resolve names until nothing changes: names that became one may prove more names, or contradict others no more."""
    after, at = there, _latest(sources)
    for _ in range(_MOST_ROUNDS):
        identity = find_identity((_with_lasting_aliases(after, at, gap), *sources), overrides)
        said = _joined([resolved(source, identity, gap) for source in sources])
        moved, folded = _folded(there, identity, gap)
        before, after = after, _joined([_without(there, folded), moved, said])
        if after == before or (not folded and said == _joined(sources)):
            break
    return _Resolved(said, moved, folded, identity.notes)


def _latest(sources: Iterable[Discovered]) -> datetime | None:
    """Return the latest time that sources speak of, None where they speak of none."""
    seen = [claim.seen for one in sources for claim in one.components]
    seen += [claim.seen for one in sources for claim in one.dependencies]
    return max((i.last or i.first for intervals in seen for i in intervals), default=None)


def _with_lasting_aliases(claims: Discovered, at: datetime | None, expiry: timedelta) -> Discovered:
    """Return claims without the aliases of components that had ended by `at`: another may have their names now."""
    if at is None:
        return claims
    ended = {component_key(claim) for claim in claims.components if claim.aliases and _has_ended(claim, at, expiry)}
    kept = (replace(claim, aliases=()) if component_key(claim) in ended else claim for claim in claims.components)
    return replace(claims, components=tuple(kept)) if ended else claims


def _has_ended(claim: ComponentClaim, at: datetime, expiry: timedelta) -> bool:
    since = at - lasting(claim.source, expiry)
    return not any(interval.last is None or interval.last >= since for interval in claim.seen)


def write_import(store: GraphStore, plan: Plan, retracted: datetime | None = None) -> int:
    """Write a plan; with `retracted`, end what its sources declared before and do not say any more.

    Returns how many claims were ended. What is found is written at once or not at all. What others wrote on folded
    components since the plan was made is carried over; what they write between that and the removal, which follows at
    once, is lost.
    """
    store.upsert(_joined([plan.moved, plan.found]))
    if plan.folded:
        late = _written_since(store, plan)
        if late.components or late.dependencies:
            store.upsert(late)
        store.remove(tuple(plan.folded))
    if retracted is None:
        return 0
    declaring = [name for name in plan.by_source() if name in SOURCES and not SOURCES[name].observed]
    return sum(store.retract(name, retracted, plan.found) for name in declaring)


def _written_since(store: GraphStore, plan: Plan) -> Discovered:
    """Return what is said of folded components and was not when the plan was made, under their names now."""
    view = View(learned=True)
    near = [names for up in (False, True) for names in store.steps(tuple(plan.folded), view, up=up).values()]
    there = _touching(store.claims({*plan.folded, *(name for names in near for name in names)}), plan.folded)
    known = {*plan.replaced.components, *plan.replaced.dependencies}
    late = Discovered(
        tuple(claim for claim in there.components if claim not in known),
        tuple(claim for claim in there.dependencies if claim not in known),
    )
    moved = renamed(late, {name: plan.folded.get(name, name) for name in names_in(late)}, {}, timedelta(0))
    return replace(moved, notes=())


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
    touching = _touching(there, folded)
    # Rates of what became one add up, so those that are there under the new name already count too.
    now = {(folded.get(d.caller, d.caller), folded.get(d.callee, d.callee), d.type) for d in touching.dependencies}
    there_already = tuple(d for d in there.dependencies if (d.caller, d.callee, d.type) in now)
    moving = replace(touching, dependencies=(*there_already, *touching.dependencies))
    moved = resolved(moving, identity, gap)
    return Discovered(moved.components, moved.dependencies), folded


def _touching(claims: Discovered, names: Collection[str]) -> Discovered:
    """Return the claims that name one of `names`, without those of nobody, which dependencies say too."""
    return Discovered(
        tuple(c for c in claims.components if c.name in names and c.source),
        tuple(d for d in claims.dependencies if d.caller in names or d.callee in names),
    )


def _without(there: Discovered, names: Collection[str]) -> Discovered:
    return Discovered(
        tuple(c for c in there.components if c.name not in names),
        tuple(d for d in there.dependencies if d.caller not in names and d.callee not in names),
    )


def _of_source(claims: Discovered, source: str) -> Discovered:
    return Discovered(
        tuple(claim for claim in claims.components if claim.source == source),
        tuple(claim for claim in claims.dependencies if claim.source == source),
    )


def _counts(claims: Discovered) -> Counts:
    return Counts(len(_names(claims)), len(_ends(claims)))


def _names(claims: Discovered) -> set[str]:
    ends = {end for claim in claims.dependencies for end in (claim.caller, claim.callee)}
    return ends | {claim.name for claim in claims.components}


def _ends(claims: Discovered) -> set[tuple[str, str, str]]:
    return {(claim.caller, claim.callee, claim.type) for claim in claims.dependencies}
