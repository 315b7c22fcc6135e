"""Who is at the other end: from what spans of one sort say to the dependencies that they show."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.discover.sightings import Link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypocenter_graph.discover.span_facts import SpanFacts

_CACHES = frozenset({"redis", "memcached", "valkey", "keydb", "dragonfly", "hazelcast", "aws.elasticache"})
_HERE = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1|0\.0\.0\.0", re.IGNORECASE)
_INSIDE = re.compile(r"[^.]+|.+\.(?:svc|local|localdomain|internal|lan)|.+\.svc\..+", re.IGNORECASE)


def links_of(facts: SpanFacts, above: SpanFacts | None, known: Mapping[str, str]) -> tuple[Link, ...]:
    """Return what spans of one sort show; `above` is the sort of their parents, `known` the service behind an address.

    A message is passed by way of its queue where that has a name, and else is a call, as every other span is whose
    parent belongs to another service. A queue depends on the broker at whose address it is spoken to.
    """
    links = []
    queue = _queue_between(facts, above)
    if facts.caller and not queue:
        links.append(Link(facts.caller, facts.service))
    if queue:
        links.append(_by_queue(facts.service, queue, DependencyType.CONSUMES, above))
    if facts.publishes:
        links.append(_by_queue(facts.service, facts.queue, DependencyType.PUBLISHES, None))
    elif facts.is_end and not facts.consumes:
        links += _asked(facts, known)
    broker = _host_of(facts, known) if facts.publishes or facts.consumes else ""
    if broker and broker not in (facts.queue, facts.service):
        links.append(
            Link(facts.queue, broker, DependencyType.DEPENDS_ON, caller_type=ComponentType.QUEUE, both_ends=False)
        )
    return tuple(links)


def _by_queue(service: str, queue: str, type_: DependencyType, above: SpanFacts | None) -> Link:
    return Link(service, queue, type_, ComponentType.QUEUE, both_ends=above is not None)


def _queue_between(facts: SpanFacts, above: SpanFacts | None) -> str:
    if facts.consumes:
        return facts.queue
    taken = facts.kind == "consumer" and above is not None and above.publishes
    return above.queue if taken and above is not None else ""


def _asked(facts: SpanFacts, known: Mapping[str, str]) -> list[Link]:
    """Return the call to a database, a cache or somebody else who recorded no span."""
    if facts.kind != "client" and not (not facts.kind and (facts.db_system or facts.peer)):
        return []
    name = known.get(facts.peer, facts.peer) or _host_of(facts, known) or _database_of(facts)
    if not name:
        return []
    return [Link(facts.service, name, callee_type=_type_of(facts, name, known), both_ends=False)]


def _host_of(facts: SpanFacts, known: Mapping[str, str]) -> str:
    """Return the component at the address; a loopback address, which is another machine for everybody, names none."""
    host = host_of(facts.address)
    return known.get(host, host)


def host_of(address: str) -> str:
    """Return an address without the dot at its end, "" for a loopback one.

    >>> host_of("api.example.com."), host_of("127.0.0.1")
    ('api.example.com', '')
    """
    host = address.strip().rstrip(".")
    return "" if _HERE.fullmatch(host) else host


def _database_of(facts: SpanFacts) -> str:
    parts = (facts.db_system, facts.db_name) if facts.db_system else ()
    return ":".join(part for part in parts if part)


def _type_of(facts: SpanFacts, name: str, known: Mapping[str, str]) -> ComponentType | None:
    if name in known.values():
        return None
    if facts.db_system:
        return ComponentType.CACHE if facts.db_system.lower() in _CACHES else ComponentType.DATABASE
    outside = not facts.peer and not is_inside(name)
    return ComponentType.EXTERNAL if outside else None


def is_inside(host: str) -> bool:
    """Whether a host is one of our own: a bare name, one of a cluster or local network, or a private address."""
    with suppress(ValueError):
        return ip_address(host).is_private
    return _INSIDE.fullmatch(host) is not None


def services_behind(sorts: Iterable[tuple[SpanFacts, str]], services: Iterable[str]) -> dict[str, str]:
    """Return the one service that answers at each address or peer name, from (sort of a client's span, its answerer).

    A name at which several answer, such as a proxy's, is none of theirs; a service's own name is its own.
    """
    answering: dict[str, set[str]] = {}
    for facts, service in sorts:
        for name in {facts.peer, host_of(facts.address)} - {""}:
            answering.setdefault(name, set()).add(service)
    found = {name: next(iter(behind)) for name, behind in sorted(answering.items()) if len(behind) == 1}
    return found | {service: service for service in services}


def other_names(known: Mapping[str, str], meant: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
    """Return the other names of services and pods: where they answer, and without namespace where one alone has that.

    `known` are services by where they answer, `meant` all that go by a bare name. Numeric addresses, which pass from
    one to the next, are no names.
    """
    owners = {name: {service} for name, service in known.items()}
    found: dict[str, list[str]] = {}
    for name, components in sorted((owners | dict(meant)).items()):
        if len(components) == 1 and name not in components and not _is_number(name):
            found.setdefault(next(iter(components)), []).append(name)
    return {component: tuple(names) for component, names in found.items()}


def _is_number(host: str) -> bool:
    with suppress(ValueError):
        ip_address(host)
        return True
    return False
