"""The dependency graph around the incident as SVG; states differ in outline, filling and words, not in colour alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.model import DependencyType
from hypocenter.report.graph_layout import Box, lay_out
from hypocenter.report.svg import add, drawing, number, smooth, to_text
from hypocenter.report.wording import labels, plain_words, shorten

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from hypocenter.model import Dependency, GraphNode, GraphView, Step
    from hypocenter.report.graph_layout import Layout
    from hypocenter.report.svg import Element, Point

STATES = {
    "cause": "probable cause",
    "suspect": "suspect",
    "affected": "affected",
    "normal": "normal",
    "unobserved": "not observed",
}
SUGGESTED = "learned"
LETTER = 8.0  # width of a letter of a node's name, in pixels, generously
NARROWEST, WIDEST = 120.0, 156.0
SHRUNK, WIDE = 0.8, 1200.0  # a drawing wider than a page may be shown this small before it scrolls


def graph_svg(view: GraphView, propagation: Sequence[Step], symptom: str | None) -> str:
    """Return the drawing: arrows point at what is leaned on; the way of the failure is thick."""
    longest = max((len(node.component) for node in view.nodes), default=0)
    box = Box(width=min(max(longest * LETTER + 20, NARROWEST), WIDEST))
    layout = lay_out([n.component for n in view.nodes], [(e.caller, e.callee) for e in view.edges], box)
    root = drawing(layout.width, layout.height, "Dependency graph", _description(view), "graph")
    root.set("width", number(max(layout.width * SHRUNK, min(layout.width, WIDE))))
    root.set("preserveAspectRatio", "xMidYMin")
    _define_marks(root)
    ways = [(step.component, step.via) for step in propagation if step.via]
    failing = {pair for a, b in ways for pair in ((a, b), (b, a))}
    _draw_edges(root, view.edges, layout, failing)
    names = labels([node.component for node in view.nodes], int((box.width - 12) / LETTER))
    for node in sorted(view.nodes, key=_name):
        group = _draw_node(root, node, layout.centres[node.component], box, node.component == symptom)
        x, y = layout.centres[node.component]
        add(group, "text", names[node.component], x=x, y=y - 3, css="name", text_anchor="middle")
    return to_text(root)


def legend_svg(state: str) -> str:
    """Return a small sample of a state's outline and filling."""
    root = drawing(34, 20, STATES.get(state, state), "", "graph sample")
    _draw_frame(root, state, (17.0, 10.0), Box(width=26.0, height=12.0))
    return to_text(root)


def _description(view: GraphView) -> str:
    parts = []
    for state, words in STATES.items():
        names = [shorten(node.component, 40) for node in sorted(view.nodes, key=_name) if node.state == state]
        parts += [f"{words}: {', '.join(names)}"] if names and state != "normal" else []
    return "; ".join([f"{len(view.nodes)} components", *parts])


def _name(node: GraphNode) -> str:
    return node.component


def _define_marks(root: Element) -> None:
    marks = add(root, "defs")
    for name in ("plain", "failing"):
        arrow = add(marks, "marker", id=f"arrow-{name}", viewBox="0 0 8 8", refX=7.5, refY=4, orient="auto")
        arrow.set("markerWidth", "8")
        arrow.set("markerHeight", "8")
        arrow.set("markerUnits", "userSpaceOnUse")
        add(arrow, "path", d="M0 0.5L8 4L0 7.5z", css=f"arrow {name}")
    hatch = add(marks, "pattern", id="hatch", width=6, height=6, patternUnits="userSpaceOnUse")
    hatch.set("patternTransform", "rotate(45)")
    add(hatch, "rect", width=6, height=6, css="hatch-ground")
    add(hatch, "rect", width=2, height=6, css="hatch-line")


def _draw_edges(
    root: Element, edges: Sequence[Dependency], layout: Layout, failing: Collection[tuple[str, str]]
) -> None:
    """Draw the way of the failure last, above all other edges."""
    by_ends = {(edge.caller, edge.callee): edge for edge in edges}
    for ends in sorted(layout.routes, key=lambda pair: (pair in failing, pair)):
        name = "failing" if ends in failing else "plain"
        path = add(root, "path", d=smooth(layout.routes[ends]), css=f"edge {name}{_dashes(by_ends[ends])}")
        path.set("marker-end", f"url(#arrow-{name})")
        add(path, "title", f"{shorten(ends[0], 60)} → {shorten(ends[1], 60)} ({_told(by_ends[ends])})")


def _dashes(edge: Dependency) -> str:
    if edge.source == SUGGESTED:
        return " suggested"
    return "" if edge.type is DependencyType.CALLS else " placed"


def _told(edge: Dependency) -> str:
    """Say what an edge is and who says so; of a suggestion also how sure it is."""
    sure = f", only suggested: {edge.confidence:.0%} sure" if edge.source == SUGGESTED else ""
    return f"{edge.type}, {shorten(edge.source, 30)}{sure}"


def _draw_node(root: Element, node: GraphNode, centre: Point, box: Box, is_symptom: bool) -> Element:
    """Draw a node's frame and, in its lower half, its type or state in words."""
    group = add(root, "g", css=f"node {_known(node.state)}")
    words = [str(node.type), *([STATES.get(node.state, plain_words(node.state))] if node.state != "normal" else [])]
    words += ["symptom"] if is_symptom else []
    add(group, "title", f"{node.component}: {', '.join(words)}")
    _draw_frame(group, node.state, centre, box)
    line = words[-1] if is_symptom and len(words) < 3 else " · ".join(words[1:] or words)
    add(group, "text", line, x=centre[0], y=centre[1] + 12, css="kind", text_anchor="middle")
    return group


def _known(state: str) -> str:
    return state if state in STATES else "normal"


def _draw_frame(parent: Element, state: str, centre: Point, box: Box) -> None:
    """A cause has a double frame, a suspect a thick one, the affected are hatched, the unobserved dashed."""
    x, y = centre[0] - box.width / 2, centre[1] - box.height / 2
    state = _known(state)
    if state == "cause":
        add(parent, "rect", x=x - 4, y=y - 4, width=box.width + 8, height=box.height + 8, rx=9, css="frame halo")
    add(parent, "rect", x=x, y=y, width=box.width, height=box.height, rx=6, css=f"frame {state}")
