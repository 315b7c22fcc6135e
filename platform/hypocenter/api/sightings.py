"""Who calls whom, as pushed spans show it, kept in the graph: what is new at once, what is known now and then."""

from __future__ import annotations

import logging
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from hypocenter.errors import HypocenterError
from hypocenter.model import DependencyType
from hypocenter.readers.otlp_columns import RESOURCE_ATTRIBUTES
from hypocenter.signals.span_counts import DATABASE, MESSAGING, VIRTUAL, Peer
from hypocenter_graph.credentials import without_credentials
from hypocenter_graph.discover.sightings import Link, Sighting, gathered, interval_of, is_name, name_within
from hypocenter_graph.discover.span_facts import SpanFacts
from hypocenter_graph.discover.span_peers import host_of, links_of, other_names
from hypocenter_graph.discover.span_places import Place, place_links
from hypocenter_graph.discover.spans import LEAST_WINDOW_S, SOURCE, UNNAMED
from hypocenter_graph.importing import plan_import, write_import
from hypocenter_graph.stores.opening import view_as_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hypocenter.signals.span_counts import Relation
    from hypocenter.signals.span_window import Sort
    from hypocenter_graph.claims import Discovered, Interval
    from hypocenter_graph.stores.contract import GraphStore

Key = TypeVar("Key")
Noted = TypeVar("Noted", Link, str)
Value = TypeVar("Value")
REFRESH_S = 60.0
RETRY_S = 10.0
MOST_KNOWN = 50_000
_PLACES = [list(RESOURCE_ATTRIBUTES).index(name) for name in Place._fields]
_NAMESPACE = list(RESOURCE_ATTRIBUTES).index("namespace")
logger = logging.getLogger(__name__)


class _Seen(NamedTuple):
    first_ns: int
    last_ns: int
    calls: int


class Sightings:
    """Gathers what spans show and writes it to a graph; safe to share between threads.

    `failures` counts writings that did not succeed: what they held is kept and written with the next. `lost` counts
    sightings of dependencies that were let go because more than `MOST_KNOWN` waited for a graph that takes none.
    """

    def __init__(self, graph: GraphStore, now: Callable[[], datetime]) -> None:
        self.failures = 0
        self.lost = 0
        self._graph, self._now = graph, now
        self._lock, self._writing = Lock(), Lock()
        self._links: dict[Link, _Seen] = {}
        self._alone: dict[str, _Seen] = {}
        self._known: set[Link | str] = set()
        self._new: set[Link | str] = set()
        self._written_at = self._next_try = now()
        self._names = _Names()

    def related(self, relation: Relation, at_ns: int, calls: int) -> None:
        """Take note of a span and what is above it; `calls` is 0 where its call was noted before."""
        with self._lock:
            for link in self._names.links_of(relation):
                self._note(self._links, link, _Seen(at_ns, at_ns, calls))

    def placed(self, cells: tuple[str, ...], first_ns: int, last_ns: int) -> None:
        """Take note of where spans ran: the cells of `otlp_columns.RESOURCE_ATTRIBUTES`."""
        with self._lock:
            service, links = self._names.place_of(cells)
            seen = _Seen(first_ns, last_ns, 0)
            if service:
                self._note(self._alone, service, seen)
            for link in links:
                self._note(self._links, link, seen)

    def peers(self, sort: Sort) -> tuple[Peer, ...]:
        """Return who is at the other end of the end of a call."""
        with self._lock:
            return self._names.peers_of(sort)

    def write_new(self) -> None:
        """Write what has been noted if any of it was never written.

        A failure is counted, and tried again after `RETRY_S`: requests do not wait for a graph that does not answer.
        """
        if self._new and self._now() >= self._next_try:
            self._write()

    def refresh(self) -> None:
        """Write what has been noted, unless that was done less than `REFRESH_S` ago."""
        is_due = (self._now() - self._written_at).total_seconds() >= REFRESH_S
        if (is_due or self._new) and self._now() >= self._next_try:
            self._write()

    def flush(self) -> None:
        """Write what has been noted."""
        self._write()

    def _note(self, noted: dict[Noted, _Seen], key: Noted, seen: _Seen) -> None:
        before = noted.get(key)
        if before is None and len(noted) >= MOST_KNOWN:
            self.lost += 1
            return
        noted[key] = seen if before is None else _joined(before, seen)
        if key not in self._known:
            self._new.add(key)

    def _write(self) -> None:
        """Write all that has been noted; who comes while another writes waits until its own is written too."""
        with self._writing:
            links, alone, found = self._taken()
            if not links and not alone:
                return
            try:
                write_import(self._graph, plan_import(self._graph.claims(), [found], view_as_of(None).expiry))
            except HypocenterError as error:
                self._give_back(links, alone)
                logger.warning("the graph did not take what spans showed, and is asked again: %s", error)
            else:
                self._remember({*links, *alone})

    def _taken(self) -> tuple[dict[Link, _Seen], dict[str, _Seen], Discovered]:
        with self._lock:
            links, alone, self._links, self._alone = self._links, self._alone, {}, {}
            aliases = self._names.aliases()
            elapsed_s = (self._now() - self._written_at).total_seconds()
        sightings = [
            Sighting(link, (_interval(seen),), seen.calls / elapsed_s if _has_rate(link, seen, elapsed_s) else None)
            for link, seen in links.items()
        ]
        known = {name: (_interval(seen),) for name, seen in alone.items()}
        return links, alone, gathered(SOURCE, "spans", sightings, known, aliases)

    def _give_back(self, links: dict[Link, _Seen], alone: dict[str, _Seen]) -> None:
        with self._lock:
            self.failures += 1
            for link, seen in links.items():
                self._note(self._links, link, seen)
            for name, seen in alone.items():
                self._note(self._alone, name, seen)
            self._next_try = self._now() + timedelta(seconds=RETRY_S)

    def _remember(self, keys: set[Link | str]) -> None:
        with self._lock:
            self._written_at = self._now()
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known |= keys
            self._new -= keys


