"""Detection over one table of series: a detector, its threshold and its events; and what is said of them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.errors import InputError
from hypocenter.readers.series_tables import SeriesOfTable, read_series
from hypocenter.report.detection import DetectionPage, EventRow, headline, number_texts, time_text
from hypocenter.terminal import visible
from hypocenter_workers.detect.anomalies import BAND
from hypocenter_workers.detect.budget import Watch, default_threshold, threshold
from hypocenter_workers.detect.contract import Flag
from hypocenter_workers.detect.events import Event, Events, Kind
from hypocenter_workers.detect.seasonal import Seasonal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypocenter.telemetry import Values
    from hypocenter_workers.detect.calendar import Calendar
    from hypocenter_workers.detect.contract import Detector, Scored

SCHEMA_VERSION = 1
DAYS_PER_WEEK = 7
LONE_ROW_STEP_S = 60.0
# A value is ordinary when the series was often enough lower and higher than it, of late: four weeks of 5-minute rows.
ORDINARY = (0.01, 0.99)
REMEMBERED_ROWS = 8_064
COLUMNS = ("series", "when (UTC)", "until", "kind", "score", "value", "expected", "direction")


@dataclass(frozen=True)
class Detection:
    """A table, its scores, and its events in the order in which they were told."""

    title: str
    table: SeriesOfTable
    scored: Scored
    events: tuple[Event, ...]
    threshold: float


def default_detector(calendar: Calendar) -> Detector:
    """Return the detector that tables are scored with unless another is wanted."""
    return Seasonal(calendar)


def detect_file(
    path: Path,
    calendar: Calendar,
    score: float | None = None,
    alerts_per_week: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Detection:
    """Detect in a file with the default detector; `progress` is told what is being done.

    The threshold is `score`, or follows from `alerts_per_week` on each series, or from one alert in four weeks. Raises
    InputError for a file that holds no series and for more alerts than rows.
    """
    table = read_series(path)
    progress(f"detecting in {len(table.names)} series of {len(table.times):,} rows")
    limit = score if alerts_per_week is None else threshold_of(table, alerts_per_week)
    return detect(table, default_detector(calendar), path.name, limit)


def detect(table: SeriesOfTable, detector: Detector, title: str = "", score: float | None = None) -> Detection:
    """Score every row of a table against the rows before it and tell its events.

    `score` is the threshold of an alert; without one it is that of one alert per series in four weeks.
    """
    limit = default_threshold(_watch(table)) if score is None else score
    scored = detector.score_block(table.values, table.times, detector.begin(len(table.names)))
    stage = Events(limit)
    muted = (scored.flags & Flag.SUPPRESSED) != 0
    told = stage.tell_block(scored, table.values, table.times, stage.begin(), muted).events
    return Detection(title, table, scored, tuple(_in_context(event, table) for event in told), limit)


def threshold_of(table: SeriesOfTable, alerts_per_week: float) -> float:
    """Return the threshold at which chance raises so many alerts a week on each series.

    Raises InputError when so many alerts need no threshold.
    """
    found = threshold(alerts_per_week * len(table.names) / DAYS_PER_WEEK, _watch(table))
    if found <= 0:
        raise InputError(f"{alerts_per_week:g} alerts a week are as many as there are rows; ask for fewer")
    return found


def _watch(table: SeriesOfTable) -> Watch:
    steps = np.diff(table.times) / np.timedelta64(1, "s")
    return Watch(series=len(table.names), step_s=float(np.median(steps)) if len(steps) else LONE_ROW_STEP_S)


def _in_context(event: Event, table: SeriesOfTable) -> Event:
    """Return the event as a contextual one when its value is ordinary and only its time is not."""
    if event.kind not in (Kind.POINT, Kind.COLLECTIVE) or not np.isfinite(event.value):
        return event
    onset = int(np.searchsorted(table.times, event.onset))
    before = table.values[max(onset - REMEMBERED_ROWS, 0) : onset, event.series]
    before = before[np.isfinite(before)]
    if len(before) == 0:
        return event
    low, high = np.quantile(before, ORDINARY)
    return replace(event, kind=Kind.CONTEXTUAL) if low <= event.value <= high else event


def to_json(detection: Detection) -> dict[str, Any]:
    """Return what was found as plain JSON values, null for numbers that are none; docs/detection.md says each field."""
    table = detection.table
    return {
        "schema_version": SCHEMA_VERSION,
        "title": detection.title,
        "rows": len(table.times),
        "series": list(table.names),
        "from": _iso(table.times[0]),
        "until": _iso(table.times[-1]),
        "threshold": detection.threshold,
        "events": [_event_json(event, table.names[event.series]) for event in detection.events],
        "notes": list(table.notes),
    }


def _event_json(event: Event, name: str) -> dict[str, Any]:
    return {
        "series": name,
        "onset": _iso(event.onset),
        "alerted": _iso(event.alert),
        "until": None if event.end is None else _iso(event.end),
        "peak": _iso(event.peak),
        "kind": event.kind.name.lower(),
        "direction": event.direction.value,
        "score": _number(event.score),
        "value": _number(event.value),
        "expected": _number(event.expected),
        "low": _number(event.expected - BAND * event.scale),
        "high": _number(event.expected + BAND * event.scale),
        "rows": event.rows,
        "escalations": event.escalations,
    }


def _iso(time: np.datetime64) -> str:
    text = str(time.astype("datetime64[ns]"))
    return text.rstrip("0").rstrip(".") + "Z"


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def to_text(detection: Detection) -> str:
    """Return the events as a table to read, one a line, below a line that sums them up."""
    table, events = detection.table, detection.events
    found = headline(len(events), len({event.series for event in events}), len(table.names))
    summary = f"{found} · {len(table.times):,} rows · threshold {detection.threshold:.2f}"
    if not events:
        return summary
    cells = [COLUMNS, *(_cells(event, visible(table.names[event.series])) for event in events)]
    rows = cells if len(table.names) > 1 else [row[1:] for row in cells]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([summary, "", *lines])


def _cells(event: Event, name: str) -> tuple[str, ...]:
    numbers = number_texts(event.value, event.expected)
    until = "still on" if event.end is None else time_text(event.end)
    return (
        name,
        time_text(event.onset),
        until,
        event.kind.name.lower(),
        f"{event.score:.1f}",
        *numbers,
        event.direction.value,
    )


def to_csv(detection: Detection) -> str:
    """Return every row's scores, numbers to the last digit: `timestamp,value,anomaly_score`.

    Tables of several series have one row per sample and series: `timestamp,series,value,anomaly_score`. Where there is
    no sample both numbers are empty.
    """
    table, scores = detection.table, detection.scored.scores.astype(np.float64)
    many = len(table.names) > 1
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["timestamp", *(["series"] if many else []), "value", "anomaly_score"])
    columns = [(_texts(table.values[:, j]), _texts(scores[:, j])) for j in range(len(table.names))]
    for row, stamp in enumerate(table.stamps):
        for name, (values, found) in zip(table.names, columns, strict=True):
            writer.writerow([stamp, *([name] if many else []), values[row], found[row]])
    return stream.getvalue()


def _texts(numbers: Values) -> list[str]:
    return ["" if number != number else repr(number) for number in numbers.tolist()]


def to_page(detection: Detection) -> DetectionPage:
    """Return what the HTML page shows."""
    scored, table = detection.scored, detection.table
    reach = BAND * scored.scale.astype(np.float64)
    return DetectionPage(
        title=detection.title,
        names=table.names,
        times=table.times,
        values=table.values,
        expected=scored.expected,
        low=scored.expected - reach,
        high=scored.expected + reach,
        scores=scored.scores.astype(np.float64),
        events=[_event_row(event) for event in detection.events],
        threshold=detection.threshold,
        notes=table.notes,
    )


def _event_row(event: Event) -> EventRow:
    return EventRow(
        series=event.series,
        onset=event.onset,
        end=event.end,
        kind=event.kind.name.lower(),
        score=event.score,
        value=event.value,
        expected=event.expected,
        direction=event.direction.value,
    )
