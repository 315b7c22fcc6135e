"""The dated facts of an incident as SVG: one row per component, one shape per kind of fact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.report.scales import Scale, seconds, tick_label, time_ticks
from hypocenter.report.svg import add, drawing, number, to_text
from hypocenter.report.wording import clock, plain_words, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hypocenter.model import TimelineEntry
    from hypocenter.report.svg import Element

WIDTH, LABELS, RIGHT, ROW, TOP = 1180.0, 172.0, 1160.0, 26.0, 30.0
MOST_ROWS = 14
EARLIER = 26.0  # pixels for facts from long before the incident
SHAPES = {
    "onset": "M-6 -7h12l-6 13z",
    "alert": "M0 -6.5L7 5.5h-14z",
    "change": "M0 -7L7 0L0 7L-7 0z",
    "anomaly": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
}


def timeline_svg(entries: Sequence[TimelineEntry], onset: datetime | None) -> str:
    """Return the drawing of entries in order of time; those from long before the onset stand at the left edge."""
    components = list(dict.fromkeys(entry.component for entry in entries if entry.component))
    rows = components[:MOST_ROWS]
    bottom = TOP + ROW * len(rows)
    root = drawing(WIDTH, bottom + 26, "Timeline", f"{len(entries)} facts on {len(rows)} components", "timeline")
    x = _time_scale(entries, onset)
    _draw_axis(root, x, bottom)
    for index, component in enumerate(rows):
        _draw_row(root, component, TOP + ROW * (index + 0.5), index)
    if onset is not None:
        _draw_onset(root, onset, x, bottom)
    if len(components) > len(rows):
        more = f"and {len(components) - len(rows)} more below"
        add(root, "text", more, x=LABELS - 8, y=bottom + 17, css="tick", text_anchor="end")
    for entry in reversed(entries):
        if entry.component in rows:
            _draw_entry(root, entry, x, TOP + ROW * (rows.index(entry.component) + 0.5))
    return to_text(root)


def shape_svg(kind: str) -> str:
    """Return the mark of a kind of fact, for lists and legends."""
    root = drawing(18, 18, plain_words(kind), "", "timeline sample")
    _draw_mark(root, kind, 9.0, 9.0)
    return to_text(root)


def _time_scale(entries: Sequence[TimelineEntry], onset: datetime | None) -> Scale:
    times = sorted(seconds(entry.at) for entry in entries)
    start = seconds(onset) if onset is not None else times[0]
    span = max(times[-1] - start, 120.0)
    recent = [at for at in times if at >= start - max(span, 600.0)]
    first = min(recent[0], start)
    return Scale(first - 0.03 * span, max(times[-1], start) + 0.06 * span, LABELS + EARLIER, RIGHT)


def _draw_axis(root: Element, x: Scale, bottom: float) -> None:
    ticks = time_ticks(x.low, x.high, 9)
    for tick in ticks:
        add(root, "line", x1=x(tick), x2=x(tick), y1=TOP, y2=bottom, css="grid")
        add(root, "text", tick_label(tick, ticks), x=x(tick), y=bottom + 17, css="tick", text_anchor="middle")


def _draw_row(root: Element, component: str, y: float, index: int) -> None:
    if index % 2 == 0:
        add(root, "rect", x=0, y=y - ROW / 2, width=WIDTH, height=ROW, css="stripe")
    label = add(root, "text", shorten(component, 22), x=LABELS - 8, y=y + 4, css="lane", text_anchor="end")
    add(label, "title", component)


def _draw_onset(root: Element, onset: datetime, x: Scale, bottom: float) -> None:
    at = x(seconds(onset))
    add(root, "line", x1=at, x2=at, y1=TOP - 6, y2=bottom, css="onset")
    add(root, "text", f"onset {clock(onset, onset)}", x=at, y=TOP - 12, css="note", text_anchor="middle")


def _draw_entry(root: Element, entry: TimelineEntry, x: Scale, y: float) -> None:
    earlier = seconds(entry.at) < x.low
    at = LABELS + EARLIER / 2 if earlier else x(seconds(entry.at))
    group = _draw_mark(root, entry.type, at, y)
    when = clock(entry.at) + (", long before" if earlier else "")
    add(group, "title", f"{when} · {plain_words(entry.type)} · {entry.component}: {entry.text}")
    if earlier:
        add(root, "text", "‹", x=LABELS + 1, y=y + 4, css="tick")


def _draw_mark(root: Element, kind: str, x: float, y: float) -> Element:
    group = add(root, "g", transform=f"translate({number(x)} {number(y)})")
    known = kind if kind in SHAPES else "anomaly"
    add(group, "path", d=SHAPES[known], css=f"mark {known}")
    return group
