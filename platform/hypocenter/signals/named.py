"""Columns that a source already names `component|metric`: each is a series; only unit and kind remain to be found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.catalog import measure
from hypocenter.model import ComponentType, MetricKind, Series
from hypocenter.signals import counters
from hypocenter.signals.scale import settle
from hypocenter.telemetry import SeriesTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypocenter.naming import Measure
    from hypocenter.telemetry import RawTable, Times, Values

NAMED = frozenset({"component", "__name__", "peer"})


@dataclass(frozen=True)
class Column:
    """One column to be taken over: its place in the raw table, its series and how to read it."""

    at: int
    series: Series
    measure: Measure


def is_named(labels: Mapping[str, str]) -> bool:
    """Whether a column states component and metric, and perhaps the other end of an edge, and nothing besides."""
    return "component" in labels and "__name__" in labels and labels.keys() <= NAMED


def resolve_named(
    table: RawTable,
    reference: Sequence[RawTable],
    overrides: Mapping[str, Mapping[str, str]] | None,
    types: Mapping[str, ComponentType],
) -> tuple[SeriesTable, tuple[SeriesTable, ...]]:
    """Read the named columns of a case and the same series in each reference table."""
    columns = _columns(table, overrides, types)
    wanted = {_key(table.labels[column.at]): column for column in columns}
    return _table(table, columns), tuple(_table(other, _same(other, wanted)) for other in reference)


def _same(other: RawTable, wanted: Mapping[tuple[str, str, str | None], Column]) -> list[Column]:
    """The wanted columns where another table has them."""
    found = {_key(labels): at for at, labels in enumerate(other.labels) if is_named(labels)}
    return [replace(column, at=found[key]) for key, column in wanted.items() if key in found]


def _key(labels: Mapping[str, str]) -> tuple[str, str, str | None]:
    return labels["component"], labels["__name__"], labels.get("peer")


def _columns(
    table: RawTable, overrides: Mapping[str, Mapping[str, str]] | None, types: Mapping[str, ComponentType]
) -> tuple[Column, ...]:
    by_metric: dict[str, list[tuple[int, str, str | None]]] = {}
    for at, labels in enumerate(table.labels):
        if is_named(labels):
            by_metric.setdefault(labels["__name__"], []).append((at, labels["component"], labels.get("peer")))
    found: dict[Series, Column] = {}
    for metric, places in by_metric.items():
        how = _settled(measure(metric, overrides=overrides), table.values[:, [at for at, _, _ in places]])
        for at, component, peer in places:
            is_host = how.host and types.get(component) is not ComponentType.HOST
            side = how.side or ("server" if peer else None)
            # `callee|metric:caller` as the caller measured it belongs to the caller: what it waited for the callee.
            ends = (peer, component) if peer and side == "client" else (component, peer)
            series = Series(ends[0], metric, how.kind, how.unit, how.stat, side, ends[1], is_host)
            found.setdefault(series, Column(at, series, how))
    return tuple(sorted(found.values(), key=lambda column: column.at))


def _settled(how: Measure, values: Values) -> Measure:
    """Settle open units; what is called a total but is not cumulative is taken as it stands."""
    if how.counter and not counters.looks_like_counter(values):
        how = replace(how, counter=False, stat="last", unit="count" if how.unit == "1/s" else how.unit)
    return settle(how, values)


def _table(table: RawTable, columns: Sequence[Column]) -> SeriesTable:
    raw = table.values[:, [column.at for column in columns]]
    values = np.where(np.isfinite(raw), raw, np.nan) * np.array([column.measure.scale for column in columns])
    counted = [place for place, column in enumerate(columns) if column.measure.counter]
    if counted:
        values[:, counted] = _counted(values[:, counted], table.times, [columns[place] for place in counted])
    _per_second(values, table.times, columns)
    return SeriesTable(tuple(column.series for column in columns), table.times, values)


def _counted(values: Values, times: Times, columns: Sequence[Column]) -> Values:
    increase = np.array([column.measure.kind is MetricKind.RESTARTS for column in columns])
    return np.where(increase, counters.increases(values), counters.rates(values, times))


def _per_second(values: Values, times: Times, columns: Sequence[Column]) -> None:
    """Turn counts per sample (`stat` sum of traffic) into rates by the usual distance of the samples."""
    summed = [
        place
        for place, column in enumerate(columns)
        if column.measure.stat == "sum" and column.series.kind is MetricKind.TRAFFIC
    ]
    if summed and len(times) > 1:
        values[:, summed] /= float(np.median(np.diff(times).astype("timedelta64[ns]").astype(np.int64))) / 1e9
