"""Istio's metrics to claims: which workload asks which, as the proxy at one end counts it.

Source: Istio, "Standard Metrics". Each request is counted at both ends; here it is counted at one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from hypocenter.model import ComponentType
from hypocenter_graph.discover.counters import counted, pause_of
from hypocenter_graph.discover.sightings import Link, Sighting, gathered, name_within
from hypocenter_graph.discover.span_peers import is_inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypocenter.telemetry import RawTable
    from hypocenter_graph.claims import Discovered

SOURCE = "istio"
REQUESTS = "istio_requests_total"
CONNECTIONS = "istio_tcp_connections_opened_total"
# Who counts, the better witness first: the proxy of the server, of its namespace (ambient mode), of the client.
REPORTERS = ("destination", "waypoint", "source")
# Envoy's names for where it has no service: the request left the mesh, was refused, or came past it.
_NOWHERE = ("PassthroughCluster", "BlackHoleCluster", "InboundPassthroughCluster")
_UNKNOWN = frozenset({"", "unknown"})


class _Workload(NamedTuple):
    """A workload, or a service or host where the proxy knows no more; `namespace` is "" where that is unknown."""

    name: str
    namespace: str


class _Series(NamedTuple):
    """One counter: who asks whom, as `reporter` counts it; `host` is the service's full name."""

    place: int
    is_tcp: bool
    reporter: int
    source: _Workload
    destination: _Workload
    service: _Workload
    host: str
    knows_workload: bool


def discover_istio(table: RawTable, where: str) -> Discovered:
    """Return what `istio_requests_total` and `istio_tcp_connections_opened_total` show.

    A link is counted by one reporter: `destination`, else `waypoint`, else `source`, as for what leaves the mesh. A
    workload is named `namespace/workload`, or by its own name alone in the namespace `default`. What has no sidecar is
    named by its service in the same way, what lies outside by its host and external. A series whose source or
    destination is unknown shows nothing and is noted. The rate is of requests; connections have none. A rest of more
    than `counters.PAUSE_STEPS` steps ends an interval. Series of other metrics are passed over.
    """
    read = [_series(place, labels) for place, labels in enumerate(table.labels) if _is_ours(labels)]
    series = [each for each in read if each is not None]
    behind = _behind(series)
    names = _names(series, behind)
    sightings: list[Sighting] = []
    for is_tcp in (False, True):
        columns: dict[Link, list[int]] = {}
        for each in _by_best_reporter([each for each in series if each.is_tcp is is_tcp], names):
            columns.setdefault(_link(each, names), []).append(each.place)
        sightings += counted(table, columns, rated=not is_tcp)
    found = gathered(SOURCE, where, sightings, aliases=_aliases(series, names), pause=pause_of(table))
    unknown = len(read) - len(series)
    note = f"{where}: {unknown:,} series do not know their source or destination and show no link"
    return replace(found, notes=((note,) if unknown else ()) + found.notes)


def _is_ours(labels: Mapping[str, str]) -> bool:
    return labels.get("__name__") in (REQUESTS, CONNECTIONS, "", None) and "source_workload" in labels


def _series(place: int, labels: Mapping[str, str]) -> _Series | None:
    """Return a counter in our words, None where one end is unknown or nobody known counts."""
    source = _Workload(_known(labels, "source_workload"), _known(labels, "source_workload_namespace"))
    service = _Workload(_known(labels, "destination_service_name"), _known(labels, "destination_service_namespace"))
    if service.name.startswith(_NOWHERE):
        service = _Workload("", "")
    name = _known(labels, "destination_workload")
    namespace = _known(labels, "destination_workload_namespace") or service.namespace
    reporter = labels.get("reporter", REPORTERS[0])
    if not source.name or not (name or service.name) or reporter not in REPORTERS:
        return None
    return _Series(
        place,
        labels.get("__name__") == CONNECTIONS,
        REPORTERS.index(reporter),
        source,
        _Workload(name, namespace) if name else service,
        service,
        _known(labels, "destination_service").partition(":")[0],
        bool(name),
    )


def _known(labels: Mapping[str, str], name: str) -> str:
    value = labels.get(name, "").strip()
    return "" if value.lower() in _UNKNOWN else value


def _behind(series: Iterable[_Series]) -> dict[_Workload, _Workload]:
    """Return the workload behind each service that has one and no more."""
    found: dict[_Workload, set[_Workload]] = {}
    for each in series:
        if each.knows_workload and each.service.name:
            found.setdefault(each.service, set()).add(each.destination)
    return {service: next(iter(workloads)) for service, workloads in found.items() if len(workloads) == 1}


def _names(series: Iterable[_Series], behind: Mapping[_Workload, _Workload]) -> dict[_Workload, str]:
    """Return the name of each workload, and of each service the name of the one that it stands for."""
    workloads = {
        workload
        for each in series
        for workload in (
            each.source,
            each.destination if each.knows_workload else behind.get(each.service, each.service),
        )
    }
    names = {each: name_within(each.namespace, each.name) for each in workloads}
    return {service: names[workload] for service, workload in behind.items()} | names


def _by_best_reporter(series: list[_Series], names: Mapping[_Workload, str]) -> list[_Series]:
    """Return the series of each link's best reporter."""
    best: dict[tuple[str, str], int] = {}
    for each in series:
        ends = names[each.source], names[each.destination]
        best[ends] = min(best.get(ends, len(REPORTERS)), each.reporter)
    return [each for each in series if each.reporter == best[names[each.source], names[each.destination]]]


def _link(series: _Series, names: Mapping[_Workload, str]) -> Link:
    destination = series.destination
    outside = not series.knows_workload and not destination.namespace and not is_inside(destination.name)
    # Only the client's proxy counts what leaves the mesh.
    both_ends = series.reporter != REPORTERS.index("source")
    callee_type = ComponentType.EXTERNAL if outside else None
    return Link(names[series.source], names[destination], callee_type=callee_type, both_ends=both_ends)


def _aliases(series: Iterable[_Series], names: Mapping[_Workload, str]) -> dict[str, tuple[str, ...]]:
    """Return other names of components: with and without namespace, and the names of a service that is theirs alone."""
    owners: dict[str, set[str]] = {}
    bare: dict[str, set[str]] = {}
    for each in series:
        owner = names[each.destination]
        for workload, name in ((each.source, names[each.source]), (each.destination, owner), (each.service, owner)):
            if workload.namespace:
                owners.setdefault("/".join(reversed(workload)), set()).add(name)
            if name == name_within(*reversed(workload)):
                bare.setdefault(workload.name, set()).add(name)
        for alias in {each.service.name, each.host} - {""}:
            owners.setdefault(alias, set()).add(owner)
    # A workload's own name goes before that of a Service, which may stand in front of several.
    owners |= bare
    taken = set(names.values())
    found: dict[str, list[str]] = {}
    for alias in sorted(owners):
        if len(owners[alias]) == 1 and alias not in taken:
            found.setdefault(next(iter(owners[alias])), []).append(alias)
    return {name: tuple(aliases) for name, aliases in found.items()}
