"""Which series of a frame may cause which, by the call graph, and which of them move most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from hypocenter.model import MetricKind
from hypocenter_workers.baselines import nsigma_deviations

if TYPE_CHECKING:
    from rca_frames import Frame

    from hypocenter.telemetry import Values

FELT = (MetricKind.LATENCY, MetricKind.ERRORS, MetricKind.AVAILABILITY)


def deviations(frame: Frame) -> Values:
    """Return the largest |z| of each series in the incident by its normal mean and standard deviation."""
    return np.nan_to_num(nsigma_deviations(frame.normal, frame.incident))


def first_of(frame: Frame, most: int) -> Frame:
    """Return the frame with at most this many series: those that deviate most, in the order of columns."""
    order = np.argsort(-deviations(frame), kind="stable")[:most]
    return frame.columns(sorted(order.tolist()))


def calls_without_cycles(frame: Frame) -> nx.DiGraph:
    """Return the call graph caller -> callee as a DAG: an edge that would close a cycle is left out."""
    graph = nx.DiGraph()
    graph.add_nodes_from(one.component for one in frame.series)
    for caller, callee in frame.edges:
        graph.add_nodes_from((caller, callee))
        if not nx.has_path(graph, callee, caller):
            graph.add_edge(caller, callee)
    return graph


def causal_edges(frame: Frame) -> list[tuple[int, int]]:
    """Return (cause, effect) columns: what a callee shows causes the same metric of its callers."""
    column = {(one.component, one.metric): place for place, one in enumerate(frame.series) if one.peer is None}
    found = []
    for caller, callee in calls_without_cycles(frame).edges:
        shared = (metric for component, metric in column if component == callee and (caller, metric) in column)
        found += [(column[callee, metric], column[caller, metric]) for metric in shared]
    return sorted(found)


def indicator(frame: Frame) -> dict[str, int]:
    """Return the column by which a symptom is judged in each component: of the symptom's metric.

    Where no metric is stated it is the metric of latency, errors or availability that most components have.
    """
    metric = frame.symptom_metric or _commonest(frame)
    found: dict[str, int] = {}
    for place, one in enumerate(frame.series):
        if one.metric == metric and one.peer is None:
            found.setdefault(one.component, place)
    return found


def _commonest(frame: Frame) -> str | None:
    metrics = [one.metric for one in frame.series if one.kind in FELT and one.peer is None]
    return min(metrics, key=lambda metric: (-metrics.count(metric), metric), default=None)
