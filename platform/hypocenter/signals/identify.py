"""Labelled raw series, identified: how to read each, whose it is and which instance reported it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.catalog import measure
from hypocenter.model import Dependency, DependencyType, MetricKind
from hypocenter.signals.components import HOST_LABELS, POD_LABELS, component_of, workload_of
from hypocenter.signals.edges import View, views_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from hypocenter.naming import Measure

HOST_ORDER = (
    "component",
    "node",
    "nodename",
    "k8s_node_name",
    "host",
    "hostname",
    "host_name",
    "host.name",
    "instance",
)
OTHERS_ORDER = (
    "component",
    "label_app_kubernetes_io_name",
    "workload",
    "deployment",
    "statefulset",
    "daemonset",
    "k8s_deployment_name",
    "pod",
    "pod_name",
    "k8s_pod_name",
    "container_label_com_docker_compose_service",
    "container",
    "container_name",
    "name",
)
# By what decides: the metric's name, the names of its labels, and its quantile.
Measures = dict[tuple[str, frozenset[str], str], "Measure"]
_SERVICES = frozenset({"service_name", "service.name"})
ABOUT_OTHERS = ("container_", "kube_", "k8s_", "k8s.", "container.")


@dataclass(frozen=True)
class Column:
    """One identified raw series: its place `at`, whose figure it is (`views`; edges have two) and who reported it."""

    at: int
    name: str
    labels: Mapping[str, str]
    measure: Measure
    views: tuple[View, ...]
    instance: str | None
    is_host: bool


def identify(
    labels: Sequence[Mapping[str, str]],
    order: Sequence[str],
    overrides: Mapping[str, Mapping[str, str]] | None,
    known: frozenset[str] = frozenset(),
) -> tuple[Column, ...]:
    """Identify labelled series; those that no label attributes to a component have no views.

    `known` are components that other series than these name.
    """
    known_measures: Measures = {}
    histograms = _histograms(labels)
    measures = [measure_once(one, overrides, known_measures, histograms) for one in labels]
    owners = [owner_of(one, how, order) for one, how in zip(labels, measures, strict=True)]
    known |= frozenset(owner for owner in owners if owner is not None)
    return tuple(
        Column(
            at=at,
            name=one.get("__name__", ""),
            labels=one,
            measure=how,
            views=views_of(one, how, owner, known),
            instance=None if owner is None else _instance(one, owner, is_host=_is_host(one, how)),
            is_host=_is_host(one, how),
        )
        for at, (one, how, owner) in enumerate(zip(labels, measures, owners, strict=True))
    )


def _histograms(labels: Sequence[Mapping[str, str]]) -> frozenset[str]:
    """The names of histograms, as their buckets tell them, and of summaries, as their quantiles do."""
    buckets = {one.get("__name__", "").removesuffix("_bucket") for one in labels if "le" in one}
    return frozenset(buckets | {one.get("__name__", "") for one in labels if "quantile" in one})


def measure_once(
    labels: Mapping[str, str],
    overrides: Mapping[str, Mapping[str, str]] | None,
    known: Measures,
    histograms: Container[str] = (),
) -> Measure:
    """Return how to read a series; `known` holds what was found before with these histograms, and what is found now."""
    key = labels.get("__name__", ""), frozenset(labels), labels.get("quantile", "")
    if key not in known:
        known[key] = measure(key[0], labels, overrides, histograms)
    return known[key]


def owner_of(labels: Mapping[str, str], how: Measure, order: Sequence[str]) -> str | None:
    """Name the component that a labelled series speaks of.

    An exporter that speaks of others (cAdvisor, kube-state-metrics) names itself in `job` and `service`, and what it
    speaks of in `pod` or `container`; a figure of a machine belongs to the machine.
    """
    if _is_host(labels, how):
        return component_of(labels, HOST_ORDER) or component_of(labels, order)
    if labels.get("__name__", "").startswith(ABOUT_OTHERS):
        return component_of(labels, OTHERS_ORDER) or component_of(labels, order)
    return component_of(labels, order)


def _is_host(labels: Mapping[str, str], how: Measure) -> bool:
    """Whether a figure is one of a machine; what a service tells of a machine that it does not name is its own."""
    if not how.host or POD_LABELS & labels.keys() or "component" in labels:
        return False
    return not _SERVICES & labels.keys() or bool(HOST_LABELS & labels.keys())


def _instance(labels: Mapping[str, str], owner: str, *, is_host: bool) -> str | None:
    """Name who reported: the pod, else `component/instance`; a machine is its own instance.

    What an exporter says of others comes from the exporter's pod unless the pod is what it speaks of.
    """
    if is_host:
        return None
    is_about_others = labels.get("__name__", "").startswith(ABOUT_OTHERS)
    pod = next((labels[name] for name in sorted(POD_LABELS) if labels.get(name)), None)
    if pod is not None:
        is_own = workload_of(pod) == owner or not is_about_others
        return pod if pod != owner and is_own else None
    instance = labels.get("instance") or labels.get("service_instance_id") or labels.get("service.instance.id")
    is_apart = instance and instance.partition(":")[0] != owner and not is_about_others
    return f"{owner}/{instance}" if is_apart else None


def placements(columns: Iterable[Column]) -> tuple[Dependency, ...]:
    """Which component runs on which machine, as labels such as `node` beside a component tell it, sorted."""
    pairs: set[tuple[str, str]] = set()
    for column in columns:
        machine = next((column.labels[name] for name in sorted(HOST_LABELS) if column.labels.get(name)), None)
        if machine is not None and not column.is_host and column.measure.kind is not MetricKind.UP:
            pairs.update((view.component, machine) for view in column.views if view.component != machine)
    return tuple(Dependency(name, machine, DependencyType.RUNS_ON, "labels") for name, machine in sorted(pairs))


def hosts(columns: Iterable[Column]) -> tuple[str, ...]:
    """The machines that series speak of, sorted."""
    return tuple(sorted({view.component for column in columns if column.is_host for view in column.views}))
