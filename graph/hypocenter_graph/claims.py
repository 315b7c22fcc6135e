"""What sources say of the graph: each claim with who says so and the intervals in which it was seen.

A store keeps claims and never throws one away for another. Claims of one source on one thing are joined by `joined`;
what several sources say of it is resolved where it is read, by the order of `SOURCES`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from hypocenter.errors import InputError
from hypocenter.model import ComponentType, DependencyType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

LONGEST_NAME = 512
LEARNED = "learned"


@dataclass(frozen=True, slots=True)
class Source:
    """Who claims: how sure its claims are by themselves, and whether it observes or declares.

    What is observed ends when it is no longer seen; what is declared holds until it is retracted.
    """

    confidence: float
    observed: bool
    help: str


SOURCES: Mapping[str, Source] = {
    "declared": Source(1.0, False, "a file or case that states the graph"),
    "kubernetes": Source(0.95, False, "Kubernetes manifests and labels"),
    "spans": Source(0.95, True, "OpenTelemetry spans"),
    "service_graph": Source(0.95, True, "traces_service_graph_request metrics"),
    "istio": Source(0.95, True, "istio_requests_total metrics"),
    "jaeger": Source(0.9, True, "Jaeger's dependencies"),
    "labels": Source(0.9, True, "labels of metrics that name both ends of a call"),
    "backstage": Source(0.7, False, "the Backstage catalog"),
    LEARNED: Source(0.3, True, "lagged dependence between metrics: a suggestion"),
}
# In even places: a source that nobody knows has the odd one just before the learned.
_PRECEDENCE = {name: 2 * place for place, name in enumerate(SOURCES)}


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """From when to when something was seen, UTC, both ends included; `last` is None while a declaration holds."""

    first: datetime
    last: datetime | None


@dataclass(frozen=True, slots=True)
class ComponentClaim:
    """What one source says of one component; `type` is None and texts are empty where it does not say.

    `aliases` are other names under which the same component goes, as the source itself proves.
    """

    name: str
    source: str
    seen: tuple[Interval, ...] = ()
    type: ComponentType | None = None
    owner: str = ""
    links: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DependencyClaim:
    """What one source says of one dependency; `calls_per_s` is the rate when it was last seen."""

    caller: str
    callee: str
    type: DependencyType
    source: str
    seen: tuple[Interval, ...] = ()
    confidence: float = 1.0
    calls_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Discovered:
    """What one reading of one source found; `notes` tell what was bent or not understood, one sentence each."""

    components: tuple[ComponentClaim, ...] = ()
    dependencies: tuple[DependencyClaim, ...] = ()
    notes: tuple[str, ...] = ()


ComponentKey = tuple[str, str]
DependencyKey = tuple[str, str, DependencyType, str]
Claim = TypeVar("Claim", ComponentClaim, DependencyClaim)


def precedence(source: str) -> tuple[int, str]:
    """Return what sources are sorted by, the most trusted first; sources nobody knows come before the learned."""
    return _PRECEDENCE.get(source, _PRECEDENCE[LEARNED] - 1), source


def component_key(claim: ComponentClaim) -> ComponentKey:
    """Return what makes a claim on a component one of its own."""
    return claim.name, claim.source


def dependency_key(claim: DependencyClaim) -> DependencyKey:
    """Return what makes a claim on a dependency one of its own."""
    return claim.caller, claim.callee, claim.type, claim.source


def is_text(text: str) -> bool:
    """Whether a text is free of lone surrogates, which no file or server can keep."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def check_name(name: object, where: str) -> str:
    """Return a component's name when it can be one; `where` begins the message. Raises InputError.

    >>> check_name("cart", "a.csv: row 2")
    'cart'
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{where}: a component's name must be text that is not empty, not {name!r}")
    if len(name) > LONGEST_NAME:
        raise InputError(f"{where}: {name[:40]!r}... is longer than the {LONGEST_NAME} letters a name may have")
    if not is_text(name):
        raise InputError(f"{where}: {name[:40]!r} is not valid Unicode; write it in UTF-8")
    return name


def merge_intervals(intervals: Iterable[Interval], gap: timedelta) -> tuple[Interval, ...]:
    """Return the intervals in order of time, those at most `gap` apart joined; the order they come in is the same.

    >>> from datetime import datetime, timedelta
    >>> noon = datetime(2026, 3, 1, 12)
    >>> seen = [Interval(noon, noon), Interval(noon + timedelta(hours=1), noon + timedelta(hours=2))]
    >>> [len(merge_intervals(seen, timedelta(hours=h))) for h in (0, 1)]
    [2, 1]
    """
    merged: list[Interval] = []
    for interval in sorted(intervals, key=lambda i: (i.first, i.last is None, i.last or i.first)):
        before = merged[-1] if merged else None
        if before is None or (before.last is not None and interval.first - before.last > gap):
            merged.append(interval)
        else:
            merged[-1] = Interval(before.first, _later(before.last, interval.last))
    return tuple(merged)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else max(one, other)


def joined_component(old: ComponentClaim, new: ComponentClaim, gap: timedelta) -> ComponentClaim:
    """Join two claims of one source on one component: intervals and aliases are united, what was seen last holds.

    Of two that were last seen at the same time the one that arrives later holds. Joining a claim twice changes nothing.
    """
    late, early = _by_recency(old, new)
    return replace(
        late,
        seen=merge_intervals((*old.seen, *new.seen), gap),
        type=late.type or early.type,
        owner=late.owner or early.owner,
        links=late.links or early.links,
        aliases=tuple(sorted({*old.aliases, *new.aliases})),
    )


def joined_dependency(old: DependencyClaim, new: DependencyClaim, gap: timedelta) -> DependencyClaim:
    """Join two claims of one source on one dependency, as `joined_component` does."""
    late, early = _by_recency(old, new)
    rate = early.calls_per_s if late.calls_per_s is None else late.calls_per_s
    return replace(late, seen=merge_intervals((*old.seen, *new.seen), gap), calls_per_s=rate)


def _by_recency(old: Claim, new: Claim) -> tuple[Claim, Claim]:
    return (old, new) if _recency(old.seen) > _recency(new.seen) else (new, old)


def _recency(seen: tuple[Interval, ...]) -> tuple[bool, float]:
    if any(interval.last is None for interval in seen):
        return True, 0.0
    return False, max((i.last.timestamp() for i in seen if i.last is not None), default=float("-inf"))


def is_active(seen: tuple[Interval, ...], at: datetime | None, expiry: timedelta) -> bool:
    """Whether something seen in these intervals is held to exist at `at`; None asks whether it ever was.

    What was seen is held to exist for `expiry` after it was last seen.
    """
    if at is None:
        return bool(seen)
    since = at - expiry
    return any(i.first <= at and (i.last is None or i.last >= since) for i in seen)


def join_claims(
    found: Discovered,
    components: Mapping[ComponentKey, ComponentClaim],
    dependencies: Mapping[DependencyKey, DependencyClaim],
    gap: timedelta,
) -> Discovered:
    """Return the claims that change when `found` is joined with those that are there, as they are after it."""
    ours, theirs = dict[ComponentKey, ComponentClaim](), dict[DependencyKey, DependencyClaim]()
    for component in found.components:
        name = component_key(component)
        there = ours.get(name) or components.get(name)
        ours[name] = joined_component(there or component, component, gap)
    for dependency in found.dependencies:
        ends = dependency_key(dependency)
        known = theirs.get(ends) or dependencies.get(ends)
        theirs[ends] = joined_dependency(known or dependency, dependency, gap)
    return Discovered(
        tuple(claim for key, claim in ours.items() if components.get(key) != claim),
        tuple(claim for key, claim in theirs.items() if dependencies.get(key) != claim),
    )


def retracted_claims(
    components: Iterable[ComponentClaim],
    dependencies: Iterable[DependencyClaim],
    source: str,
    at: datetime,
    but: Discovered,
) -> Discovered:
    """Return what `source` declared and `but` does not say any more, ended at `at`; what it observed ends by itself."""
    named, linked = set(map(component_key, but.components)), set(map(dependency_key, but.dependencies))
    return Discovered(
        tuple(
            _retracted(c, at) for c in components if c.source == source and component_key(c) not in named and _holds(c)
        ),
        tuple(
            _retracted(d, at)
            for d in dependencies
            if d.source == source and dependency_key(d) not in linked and _holds(d)
        ),
    )


def _holds(claim: ComponentClaim | DependencyClaim) -> bool:
    return any(interval.last is None for interval in claim.seen)


def _retracted(claim: Claim, at: datetime) -> Claim:
    """End a declaration where it still holds; what had not begun by then never was."""
    seen = tuple(_ended(i, at) for i in claim.seen if i.last is not None or i.first <= at)
    return replace(claim, seen=seen)


def _ended(interval: Interval, at: datetime) -> Interval:
    return interval if interval.last is not None else Interval(interval.first, at)


def other_names(names: Iterable[str], claims: Iterable[ComponentClaim]) -> dict[str, str]:
    """Return the component that each of `names` is another name of, where claims give it to exactly one.

    >>> other_names(["cart-svc", "web"], [ComponentClaim("cart", "declared", aliases=("cart-svc", "basket"))])
    {'cart-svc': 'cart'}
    """
    given: dict[str, set[str]] = {name: set() for name in names}
    for claim in claims:
        for alias in given.keys() & set(claim.aliases):
            given[alias].add(claim.name)
    return {name: components.pop() for name, components in given.items() if len(components) == 1}
