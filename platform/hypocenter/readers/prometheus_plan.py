"""What to ask a Prometheus server: within a budget of points, in pieces that do not weigh on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.errors import LimitError
from hypocenter.readers.selectors import label_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hypocenter.readers.selectors import Selector

Labels = dict[str, str]
Catalogue = dict[str, list[Labels]]

POINTS_PER_QUERY = 200_000
SERIES_PER_QUERY = 2_000
LONGEST_RANGE_S = 1800
# The server's own bound on the points of one series in one answer.
_POINTS_PER_SERIES = 11_000
_COUNTER_PARTS = ("_total", "_sum", "_count", "_bucket")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What a sum at the server must not lose: the component, the other end of a call, and what kind of answer it was.
_COMPONENTS = _words("""
    component service service_name app_kubernetes_io_name label_app_kubernetes_io_name k8s_deployment_name workload
    deployment statefulset daemonset app application container_label_com_docker_compose_service
""")
_PLACES = _words("namespace service_namespace job node nodename host hostname host_name")
_ENDS = _words("""
    client server caller callee peer peer_service source destination src dst upstream downstream client_service
    server_service upstream_service upstream_cluster source_workload source_workload_namespace source_service source_app
    destination_workload destination_workload_namespace destination_service destination_service_name
    destination_service_namespace destination_app server_address net_peer_name target_service side direction reporter
    connection_type span_kind
""")
_OUTCOMES = _words("""
    code status status_code http_status http_status_code http_response_status_code response_code grpc_code grpc_status
    rpc_grpc_status_code outcome error result le quantile state mode cpu_mode level severity
""")
KEPT_LABELS = _COMPONENTS | _PLACES | _ENDS | _OUTCOMES
# What names the component where none of those does, the first that is there.
_LAST_NAMES = ("pod", "pod_name", "k8s_pod_name", "container", "container_name", "name")


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end`, Unix seconds; `at` is the moment the investigation is about."""

    start: float
    end: float
    at: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    def before(self, seconds: float) -> Window:
        """Return the window as long ago."""
        return Window(self.start - seconds, self.end - seconds, self.at - seconds)


@dataclass(frozen=True, slots=True)
class Piece:
    """One question: an expression over the `range_s` seconds before `end` (Unix seconds)."""

    expression: str
    end: float
    range_s: int


@dataclass(frozen=True, slots=True)
class Aggregation:
    """A metric that the server adds up to `groups` series; `counts` says that it is a counter's rate."""

    metric: str
    expression: str
    groups: int
    counts: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Metrics to read sample by sample, and those too many to, with the step (s) they are added up at."""

    raw: tuple[str, ...]
    aggregated: tuple[Aggregation, ...]
    step_s: int
    points: int


def plan(
    catalogue: Catalogue,
    selectors: Sequence[Selector],
    window: Window,
    interval_s: int,
    most: int,
    component_labels: Sequence[str] = (),
) -> Plan:
    """Return what to read so that at most `most` points are asked for.

    While there are more, the metric with the most series is left to the server to add up, over all labels but those
    that name a component (`component_labels` too), the other end of a call or an outcome. Raises LimitError when that
    is still too much.
    """
    samples = math.ceil(window.seconds / interval_s)
    step = interval_s * max(2, math.ceil(samples / _POINTS_PER_SERIES))
    points = {metric: len(series) * samples for metric, series in catalogue.items()}
    aggregated: list[Aggregation] = []
    for metric in sorted(catalogue, key=lambda name: (-len(catalogue[name]), name)):
        if sum(points.values()) <= most:
            break
        kept = _kept(metric, catalogue[metric], frozenset(component_labels))
        aggregated.append(_aggregation(metric, catalogue[metric], kept, selectors, interval_s))
        points[metric] = aggregated[-1].groups * math.ceil(window.seconds / step)
    total = sum(points.values())
    if total > most:
        raise LimitError(
            f"{sum(map(len, catalogue.values())):,} series would be {total:,} points even when added up, more than the "
            f"limit of {most:,}; narrow --match, shorten --lookback or raise HYPOCENTER_PROMETHEUS_MAX_POINTS"
        )
    dropped = {each.metric for each in aggregated}
    return Plan(tuple(sorted(set(catalogue) - dropped)), tuple(aggregated), step, total)


def pieces(
    catalogue: Catalogue, metrics: Iterable[str], selectors: Sequence[Selector], window: Window, interval_s: int
) -> Iterator[Piece]:
    """Yield range selectors that together cover the window for these metrics, each below `POINTS_PER_QUERY`."""
    for expression, series in expressions(catalogue, metrics, selectors):
        seconds = min(max(POINTS_PER_QUERY * interval_s // series, interval_s), LONGEST_RANGE_S)
        for number in range(math.ceil(window.seconds / seconds)):
            yield Piece(expression, window.start + (number + 1) * seconds, seconds)


def expressions(
    catalogue: Catalogue, metrics: Iterable[str], selectors: Sequence[Selector]
) -> Iterator[tuple[str, int]]:
    """Yield selectors that together match these metrics, each with an upper bound of its number of series."""
    for names in _batches(catalogue, metrics):
        series = sum(len(catalogue[name]) for name in names)
        for selector in selectors:
            expression = str(selector) if len(names) == len(catalogue) else selector.of(names)
            if expression is not None:
                yield expression, series


def _batches(catalogue: Catalogue, metrics: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    series = 0
    for metric in metrics:
        if batch and series + len(catalogue[metric]) > SERIES_PER_QUERY:
            yield batch
            batch, series = [], 0
        batch.append(metric)
        series += len(catalogue[metric])
    if batch:
        yield batch


def _kept(metric: str, series: Iterable[Mapping[str, str]], component_labels: frozenset[str]) -> tuple[str, ...]:
    names = {name for labels in series for name in labels}
    kept = names & (KEPT_LABELS | component_labels)
    last = next((name for name in _LAST_NAMES if name in names), None)
    if last and not names & (_COMPONENTS | component_labels):
        kept.add(last)
    # A machine's own metrics name the machine by nothing else, and some jobs name nothing but their instances.
    if metric.startswith("node_") or not kept & (_COMPONENTS | _PLACES | component_labels | {last}):
        kept |= names & {"instance"}
    return tuple(sorted(kept))


def _groups(series: Iterable[Mapping[str, str]], kept: tuple[str, ...]) -> int:
    return len({tuple(labels.get(name) for name in kept) for labels in series})


def _aggregation(
    metric: str, series: Sequence[Labels], kept: tuple[str, ...], selectors: Sequence[Selector], interval_s: int
) -> Aggregation:
    narrowed = [text for selector in selectors if (text := selector.of([metric])) is not None]
    counts = metric.endswith(_COUNTER_PARTS)
    if counts:
        inner, operator = " or ".join(f"rate({text}[{4 * interval_s}s])" for text in narrowed), "sum"
    else:
        inner, operator = " or ".join(narrowed), "avg"
    return Aggregation(
        metric, f"{operator} by ({','.join(map(label_name, kept))}) ({inner})", _groups(series, kept), counts
    )
