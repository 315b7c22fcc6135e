"""The story of a case's telemetry: metrics, spans and log lines become series of one vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS, gather
from hypocenter.signals.logs import resolve_logs
from hypocenter.signals.named import resolve_named
from hypocenter.signals.spans import resolve_spans
from hypocenter.telemetry import Signals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hypocenter.model import Dependency
    from hypocenter.telemetry import Case, SeriesTable


def resolve(
    case: Case,
    *,
    component_labels: Sequence[str] = DEFAULT_COMPONENT_LABELS,  # noqa: ARG001
    overrides: Mapping[str, Mapping[str, str]] | None = None,
) -> Signals:
    """Resolve names, units and rates of all that a case holds.

    `component_labels`: labels that may name the component, best first. `overrides`: see `hypocenter.catalog.measure`.
    """
    types = {component.name: component.type for component in case.components}
    tables: list[SeriesTable] = []
    reference: list[SeriesTable] = []
    if case.metrics is not None:
        metrics, calm = resolve_named(case.metrics, case.reference, overrides, types)
        tables.append(metrics)
        reference.extend(calm)
    traces, calm_traces, edges = resolve_spans(case.spans, case.reference_spans)
    logs, calm_logs = resolve_logs(case.log_lines, case.reference_log_lines)
    tables += [table for table in (traces, logs) if table is not None]
    reference += [table for table in (calm_traces, calm_logs) if table is not None]
    dependencies = join_dependencies(case.dependencies or (), edges)
    names = (series.component for table in tables for series in table.series)
    return Signals(
        tuple(tables), tuple(reference), dependencies, gather(case.components, names, dependencies), case.notes
    )


def join_dependencies(*sources: Iterable[Dependency]) -> tuple[Dependency, ...]:
    """Join what several sources say: each dependency once, as the first source that knows it states it."""
    found: dict[tuple[str, str, str], Dependency] = {}
    for source in sources:
        for edge in source:
            if edge.caller != edge.callee:
                found.setdefault((edge.caller, edge.callee, edge.type), edge)
    return tuple(found.values())