class _Names:
    """What components are called, and which service answers at which address, as spans have shown so far."""

    def __init__(self) -> None:
        self._links: dict[Relation, tuple[Link, ...]] = {}
        self._peers: dict[Sort, tuple[Peer, ...]] = {}
        self._answering: dict[str, set[str]] = {}
        self._known: dict[str, str] = {}
        self._meant: dict[str, set[str]] = {}

    def links_of(self, relation: Relation) -> tuple[Link, ...]:
        """Return the dependencies that a relation shows."""
        self._learn(relation)
        if relation not in self._links:
            _make_room(self._links)
            above = _facts(relation.above) if relation.above is not None else None
            caller = _name(relation.caller) if relation.caller is not None else ""
            facts = _facts(relation.sort, caller, is_end=relation.is_end)
            self._links[relation] = tuple(filter(_is_usable, links_of(facts, above, self._known)))
        return self._links[relation]

    def peers_of(self, sort: Sort) -> tuple[Peer, ...]:
        """Return who a span of this sort asks, where no recorded span answers it."""
        if sort not in self._peers:
            _make_room(self._peers)
            links = links_of(_facts(sort, is_end=True), None, self._known)
            self._peers[sort] = tuple(
                Peer(link.callee, _connection(sort, link))
                for link in links
                if link.caller == _name(sort) and is_name(link.callee) and link.type in _ASKED
            )
        return self._peers[sort]

    def place_of(self, cells: tuple[str, ...]) -> tuple[str, tuple[Link, ...]]:
        """Return the service that ran at a place, "" for one without a name, and the dependencies the place shows."""
        place = Place(*(without_credentials(cells[at]) for at in _PLACES))
        if not place.service or place.service.startswith(UNNAMED) or not is_name(place.service):
            return "", ()
        service, pod = (self._within(cells[_NAMESPACE], name) if name else "" for name in (place.service, place.pod))
        return service, tuple(filter(_is_usable, place_links(place._replace(service=service, pod=pod))))

    def aliases(self) -> dict[str, tuple[str, ...]]:
        """Return the other names of services and pods."""
        return other_names(self._known, self._meant)

    def _within(self, namespace: str, name: str) -> str:
        whole = _within(namespace, name)
        _make_room(self._meant)
        self._meant.setdefault(name, set()).add(whole)
        self._answer(whole, whole)
        return whole

    def _learn(self, relation: Relation) -> None:
        """Learn from an answered call which service is behind an address or peer name."""
        above = relation.above
        if relation.caller is None or above is None or above.kind != "client":
            return
        for name in sorted({without_credentials(above.peer), host_of(without_credentials(above.address))} - {""}):
            self._answer(name, _name(relation.sort))

    def _answer(self, name: str, service: str) -> None:
        if service in self._answering.get(name, ()):
            return
        _make_room(self._answering)
        self._answering.setdefault(name, set()).add(service)
        # A name at which several answer, such as a proxy's, is none of theirs.
        self._known = {each: min(behind) for each, behind in self._answering.items() if len(behind) == 1}
        self._links.clear()
        self._peers.clear()


_ASKED = (DependencyType.CALLS, DependencyType.PUBLISHES)


def _connection(sort: Sort, link: Link) -> str:
    if link.type is DependencyType.PUBLISHES:
        return MESSAGING
    return DATABASE if sort.db_system else VIRTUAL


def _facts(sort: Sort, caller: str = "", *, is_end: bool = False) -> SpanFacts:
    return SpanFacts(_name(sort), caller, is_end, sort.kind, *map(without_credentials, sort[3:]))


def _name(sort: Sort) -> str:
    return _within(sort.namespace, sort.service)


def _within(namespace: str, name: str) -> str:
    whole = name_within(namespace, name)
    return whole if is_name(whole) else name


def _is_usable(link: Link) -> bool:
    """Whether both ends have names of their own; one that OpenTelemetry makes up is shared by all that have none."""
    return not any(name.startswith(UNNAMED) for name in link[:2])


def _has_rate(link: Link, seen: _Seen, elapsed_s: float) -> bool:
    is_call = link.type not in (DependencyType.INSTANCE_OF, DependencyType.RUNS_ON)
    return is_call and seen.calls > 0 and elapsed_s >= max(LEAST_WINDOW_S, REFRESH_S / 2)


def _interval(seen: _Seen) -> Interval:
    return interval_of(np.int64(seen.first_ns), np.int64(seen.last_ns))


def _joined(one: _Seen, other: _Seen) -> _Seen:
    return _Seen(min(one.first_ns, other.first_ns), max(one.last_ns, other.last_ns), one.calls + other.calls)


def _make_room(known: dict[Key, Value]) -> None:
    if len(known) >= MOST_KNOWN:
        known.clear()
