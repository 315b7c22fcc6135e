"""A reliability diagram: the probabilities that a model said, against how often it was right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypocenter.report.scales import Scale
from hypocenter.report.svg import add, drawing, number, polyline, to_text
from hypocenter.report.wording import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.model_card import Bin
    from hypocenter.report.svg import Element

WIDTH, HEIGHT = 330.0, 316.0
LEFT, TOP, SIDE = 48.0, 10.0, 260.0
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
SMALLEST, LARGEST = 3.0, 9.0

X = Scale(0.0, 1.0, LEFT, LEFT + SIDE)
Y = Scale(0.0, 1.0, TOP + SIDE, TOP)


def reliability_svg(name: str, bins: Sequence[Bin]) -> str:
    """Return the drawing; the area of a dot is its share of the incidents, a dot on the diagonal keeps its word."""
    told = "; ".join(f"said {percent(one.said)}, right {percent(one.right)}" for one in bins)
    root = drawing(WIDTH, HEIGHT, f"Reliability of the {name}", told, "reliability")
    _axes(root)
    if len(bins) > 1:
        add(root, "path", d=polyline([(X(one.said), Y(one.right)) for one in bins]), css="line")
    most = max((one.incidents for one in bins), default=1)
    for one in bins:
        radius = max(LARGEST * math.sqrt(one.incidents / most), SMALLEST)
        dot = add(root, "circle", cx=X(one.said), cy=Y(one.right), r=radius, css="dot")
        add(dot, "title", f"{one.incidents} incidents: said {percent(one.said)}, right {percent(one.right)}")
    return to_text(root)


def _axes(root: Element) -> None:
    for tick in TICKS:
        add(root, "path", d=f"M{number(X(tick))} {number(TOP)}v{number(SIDE)}", css="grid")
        add(root, "path", d=f"M{number(LEFT)} {number(Y(tick))}h{number(SIDE)}", css="grid")
        add(root, "text", f"{tick:.0%}", x=X(tick), y=TOP + SIDE + 16, css="tick", text_anchor="middle")
        add(root, "text", f"{tick:.0%}", x=LEFT - 6, y=Y(tick) + 4, css="tick", text_anchor="end")
    add(root, "path", d=polyline([(X(0.0), Y(0.0)), (X(1.0), Y(1.0))]), css="expected")
    add(root, "text", "probability said", x=LEFT + SIDE / 2, y=HEIGHT - 6, css="note", text_anchor="middle")
    middle = f"rotate(-90 11 {number(TOP + SIDE / 2)})"
    add(
        root, "text", "share that was right", x=11, y=TOP + SIDE / 2, css="note", text_anchor="middle", transform=middle
    )
