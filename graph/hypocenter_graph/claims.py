"""What sources say of the graph: each claim with who says so and the intervals in which it was seen.

A store keeps claims and never throws one away for another. Claims of one source on one thing are joined by `joined`;
what several sources say of it is resolved where it is read, by the order of `SOURCES`.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from hypocenter.errors import InputError
from hypocenter.model import ComponentType, DependencyType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

LONGEST_NAME = 512
LABELS = "labels"
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
    LABELS: Source(0.9, True, "labels of metrics that name both ends of a call"),
    "backstage": Source(0.7, False, "the Backstage catalog"),
    LEARNED: Source(0.3, True, "lagged dependence between metrics: a suggestion"),
}
# In even places: a source that nobody knows has the odd one just before the learned.
_NO_TIME = timedelta(0)
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
Key = TypeVar("Key", bound=Hashable)


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


def lasting(source: str, expiry: timedelta) -> timedelta:
    """Return for how long what a source saw is held to exist after it was last seen: declarations end when they end."""
    return _NO_TIME if source in SOURCES and not SOURCES[source].observed else expiry


def joined_component(old: ComponentClaim, new: ComponentClaim, gap: timedelta) -> ComponentClaim:
    """Join two claims of one source on one component: intervals and aliases are united, what was seen last holds.

    Of two that were last seen at the same time the one that arrives later holds. Joining a claim twice changes nothing.
    Intervals of what is observed are one when at most `gap` lies between them.
    """
    return _joined_components([old, new], gap)


def joined_dependency(old: DependencyClaim, new: DependencyClaim, gap: timedelta) -> DependencyClaim:
    """Join two claims of one source on one dependency, as `joined_component` does."""
    return _joined_dependencies([old, new], gap)


def _joined_components(claims: Sequence[ComponentClaim], gap: timedelta) -> ComponentClaim:
    aliases = {alias for claim in claims for alias in claim.aliases}
    return replace(_latest(claims, _filled_component, gap), aliases=tuple(sorted(aliases)))


def _joined_dependencies(claims: Sequence[DependencyClaim], gap: timedelta) -> DependencyClaim:
    return _latest(claims, _filled_dependency, gap)


def _latest(claims: Sequence[Claim], filled: Callable[[Claim, Claim], Claim], gap: timedelta) -> Claim:
    """Return what was seen last, and of equals what came last; what it leaves open is `filled` from the others.

    It was seen when any was; how late that is follows from the united intervals, as if each had come by itself.
    """
    latest: Claim = claims[0]
    seen: tuple[Interval, ...] = _united(latest.source, latest.seen, gap)
    for claim in claims[1:]:
        is_older = _recency(seen) > _recency(claim.seen)
        latest = filled(latest, claim) if is_older else filled(claim, latest)
        seen = _united(claim.source, seen + claim.seen, gap)
    return replace(latest, seen=seen)


def _filled_component(late: ComponentClaim, early: ComponentClaim) -> ComponentClaim:
    return replace(late, type=late.type or early.type, owner=late.owner or early.owner, links=late.links or early.links)


def _filled_dependency(late: DependencyClaim, early: DependencyClaim) -> DependencyClaim:
    return replace(late, calls_per_s=early.calls_per_s if late.calls_per_s is None else late.calls_per_s)


def _united(source: str, seen: Iterable[Interval], gap: timedelta) -> tuple[Interval, ...]:
    return merge_intervals(seen, lasting(source, gap))


def _recency(seen: tuple[Interval, ...]) -> tuple[bool, float]:
    """Return what is later for what was seen later; of declarations that hold, the one that was made later."""
    holding = [interval.first for interval in seen if interval.last is None]
    if holding:
        return True, max(holding).timestamp()
    return False, max((i.last.timestamp() for i in seen if i.last is not None), default=float("-inf"))


def is_held(claim: ComponentClaim | DependencyClaim, at: datetime | None, expiry: timedelta) -> bool:
    """Whether what is claimed is held to exist at `at`; None asks whether it ever was."""
    return is_active(claim.seen, at, lasting(claim.source, expiry))


def is_plain(claim: DependencyClaim) -> bool:
    """Whether the outer bounds of its intervals say all: seen once, not learned, and not a declaration that ended."""
    if len(claim.seen) != 1 or claim.source == LEARNED:
        return False
    return claim.seen[0].last is None or claim.source not in SOURCES or SOURCES[claim.source].observed


def held(claim: ComponentClaim | DependencyClaim, expiry: timedelta) -> tuple[Interval, ...]:
    """Return the intervals in which what is claimed is held to exist, what is observed to its expiry."""
    more = lasting(claim.source, expiry)
    return tuple(Interval(i.first, None if i.last is None else i.last + more) for i in claim.seen)


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
    ours = _gathered(found.components, component_key, components)
    theirs = _gathered(found.dependencies, dependency_key, dependencies)
    named = {key: _joined_components(claims, gap) for key, claims in ours.items()}
    linked = {key: _joined_dependencies(claims, gap) for key, claims in theirs.items()}
    return Discovered(
        tuple(claim for key, claim in named.items() if components.get(key) != claim),
        tuple(claim for key, claim in linked.items() if dependencies.get(key) != claim),
    )


def _gathered(
    claims: Iterable[Claim], key_of: Callable[[Claim], Key], there: Mapping[Key, Claim]
) -> dict[Key, list[Claim]]:
    """Return new claims by key, after the one that is there."""
    found: dict[Key, list[Claim]] = {}
    for claim in claims:
        key = key_of(claim)
        if key not in found:
            found[key] = [there[key]] if key in there else []
        found[key].append(claim)
    return found


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
