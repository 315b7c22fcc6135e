"""What a cluster's objects are to each other: which workload is behind a Service, and what each is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.readers.statements import as_record
from hypocenter_graph.discover.kubernetes_objects import KINDS, ROUTES, find_workloads, texts, top_of
from hypocenter_graph.discover.sightings import name_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hypocenter_graph.discover.kubernetes_objects import Key, Resource, Workload

EXTERNAL = "ExternalName"
_ENDED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True)
class Cluster:
    """Objects by what they are: `behind` holds the components that each Service leads to, `names` what each is called.

    `tops` holds the workload of each pod; a pod that nothing made is not in it. Pods that ended are in none of them.
    """

    objects: Mapping[Key, Resource]
    workloads: Mapping[Key, Workload]
    pods: tuple[Resource, ...]
    nodes: tuple[Resource, ...]
    services: tuple[Resource, ...]
    routes: tuple[Resource, ...]
    tops: Mapping[Key, Key]
    behind: Mapping[Key, tuple[Key, ...]]
    names: Mapping[Key, str]

    def meant_by(self, service: Key) -> Key:
        """Return the component that calls to a Service reach: the one behind it, or the Service where it is not one."""
        behind = self.behind.get(service, ())
        return behind[0] if len(behind) == 1 else service


def cluster_of(resources: Iterable[Resource]) -> Cluster:
    """Return how objects belong together; raises InputError when one is not as Kubernetes has it."""
    listed = [r for r in resources if r.kind != "Pod" or r.status.get("phase") not in _ENDED]
    by_kind = {kind: tuple(r for r in listed if r.kind == kind) for kind in KINDS}
    routes = tuple(r for kind in ROUTES for r in by_kind[kind])
    objects = {resource.key: resource for resource in listed}
    workloads = find_workloads(listed)
    tops = {pod.key: top for pod in by_kind["Pod"] if (top := top_of(pod, objects))}
    behind = _behind(by_kind["Service"], workloads, [p for p in by_kind["Pod"] if p.key not in tops])
    named = {*workloads, *(r.key for r in (*by_kind["Pod"], *by_kind["Node"], *routes)), *_lone(behind)}
    named |= {pod.node for pod in by_kind["Pod"] if pod.node}
    named |= {service for route in routes for service in backends_of(route) if service not in behind}
    return Cluster(
        objects,
        workloads,
        by_kind["Pod"],
        by_kind["Node"],
        by_kind["Service"],
        routes,
        tops,
        behind,
        component_names(named),
    )


def _behind(
    services: Iterable[Resource], workloads: Mapping[Key, Workload], pods: Iterable[Resource]
) -> dict[Key, tuple[Key, ...]]:
    """Return what each Service selects; of several workloads the one of the Service's name, if there is one."""
    labelled: dict[tuple[str, str, str], dict[Key, None]] = {}
    for key, labels in (*((k, w.pod_labels) for k, w in workloads.items()), *((p.key, p.labels) for p in pods)):
        for name, value in labels.items():
            labelled.setdefault((key[1], name, value), {})[key] = None
    found: dict[Key, tuple[Key, ...]] = {}
    for service in services:
        host = service.spec.get("externalName")
        if service.spec.get("type") == EXTERNAL and isinstance(host, str) and host:
            found[service.key] = ((EXTERNAL, "", host),)
            continue
        selector = texts(service.spec.get("selector"), f"{service.where}: spec.selector")
        sets = [labelled.get((service.namespace, name, value), {}) for name, value in selector.items()]
        fewest = min(sets, key=len, default={})
        chosen = [key for key in fewest if all(key in keys for keys in sets)]
        namesakes = [key for key in chosen if key[2] == service.name]
        found[service.key] = tuple(namesakes if len(namesakes) == 1 else sorted(chosen))
    return found


def backends_of(route: Resource) -> list[Key]:
    """Return the Services that an Ingress or HTTPRoute leads to; raises InputError when it is no such thing."""
    rules = route.items(route.spec, "rules")
    if route.kind == "HTTPRoute":
        named = [backend for rule in rules for backend in route.items(rule, "backendRefs")]
        named = [backend for backend in named if backend.get("kind") in (None, "Service")]
    else:
        paths = [path for rule in rules for path in route.items(as_record(rule.get("http"), route.where), "paths")]
        backends = [route.at("defaultBackend"), *(as_record(path.get("backend"), route.where) for path in paths)]
        named = [as_record(backend.get("service"), route.where) for backend in backends]
    places = [(backend.get("namespace") or route.namespace, backend.get("name")) for backend in named]
    return [("Service", str(space), name) for space, name in places if isinstance(name, str) and name]


def _lone(behind: Mapping[Key, tuple[Key, ...]]) -> Iterator[Key]:
    """Yield the Services that are components of their own, and what is outside the cluster."""
    for service, keys in behind.items():
        if len(keys) != 1:
            yield service
        elif keys[0][0] == EXTERNAL:
            yield keys[0]


def component_names(components: Iterable[Key]) -> dict[Key, str]:
    """Return what each component is called: `namespace/name`, or its name alone in the namespace `default`.

    So no other object changes what one is called. What is called alike in one namespace is told apart by its kind, as
    `shop/cronjob/cart`; routes are always called so.

    >>> keys = [("Deployment", "default", "cart"), ("Deployment", "shop", "cart"), ("Job", "shop", "cart")]
    >>> list(component_names([*keys, ("Ingress", "shop", "cart")]).values())
    ['cart', 'shop/cart', 'shop/job/cart', 'shop/ingress/cart']
    """
    names: dict[Key, str] = {}
    taken: set[str] = set()
    for key in sorted(set(components), key=lambda key: (_rank(key[0]), key)):
        kind, namespace, name = key
        bare = f"{kind.lower()}/{name}" if kind in ROUTES else name
        while name_within(namespace, bare) in taken:
            bare = f"{kind.lower()}/{bare}"
        names[key] = name_within(namespace, bare)
        taken.add(names[key])
    return names


def bare_name(key: Key, name: str) -> str:
    """Return the name of a component within its namespace, `name` being what it is called."""
    return name.removeprefix(f"{key[1]}/") if key[1] else name


def _rank(kind: str) -> int:
    return KINDS.index(kind) if kind in KINDS else len(KINDS)
