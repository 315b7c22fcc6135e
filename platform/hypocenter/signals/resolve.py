"""The story of a case's telemetry: metrics, spans and log lines become series of one vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.catalog import measure
from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS, gather
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
    metrics = _metrics(case, component_labels, overrides)
    spans, calm_spans, edges = resolve_spans(_dated(case.spans), _dated(case.reference_spans))
    lines, calm_lines = resolve_logs(_dated(case.log_lines), _dated(case.reference_log_lines))
    minutes = resolve_minutes(case.service_minutes, case.edge_minutes)
    tables = tuple(table for table in (*metrics.tables, spans, minutes, lines) if table is not None)
    reference = tuple(table for table in (*metrics.reference, calm_spans, calm_lines) if table is not None)
    dependencies = join_dependencies(
        case.dependencies or (), metrics.dependencies, edges, minute_edges(case.edge_minutes)
    )
    names = (series.component for table in tables for series in table.series)
    return Signals(
        tables=tables,
        reference=reference,
        dependencies=dependencies,
        components=gather(case.components, names, dependencies, metrics.hosts),
        notes=(*case.notes, *metrics.notes, *_undated(case)),
    )


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


def _dated(events: pd.DataFrame | None) -> pd.DataFrame | None:
    """Leave out what bears no usable time: none at all, or one before 1970."""
    if events is None or events.empty:
        return None
    usable = is_dated(events["time"])
    return events if usable.all() else events[usable]


def _undated(case: Case) -> tuple[str, ...]:
    lost = [(word, _lost(events)) for word, events in (("spans", case.spans), ("log lines", case.log_lines))]
    return tuple(f"{number} {word} bear no usable time and are left out" for word, number in lost if number)


def _lost(events: pd.DataFrame | None) -> int:
    return 0 if events is None or events.empty else int((~is_dated(events["time"])).sum())


def join_dependencies(*sources: Iterable[Dependency]) -> tuple[Dependency, ...]:
    """Join what several sources say: each dependency once, as the first source that knows it states it."""
    found: dict[tuple[str, str, str], Dependency] = {}
    for source in sources:
        for edge in source:
            if edge.caller != edge.callee:
                found.setdefault((edge.caller, edge.callee, edge.type), edge)
    return tuple(found.values())
