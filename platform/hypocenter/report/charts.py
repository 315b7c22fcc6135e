"""One series with its expected band, drawn as SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby, islice, zip_longest
from typing import TYPE_CHECKING

from hypocenter.report.scales import Scale, seconds, tick_label, time_ticks, value_ticks
from hypocenter.report.svg import add, drawing, number, polyline, to_text
from hypocenter.report.wording import clock, quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from hypocenter.model import Chart
    from hypocenter.report.svg import Element

WIDTH, HEIGHT = 420.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 66.0, 402.0, 22.0, 162.0
MOST_POINTS = 360
LARGEST = 1e290  # beyond it the arithmetic of an axis overflows


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of a chart: time in seconds since 1970, the value and its band, None where missing."""

    at: float
    value: float | None
    expected: float | None
    low: float | None
    high: float | None

    @property
    def unusual(self) -> bool:
        """Whether the value lies outside its band."""
        if self.value is None or self.low is None or self.high is None:
            return False
        return not self.low <= self.value <= self.high


def chart_svg(chart: Chart, incident_onset: datetime | None, name: str) -> str:
    """Return the drawing; `name` is what a screen reader says. Without any value it says so in words."""
    samples = thinned(_samples(chart))
    root = drawing(WIDTH, HEIGHT, name, chart.caption, "chart")
    present = [value for item in samples for value in (item.value, item.low, item.high) if value is not None]
    if not present:
        add(root, "text", "no samples in this window", x=WIDTH / 2, y=HEIGHT / 2, css="none", text_anchor="middle")
        return to_text(root)
    x = Scale(samples[0].at, samples[-1].at, LEFT, RIGHT)
    y = _value_axis(root, samples, chart.series.unit)
    _time_axis(root, x)
    _draw_band(root, samples, x, y)
    _draw_line(root, samples, x, y, lambda item: item.expected, "expected")
    _draw_line(root, samples, x, y, lambda item: item.value, "line")
    _draw_unusual(root, samples, x, y)
    _draw_onset(root, chart.onset or incident_onset, x)
    return to_text(root)


def _samples(chart: Chart) -> list[Sample]:
    columns = (chart.values, chart.expected, chart.low, chart.high)
    rows = islice(zip_longest(chart.times, *columns), len(chart.times))
    samples = [Sample(seconds(time), *(_finite(value) for value in row)) for time, *row in rows]
    return sorted(samples, key=lambda item: item.at)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and abs(value) < LARGEST else None


