"""Telemetry as arrays: what readers produce, signals refine and detectors score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pandas as pd

    from hypocenter.model import Alert, ChangeEvent, Component, Dependency, Series, Target

Times = NDArray[np.datetime64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class RawTable:
    """Samples as their source named them, on one time grid.

    `labels[j]` names column j, the metric's name under `__name__` and the component, where the source states it
    outright, under `component`; `times` is `datetime64[ns]`, UTC, strictly rising; `values` is [time, series], NaN
    where there is no sample.
    """

    labels: tuple[Mapping[str, str], ...]
    times: Times
    values: Values


@dataclass(frozen=True)
class SeriesTable:
    """Resolved series on one time grid: `values` is [time, series] in canonical units, NaN where missing.

    `modality` is `metrics`, `traces` or `logs`.
    """

    series: tuple[Series, ...]
    times: Times
    values: Values
    modality: str = "metrics"


@dataclass(frozen=True)
class Case:
    """One incident's telemetry, as a reader found it; a field that is None was not observed, which is not "healthy".

    `reference` holds fault-free tables of other times. `spans` has columns `time, trace, span, parent (-1: root),
    service, operation, duration_us` and, where known, `error`; `log_lines` has `time, service, severity, message`.
    `service_minutes` and `edge_minutes` are spans already counted per minute: `time, service, spans, traces,
    dur_mean_us, dur_p50_us, dur_p95_us, self_mean_us, ...` and `time, caller, callee, calls, dur_mean_us, dur_p95_us`.
    `masked` are the starts of other known faults in the window: never learn normal from them. `started_at` is what
    the case states as its start; an investigation uses it only when told to. `notes` are blind spots met in reading.
    """

    case_id: str
    system: str = ""
    dataset: str = ""
    metrics: RawTable | None = None
    reference: tuple[RawTable, ...] = ()
    spans: pd.DataFrame | None = None
    log_lines: pd.DataFrame | None = None
    reference_spans: pd.DataFrame | None = None
    reference_log_lines: pd.DataFrame | None = None
    service_minutes: pd.DataFrame | None = None
    edge_minutes: pd.DataFrame | None = None
    alerts: tuple[Alert, ...] = ()
    changes: tuple[ChangeEvent, ...] = ()
    components: tuple[Component, ...] = ()
    dependencies: tuple[Dependency, ...] | None = None
    target: Target | None = None
    started_at: datetime | None = None
    masked: tuple[datetime, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signals:
    """A case after names, units and rates are resolved: one table per modality and, beside it, its reference.

    `reference` tables hold the same series, fault-free, at other times. `dependencies` joins what the case declared
    with what its own spans and edge labels show.
    """

    tables: tuple[SeriesTable, ...]
    reference: tuple[SeriesTable, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    components: tuple[Component, ...] = ()
    notes: tuple[str, ...] = ()
