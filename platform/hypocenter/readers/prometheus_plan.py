"""What to ask a Prometheus server: within a budget of points, in pieces that do not weigh on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.errors import LimitError

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
# What a sum at the server must not lose: which component, which other end, and what kind of answer it was.
_KEPT = """
    component service service_name service_namespace namespace app job deployment workload container pod_group
    source_workload source_workload_namespace destination_workload destination_workload_namespace
    destination_service_name destination_service_namespace client server peer peer_service upstream upstream_cluster
    code status status_code http_status http_response_status_code http_status_code grpc_code grpc_status
    rpc_grpc_status_code response_code outcome error result le quantile reporter side direction connection_type kind
    state type node nodename host hostname
"""
KEPT_LABELS = frozenset(_KEPT.split())


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


def plan(catalogue: Catalogue, selectors: Sequence[Selector], window: Window, interval_s: int, most: int) -> Plan:
    """Return what to read so that at most `most` points are asked for.

    While there are more, the metric with the most series is left to the server to add up. Raises LimitError when
    that is still too much.
    """
    samples = math.ceil(window.seconds / interval_s)
    step = interval_s * max(2, math.ceil(samples / _POINTS_PER_SERIES))
    points = {metric: len(series) * samples for metric, series in catalogue.items()}
    aggregated: list[Aggregation] = []
    for metric in sorted(catalogue, key=lambda name: (-len(catalogue[name]), name)):
        if sum(points.values()) <= most:
            break
        aggregated.append(_aggregation(metric, catalogue[metric], selectors, interval_s))
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


def _kept(metric: str, series: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    # A machine's own metrics name the machine by nothing else.
    known = KEPT_LABELS | ({"instance"} if metric.startswith("node_") else set())
    return tuple(sorted({name for labels in series for name in labels} & known))


def _groups(series: Iterable[Mapping[str, str]], kept: tuple[str, ...]) -> int:
    return len({tuple(labels.get(name) for name in kept) for labels in series})


def _aggregation(metric: str, series: Sequence[Labels], selectors: Sequence[Selector], interval_s: int) -> Aggregation:
    kept = _kept(metric, series)
    narrowed = [text for selector in selectors if (text := selector.of([metric])) is not None]
    counts = metric.endswith(_COUNTER_PARTS)
    if counts:
        inner, operator = " or ".join(f"rate({text}[{4 * interval_s}s])" for text in narrowed), "sum"
    else:
        inner, operator = " or ".join(narrowed), "avg"
    return Aggregation(metric, f"{operator} by ({','.join(kept)}) ({inner})", _groups(series, kept), counts)
