"""Kubernetes objects, from manifests or from a live cluster, as far as the graph needs them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypocenter.errors import InputError
from hypocenter.readers.statements import as_list, as_record
from hypocenter.signals.components import workload_of
from hypocenter_graph.claims import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hypocenter.readers.statements import Record

# What makes pods, the outermost first where one object makes another.
WORKLOADS = (
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Rollout",
    "CronJob",
    "Job",
    "ReplicationController",
    "ReplicaSet",
)
ROUTES = ("Ingress", "HTTPRoute")
KINDS = (*WORKLOADS, "Service", *ROUTES, "Pod", "Node")
_CLUSTER_WIDE = frozenset({"Node"})
_HASH_LABEL = "pod-template-hash"

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Resource:
    """One object: its `key` is kind, namespace and name; `owner` is the object that controls it, if any does."""

    kind: str
    namespace: str
    name: str
    where: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner: Key | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What no other object of the cluster has."""
        return self.kind, self.namespace, self.name

    @property
    def node(self) -> Key | None:
        """The node that a pod runs on, where it has one."""
        name = self.spec.get("nodeName")
        return ("Node", "", name) if isinstance(name, str) and name else None

    def at(self, *names: str) -> Record:
        """Return the record in `spec` that `names` lead to, {} where there is none; raises InputError otherwise."""
        value: Mapping[str, Any] = self.spec
        for depth, name in enumerate(names):
            value = as_record(value.get(name), f"{self.where}: spec.{'.'.join(names[: depth + 1])}")
        return dict(value)

    def items(self, record: Mapping[str, Any], name: str) -> list[Record]:
        """Return the records in a list that `record` holds; raises InputError when it is no such list."""
        place = f"{self.where}: {name}"
        return [as_record(item, f"{place}[{n}]") for n, item in enumerate(as_list(record.get(name), place))]


def read_objects(documents: Iterable[object], where: str) -> tuple[list[Resource], tuple[str, ...]]:
    """Return the objects of the kinds in `KINDS`, each once, the last of equals, and notes of what was left out.

    Lists are opened, whatever they are of. Raises InputError when a document is no object of Kubernetes.
    """
    found: dict[Key, Resource] = {}
    ignored: Counter[str] = Counter()
    for kind, record, place in _records(documents, where):
        if kind not in KINDS:
            ignored[kind] += 1
            continue
        resource = _resource(kind, record, place)
        found[resource.key] = resource
    if not ignored:
        return list(found.values()), ()
    named = ", ".join(f"{kind[:80]!r} ({count})" for kind, count in sorted(ignored.items())[:10])
    return list(found.values()), (f"{where}: kinds that say nothing of the graph were left out: {named}",)


def _records(documents: Iterable[object], where: str) -> Iterator[tuple[str, Record, str]]:
    """Yield kind, object and place; items of a list of one kind need not name it."""
    for number, document in enumerate(documents):
        place = f"{where}: document {number + 1}"
        record = as_record(document, place)
        kind = _kind(record, place)
        if not kind.endswith("List"):
            yield kind, record, place
            continue
        for n, item in enumerate(as_list(record.get("items"), f"{place}: items")):
            inner = as_record(item, f"{place}: items[{n}]")
            yield (
                _kind({"kind": kind.removesuffix("List"), **inner}, f"{place}: items[{n}]"),
                inner,
                f"{place}: items[{n}]",
            )


def _kind(record: Record, place: str) -> str:
    kind = record.get("kind")
    if not isinstance(kind, str) or not kind:
        raise InputError(f"{place}: field 'kind' must be text, as Deployment; give manifests of Kubernetes")
    return kind