def thinned(samples: Sequence[Sample], most: int = MOST_POINTS) -> list[Sample]:
    """Return at most `most` samples, keeping the lowest and the highest value of every stretch left out.

    >>> rows = [Sample(at, 9.0 if at == 7 else 0.0, None, None, None) for at in range(100)]
    >>> 9.0 in [item.value for item in thinned(rows, 10)]
    True
    """
    if len(samples) <= most:
        return list(samples)
    size = math.ceil(len(samples) / (most // 2))
    kept: list[Sample] = []
    for start in range(0, len(samples), size):
        stretch = samples[start : start + size]
        present = [item for item in stretch if item.value is not None] or stretch[:1]
        ends = (min(present, key=_level), max(present, key=_level))
        kept += sorted(set(ends), key=lambda item: item.at)
    return kept


def _level(sample: Sample) -> float:
    return sample.value if sample.value is not None else 0.0


def _value_axis(root: Element, samples: Sequence[Sample], unit: str) -> Scale:
    low, high = _value_range(samples)
    base = 1024.0 if unit.startswith("bytes") else 60.0 if unit == "s" and high >= 60.0 else 10.0
    ticks = value_ticks(low, high, base)
    if unit == "share" and high <= 1.0:
        ticks = [tick for tick in ticks if tick < 1.0] + [1.0] * (ticks[-1] >= 1.0)
    scale = Scale(ticks[0], ticks[-1], BOTTOM, TOP)
    for tick in ticks:
        add(root, "line", x1=LEFT, x2=RIGHT, y1=scale(tick), y2=scale(tick), css="grid")
        add(root, "text", quantity(tick, unit), x=LEFT - 6, y=scale(tick) + 4, css="tick", text_anchor="end")
    return scale


def _value_range(samples: Sequence[Sample]) -> tuple[float, float]:
    """Hold every value and its band, but let a band far wider than the values not flatten them."""
    values = [item.value for item in samples if item.value is not None]
    band = [edge for item in samples for edge in (item.low, item.high) if edge is not None]
    low, high = min(values or band), max(values or band)
    reach = 0.6 * (high - low) or math.inf
    low = min(low, max(min(band, default=low), low - reach))
    high = max(high, min(max(band, default=high), high + reach))
    if min(values or band) >= 0 and low < 0.6 * high:
        low = 0.0
    return (low, high) if high > low else (low - abs(low) * 0.1 - 1e-9, high + abs(high) * 0.1 + 1e-9)


def _time_axis(root: Element, x: Scale) -> None:
    ticks = time_ticks(x.low, x.high)
    for tick in ticks:
        add(root, "line", x1=x(tick), x2=x(tick), y1=BOTTOM, y2=BOTTOM + 4, css="axis")
        add(root, "text", tick_label(tick, ticks), x=x(tick), y=BOTTOM + 18, css="tick", text_anchor="middle")
    add(root, "line", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM, css="axis")


def _draw_band(root: Element, samples: Sequence[Sample], x: Scale, y: Scale) -> None:
    for run in _runs(samples, lambda item: item.low is not None and item.high is not None):
        upper = [(x(item.at), y(item.high or 0.0)) for item in run]
        lower = [(x(item.at), y(item.low or 0.0)) for item in reversed(run)]
        add(root, "path", d=polyline(upper + lower) + "Z", css="band")


def _draw_line(
    root: Element, samples: Sequence[Sample], x: Scale, y: Scale, pick: Callable[[Sample], float | None], css: str
) -> None:
    for run in _runs(samples, lambda item: pick(item) is not None):
        points = [(x(item.at), y(pick(item) or 0.0)) for item in run]
        if len(points) > 1:
            add(root, "path", d=polyline(points), css=css)
        else:
            add(root, "circle", cx=points[0][0], cy=points[0][1], r=1.8, css=f"{css} dot")


def _draw_unusual(root: Element, samples: Sequence[Sample], x: Scale, y: Scale) -> None:
    """Thicken what lies outside the band, and the way there, so that it is seen without colour too."""
    before = dict(zip(samples[1:], samples, strict=False))
    for run in _runs(samples, lambda item: item.unusual):
        way = before.get(run[0])
        run = [way, *run] if way is not None and way.value is not None else run
        points = [(x(item.at), y(item.value or 0.0)) for item in run]
        path = polyline(points if len(points) > 1 else [points[0], (points[0][0] + 0.1, points[0][1])])
        add(root, "path", d=path, css="unusual")


def _runs(samples: Iterable[Sample], wanted: Callable[[Sample], bool]) -> list[list[Sample]]:
    return [list(run) for kept, run in groupby(samples, key=wanted) if kept]


def _draw_onset(root: Element, onset: datetime | None, x: Scale) -> None:
    if onset is None or not x.low <= seconds(onset) <= x.high:
        return
    at = x(seconds(onset))
    x_text, anchor = (at + 9, "start") if at < (LEFT + RIGHT) / 2 else (at - 9, "end")
    add(root, "line", x1=at, x2=at, y1=TOP - 8, y2=BOTTOM, css="onset")
    add(root, "path", d=f"M{number(at - 5)} {number(TOP - 12)}h10l-5 7z", css="onset-flag")
    add(root, "text", f"onset {clock(onset, onset)}", x=x_text, y=TOP - 5, css="note", text_anchor=anchor)
