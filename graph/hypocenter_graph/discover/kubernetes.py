"""Kubernetes manifests and live objects to claims: workloads, their pods and nodes, and what they lean on.

A component is called by the name of its outermost workload within its namespace (`shop/cart` for a Deployment `cart`,
`cart` in the namespace `default`), and by `kind/name` there where one namespace has two kinds of it. A Service is
another name of the workload that it selects; one that selects several is a component that they are instances of.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypocenter.model import ComponentType, DependencyType
from hypocenter.signals.components import type_of
from hypocenter_graph.claims import SOURCES, ComponentClaim, DependencyClaim, Discovered, Interval, check_name
from hypocenter_graph.discover.kubernetes_aliases import find_aliases
from hypocenter_graph.discover.kubernetes_cluster import EXTERNAL, backends_of, cluster_of
from hypocenter_graph.discover.kubernetes_objects import ROUTES, read_objects
from hypocenter_graph.discover.kubernetes_references import services_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from hypocenter.readers.statements import Record
    from hypocenter_graph.discover.kubernetes_cluster import Cluster
    from hypocenter_graph.discover.kubernetes_objects import Key, Resource, Workload

    _Edge = tuple[Key, Key, DependencyType]

SOURCE = "kubernetes"
# An address in the environment says what a workload may call, not that it does.
ENVIRONMENT_CONFIDENCE = 0.6
_TYPES = {"Pod": ComponentType.POD, "Node": ComponentType.HOST, EXTERNAL: ComponentType.EXTERNAL}
_COMPONENT_LABEL = "app.kubernetes.io/component"
_SERVER_IMAGES = re.compile(
    r"(?:cp-)?(?P<name>[a-z0-9]+)(?:-(?:server|db|ha|cluster|alpine|stack|sharded|operator-db))*"
)
_OWNER_KEYS = ("owner", "team")


def discover_kubernetes(documents: Iterable[object], where: str, at: datetime) -> Discovered:
    """Return what manifests or `kubectl get ... -o yaml|json` say, holding from `at` on.

    Pods are `INSTANCE_OF` their workload and `RUNS_ON` their node; an Ingress or HTTPRoute `CALLS` what is behind its
    Services; a workload `DEPENDS_ON` the Services that its environment names. Raises InputError when a document is no
    object of Kubernetes.
    """
    resources, notes = read_objects(documents, where)
    cluster = cluster_of(resources)
    aliases, contested = find_aliases(cluster, where)
    edges = list(dict.fromkeys(_edges(cluster)))
    names = cluster.names
    return Discovered(
        tuple(_component(key, name, cluster, aliases.get(key, ()), at) for key, name in names.items()),
        tuple(_dependency(edge, names, at) for edge in edges),
        (*notes, *contested, *_empty_services(cluster, where)),
    )


def _edges(cluster: Cluster) -> Iterator[_Edge]:
    for pod in cluster.pods:
        if pod.key in cluster.tops:
            yield pod.key, cluster.tops[pod.key], DependencyType.INSTANCE_OF
        if pod.node:
            yield pod.key, pod.node, DependencyType.RUNS_ON
    for service, keys in cluster.behind.items():
        yield from ((key, service, DependencyType.INSTANCE_OF) for key in keys if len(keys) > 1)
    for route in cluster.routes:
        yield from ((route.key, cluster.meant_by(service), DependencyType.CALLS) for service in backends_of(route))
    for key, workload in cluster.workloads.items():
        meant = (cluster.meant_by(service) for service in services_named(workload) if service in cluster.behind)
        yield from ((key, other, DependencyType.DEPENDS_ON) for other in meant if other != key)


def _empty_services(cluster: Cluster, where: str) -> tuple[str, ...]:
    empty = sorted(cluster.names[service] for service, keys in cluster.behind.items() if not keys)
    if not empty:
        return ()
    shown = ", ".join(repr(name[:80]) for name in empty[:5])
    return (f"{where}: {len(empty)} Services select no workload here and are components of their own: {shown}",)


def _component(key: Key, name: str, cluster: Cluster, aliases: tuple[str, ...], at: datetime) -> ComponentClaim:
    thing: Workload | Resource | None = cluster.workloads.get(key) or cluster.objects.get(key)
    return ComponentClaim(
        check_name(name, key[0]),
        SOURCE,
        (Interval(at, None),),
        _TYPES.get(key[0]) or (_type(thing) if thing else None),
        _owner(thing) if thing else "",
        aliases=tuple(check_name(alias, f"{key[0]} {name[:80]}") for alias in aliases),
    )


def _type(thing: Workload | Resource) -> ComponentType | None:
    """Return what a label says that a component is, or the image of its first container; None where neither does."""
    if thing.kind in ROUTES:
        return ComponentType.SERVICE
    found = type_of(thing.labels.get(_COMPONENT_LABEL, ""))
    containers = getattr(thing, "containers", ())
    if found is ComponentType.SERVICE and containers:
        found = image_type(containers[0])
    return None if found is ComponentType.SERVICE else found


def image_type(container: Record) -> ComponentType:
    """Return what the image of a container is: a service unless it is that of a well-known server itself.

    >>> [image_type({"image": image}).value for image in ("docker.io/bitnami/redis:7.2", "redis_exporter", "cp-kafka")]
    ['cache', 'service', 'queue']
    """
    image = str(container.get("image") or "").partition("@")[0].rpartition("/")[2].partition(":")[0]
    match = _SERVER_IMAGES.fullmatch(image.lower())
    return type_of(match["name"]) if match else ComponentType.SERVICE


def _owner(thing: Workload | Resource) -> str:
    """Return who owns a component by an annotation or label `owner` or `team`, with or without a prefix."""
    for name in _OWNER_KEYS:
        for texts in (thing.annotations, thing.labels):
            for key in sorted(texts):
                if key.rpartition("/")[2] == name and texts[key]:
                    return texts[key]
    return ""


def _dependency(edge: _Edge, names: Mapping[Key, str], at: datetime) -> DependencyClaim:
    caller, callee, type_ = edge
    sure = SOURCES[SOURCE].confidence
    confidence = ENVIRONMENT_CONFIDENCE if type_ is DependencyType.DEPENDS_ON else sure
    return DependencyClaim(names[caller], names[callee], type_, SOURCE, (Interval(at, None),), confidence)