def _resource(kind: str, record: Record, place: str) -> Resource:
    metadata = as_record(record.get("metadata"), f"{place}: metadata")
    name = check_name(metadata.get("name"), f"{place}: metadata.name")
    namespace = "" if kind in _CLUSTER_WIDE else metadata.get("namespace") or "default"
    where = f"{place} ({kind} {name[:80]!r})"
    return Resource(
        kind,
        check_name(namespace, f"{where}: metadata.namespace") if namespace else "",
        name,
        where,
        texts(metadata.get("labels"), f"{where}: metadata.labels"),
        texts(metadata.get("annotations"), f"{where}: metadata.annotations"),
        _owner(metadata, str(namespace), where),
        as_record(record.get("spec"), f"{where}: spec"),
        as_record(record.get("status"), f"{where}: status"),
    )


def texts(value: object, where: str) -> dict[str, str]:
    """Return the entries of a record that are text; raises InputError when it is no record."""
    return {str(k): v for k, v in as_record(value, where).items() if isinstance(v, str)}


def _owner(metadata: Record, namespace: str, where: str) -> Key | None:
    """Return the controller among `metadata.ownerReferences`."""
    place = f"{where}: metadata.ownerReferences"
    for n, item in enumerate(as_list(metadata.get("ownerReferences"), place)):
        reference = as_record(item, f"{place}[{n}]")
        if reference.get("controller"):
            kind = _kind(reference, f"{place}[{n}]")
            return kind, namespace, check_name(reference.get("name"), f"{place}[{n}].name")
    return None


@dataclass(frozen=True)
class Workload:
    """What pods are instances of; `labels` are its own and those of its pods, `pod_labels` the latter alone."""

    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    pod_labels: Mapping[str, str]
    annotations: Mapping[str, str]
    containers: tuple[Record, ...]

    @property
    def key(self) -> Key:
        """What no other object of the cluster has."""
        return self.kind, self.namespace, self.name


def top_of(resource: Resource, objects: Mapping[Key, Resource]) -> Key | None:
    """Return the outermost workload that an object belongs to, itself included; None for a pod that nothing made.

    A ReplicaSet that is not among the objects is named after its Deployment and the hash that its pods are labelled
    with.
    """
    key: Key | None = resource.owner
    top = resource.key if resource.kind in WORKLOADS else None
    for _ in WORKLOADS:
        if key is None or key[0] == "Node":
            break
        top = key
        key = objects[key].owner if key in objects else None
    if top and top[0] == "ReplicaSet" and top not in objects and resource.kind == "Pod":
        return _deployment(top, resource)
    return top


def _deployment(replica_set: Key, pod: Resource) -> Key:
    _, namespace, name = replica_set
    digest = pod.labels.get(_HASH_LABEL)
    if digest and name.endswith(f"-{digest}"):
        return "Deployment", namespace, name.removesuffix(f"-{digest}")
    workload = workload_of(pod.name)
    return ("Deployment", namespace, workload) if name.startswith(f"{workload}-") else replica_set


def find_workloads(resources: Iterable[Resource]) -> dict[Key, Workload]:
    """Return the outermost workloads by key; one that only its pods tell of has their labels and containers."""
    listed = list(resources)
    objects = {resource.key: resource for resource in listed}
    found: dict[Key, Workload] = {}
    for resource in sorted(listed, key=lambda r: KINDS.index(r.kind)):
        top = top_of(resource, objects) if resource.kind in (*WORKLOADS, "Pod") else None
        if top and top not in found:
            found[top] = _workload(top, resource)
    return found


def _workload(top: Key, resource: Resource) -> Workload:
    if resource.kind == "Pod":
        labels, annotations, spec = resource.labels, resource.annotations, dict(resource.spec)
    else:
        path = ("jobTemplate", "spec", "template") if resource.kind == "CronJob" else ("template",)
        metadata = resource.at(*path, "metadata")
        labels = texts(metadata.get("labels"), f"{resource.where}: template labels")
        annotations = {**resource.annotations, **texts(metadata.get("annotations"), f"{resource.where}: annotations")}
        spec = resource.at(*path, "spec")
    containers = resource.items(spec, "containers") + resource.items(spec, "initContainers")
    return Workload(*top, {**resource.labels, **labels}, labels, annotations, tuple(containers))
