"""Changes of what is known of an incident, pure and seeded: less of it, or some of it wrong.

A function that finds nothing to change returns what it was given, the very same object.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal
from zlib import crc32

import numpy as np

from hypocenter.catalog import KINDS, measure
from hypocenter_workers.wrong_edges import with_wrong_edges

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypocenter.telemetry import Case, RawTable, SeriesTable, Signals

Modality = Literal["metrics", "resources", "traces", "logs"]
Key = tuple[tuple[str, str], ...]
MINUTE_S = 60.0
ALERTS_OF = {"metrics": "metric", "traces": "trace", "logs": "log"}


def without_modality(case: Case, modality: Modality) -> Case:
    """Return the case as if nobody had recorded a modality: its tables, its references and the alerts on it.

    `traces` are spans and what was counted of them per minute; `resources` are the metrics of processor, memory, disk
    and network alone. What a modality told of the graph goes with it, what the case declares stays.
    """
    if modality == "resources":
        return _without_columns(case, _is_resource)
    alerts = tuple(alert for alert in case.alerts if alert.modality != ALERTS_OF[modality])
    if modality == "metrics":
        changed = replace(case, metrics=None, reference=(), alerts=alerts)
    elif modality == "traces":
        changed = replace(
            case, spans=None, reference_spans=None, service_minutes=None, edge_minutes=None, alerts=alerts
        )
    else:
        changed = replace(case, log_lines=None, reference_log_lines=None, alerts=alerts)
    return changed if _has(case, modality) else case


def _has(case: Case, modality: str) -> bool:
    frames = {
        "metrics": (case.metrics,),
        "traces": (case.spans, case.service_minutes, case.edge_minutes),
        "logs": (case.log_lines,),
    }[modality]
    alerted = any(alert.modality == ALERTS_OF[modality] for alert in case.alerts)
    return alerted or any(frame is not None for frame in frames)


def without_declared_graph(case: Case) -> Case:
    """Return the case without the dependencies that it declares; what spans and labels show of them stays."""
    return case if not case.dependencies else replace(case, dependencies=None)


def without_topology(signals: Signals) -> Signals:
    """Return the signals as if nobody knew, or could see, which component leans on which.

    Gone are all dependencies, declared or seen, and every series of a call between two components, for its name tells
    both. What each component measured of itself stays, its own time included.
    """
    if not signals.dependencies and not any(s.peer for table in signals.tables for s in table.series):
        return signals
    return replace(
        signals,
        tables=tuple(_own_series(table) for table in signals.tables),
        reference=tuple(_own_series(table) for table in signals.reference),
        dependencies=(),
    )


def _own_series(table: SeriesTable) -> SeriesTable:
    own = [j for j, series in enumerate(table.series) if series.peer is None]
    return replace(table, series=tuple(table.series[j] for j in own), values=table.values[:, own])


def without_far_ends(case: Case) -> Case:
    """Return the case with alerts that name no other end of a call and no machine: `without_topology` for alerts."""
    if not any(alert.peer or alert.host for alert in case.alerts):
        return case
    return replace(case, alerts=tuple(replace(alert, peer=None, host=None) for alert in case.alerts))


def without_series(case: Case, share: float, seed: int) -> Case:
    """Return the case without a share of its metric series, drawn anew for each case; gone from its references too."""
    if case.metrics is None:
        return case
    keys = sorted({_key(labels) for labels in case.metrics.labels})
    draw = np.random.default_rng([seed, crc32(case.case_id.encode())])
    gone = {keys[place] for place in draw.permutation(len(keys))[: round(share * len(keys))]}
    return _without_columns(case, lambda labels: _key(labels) in gone)


def _key(labels: Mapping[str, str]) -> Key:
    return tuple(sorted(labels.items()))


def _is_resource(labels: Mapping[str, str]) -> bool:
    return KINDS[measure(labels["__name__"]).kind].group == "resource"


def _without_columns(case: Case, gone: Callable[[Mapping[str, str]], bool]) -> Case:
    if case.metrics is None or not any(map(gone, case.metrics.labels)):
        return case
    reference = tuple(_kept_columns(table, gone) for table in case.reference)
    return replace(case, metrics=_kept_columns(case.metrics, gone), reference=reference)


def _kept_columns(table: RawTable, gone: Callable[[Mapping[str, str]], bool]) -> RawTable:
    kept = [j for j, labels in enumerate(table.labels) if not gone(labels)]
    return replace(table, labels=tuple(table.labels[j] for j in kept), values=table.values[:, kept])


def with_start_off(case: Case, seconds: float) -> Case:
    """Return the case with a stated start that is later by so many seconds, earlier where they are negative."""
    if case.started_at is None or not seconds:
        return case
    return replace(case, started_at=case.started_at + timedelta(seconds=seconds))


def with_start_off_minutes(case: Case, minutes: float) -> Case:
    """Return the case with a stated start that is off by minutes, and by a row of its metrics at least."""
    return with_start_off(case, float(np.copysign(max(abs(minutes) * MINUTE_S, row_s(case)), minutes)))


def row_s(case: Case) -> float:
    """Return the seconds between the rows of a case's metrics, 0 where it has no two of them."""
    if case.metrics is None or len(case.metrics.times) < 2:
        return 0.0
    return float(np.median(np.diff(case.metrics.times)) / np.timedelta64(1, "s"))


def with_wrong_graph(signals: Signals, share: float, seed: int) -> Signals:
    """Return the signals with a share of the dependencies wrong, others for another stretch of time.

    See `with_wrong_edges`.
    """
    times = b"".join(table.times.tobytes() for table in signals.tables)
    wrong = with_wrong_edges(signals.dependencies, share, (seed, crc32(times)))
    return signals if wrong == signals.dependencies else replace(signals, dependencies=wrong)
