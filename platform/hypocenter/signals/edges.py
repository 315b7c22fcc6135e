"""Edges that labels tell of: whose figure a labelled series is, and who is at the other end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.model import Dependency, MetricKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypocenter.naming import Measure

CALLER_LABELS = (
    "client",
    "caller",
    "source_workload",
    "source_service",
    "source_app",
    "source",
    "src",
    "client_service",
    "downstream",
)
CALLEE_LABELS = (
    "server",
    "callee",
    "destination_workload",
    "destination_service_name",
    "destination_service",
    "destination_app",
    "destination",
    "dst",
    "server_service",
    "target_service",
    "upstream",
    "upstream_service",
    "service_peer_name",
    "service.peer.name",
    "peer_service",
    "peer.service",
    "server_address",
    "server.address",
    "net_peer_name",
)
NOBODY = frozenset({"", "user", "unknown", "none", "-"})
EDGE_KINDS = frozenset({MetricKind.TRAFFIC, MetricKind.ERRORS, MetricKind.LATENCY, MetricKind.AVAILABILITY})


@dataclass(frozen=True, slots=True)
class View:
    """Whose figure it is: `component`'s, at its server or client `side` of calls, with `peer` at the other end."""

    component: str
    side: str | None = None
    peer: str | None = None


def views_of(labels: Mapping[str, str], measure: Measure, own: str | None, known: frozenset[str]) -> tuple[View, ...]:
    """Whose figures a labelled series is.

    Where labels name both ends, it is the server's figure unless the metric's name or Istio's `reporter` says that it
    was taken at the client's end. `own` is the component that the labels name, `known` all components. A client such as
    `user`, which stands for whoever is outside, is nobody's view and no peer.
    """
    if measure.kind not in EDGE_KINDS:
        return () if own is None else (View(own, measure.side),)
    side = measure.side or {"destination": "server", "source": "client"}.get(labels.get("reporter", ""))
    caller = None if side == "client" and own else _end(labels, CALLER_LABELS, known)
    callee = None if side == "server" and own and caller is None else _end(labels, CALLEE_LABELS, known)
    if "peer" in labels and caller is None and callee is None:
        caller, callee = (labels["peer"], None) if side == "server" else (None, labels["peer"])
    return tuple(_views(caller, callee, own, side))


def _end(labels: Mapping[str, str], names: tuple[str, ...], known: frozenset[str]) -> str | None:
    found = next((labels[name] for name in names if labels.get(name, "unknown") != "unknown"), None)
    return None if found is None else _host_name(found, known)


def _host_name(address: str, known: frozenset[str]) -> str:
    """`cart.shop.svc.cluster.local:8080` is `cart` where a component has that name."""
    name = address.rpartition(":")[0] if ":" in address and address.rpartition(":")[2].isdigit() else address
    first = name.partition(".")[0]
    return first if first in known or ".svc" in name else name


def _views(caller: str | None, callee: str | None, own: str | None, side: str | None) -> Iterable[View]:
    server = callee if callee is not None and caller is not None else own
    client = caller if callee is not None and caller is not None else own
    if caller is None and callee is None:
        if own is not None:
            yield View(own, side)
        return
    if caller is not None and side != "client" and server not in (None, *NOBODY):
        yield View(str(server), "server", None if caller in NOBODY or caller == server else caller)
    asks = callee is not None and (side == "client" or caller is None)
    if asks and callee not in NOBODY and client not in (None, *NOBODY):
        yield View(str(client), "client", callee if callee != client else None)


def dependencies_of(views: Iterable[View]) -> tuple[Dependency, ...]:
    """Who calls whom, as the peers of views show it, sorted."""
    pairs = {
        (view.peer, view.component) if view.side == "server" else (view.component, view.peer)
        for view in views
        if view.peer is not None
    }
    return tuple(Dependency(str(caller), str(callee), source="labels") for caller, callee in sorted(pairs, key=str))
