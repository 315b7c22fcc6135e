"""Service-graph metrics to claims: who calls, publishes to or asks whom, as whoever reads the traces counts it.

Sources: Grafana Tempo, "Service graphs"; OpenTelemetry Collector, `servicegraphconnector`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypocenter.model import ComponentType, DependencyType
from hypocenter.signals.components import type_of
from hypocenter.signals.edges import NOBODY
from hypocenter_graph.discover.counters import counted, pause_of
from hypocenter_graph.discover.sightings import Link, gathered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypocenter.telemetry import RawTable
    from hypocenter_graph.claims import Discovered

SOURCE = "service_graph"
METRIC = "traces_service_graph_request_total"
_VIRTUAL = "virtual_node"


def discover_service_graph(table: RawTable, where: str) -> Discovered:
    """Return what `traces_service_graph_request_total{client,server,connection_type}` shows.

    A link is there while its counters rise; a rest of more than `counters.PAUSE_STEPS` steps ends an interval. The
    client `user`, and ends that are empty or unknown, are no components. A database is what `connection_type` says is
    one, and a virtual node is external. Of messages the metric tells who sends and who receives but not by which queue:
    the sender `DEPENDS_ON` the receiver. Series of other metrics are passed over.
    """
    series = [(place, labels) for place, labels in enumerate(table.labels) if _is_ours(labels)]
    real = {name for _, labels in series for name in _recording(labels)}
    columns: dict[Link, list[int]] = {}
    nameless = 0
    for place, labels in series:
        if {labels.get("client", "").lower(), labels.get("server", "").lower()} & NOBODY:
            nameless += 1
        else:
            columns.setdefault(_link(labels, real), []).append(place)
    found = gathered(SOURCE, where, counted(table, columns), pause=pause_of(table))
    return replace(found, notes=(*_notes(nameless, columns, where), *found.notes))


def _is_ours(labels: Mapping[str, str]) -> bool:
    """Whether a series counts requests; one without a name does where it has both ends, as an aggregate has."""
    name = labels.get("__name__", "")
    return "client" in labels and "server" in labels if not name else name.endswith((METRIC, METRIC[: -len("_total")]))


def _recording(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ends that recorded spans of their own."""
    kind, virtual = labels.get("connection_type", ""), labels.get(_VIRTUAL, "")
    client = labels.get("client", "")
    if kind in (_VIRTUAL, "database"):
        return (labels.get("server", ""),) if virtual == "client" else (client,)
    return client, labels.get("server", "")


def _link(labels: Mapping[str, str], real: set[str]) -> Link:
    client, server, kind = labels["client"], labels["server"], labels.get("connection_type", "")
    type_ = DependencyType.DEPENDS_ON if kind == "messaging_system" else DependencyType.CALLS
    callee_type = None if server in real else _callee_type(server, kind)
    outside = kind == _VIRTUAL and client not in real
    caller_type = ComponentType.EXTERNAL if outside else None
    return Link(client, server, type_, callee_type, caller_type, both_ends=kind not in (_VIRTUAL, "database"))


def _callee_type(server: str, kind: str) -> ComponentType | None:
    if kind == "database":
        return ComponentType.CACHE if type_of(server) is ComponentType.CACHE else ComponentType.DATABASE
    return ComponentType.EXTERNAL if kind == _VIRTUAL else None


def _notes(nameless: int, links: Iterable[Link], where: str) -> tuple[str, ...]:
    messages = sum(link.type is DependencyType.DEPENDS_ON for link in links)
    counts = (
        (nameless, "series name `user` or nobody at one end and show no link"),
        (messages, "links pass messages through a queue that the metric does not name"),
    )
    return tuple(f"{where}: {count:,} {text}" for count, text in counts if count)
