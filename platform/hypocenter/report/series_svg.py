"""A long series with its expected band, its events and its scores, drawn as SVG for a given width."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.report.scales import Scale, tick_label, time_ticks, value_ticks
from hypocenter.report.svg import add, drawing, number, polyline, to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.report.svg import Element
    from hypocenter.telemetry import Times

TOP, BOTTOM = 26.0, 186.0
STRIP_TOP, STRIP_BOTTOM = 204.0, 250.0
HEIGHT = 276.0
LEAST_LEFT, RIGHT_MARGIN = 64.0, 18.0
# Lowest and highest point of each stretch so wide: finer is not seen, and makes a page of many series large.
BUCKET_PIXELS = 1.5
CHARACTER = 6.8
NARROWEST_EVENT = 3.0
# A pause longer than so many median steps breaks the line.
PAUSE_STEPS = 2.5


@dataclass(frozen=True)
class Span:
    """An event on the drawing: its number in the table, and seconds since 1970 of its onset and end."""

    label: str
    onset: float
    end: float


@dataclass(frozen=True)
class Drawn:
    """One series to draw, all [time]: seconds since 1970, value, expected value, band and score; NaN for none."""

    at: NDArray[np.float64]
    value: NDArray[np.float64]
    expected: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    score: NDArray[np.float64]


def seconds_of(times: Times) -> NDArray[np.float64]:
    """Return `datetime64` as seconds since 1970."""
    return (times - np.datetime64(0, "s")) / np.timedelta64(1, "s")


def series_svg(drawn: Drawn, spans: Sequence[Span], threshold: float, width: float, name: str) -> str:
    """Return the drawing; `name` is what a screen reader says. Without any value it says so in words."""
    root = drawing(width, HEIGHT, name, f"{len(spans)} events", "chart series")
    there = np.isfinite(drawn.value)
    if not there.any():
        add(root, "text", "no samples", x=width / 2, y=HEIGHT / 2, css="none", text_anchor="middle")
        return to_text(root)
    ticks = _value_ticks(drawn)
    labels = tick_texts(ticks)
    left = max(LEAST_LEFT, max(map(len, labels)) * CHARACTER + 12)
    x = Scale(float(drawn.at[0]), float(drawn.at[-1]), left, width - RIGHT_MARGIN)
    y = Scale(ticks[0], ticks[-1], BOTTOM, TOP)
    buckets = Buckets.of(drawn.at, math.ceil((x.end - x.start) / BUCKET_PIXELS))
    _draw_grid(root, x, y, ticks, labels)
    _draw_spans(root, spans, x)
    _draw_band(root, drawn, buckets, x, y)
    _draw_expected(root, drawn, buckets, x, y)
    for run in _runs(*buckets.extremes(drawn.at, drawn.value), _pause(drawn.at, buckets)):
        _draw_run(root, run, x, y, "line")
    _draw_unusual(root, drawn, spans, buckets, x, y)
    _draw_scores(root, drawn, threshold, buckets, x)
    _draw_times(root, x)
    return to_text(root)


@dataclass(frozen=True)
class Buckets:
    """Rows drawn as one stretch: the first row of each, its seconds, and whether there are too many to draw all."""

    starts: NDArray[np.int64]
    width: float
    thin: bool

    @classmethod
    def of(cls, at: NDArray[np.float64], count: int) -> Buckets:
        """Return about so many buckets of equal time for rising times."""
        width = max(float(at[-1] - at[0]), 1e-9) / count
        place = np.floor((at - at[0]) / width).astype(np.int64)
        return cls(np.flatnonzero(np.diff(place, prepend=-1)), width, len(at) > 2 * count)

    def least(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the least number of each bucket, NaN where it has none."""
        return self._reduced(np.fmin, numbers)

    def most(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the largest number of each bucket, NaN where it has none."""
        return self._reduced(np.fmax, numbers)

    def first(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the first number of each bucket."""
        return numbers[self.starts] if self.thin else numbers

    def extremes(
        self, at: NDArray[np.float64], numbers: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the rows that hold the least and the largest number of each bucket, in order, without NaN.

        >>> at, numbers = np.arange(1000.0), np.where(np.arange(1000) == 7, 9.0, 0.0)
        >>> 9.0 in Buckets.of(at, 10).extremes(at, numbers)[1]
        True
        """
        kept = np.flatnonzero(np.isfinite(numbers))
        if self.thin:
            bucket = np.searchsorted(self.starts, kept, side="right")
            order = np.lexsort((numbers[kept], bucket))
            edge = np.flatnonzero(np.diff(bucket, prepend=-1, append=-1))
            kept = kept[np.unique(np.concatenate([order[edge[:-1]], order[edge[1:] - 1]]))]
        return at[kept], numbers[kept]

    def _reduced(self, choose: np.ufunc, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(choose.reduceat(numbers, self.starts)) if self.thin else numbers


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Return ticks as texts that differ, however small their step beside their size.

    >>> tick_texts([0.0, 0.5, 1.0]), tick_texts([1e9, 1e9 + 0.5])
    (['0.0', '0.5', '1.0'], ['1,000,000,000.0', '1,000,000,000.5'])
    """
    step, size = abs(ticks[1] - ticks[0]), max(map(abs, ticks))
    if size >= 1e12 or step < 1e-6:
        digits = max(1, math.ceil(math.log10(size / step)) + 1) if step > 0 and size > 0 else 3
        return [f"{tick:.{min(digits, 17)}g}" for tick in ticks]
    decimals = max(0, math.ceil(-math.log10(step) - 1e-9))
    decimals += round(step * 10**decimals * 10) % 10 != 0
    return [f"{tick + 0.0:,.{decimals}f}" for tick in ticks]


def _value_ticks(drawn: Drawn) -> list[float]:
    """Hold every value and its band, but let a band far wider than the values not flatten them."""
    low, high = float(np.nanmin(drawn.value)), float(np.nanmax(drawn.value))
    reach = 0.4 * (high - low)
    bottom, top = (np.fmin.reduce(drawn.low), np.fmax.reduce(drawn.high))
    low, high = float(np.fmin(low, max(bottom, low - reach))), float(np.fmax(high, min(top, high + reach)))
    if not high > low:
        low, high = low - abs(low) * 0.1 - 1e-9, high + abs(high) * 0.1 + 1e-9
    return value_ticks(low, high)


def _draw_grid(root: Element, x: Scale, y: Scale, ticks: Sequence[float], labels: Sequence[str]) -> None:
    for tick, label in zip(ticks, labels, strict=True):
        add(root, "line", x1=x.start, x2=x.end, y1=y(tick), y2=y(tick), css="grid")
        add(root, "text", label, x=x.start - 6, y=y(tick) + 4, css="tick", text_anchor="end")


def _draw_spans(root: Element, spans: Sequence[Span], x: Scale) -> None:
    """Shade events between two lines and number them, so that they are seen without colour too."""
    free = 0.0
    for span in spans:
        left, right = x(span.onset), x(span.end)
        right = max(right, left + NARROWEST_EVENT)
        add(root, "rect", x=left, y=TOP, width=right - left, height=STRIP_BOTTOM - TOP, css="event")
        add(root, "path", d=f"M{number(left)} {number(TOP - 4)}V{number(STRIP_BOTTOM)}", css="event-edge")
        if left >= free:
            add(root, "text", span.label, x=left, y=TOP - 9, css="event-label", text_anchor="middle")
            free = left + (len(span.label) + 1) * 8


def _draw_band(root: Element, drawn: Drawn, buckets: Buckets, x: Scale, y: Scale) -> None:
    at, low, high = buckets.first(drawn.at), buckets.least(drawn.low), buckets.most(drawn.high)
    known = np.isfinite(low) & np.isfinite(high)
    both = np.stack([low, high], axis=1)[known]
    for when, edges in _runs(at[known], both, _pause(drawn.at, buckets)):
        upper = [(x(a), y(e)) for a, e in zip(when, edges[:, 1], strict=True)]
        lower = [(x(a), y(e)) for a, e in zip(when, edges[:, 0], strict=True)]
        add(root, "path", d=polyline(upper + lower[::-1]) + "Z", css="band")


def _draw_expected(root: Element, drawn: Drawn, buckets: Buckets, x: Scale, y: Scale) -> None:
    at = buckets.first(drawn.at)
    middle = (buckets.least(drawn.expected) + buckets.most(drawn.expected)) / 2
    known = np.isfinite(middle)
    for when, numbers in _runs(at[known], middle[known], _pause(drawn.at, buckets)):
        if len(when) > 1:
            _draw_run(root, (when, numbers), x, y, "expected")


def _draw_unusual(root: Element, drawn: Drawn, spans: Sequence[Span], buckets: Buckets, x: Scale, y: Scale) -> None:
    """Thicken the line within events."""
    at, numbers = buckets.extremes(drawn.at, drawn.value)
    for span in spans:
        first, last = np.searchsorted(at, [span.onset, span.end + buckets.width])
        inside = slice(max(int(first) - 1, 0), max(int(last), int(first) + 1))
        for run in _runs(at[inside], numbers[inside], _pause(drawn.at, buckets)):
            _draw_run(root, run, x, y, "unusual")


def _draw_run(
    root: Element, run: tuple[NDArray[np.float64], NDArray[np.float64]], x: Scale, y: Scale, css: str
) -> None:
    points = [(x(a), y(v)) for a, v in zip(*run, strict=True)]
    if len(points) > 1:
        add(root, "path", d=polyline(points), css=css)
    else:
        add(root, "circle", cx=points[0][0], cy=points[0][1], r=1.8, css=f"{css} dot")


def _draw_scores(root: Element, drawn: Drawn, threshold: float, buckets: Buckets, x: Scale) -> None:
    at, score = buckets.first(drawn.at), np.nan_to_num(buckets.most(drawn.score))
    top = max(1.5 * threshold, min(float(score.max(initial=0.0)), 4 * threshold))
    y = Scale(0.0, top, STRIP_BOTTOM, STRIP_TOP)
    outline = [(x(a), y(s)) for a, s in zip(at, score, strict=True)]
    add(root, "path", d=polyline([(x.start, STRIP_BOTTOM), *outline, (x.end, STRIP_BOTTOM)]) + "Z", css="score")
    add(root, "line", x1=x.start, x2=x.end, y1=y(threshold), y2=y(threshold), css="threshold")
    add(root, "text", "score", x=x.start - 6, y=STRIP_BOTTOM, css="tick", text_anchor="end")


def _draw_times(root: Element, x: Scale) -> None:
    ticks = time_ticks(x.low, x.high, 5 if x.end - x.start < 600 else 9)
    for tick in ticks:
        add(root, "line", x1=x(tick), x2=x(tick), y1=STRIP_BOTTOM, y2=STRIP_BOTTOM + 4, css="axis")
        add(root, "text", tick_label(tick, ticks), x=x(tick), y=STRIP_BOTTOM + 18, css="tick", text_anchor="middle")
    add(root, "line", x1=x.start, x2=x.end, y1=STRIP_BOTTOM, y2=STRIP_BOTTOM, css="axis")


def _pause(at: NDArray[np.float64], buckets: Buckets) -> float:
    """Return the seconds without a row that break a line."""
    step = float(np.median(np.diff(at))) if len(at) > 1 else 0.0
    return max(PAUSE_STEPS * step, 2.0 * buckets.width if buckets.thin else 0.0)


def _runs(
    at: NDArray[np.float64], numbers: NDArray[np.float64], pause: float
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return times and numbers cut where a pause lies between them."""
    if len(at) == 0:
        return []
    cuts = np.flatnonzero(np.diff(at) > pause) + 1
    return list(zip(np.split(at, cuts), np.split(numbers, cuts), strict=True))
