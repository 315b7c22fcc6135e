"""Spans that a source has already counted per minute, taken over under the names that spans get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import Dependency, MetricKind, Series
from hypocenter.signals.grid import nanoseconds
from hypocenter.telemetry import SeriesTable

if TYPE_CHECKING:
    import pandas as pd

    from hypocenter.telemetry import Values

PER_MINUTE = 1 / 60
PER_MICROSECOND = 1e-6
SERVICE = (
    ("spans", "span_rate", MetricKind.TRAFFIC, "1/s", "rate", PER_MINUTE),
    ("traces", "trace_rate", MetricKind.TRAFFIC, "1/s", "rate", PER_MINUTE),
    ("dur_mean_us", "span_duration_mean", MetricKind.LATENCY, "s", "mean", PER_MICROSECOND),
    ("dur_p50_us", "span_duration_p50", MetricKind.LATENCY, "s", "p50", PER_MICROSECOND),
    ("dur_p95_us", "span_duration_p95", MetricKind.LATENCY, "s", "p95", PER_MICROSECOND),
    ("self_mean_us", "span_self_time_mean", MetricKind.SELF_TIME, "s", "mean", PER_MICROSECOND),
    ("self_p50_us", "span_self_time_p50", MetricKind.SELF_TIME, "s", "p50", PER_MICROSECOND),
    ("self_p95_us", "span_self_time_p95", MetricKind.SELF_TIME, "s", "p95", PER_MICROSECOND),
)
EDGE = (
    ("calls", "call_rate", MetricKind.TRAFFIC, "1/s", "rate", PER_MINUTE),
    ("dur_mean_us", "call_duration_mean", MetricKind.LATENCY, "s", "mean", PER_MICROSECOND),
    ("dur_p95_us", "call_duration_p95", MetricKind.LATENCY, "s", "p95", PER_MICROSECOND),
)
Fields = tuple[tuple[str, str, MetricKind, str, str, float], ...]


def resolve_minutes(services: pd.DataFrame | None, edges: pd.DataFrame | None) -> SeriesTable | None:
    """Lay minute counts of services and edges on one grid of minutes; a rate is 0 where a minute has no row."""
    frames = [frame for frame in (services, edges) if frame is not None and len(frame)]
    if not frames:
        return None
    starts = np.unique(np.concatenate([nanoseconds(frame["time"]) for frame in frames]))
    parts = []
    if services is not None and len(services):
        parts.append(_spread(services, ("service",), SERVICE, starts))
    if edges is not None and len(edges):
        parts.append(_spread(edges, ("callee", "caller"), EDGE, starts))
    series = tuple(one for found, _ in parts for one in found)
    return SeriesTable(series, starts.astype("datetime64[ns]"), np.hstack([values for _, values in parts]), "traces")


def _spread(
    frame: pd.DataFrame, by: tuple[str, ...], fields: Fields, starts: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> tuple[list[Series], Values]:
    """[time, series] of each field that the frame has, one column per component or edge."""
    groups = frame.groupby(list(by), sort=True)
    places = [tuple(str(part) for part in place) for place, _ in groups]
    column = groups.ngroup().to_numpy()
    at_ns = nanoseconds(frame["time"])
    rows = np.searchsorted(starts, at_ns)
    watched = np.isin(starts, at_ns)
    series, blocks = [], []
    for name, metric, kind, unit, stat, scale in fields:
        if name in frame:
            block = np.full((len(starts), len(places)), np.nan)
            if stat == "rate":
                block[watched] = 0.0
            block[rows, column] = frame[name].to_numpy(dtype=float) * scale
            blocks.append(block)
            series += [_series(place, metric, kind, unit, stat) for place in places]
    return series, np.hstack(blocks)


def _series(place: tuple[str, ...], metric: str, kind: MetricKind, unit: str, stat: str) -> Series:
    peer = place[1] if len(place) > 1 else None
    return Series(place[0], metric, kind, unit, stat, "server" if peer else None, peer)


def minute_edges(edges: pd.DataFrame | None) -> tuple[Dependency, ...]:
    """Who calls whom, as the edges that were counted show it, sorted."""
    if edges is None or edges.empty:
        return ()
    pairs = sorted(
        {(str(caller), str(callee)) for caller, callee in zip(edges["caller"], edges["callee"], strict=True)}
    )
    return tuple(Dependency(caller, callee, source="spans") for caller, callee in pairs)
