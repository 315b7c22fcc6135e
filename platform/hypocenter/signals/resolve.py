"""The story of a case's telemetry: metrics, spans and log lines become series of one vocabulary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import is_counted
from hypocenter.catalog import measure
from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS, gather
from hypocenter.signals.counted import Counted, parted, resolve_counted
from hypocenter.signals.grid import is_dated
from hypocenter.signals.labelled import resolve_labelled
from hypocenter.signals.logs import resolve_logs
from hypocenter.signals.minutes import minute_edges, resolve_minutes
from hypocenter.signals.named import is_named, resolve_named
from hypocenter.signals.spans import resolve_spans
from hypocenter.telemetry import Signals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from hypocenter.model import Dependency
    from hypocenter.telemetry import Case, RawTable, SeriesTable


def resolve(
    case: Case,
    *,
    component_labels: Sequence[str] = DEFAULT_COMPONENT_LABELS,
    overrides: Mapping[str, Mapping[str, str]] | None = None,
) -> Signals:
    """Resolve names, units and rates of all that a case holds.

    `component_labels`: labels that may name the component, best first. `overrides`: see `hypocenter.catalog.measure`.
    """
    case, counted = _without_counted(case)
    metrics = _metrics(case, component_labels, overrides)
    spans, calm_spans, edges = resolve_spans(_usable(case.spans), _usable(case.reference_spans))
    lines, calm_lines = resolve_logs(_usable(case.log_lines), _usable(case.reference_log_lines))
    minutes = resolve_minutes(case.service_minutes, case.edge_minutes)
    found = (*metrics.tables, spans, minutes, lines, *counted.tables)
    calm = (*metrics.reference, calm_spans, calm_lines, *counted.reference)
    tables = tuple(table for table in found if table is not None)
    reference = tuple(table for table in calm if table is not None)
    dependencies = join_dependencies(
        case.dependencies or (), metrics.dependencies, edges, counted.dependencies, minute_edges(case.edge_minutes)
    )
    names = (series.component for table in tables for series in table.series)
    return Signals(
        tables=tables,
        reference=reference,
        dependencies=dependencies,
        components=gather(case.components, names, dependencies, metrics.hosts),
        notes=(*case.notes, *metrics.notes, *_unusable(case)),
    )


def _without_counted(case: Case) -> tuple[Case, Counted]:
    """Part a case's metrics from the counters that its spans and log lines were counted into as they came."""
    tables = (case.metrics, *case.reference)
    if not any(is_counted(labels) for table in tables if table is not None for labels in table.labels):
        return case, Counted()
    parts = [parted(table) for table in tables if table is not None]
    scraped, counted = [one for one, _ in parts], [one for _, one in parts]
    if case.metrics is None:
        return replace(case, reference=tuple(scraped)), Counted()
    return replace(case, metrics=scraped[0], reference=tuple(scraped[1:])), resolve_counted(counted[0], counted[1:])


@dataclass(frozen=True)
class _Metrics:
    """What the metrics of a case came to."""

    tables: tuple[SeriesTable, ...] = ()
    reference: tuple[SeriesTable, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    hosts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _metrics(case: Case, order: Sequence[str], overrides: Mapping[str, Mapping[str, str]] | None) -> _Metrics:
    """A source that names every series `component|metric` is taken at its word; one that labels them is aggregated."""
    if case.metrics is None or not case.metrics.labels:
        return _Metrics()
    if _is_named_throughout(case.metrics):
        types = {component.name: component.type for component in case.components}
        table, reference = resolve_named(case.metrics, case.reference, overrides, types)
        return _Metrics((table,), reference)
    found = resolve_labelled(case.metrics, case.reference, order, overrides)
    return _Metrics((found.table,), found.reference, found.dependencies, found.hosts, found.notes)


def _is_named_throughout(table: RawTable) -> bool:
    """Whether every column states component and metric outright, and none is part of a histogram."""
    if not all(is_named(labels) for labels in table.labels):
        return False
    return not any(measure(name).part for name in {labels["__name__"] for labels in table.labels})


def _usable(events: pd.DataFrame | None) -> pd.DataFrame | None:
    """Leave out what bears no time, one before 1970, no component or a duration that is no number."""
    if events is None or events.empty:
        return None
    kept = _is_usable(events)
    return events if kept.all() else events[kept]


def _is_usable(events: pd.DataFrame) -> NDArray[np.bool_]:
    usable = is_dated(events["time"]) & events["service"].notna().to_numpy()
    if "duration_us" in events:
        durations = events["duration_us"].to_numpy(dtype=float, na_value=np.nan)
        usable &= np.isfinite(durations) & (durations >= 0)
    return np.asarray(usable)


def _unusable(case: Case) -> tuple[str, ...]:
    """Say how many spans and log lines were left out."""
    kinds = (("spans", case.spans), ("log lines", case.log_lines))
    lost = [(word, int((~_is_usable(events)).sum())) for word, events in kinds if events is not None and len(events)]
    why = "bear no usable time, component or duration and are left out"
    return tuple(f"{number} {word} {why}" for word, number in lost if number)


def join_dependencies(*sources: Iterable[Dependency]) -> tuple[Dependency, ...]:
    """Join what several sources say: each dependency once, as the first source that knows it states it."""
    found: dict[tuple[str, str, str], Dependency] = {}
    for source in sources:
        for edge in source:
            if edge.caller != edge.callee:
                found.setdefault((edge.caller, edge.callee, edge.type), edge)
    return tuple(found.values())
