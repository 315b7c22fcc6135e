"""A counterfactual as a picture: where the symptom is, and where it would be without a suspect, with its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypocenter.report.scales import Scale, value_ticks
from hypocenter.report.svg import add, drawing, number, to_text
from hypocenter.report.wording import quantity

if TYPE_CHECKING:
    from hypocenter.model import Counterfactual
    from hypocenter.report.svg import Element

WIDTH, HEIGHT = 330.0, 76.0
LABEL, VALUE, LEFT, RIGHT = 0.0, 132.0, 146.0, 314.0
OBSERVED, WITHOUT, AXIS = 16.0, 38.0, 54.0
LARGEST = 1e300


def interval_svg(item: Counterfactual) -> str:
    """Return the drawing, or nothing where the level or its estimate is no number."""
    if not (_drawable(item.observed) and _drawable(item.expected)):
        return ""
    seen, without = quantity(item.observed, item.unit), quantity(item.expected, item.unit)
    root = drawing(WIDTH, HEIGHT, f"observed {seen}, without it {without}", _range(item), "interval")
    x = _axis(root, item)
    _label(root, "observed", seen, OBSERVED)
    _label(root, "without it", without, WITHOUT)
    if _drawable(item.low) and _drawable(item.high):
        low, high = x(min(item.low, item.high)), x(max(item.low, item.high))
        add(root, "rect", x=low, y=WITHOUT - 5, width=max(high - low, 1.0), height=10, css="range")
        ends = f"M{number(low)} {number(WITHOUT - 7)}v14M{number(high)} {number(WITHOUT - 7)}v14"
        add(root, "path", d=ends, css="range-end")
    diamond = f"M{number(x(item.expected))} {number(WITHOUT - 6)}l6 6l-6 6l-6 -6z"
    add(root, "path", d=diamond, css="estimate")
    add(root, "circle", cx=x(item.observed), cy=OBSERVED, r=5, css="level")
    return to_text(root)


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) < LARGEST


def _range(item: Counterfactual) -> str:
    if not (_drawable(item.low) and _drawable(item.high)):
        return ""
    return f"between {quantity(item.low, item.unit)} and {quantity(item.high, item.unit)}"


def _label(root: Element, words: str, value: str, y: float) -> None:
    add(root, "text", words, x=LABEL, y=y + 4, css="tick")
    add(root, "text", value, x=VALUE, y=y + 4, css="figure", text_anchor="end")
    add(root, "line", x1=LEFT, x2=RIGHT, y1=y, y2=y, css="grid")


def _axis(root: Element, item: Counterfactual) -> Scale:
    known = [value for value in (item.observed, item.expected, item.low, item.high) if _drawable(value)]
    low, high = min(0.0, *known), max(0.0, *known)
    base = 1024.0 if item.unit.startswith("bytes") else 60.0 if item.unit == "s" and high >= 60.0 else 10.0
    ticks = value_ticks(low, high, base, 2) if high > low else [0.0, 1.0]
    scale = Scale(ticks[0], ticks[-1], LEFT, RIGHT)
    for tick in (ticks[0], *ticks[1:-1][: 1 if len(ticks) == 3 else 0], ticks[-1]):
        add(root, "line", x1=scale(tick), x2=scale(tick), y1=OBSERVED - 10, y2=AXIS, css="grid")
        end, anchor = (RIGHT + 14, "end") if tick == ticks[-1] else (scale(tick), "middle")
        add(root, "text", quantity(tick, item.unit), x=end, y=AXIS + 15, css="tick", text_anchor=anchor)
    add(root, "line", x1=LEFT, x2=RIGHT, y1=AXIS, y2=AXIS, css="axis")
    return scale
