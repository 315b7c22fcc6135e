"""Sightings: when a source showed a dependency, gathered into the claims that it makes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter.errors import InputError
from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import (
    SOURCES,
    ComponentClaim,
    DependencyClaim,
    Discovered,
    Interval,
    check_name,
    merge_intervals,
)
from hypocenter_graph.credentials import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

# Traffic that pauses this long has stopped, as far as one reading of spans can tell.
LONGEST_PAUSE = timedelta(minutes=15)
# What one end alone says of the other is a little less sure than what both recorded.
ONE_END_CONFIDENCE = 0.9
_TYPE_ORDER = {type_: place for place, type_ in enumerate(ComponentType)}


def name_within(namespace: str, name: str) -> str:
    """Return what something is called that is told apart by its namespace: the same whatever else is known.

    What is in Kubernetes' namespace `default`, or in none, is called by its name alone.

    >>> name_within("shop", "cart"), name_within("default", "cart"), name_within("", "cart")
    ('shop/cart', 'cart', 'cart')
    """
    return name if namespace in ("", "default") else f"{namespace}/{name}"


class Link(NamedTuple):
    """A dependency that a source shows, what its ends are where the source says so, and whether both recorded it."""

    caller: str
    callee: str
    type: DependencyType = DependencyType.CALLS
    callee_type: ComponentType | None = None
    caller_type: ComponentType | None = None
    both_ends: bool = True


class Sighting(NamedTuple):
    """When a link was seen, and its rate when it was last seen."""

    link: Link
    seen: tuple[Interval, ...]
    calls_per_s: float | None = None


def gathered(
    source: str,
    where: str,
    sightings: Iterable[Sighting],
    alone: Mapping[str, tuple[Interval, ...]] | None = None,
    aliases: Mapping[str, tuple[str, ...]] | None = None,
    pause: timedelta = LONGEST_PAUSE,
) -> Discovered:
    """Join the sightings of one source: each dependency once, its intervals united, its rates summed; sorted by name.

    Intervals at most `pause` apart are one.
    `alone` are components that the source itself saw, linked or not: what links say of their type does not count.
    Calls to oneself are left out silently, links with a name that can be none with a note that begins with `where`.
    """
    kept, unusable = _with_names([each for each in sightings if each.link.caller != each.link.callee])
    by_ends: dict[tuple[str, str, DependencyType], list[Sighting]] = {}
    for sighting in kept:
        by_ends.setdefault(sighting.link[:3], []).append(sighting)
    dependencies = tuple(_dependency(source, by_ends[ends], pause) for ends in sorted(by_ends))
    components = _components(source, kept, alone or {}, aliases or {}, pause)
    shown = [without_credentials(name)[:40] for name in unusable[:1]]
    notes = tuple(f"{where}: {len(unusable)} names cannot be a component's, as {name!r}" for name in shown)
    return Discovered(components, dependencies, notes)


def _with_names(sightings: list[Sighting]) -> tuple[list[Sighting], list[str]]:
    names = {name for sighting in sightings for name in sighting.link[:2]}
    unusable = {name for name in names if not is_name(name)}
    return [each for each in sightings if not unusable & set(each.link[:2])], sorted(unusable)


def is_name(name: object) -> bool:
    """Whether a component can have this name."""
    try:
        check_name(name, "")
    except InputError:
        return False
    return True


def _dependency(source: str, sightings: list[Sighting], pause: timedelta) -> DependencyClaim:
    link = sightings[0].link
    sure = any(sighting.link.both_ends for sighting in sightings)
    rates = [sighting.calls_per_s for sighting in sightings if sighting.calls_per_s is not None]
    return DependencyClaim(
        link.caller,
        link.callee,
        link.type,
        source,
        merge_intervals((each for sighting in sightings for each in sighting.seen), pause),
        SOURCES[source].confidence if sure else min(ONE_END_CONFIDENCE, SOURCES[source].confidence),
        sum(rates) if rates else None,
    )


def _components(
    source: str,
    sightings: list[Sighting],
    alone: Mapping[str, tuple[Interval, ...]],
    aliases: Mapping[str, tuple[str, ...]],
    pause: timedelta,
) -> tuple[ComponentClaim, ...]:
    seen: dict[str, list[Interval]] = {name: list(intervals) for name, intervals in alone.items()}
    for link, intervals, _ in sightings:
        for name in link[:2]:
            seen.setdefault(name, []).extend(intervals)
    types = {name: type_ for name, type_ in _types(sightings).items() if name not in alone}
    return tuple(
        ComponentClaim(name, source, merge_intervals(seen[name], pause), types.get(name), aliases=aliases.get(name, ()))
        for name in sorted(seen)
    )


def _types(sightings: Iterable[Sighting]) -> dict[str, ComponentType]:
    """Return what links say that their ends are; where they differ, the one that `ComponentType` has first."""
    found: dict[str, ComponentType] = {}
    for link, *_ in sightings:
        for name, type_ in ((link.caller, link.caller_type), (link.callee, link.callee_type)):
            if type_ is not None:
                found[name] = min(type_, found.get(name, type_), key=_TYPE_ORDER.__getitem__)
    return found


def intervals_of(
    group: NDArray[np.int64], at_ns: NDArray[np.int64], pause: timedelta = LONGEST_PAUSE
) -> dict[int, tuple[Interval, ...]]:
    """Return the intervals in which each group was seen, in order of time, split where it paused longer than `pause`.

    `group[i]` was seen at `at_ns[i]`, nanoseconds since 1970; the order of sightings does not matter.

    >>> minute = 60 * 10**9
    >>> seen = intervals_of(np.array([0, 0, 0]), np.array([40, 0, 1]) * minute)
    >>> [(each.first.minute, each.last.minute) for each in seen[0]]
    [(0, 1), (40, 40)]
    """
    if not len(group):
        return {}
    order = np.lexsort((at_ns, group))
    groups, moments = group[order], at_ns[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (np.diff(groups) != 0) | (np.diff(moments) > pause // timedelta(microseconds=1) * 1000)
    firsts = np.flatnonzero(begins)
    lasts = np.append(firsts[1:], len(order)) - 1
    found: dict[int, list[Interval]] = {}
    for owner, first, last in zip(groups[firsts].tolist(), moments[firsts], moments[lasts], strict=True):
        found.setdefault(owner, []).append(interval_of(first, last))
    return {owner: tuple(intervals) for owner, intervals in found.items()}


def interval_of(first_ns: np.int64, last_ns: np.int64) -> Interval:
    """Return the interval between two times in nanoseconds since 1970, to the microsecond."""
    from hypocenter.readers.times import as_datetime

    return Interval(as_datetime(np.datetime64(int(first_ns), "ns")), as_datetime(np.datetime64(int(last_ns), "ns")))
