"""Other names that a cluster proves: of Services for what is behind them, of addresses, and of what sends telemetry."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from hypocenter_graph.discover.kubernetes_cluster import bare_name
from hypocenter_graph.discover.sightings import name_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hypocenter_graph.discover.kubernetes_cluster import Cluster
    from hypocenter_graph.discover.kubernetes_objects import Key, Resource, Workload

SERVICE_NAME = "resource.opentelemetry.io/service.name"
_LABELS = ("app.kubernetes.io/instance", "app.kubernetes.io/name")


def find_aliases(cluster: Cluster, where: str) -> tuple[dict[Key, tuple[str, ...]], tuple[str, ...]]:
    """Return the other names of each component, and a note of those that several could claim.

    What labels say is a name only where nothing else claims it: charts put one label on many workloads.
    """
    sure = _owners((alias, key) for alias, key in _sure(cluster))
    labelled = _owners((alias, key) for alias, key in _labelled(cluster.workloads) if alias not in sure)
    components = {name: key for key, name in cluster.names.items()}
    found: dict[Key, list[str]] = {}
    contested = []
    for alias, keys in (*sure.items(), *labelled.items()):
        others = keys | ({components[alias]} if alias in components else set())
        if len(others) == 1:
            found.setdefault(others.pop(), []).append(alias)
        elif alias in sure:
            contested.append(alias)
    aliases = {key: tuple(sorted({*names} - {cluster.names.get(key)})) for key, names in found.items()}
    return aliases, _contested(sorted(contested), where)


def _contested(aliases: list[str], where: str) -> tuple[str, ...]:
    if not aliases:
        return ()
    shown = ", ".join(repr(alias[:80]) for alias in aliases[:5])
    return (f"{where}: names that mean several components are followed to none: {shown} ({len(aliases)} in all)",)


def _owners(pairs: Iterable[tuple[str, Key]]) -> dict[str, set[Key]]:
    found: dict[str, set[Key]] = {}
    for alias, key in pairs:
        found.setdefault(alias, set()).add(key)
    return found


def _sure(cluster: Cluster) -> Iterator[tuple[str, Key]]:
    spread = _spread(cluster)
    shared = Counter(ip for service in cluster.services for ip in _outer_addresses(service))
    for service in cluster.services:
        key = cluster.meant_by(service.key)
        yield from ((alias, key) for alias in _dns_names(service, spread))
        yield from ((alias, key) for alias in _service_addresses(service, shared))
    for key, name in cluster.names.items():
        bare = bare_name(key, name)
        if key[1]:
            yield from ((alias, key) for alias in (f"{key[1]}/{bare}", *([] if bare in spread else [bare])))
    for workload in cluster.workloads.values():
        yield from _both_ways(_telemetry_names(workload), workload)
    for pod in cluster.pods:
        if not pod.spec.get("hostNetwork"):
            yield from ((ip, pod.key) for ip in _texts([pod.status.get("podIP")]))
    for node in cluster.nodes:
        yield from ((str(a["address"]), node.key) for a in node.items(node.status, "addresses") if a.get("address"))
    for route in cluster.routes:
        hosts = [rule.get("host") for rule in route.items(route.spec, "rules")] + _list(route.spec.get("hostnames"))
        yield from ((host, route.key) for host in _texts(hosts) if "*" not in host)


def _spread(cluster: Cluster) -> frozenset[str]:
    """Return the names that are in several namespaces."""
    named = {(key[1], bare_name(key, name)) for key, name in cluster.names.items()}
    counts = Counter(name for _, name in named | {(service.namespace, service.name) for service in cluster.services})
    return frozenset(name for name, count in counts.items() if count > 1)


def _dns_names(service: Resource, spread: frozenset[str]) -> list[str]:
    """Return the names by which a cluster's DNS knows a Service; the shortest only where it is in one namespace."""
    full = f"{service.name}.{service.namespace}"
    bare = [] if service.name in spread else [service.name]
    return [*bare, f"{service.namespace}/{service.name}", full, f"{full}.svc", f"{full}.svc.cluster.local"]


def _service_addresses(service: Resource, shared: Mapping[str, int]) -> Iterator[str]:
    """Yield addresses of a Service; those that several share only with the Service's ports."""
    inner = [service.spec.get("clusterIP"), *_list(service.spec.get("clusterIPs"))]
    yield from (ip for ip in _texts(inner) if ip != "None")
    ports = [port.get("port") for port in service.items(service.spec, "ports")]
    for address in _outer_addresses(service):
        yield from [address] if shared[address] == 1 else [f"{address}:{port}" for port in ports if port]


def _outer_addresses(service: Resource) -> set[str]:
    balancer = service.status.get("loadBalancer")
    ingress = service.items(balancer, "ingress") if isinstance(balancer, dict) else []
    found = [
        *_list(service.spec.get("externalIPs")),
        *(i.get("ip") for i in ingress),
        *(i.get("hostname") for i in ingress),
    ]
    return set(_texts(found))


def _telemetry_names(workload: Workload) -> Iterator[str]:
    """Yield the `service.name` under which a workload's pods send OpenTelemetry."""
    yield from _texts([workload.annotations.get(SERVICE_NAME)])
    for container in workload.containers:
        for entry in _list(container.get("env")):
            if isinstance(entry, dict) and entry.get("name") == "OTEL_SERVICE_NAME":
                yield from (name for name in _texts([entry.get("value")]) if "$" not in name)


def _labelled(workloads: Mapping[Key, Workload]) -> Iterator[tuple[str, Key]]:
    for workload in workloads.values():
        yield from _both_ways(_texts([workload.labels.get(label) for label in _LABELS]), workload)


def _both_ways(names: Iterable[str], workload: Workload) -> Iterator[tuple[str, Key]]:
    """Yield names with and without the workload's namespace: spans may tell that, other telemetry does not."""
    for name in names:
        yield from ((each, workload.key) for each in {name, name_within(workload.namespace, name)})


def _texts(values: Iterable[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str) and value.strip()]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
