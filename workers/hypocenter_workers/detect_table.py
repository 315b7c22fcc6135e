"""Detection over one table of series: a detector, its threshold and its events."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter.errors import InputError
from hypocenter.readers.series_tables import SeriesOfTable, read_series
from hypocenter_workers.detect import robust
from hypocenter_workers.detect.anomalies import BAND
from hypocenter_workers.detect.budget import Watch, default_threshold
from hypocenter_workers.detect.contract import Flag
from hypocenter_workers.detect.ensemble import Ensemble
from hypocenter_workers.detect.events import COLLECTIVE_ROWS, Event, Events, Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hypocenter.telemetry import Times, Values
    from hypocenter_workers.detect.calendar import Calendar
    from hypocenter_workers.detect.contract import Detector, Scored

    Mask = NDArray[np.bool_]

LONE_ROW_STEP_S = 60.0
# Series are scored so many at a time: what they do not share need not be in memory at once.
MOST_SHAPED = 256
SERIES_AT_ONCE = 64
# A value is ordinary when the series was often enough lower and higher than it, of late: four weeks of 5-minute rows,
# looked up once a day.
ORDINARY = (0.01, 0.99)
REMEMBERED_ROWS = 8_064
ROWS_AT_ONCE = 288


@dataclass(frozen=True)
class Detection:
    """A table, its scores, expected values and scales, [time, series], and its events in the order they were told."""

    title: str
    table: SeriesOfTable
    scores: Values
    expected: Values
    scale: Values
    events: tuple[Event, ...]
    threshold: float


class _Part(NamedTuple):
    scores: Values
    expected: Values
    scale: Values
    events: tuple[Event, ...]


def default_detector(calendar: Calendar, series: int = 1) -> Detector:
    """Return the detector that tables of so many series are scored with unless another is wanted.

    Beyond 256 series it does without the forest of shapes, which takes a thousand times as long as all the rest.
    """
    return Ensemble(calendar, shapes=series <= MOST_SHAPED)


def detect_file(
    path: Path,
    calendar: Calendar,
    score: float | None = None,
    alerts_per_week: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Detection:
    """Detect in a file with the default detector; `progress` is told what is being done.

    The threshold is `score`, or follows from `alerts_per_week` on each series, or is the default one. Raises
    InputError for a file that holds no series and for more alerts than rows.
    """
    table = read_series(path)
    limit = score if alerts_per_week is None else threshold_of(table, alerts_per_week)
    many = len(table.names)
    if many > MOST_SHAPED:
        note = f"{path.name}: shapes are looked for in at most {MOST_SHAPED} series at once; this table has {many:,}"
        table = replace(table, notes=(*table.notes, note))
    return detect(table, default_detector(calendar, many), path.name, limit, progress)


def detect(
    table: SeriesOfTable,
    detector: Detector,
    title: str = "",
    score: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Detection:
    """Score every row of a table against the rows before it and tell its events.

    `score` is the threshold of an alert; without one it is that of `budget.default_threshold`.
    """
    stage = Events(default_threshold(_watch(table)) if score is None else score)
    parts = []
    for first in range(0, len(table.names), SERIES_AT_ONCE):
        columns = slice(first, first + SERIES_AT_ONCE)
        names = table.names[columns]
        progress(f"detecting in series {first + 1} to {first + len(names)} of {len(table.names)}")
        parts.append(_detect_columns(table, columns, detector, stage))
    scores, expected, scale = (np.concatenate(arrays, axis=1) for arrays in list(zip(*parts, strict=True))[:3])
    told = sorted((event for part in parts for event in part.events), key=lambda event: (event.alert, event.series))
    return Detection(title, table, scores, expected, scale, tuple(told), stage.threshold)


def threshold_of(table: SeriesOfTable, alerts_per_week: float) -> float:
    """Return the threshold at which chance raises so many alerts a week on each series; the default one raises one.

    Raises InputError when so many alerts need no threshold.
    """
    found = default_threshold(_watch(table)) - math.log10(alerts_per_week)
    if found <= 0:
        raise InputError(f"{alerts_per_week:g} alerts a week are as many as there are rows; ask for fewer")
    return found


def _watch(table: SeriesOfTable) -> Watch:
    steps = np.diff(table.times) / np.timedelta64(1, "s")
    return Watch(series=len(table.names), step_s=float(np.median(steps)) if len(steps) else LONE_ROW_STEP_S)


def _detect_columns(table: SeriesOfTable, columns: slice, detector: Detector, stage: Events) -> _Part:
    values = np.ascontiguousarray(table.values[:, columns])
    state = detector.begin(values.shape[1])
    if isinstance(detector, Ensemble):
        scored, kinds = detector.detect_block(values, table.times, state)
    else:
        scored = detector.score_block(values, table.times, state)
        kinds = np.full(values.shape, Kind.POINT, dtype=np.uint8)
    ordinary = _ordinary(values, scored, stage.threshold)
    kinds = np.where(ordinary & (kinds == Kind.POINT), np.uint8(Kind.CONTEXTUAL), kinds)
    muted = (scored.flags & Flag.SUPPRESSED) != 0
    told = stage.tell_block(scored, values, table.times, stage.begin(), muted, kinds).events
    outside = np.abs(values - scored.expected) > BAND * scored.scale
    events = (_by_rows(event, table.times, outside, ordinary) for event in told)
    scores, expected, scale = (np.asarray(each, np.float64) for each in (scored.scores, scored.expected, scored.scale))
    moved = tuple(replace(event, series=event.series + columns.start) for event in events)
    return _Part(scores, expected, scale, moved)


def _ordinary(values: Values, scored: Scored, limit: float) -> Mask:
    """Return where a value, if unusual, is so at its time alone: [time, series]; looked up only near alerts."""
    ordinary = np.zeros(values.shape, dtype=np.bool_)
    for start in range(0, len(values), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        if (scored.scores[rows] >= limit).any():
            low, high = robust.quantiles(values[max(start - REMEMBERED_ROWS, 0) : start], ORDINARY)
            ordinary[rows] = (values[rows] >= low) & (values[rows] <= high)
    return ordinary


def _by_rows(event: Event, times: Times, outside: Mask, ordinary: Mask) -> Event:
    """Return an event of a row or two outside the expected band as one of single samples.

    A detector that looks at several rows at once stays surprised while the unusual one is among them.
    """
    if event.kind is not Kind.COLLECTIVE:
        return event
    last = times[-1] if event.end is None else event.end
    rows = slice(int(np.searchsorted(times, event.onset)), int(np.searchsorted(times, last, side="right")))
    few = np.flatnonzero(outside[rows, event.series])
    if not 0 < len(few) < COLLECTIVE_ROWS:
        return event
    usual = bool(ordinary[rows, event.series][few].all())
    return replace(event, kind=Kind.CONTEXTUAL if usual else Kind.POINT)
