"""What is said of a detection: events as text and JSON, scores as CSV, and what the page shows."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.report.detection import DetectionPage, EventRow, headline, number_texts, time_text
from hypocenter.terminal import visible
from hypocenter_workers.detect.anomalies import BAND

if TYPE_CHECKING:
    from hypocenter.telemetry import Values
    from hypocenter_workers.detect.events import Event
    from hypocenter_workers.detect_table import Detection

SCHEMA_VERSION = 1
COLUMNS = ("series", "when (UTC)", "until", "kind", "score", "value", "expected", "direction")


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
        "began": None if event.began is None else [_iso(time) for time in event.began],
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


def to_csv(detection: Detection, raw: bool = False) -> str:
    """Return every row's scores, numbers to the last digit: `timestamp,value,anomaly_score`.

    Rows that belong to an event told before are lowered to a first sign, so that whoever takes every row over the
    threshold for an alert sees what people are told; with `raw` they are not. Tables of several series have one row per
    sample and series: `timestamp,series,value,anomaly_score`. Where there is no sample both numbers are empty.
    """
    table, scores = detection.table, detection.scores if raw else detection.alert_scores
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
    table, reach = detection.table, BAND * detection.scale
    return DetectionPage(
        title=detection.title,
        names=table.names,
        times=table.times,
        values=table.values,
        expected=detection.expected,
        low=detection.expected - reach,
        high=detection.expected + reach,
        scores=detection.scores,
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
