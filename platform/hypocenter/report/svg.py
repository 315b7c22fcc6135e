"""SVG as element trees: the serializer escapes, so no text or attribute can break out."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from hypocenter.report.wording import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Element = ElementTree.Element
Point = tuple[float, float]


def drawing(width: float, height: float, title: str, description: str, css: str) -> Element:
    """Return an `svg` element with an accessible name; width and height are its natural size in CSS pixels."""
    root = ElementTree.Element("svg", {"class": css, "role": "img"})
    root.set("viewBox", f"0 0 {number(width)} {number(height)}")
    root.set("width", number(width))
    root.set("height", number(height))
    root.set("aria-label", clean(f"{title}. {description}" if description else title))
    add(root, "title", clean(title))
    return root


def add(parent: Element, tag: str, text: str | None = None, **attributes: str | float) -> Element:
    """Append a child. `css` is its class; an underscore in a name becomes a hyphen, a trailing one is dropped."""
    child = ElementTree.SubElement(parent, tag)
    for name, value in attributes.items():
        attribute = "class" if name == "css" else name.rstrip("_").replace("_", "-")
        child.set(attribute, number(value) if isinstance(value, (int, float)) else clean(value, 10**6))
    child.text = None if text is None else clean(text)
    return child


def number(value: float) -> str:
    """Return a coordinate with one decimal, which is a tenth of a pixel.

    >>> number(3.0), number(2.345), number(-0.01)
    ('3', '2.3', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def polyline(points: Iterable[Point]) -> str:
    """Return path data through the points.

    >>> polyline([(0, 0), (1.5, 2)])
    'M0 0L1.5 2'
    """
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def smooth(points: Sequence[Point]) -> str:
    """Return path data that leaves and reaches every point level.

    >>> smooth([(0, 0), (10, 4), (20, 4)])
    'M0 0C5 0 5 4 10 4L20 4'
    """
    text = f"M{number(points[0][0])} {number(points[0][1])}"
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        middle = number((x0 + x1) / 2)
        ends = f"{number(x1)} {number(y1)}"
        text += f"L{ends}" if y0 == y1 else f"C{middle} {number(y0)} {middle} {number(y1)} {ends}"
    return text


def to_text(root: Element) -> str:
    """Return the drawing as markup for an HTML page."""
    return ElementTree.tostring(root, encoding="unicode")
