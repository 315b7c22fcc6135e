"""Labelled raw series, as Prometheus and its exporters write them, to one set of signals per component and per edge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import Dependency, DependencyType, MetricKind
from hypocenter.signals import counters
from hypocenter.signals.edges import dependencies_of
from hypocenter.signals.identify import hosts, identify, placements
from hypocenter.signals.requests import is_request, request_recipes
from hypocenter.signals.resources import resource_recipes
from hypocenter.signals.scale import settle
from hypocenter.telemetry import SeriesTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from hypocenter.model import Series
    from hypocenter.signals.aggregate import Recipe
    from hypocenter.signals.identify import Column
    from hypocenter.telemetry import RawTable, Values

Key = frozenset[tuple[str, str]]
# Counters that are turned into rates together, so that their working copies stay small.
AT_ONCE = 2000


@dataclass(frozen=True)
class Labelled:
    """What labelled series came to: tables, and what their labels told of the system."""

    table: SeriesTable
    reference: tuple[SeriesTable, ...]
    dependencies: tuple[Dependency, ...]
    hosts: tuple[str, ...]
    notes: tuple[str, ...]


def resolve_labelled(
    table: RawTable,
    reference: Sequence[RawTable],
    order: Sequence[str],
    overrides: Mapping[str, Mapping[str, str]] | None,
) -> Labelled:
    """Identify all raw series of a case and its reference, write one plan of recipes, and cook it on each table."""
    keys = _keys((table, *reference))
    columns = identify([dict(key) for key in keys], order, overrides)
    raw = [_aligned(one, keys) for one in (table, *reference)]
    columns = _settled(columns, raw[0])
    plan = recipes_of(columns)
    speaking = {recipe.series.component for recipe in plan}
    tables = [_cook(plan, one, values, columns) for one, values in zip((table, *reference), raw, strict=True)]
    return Labelled(
        table=tables[0],
        reference=tuple(tables[1:]),
        dependencies=dependencies_shown(columns, speaking),
        hosts=hosts(columns),
        notes=_notes(columns),
    )


def recipes_of(columns: Sequence[Column]) -> tuple[Recipe, ...]:
    """Plan how identified raw series, each in the row that its place says, become one series of each name."""
    requests = [column for column in columns if is_request(column)]
    others = [column for column in columns if not is_request(column)]
    return _distinct((*request_recipes(requests), *resource_recipes(others)))


def dependencies_shown(columns: Sequence[Column], speaking: Set[str]) -> tuple[Dependency, ...]:
    """Return who calls whom, what runs where and what is an instance of what, as labels of series show it.

    `speaking` are the components that have signals of their own: only such instances count.
    """
    views = [view for column in columns for view in column.views]
    return *dependencies_of(views), *placements(columns), *_instances(columns, speaking)


def _keys(tables: Sequence[RawTable]) -> list[Key]:
    """The label sets of all tables, sorted, so that the order of columns cannot matter."""
    found = {frozenset(labels.items()) for table in tables for labels in table.labels}
    return sorted(found, key=lambda key: sorted(key, key=lambda pair: (pair[0] != "__name__", pair)))


def _aligned(table: RawTable, keys: Sequence[Key]) -> Values:
    """[series, time] in the order of `keys`, NaN where there is no finite sample."""
    place = {frozenset(labels.items()): at for at, labels in enumerate(table.labels)}
    values = np.full((len(keys), len(table.times)), np.nan)
    present = [(row, place[key]) for row, key in enumerate(keys) if key in place]
    values[[row for row, _ in present]] = table.values.T[[at for _, at in present]]
    values[~np.isfinite(values)] = np.nan
    return values


def _settled(columns: tuple[Column, ...], values: Values) -> tuple[Column, ...]:
    """Settle open units by all samples of a metric, over components and instances."""
    by_name: dict[str, list[int]] = {}
    for column in columns:
        if not column.measure.counter:
            by_name.setdefault(column.name, []).append(column.at)
    settled = list(columns)
    for rows in by_name.values():
        samples = values[rows]
        found = {measure: settle(measure, samples) for measure in dict.fromkeys(columns[row].measure for row in rows)}
        for row in rows:
            settled[row] = replace(columns[row], measure=found[columns[row].measure])
    return tuple(settled)


def _distinct(recipes: Sequence[Recipe]) -> tuple[Recipe, ...]:
    """One recipe a series, the first; requests come before resources."""
    found: dict[Series, Recipe] = {}
    for recipe in recipes:
        found.setdefault(recipe.series, recipe)
    return tuple(found.values())


def _cook(plan: Sequence[Recipe], table: RawTable, values: Values, columns: Sequence[Column]) -> SeriesTable:
    raw = _canonical(values, table, columns)
    grid = np.empty((len(table.times), len(plan)))
    for place, recipe in enumerate(plan):
        grid[:, place] = recipe.cook(raw)
    return SeriesTable(tuple(recipe.series for recipe in plan), table.times, grid)


def _canonical(values: Values, table: RawTable, columns: Sequence[Column]) -> Values:
    """Scale to canonical units; counters become rates, restarts the number of new ones."""
    scaled: Values = values * np.array([scale_of(column) for column in columns])[:, None]
    counted = [column.at for column in columns if reading_of(column) is Reading.RATE]
    for begin in range(0, len(counted), AT_ONCE):
        rows = counted[begin : begin + AT_ONCE]
        scaled[rows] = counters.rates(np.ascontiguousarray(scaled[rows].T), table.times).T
    for column in columns:
        if reading_of(column) in (Reading.CHANGES, Reading.INCREASE):
            new = counters.changes if reading_of(column) is Reading.CHANGES else counters.increases
            scaled[column.at] = new(scaled[column.at][:, None])[:, 0]
    return scaled


class Reading(IntEnum):
    """What is made of a raw series' samples."""

    AS_IT_STANDS = 0
    RATE = 1
    """A counter's rate per second."""
    INCREASE = 2
    """What a counter of restarts gained."""
    CHANGES = 3
    """Whether the start time of a process is another."""


def reading_of(column: Column) -> Reading:
    """Return what is made of an identified series' samples."""
    if column.measure.kind is MetricKind.RESTARTS:
        return Reading.CHANGES if "starttime" in column.measure.family else Reading.INCREASE
    return Reading.RATE if column.measure.counter else Reading.AS_IT_STANDS


def scale_of(column: Column) -> float:
    """Return the factor to the canonical unit.

    Counts of observations, in all and per bucket, have no unit, whatever the unit of what is observed.
    """
    return 1.0 if column.measure.part in ("count", "bucket") else column.measure.scale


def _instances(columns: Sequence[Column], speaking: Set[str]) -> tuple[Dependency, ...]:
    """The instances that have signals of their own are instances of their component."""
    pairs = {
        (column.views[0].component, column.instance)
        for column in columns
        if column.views and column.instance in speaking and column.instance != column.views[0].component
    }
    return tuple(
        Dependency(str(instance), component, DependencyType.INSTANCE_OF, "labels")
        for component, instance in sorted(pairs, key=str)
    )


def _notes(columns: Sequence[Column]) -> tuple[str, ...]:
    lost = sorted({column.name or "(no name)" for column in columns if not column.views})
    if not lost:
        return ()
    shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
    return (f"no label names the component of {shown}; name the label with --component-label",)
