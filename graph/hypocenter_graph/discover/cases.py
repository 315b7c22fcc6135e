"""A case to claims: what it states, what its spans, counters and labels show, and what its metrics suggest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypocenter_graph.claims import SOURCES, ComponentClaim, DependencyClaim, Discovered, Interval

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from hypocenter.model import Dependency
    from hypocenter.telemetry import Case, RawTable, Signals

# The metrics that `discover_counters` reads, and labels of theirs that must not be added up over.
COUNTERS = (
    "traces_service_graph_request_total",
    "traces_service_graph_request",
    "istio_requests_total",
    "istio_tcp_connections_opened_total",
)
COUNTER_LABELS = ("connection_type", "virtual_node", "reporter")
_OBSERVED = "labels"


def discover_counters(table: RawTable, where: str) -> Iterator[Discovered]:
    """Yield what service-graph metrics and Istio's show; a note where a table has neither."""
    from hypocenter_graph.discover.istio import discover_istio
    from hypocenter_graph.discover.service_graph import discover_service_graph

    found = [discover_service_graph(table, where), discover_istio(table, where)]
    yield from (one for one in found if one.dependencies or one.notes)
    if not any(one.dependencies or one.notes for one in found):
        yield Discovered(notes=(f"{where}: no traces_service_graph_request or istio metrics that rise are in it",))


def discover_case(case: Case, where: str, at: datetime, *, learn: bool = False) -> Iterator[Discovered]:
    """Yield what a case states and shows; what it states holds from its first sample on, or from `at` without any.

    With `learn`, edges are suggested from its metrics where nothing else in it tells any. `where` begins messages.
    """
    window = _window(case) or Interval(at, at)
    found = [*_stated(case, window.first), *_shown(case, where)]
    told = {(d.caller, d.callee) for one in found for d in one.dependencies}
    signals = _resolved(case) if case.metrics is not None else None
    if signals is not None:
        labelled = [d for d in signals.dependencies if (d.caller, d.callee) not in told]
        found.append(_labelled(labelled, window))
        told |= {(d.caller, d.callee) for d in labelled}
    if learn:
        found.append(_learned(signals, told, where))
    yield from found
    yield Discovered(notes=tuple(f"{where}: {note}" for note in case.notes))


def _stated(case: Case, first: datetime) -> Iterator[Discovered]:
    from hypocenter_graph.discover.declared import declared_by_case

    if case.components or case.dependencies:
        yield declared_by_case(case.components, case.dependencies or (), first)


def _shown(case: Case, where: str) -> Iterator[Discovered]:
    from hypocenter_graph.discover.spans import discover_spans

    for spans in (case.spans, case.reference_spans):
        if spans is not None and len(spans):
            yield discover_spans(spans, where)
    if case.metrics is not None:
        yield from (one for one in discover_counters(case.metrics, where) if one.dependencies)


def _resolved(case: Case) -> Signals:
    """Resolve the metrics alone: what spans show is known, and log lines show no edge."""
    from hypocenter.signals import resolve

    return resolve(
        replace(case, spans=None, log_lines=None, reference_spans=None, reference_log_lines=None, dependencies=None)
    )


def _labelled(dependencies: Collection[Dependency], window: Interval) -> Discovered:
    ends = sorted({end for d in dependencies for end in (d.caller, d.callee)})
    return Discovered(
        tuple(ComponentClaim(name, _OBSERVED, (window,)) for name in ends),
        tuple(
            DependencyClaim(d.caller, d.callee, d.type, d.source, (window,), SOURCES[d.source].confidence)
            for d in dependencies
        ),
    )


def _learned(signals: Signals | None, told: Collection[object], where: str) -> Discovered:
    from hypocenter_graph.discover.learned import discover_learned

    if told:
        return Discovered(notes=(f"{where}: {len(told):,} edges are stated or seen, so none is suggested",))
    if signals is None:
        return Discovered(notes=(f"{where}: no metrics to suggest edges from",))
    return discover_learned((*signals.tables, *signals.reference))


def _window(case: Case) -> Interval | None:
    """Return from when to when the case has metrics, spans or alerts, None without any."""
    from hypocenter.readers.times import as_datetime

    times = [] if case.metrics is None or not len(case.metrics.times) else [*case.metrics.times[[0, -1]]]
    found = [*map(as_datetime, times), *(alert.at for alert in case.alerts if alert.at is not None)]
    if case.spans is not None and len(case.spans):
        found += [case.spans["time"].min().to_pydatetime(), case.spans["time"].max().to_pydatetime()]
    return Interval(min(found), max(found)) if found else None
