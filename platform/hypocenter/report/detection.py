"""What was detected in a table, as one HTML page: each series with its band, its events and its scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.report.series_svg import Drawn, Span, seconds_of, series_svg
from hypocenter.report.templates import filled
from hypocenter.report.wording import duration, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.telemetry import Times, Values

WIDE, NARROW = 980.0, 420.0
MOST_CHARTS = 24
MOST_EVENTS = 200
MOST_SPANS = 300
MOST_NOTES = 25
LONGEST_NAME = 60
LEAST_DIGITS = 5


@dataclass(frozen=True)
class EventRow:
    """One event in words; `series` is the column, `end` None while it lasts."""

    series: int
    onset: np.datetime64
    end: np.datetime64 | None
    kind: str
    score: float
    value: float
    expected: float
    direction: str


@dataclass(frozen=True)
class DetectionPage:
    """What the page shows: scored series, [time, series], and their events, in the order in which they were told."""

    title: str
    names: Sequence[str]
    times: Times
    values: Values
    expected: Values
    low: Values
    high: Values
    scores: Values
    events: Sequence[EventRow]
    threshold: float
    notes: Sequence[str]


def render_detection(page: DetectionPage) -> str:
    """Return one HTML file without scripts that asks for nothing over a network; every name in it is escaped."""
    numbers = {id(event): str(place) for place, event in enumerate(page.events, start=1)}
    chosen = _chosen(page)
    return filled(
        "detection.html.j2",
        ["report.css", "detection.css"],
        title=shorten(page.title, LONGEST_NAME),
        headline=headline(len(page.events), len({event.series for event in page.events}), len(page.names)),
        facts=_facts(page),
        charts=[_chart(page, column, numbers) for column in chosen],
        more_charts=len(page.names) - len(chosen),
        events=[_row(page, event, numbers[id(event)]) for event in page.events[:MOST_EVENTS]],
        more_events=max(len(page.events) - MOST_EVENTS, 0),
        notes=list(page.notes[:MOST_NOTES]),
    )


def headline(events: int, unusual: int, series: int) -> str:
    """Return what was found, in a line: a number of events in the unusual ones of a number of series.

    >>> headline(3, 2, 8), headline(0, 0, 1)
    ('3 events in 2 of 8 series', 'Nothing unusual in the series')
    """
    if not events:
        return f"Nothing unusual in {series} series" if series > 1 else "Nothing unusual in the series"
    found = f"{events} event" + "s" * (events > 1)
    return f"{found} in {unusual} of {series} series" if series > 1 else found


def number_texts(value: float, expected: float) -> tuple[str, str]:
    """Return a value and what was expected, with as many digits as tell them apart, a dash for none.

    >>> number_texts(0.714159, 0.3), number_texts(1e9 + 12.25, 1e9), number_texts(float("nan"), 2.0)
    (('0.71416', '0.3'), ('1000000012', '1000000000'), ('–', '2'))
    """
    off, size = abs(value - expected), max(abs(value), abs(expected))
    apart = math.ceil(math.log10(size / off)) + 2 if 0 < off < math.inf and size < math.inf else 0
    digits = min(max(apart, LEAST_DIGITS), 17)
    first, second = (f"{number:.{digits}g}" if math.isfinite(number) else "–" for number in (value, expected))
    return first, second


def _chosen(page: DetectionPage) -> list[int]:
    """Return the series to draw, in their order: those with the highest events first where there are too many."""
    best = np.zeros(len(page.names))
    for event in page.events:
        best[event.series] = max(best[event.series], event.score)
    return sorted(np.argsort(-best, kind="stable")[:MOST_CHARTS].tolist())


def _chart(page: DetectionPage, column: int, numbers: dict[int, str]) -> dict[str, Any]:
    at = seconds_of(page.times)
    columns = (page.values, page.expected, page.low, page.high, page.scores)
    drawn = Drawn(at, *(array[:, column].astype(np.float64) for array in columns))
    name = shorten(page.names[column], LONGEST_NAME)
    every = [event for event in page.events if event.series == column]
    weighty = {id(event) for event in sorted(every, key=lambda event: -event.score)[:MOST_SPANS]}
    own = [event for event in every if id(event) in weighty]
    ends = [at[-1] if event.end is None else float(seconds_of(np.array([event.end]))[0]) for event in own]
    onsets = seconds_of(np.array([event.onset for event in own], dtype="datetime64[ns]"))
    spans = [Span(numbers[id(e)], onset, end) for e, onset, end in zip(own, onsets.tolist(), ends, strict=True)]
    wide, narrow = (series_svg(drawn, spans, page.threshold, width, name) for width in (WIDE, NARROW))
    return {"name": name, "events": len(every), "drawn": len(own), "wide": wide, "narrow": narrow}


def _row(page: DetectionPage, event: EventRow, number: str) -> dict[str, str]:
    value, expected = number_texts(event.value, event.expected)
    return {
        "number": number,
        "series": shorten(page.names[event.series], LONGEST_NAME),
        "onset": time_text(event.onset),
        "end": "still on" if event.end is None else time_text(event.end),
        "kind": event.kind,
        "score": f"{event.score:.1f}",
        "value": value,
        "expected": expected,
        "direction": event.direction,
    }


def time_text(time: np.datetime64) -> str:
    """Return a UTC time to the second.

    >>> time_text(np.datetime64("2026-03-01T10:00:00.25"))
    '2026-03-01 10:00:00'
    """
    return str(time.astype("datetime64[s]")).replace("T", " ")


def _facts(page: DetectionPage) -> list[tuple[str, str]]:
    steps = np.diff(page.times) / np.timedelta64(1, "s")
    spanned = [
        ("Rows", f"{len(page.times):,}"),
        ("From", time_text(page.times[0])),
        ("Until", time_text(page.times[-1])),
    ]
    every = [("Every", duration(float(np.median(steps))))] if len(steps) else []
    return [*spanned, *every, ("Threshold", f"{page.threshold:.2f}")]
