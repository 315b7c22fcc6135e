"""Who a series speaks of: which label names the component, and what sort of component a name tells of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypocenter.model import Component, ComponentType, Dependency, DependencyType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DEFAULT_COMPONENT_LABELS = (
    "component",
    "service_name",
    "service.name",
    "service",
    "app_kubernetes_io_name",
    "app.kubernetes.io/name",
    "label_app_kubernetes_io_name",
    "k8s_deployment_name",
    "k8s.deployment.name",
    "workload",
    "deployment",
    "statefulset",
    "daemonset",
    "app",
    "application",
    "container_label_com_docker_compose_service",
    "pod",
    "pod_name",
    "k8s_pod_name",
    "k8s.pod.name",
    "container",
    "container_name",
    "name",
    "job",
    "host",
    "hostname",
    "host_name",
    "host.name",
    "node",
    "nodename",
    "instance",
)
POD_LABELS = frozenset({"pod", "pod_name", "k8s_pod_name", "k8s.pod.name"})
HOST_LABELS = frozenset(
    {"host", "hostname", "host_name", "host.name", "node", "nodename", "k8s_node_name", "k8s.node.name"}
)
_REPLICA = re.compile(
    r"^(?P<name>.+?)(?:-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}|-\d{1,3})$"
)
_DAEMON = re.compile(r"^(?P<name>.+)-(?=[a-z]*\d)[bcdfghjklmnpqrstvwxz2456789]{5}$")
_TYPES = (
    (ComponentType.CACHE, "redis memcached memcache valkey varnish cache"),
    (ComponentType.QUEUE, "kafka rabbitmq rabbit nats activemq pulsar sqs sns kinesis mq queue broker"),
    (
        ComponentType.DATABASE,
        "db database postgres postgresql pgsql mysql mariadb mongo mongodb cassandra elasticsearch opensearch sql "
        "dynamodb rds clickhouse cockroachdb sqlite couchdb neo4j",
    ),
)
_TYPE_OF_WORD = {word: type_ for type_, words in _TYPES for word in words.split()}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_pseudo(name: str) -> bool:
    """Whether a name such as `__entry__` stands for the system as a whole rather than for a component."""
    return name.startswith("__") and name.endswith("__")


def workload_of(pod: str) -> str:
    """Strip from a pod's name what Kubernetes appends to the name of its workload.

    >>> workload_of("cart-7d4b9c6f5d-x2x7k"), workload_of("kafka-0"), workload_of("web")
    ('cart', 'kafka', 'web')
    """
    match = _REPLICA.match(pod) or _DAEMON.match(pod)
    return match["name"] if match else pod


def component_of(labels: Mapping[str, str], order: Sequence[str] = DEFAULT_COMPONENT_LABELS) -> str | None:
    """Name the component of a labelled series by the first label of `order` that it carries; None when it has none.

    >>> component_of({"job": "kubelet", "pod": "cart-7d4b9c6f5d-x2x7k"})
    'cart'
    """
    label = next((label for label in order if labels.get(label)), None)
    if label is None:
        return None
    name = labels[label]
    if label in POD_LABELS:
        return workload_of(name)
    return name.removesuffix(":" + name.rpartition(":")[2]) if label == "instance" and ":" in name else name


def type_of(name: str) -> ComponentType:
    """Guess from a name whether it is a database, a cache or a queue; else it is a service.

    >>> type_of("orders-db").value, type_of("Services_AWS::SQS::Queue").value, type_of("checkout").value
    ('database', 'queue', 'service')
    """
    found = [_TYPE_OF_WORD[word] for word in (word.lower() for word in _WORDS.findall(name)) if word in _TYPE_OF_WORD]
    if name.endswith(("service", "Service")) and "-db" not in name and len(found) < 2:
        return ComponentType.SERVICE
    return found[-1] if found else ComponentType.SERVICE


def gather(
    declared: Iterable[Component], names: Iterable[str], dependencies: Iterable[Dependency], hosts: Iterable[str] = ()
) -> tuple[Component, ...]:
    """Join the components that a case declares with those its series and dependencies name, types inferred, by name."""
    types = {component.name: component.type for component in declared}
    edges = tuple(dependencies)
    for edge in edges:
        if edge.type is DependencyType.RUNS_ON:
            types.setdefault(edge.callee, ComponentType.HOST)
        if edge.type is DependencyType.INSTANCE_OF:
            types.setdefault(edge.caller, ComponentType.POD)
    for host in hosts:
        types.setdefault(host, ComponentType.HOST)
    for name in (*names, *(end for edge in edges for end in (edge.caller, edge.callee))):
        if name not in types and not is_pseudo(name):
            types[name] = type_of(name)
    return tuple(Component(name, types[name]) for name in sorted(types))
