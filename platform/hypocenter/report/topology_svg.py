"""The dependency graph as a file of SVG: what a component is shows in its icon, how one leans on another in dashes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.model import ComponentType, DependencyType
from hypocenter.report.graph_layout import Box, lay_out
from hypocenter.report.svg import add, drawing, number, smooth, to_text
from hypocenter.report.wording import labels, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hypocenter.model import Component, Dependency
    from hypocenter.report.graph_layout import Edge, Layout
    from hypocenter.report.svg import Element, Point

SVG = "http://www.w3.org/2000/svg"
LEARNED, VANISHED = "learned", "vanished"
LETTER, SMALL_LETTER = 8.4, 6.8  # widths of letters in pixels, generously
NARROWEST, WIDEST, LEAST_WIDTH = 108.0, 204.0, 360.0
HEIGHT, ICON, LINE = 38.0, 16.0, 20.0
MARGIN = 14.0
WIDEST_LEGEND = 1200.0  # what a window of a usual screen shows without scrolling

# Which of several dependencies between two components a line shows: the first of these.
EDGE_WORDS: Mapping[str, str] = {
    DependencyType.CALLS: "calls",
    DependencyType.PUBLISHES: "publishes to",
    DependencyType.CONSUMES: "consumes from",
    DependencyType.DEPENDS_ON: "depends on",
    DependencyType.RUNS_ON: "runs on",
    DependencyType.INSTANCE_OF: "is an instance of",
    LEARNED: "suggested by metrics, with its confidence",
    VANISHED: "seen then, and no more",
}
_ORDER = {name: place for place, name in enumerate(EDGE_WORDS)}

# Icons on a field of 16 x 16, drawn as lines.
ICONS: Mapping[ComponentType, str] = {
    ComponentType.SERVICE: "M8 1.5L14 5V11L8 14.5L2 11V5z",
    ComponentType.HOST: "M2 2.5H14V7H2zM2 9H14V13.5H2zM4.5 4.8H6M4.5 11.2H6",
    ComponentType.POD: "M3 3H13V13H3zM6 6H10V10H6z",
    ComponentType.INSTANCE: "M2 5H11V14H2zM5 5V2H14V11H11",
    ComponentType.DATABASE: "M2 4C2 1.5 13.5 1.5 13.5 4V12C13.5 14.5 2 14.5 2 12zM2 4C2 6.5 13.5 6.5 13.5 4",
    ComponentType.CACHE: "M9 1.5L3.5 9H7.5L6.5 14.5L12.5 6.5H8.5z",
    ComponentType.QUEUE: "M1.5 4.5H14.5V11.5H1.5zM5 4.5V11.5M8.3 4.5V11.5M11.6 4.5V11.5",
    ComponentType.EXTERNAL: "M8 2.5H3V13H13.5V8M9.5 2H14V6.5M14 2L7.5 8.5",
}
STYLE = """
svg { color-scheme: light dark;
  --paper: #ffffff; --ink: #1a222c; --muted: #525d6b; --line: #7b8794; --faint: #f4f5f7;
  --data: #0072b2; --data-tint: #e3f0f9; --queue: #9a6700; --queue-tint: #fff4da; --gone: #c04a00; --lean: #8e3a78;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif; }
.ground { fill: var(--paper); }
text { fill: var(--ink); }
.title { font-size: 16px; font-weight: 600; }
.note, .key { font-size: 12px; fill: var(--muted); }
.name { font-size: 12px; font-weight: 600; }
.kind { font-size: 10.5px; fill: var(--muted); }
.frame { fill: var(--faint); stroke: var(--line); stroke-width: 1; }
.icon { fill: none; stroke: var(--muted); stroke-width: 1.3; stroke-linejoin: round; }
.database .frame, .cache .frame { fill: var(--data-tint); stroke: var(--data); }
.database .icon, .cache .icon { stroke: var(--data); }
.queue .frame { fill: var(--queue-tint); stroke: var(--queue); }
.queue .icon { stroke: var(--queue); }
.external .frame { fill: var(--paper); stroke-dasharray: 5 3; }
.host .frame, .pod .frame, .instance .frame { fill: var(--paper); }
.focus .frame { stroke: var(--ink); stroke-width: 3; }
.edge { fill: none; stroke: var(--line); stroke-width: 1.2; }
.edge:hover { stroke: var(--ink); stroke-width: 3; }
.PUBLISHES, .CONSUMES { stroke: var(--queue); stroke-width: 1.5; }
.PUBLISHES { stroke-dasharray: 10 3 2 3; }
.CONSUMES { stroke-dasharray: 10 3 2 3 2 3; }
.DEPENDS_ON { stroke: var(--lean); stroke-dasharray: 12 4; }
.RUNS_ON { stroke: var(--line); stroke-width: 1.8; stroke-dasharray: 0.1 4.5; stroke-linecap: round; }
.INSTANCE_OF { stroke-dasharray: 7 2; }
.learned { stroke: var(--line); stroke-width: 1.1; stroke-dasharray: 4 5; }
.vanished { stroke: var(--gone); stroke-width: 1.6; stroke-dasharray: none; }
.cross { fill: none; stroke: var(--gone); stroke-width: 2; }
.sure { font-size: 10px; fill: var(--muted); paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
.arrow { fill: var(--muted); stroke: none; }
.arrow.of-PUBLISHES, .arrow.of-CONSUMES { fill: var(--queue); }
.arrow.of-DEPENDS_ON { fill: var(--lean); }
.arrow.of-RUNS_ON, .arrow.of-learned { fill: var(--line); }
.arrow.of-INSTANCE_OF { fill: var(--paper); stroke: var(--muted); }
.arrow.of-vanished { fill: var(--gone); }
@media screen and (prefers-color-scheme: dark) {
  svg { --paper: #161c23; --ink: #e4e9ef; --muted: #9ba8b6; --line: #7f8c9a; --faint: #202831;
    --data: #5db5ec; --data-tint: #15303f; --queue: #f0b429; --queue-tint: #352a10; --gone: #ff7a33; --lean: #d58cc1; }
}
"""


@dataclass(frozen=True)
class Picture:
    """What is drawn: components, dependencies, and of these, by caller, callee and type, those that `vanished`.

    `notes` are lines below the title, such as what was cut; `focus` is the component that it is about.
    """

    title: str
    components: Sequence[Component]
    dependencies: Sequence[Dependency]
    notes: Sequence[str] = ()
    vanished: frozenset[tuple[str, str, DependencyType]] = frozenset()
    focus: str = ""


def topology_svg(picture: Picture) -> str:
    """Return the picture as an SVG document: arrows point at what is leaned on; full names are in titles.

    The same picture gives the same text. Everything that came from outside is escaped.
    """
    names = [component.name for component in picture.components]
    longest = max(map(len, names), default=0)
    box = Box(width=min(max(longest * LETTER + 34, NARROWEST), WIDEST), height=HEIGHT, gap=12.0, layer_gap=56.0)
    layout = lay_out(names, [(d.caller, d.callee) for d in picture.dependencies], box)
    width = max(layout.width, LEAST_WIDTH)
    keys = list(_placed_keys(picture, min(width, WIDEST_LEGEND)))
    top = 34.0 + LINE * len(picture.notes) + (keys[-1][2] + LINE if keys else 0.0) + 8
    root = drawing(width, top + layout.height, picture.title, _description(picture), "topology")
    root.set("xmlns", SVG)
    add(root, "style").text = STYLE
    add(root, "rect", x=0, y=0, width=width, height=top + layout.height, css="ground")
    _define_marks(root, box)
    _draw_head(root, picture, keys)
    body = add(root, "g", transform=f"translate(0 {number(top)})")
    _draw_edges(body, picture, layout)
    _draw_nodes(body, picture, layout, box)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{to_text(root)}\n'


def _description(picture: Picture) -> str:
    types = Counter(str(component.type) for component in picture.components)
    counts = ", ".join(f"{count} {name}" for name, count in sorted(types.items()))
    return f"{len(picture.components)} components ({counts}), {len(picture.dependencies)} dependencies"


def _define_marks(root: Element, box: Box) -> None:
    marks = add(root, "defs")
    for name in EDGE_WORDS:
        arrow = add(marks, "marker", id=f"arrow-{name}", viewBox="0 0 9 8", refX=8, refY=4, orient="auto")
        arrow.set("markerWidth", "9")
        arrow.set("markerHeight", "8")
        arrow.set("markerUnits", "userSpaceOnUse")
        add(arrow, "path", d="M0.5 0.7L8 4L0.5 7.3z", css=f"arrow of-{name}")
    # Letters of other scripts may be wider than reckoned; they must not run into what stands beside them.
    inside = add(marks, "clipPath", id="inside")
    add(inside, "rect", x=0, y=0, width=box.width - 4, height=box.height)


def _placed_keys(picture: Picture, width: float) -> Iterator[tuple[str, float, float]]:
    """Yield each entry of the legend with its place, line by line: types of components, then kinds of edges."""
    x = y = 0.0
    types = {component.type for component in picture.components}
    kinds = {_kind(edge, picture) for edge in picture.dependencies}
    wanted = [*(str(type_) for type_ in ComponentType if type_ in types), *(k for k in EDGE_WORDS if k in kinds)]
    for name in wanted:
        wide = 44 + SMALL_LETTER * len(EDGE_WORDS.get(name, name)) + 18
        if x and x + wide > width - 2 * MARGIN:
            x, y = 0.0, y + LINE
        yield name, x, y
        x += wide


def _draw_head(root: Element, picture: Picture, keys: Sequence[tuple[str, float, float]]) -> None:
    add(root, "text", shorten(picture.title, 120), x=MARGIN, y=25, css="title")
    for line, note in enumerate(picture.notes, start=1):
        add(root, "text", note, x=MARGIN, y=25 + LINE * line, css="note")
    top = 34 + LINE * len(picture.notes)
    for name, x, y in keys:
        place = add(root, "g", transform=f"translate({number(MARGIN + x)} {number(top + y)})")
        if name in EDGE_WORDS:
            _line(place, "M0 10H34", name)
            if name == VANISHED:
                _draw_cross(place, (13.0, 10.0))
        else:
            group = add(place, "g", css=name)
            add(group, "rect", x=6, y=0, width=24, height=20, rx=4, css="frame")
            add(group, "path", d=ICONS[ComponentType(name)], css="icon", transform="translate(10 2)")
        add(place, "text", EDGE_WORDS.get(name, name), x=40, y=14, css="key")


def _line(parent: Element, way: str, kind: str) -> Element:
    line = add(parent, "path", d=way, css=f"edge {kind}")
    line.set("marker-end", f"url(#arrow-{kind})")
    return line


def _kind(edge: Dependency, picture: Picture) -> str:
    if (edge.caller, edge.callee, edge.type) in picture.vanished:
        return VANISHED
    return LEARNED if edge.source == LEARNED else str(edge.type)


def _draw_edges(body: Element, picture: Picture, layout: Layout) -> None:
    """Draw one line for each pair, as its first dependency in the order of `EDGE_WORDS`; its title tells all."""
    between: dict[Edge, list[Dependency]] = {}
    for edge in picture.dependencies:
        between.setdefault((edge.caller, edge.callee), []).append(edge)
    shown = {ends: min(edges, key=lambda edge: _rank(edge, picture)) for ends, edges in between.items()}
    # Lines that leave a component together share their way; what counts less lies below.
    for ends in sorted(layout.routes, key=lambda ends: (-_rank(shown[ends], picture), ends)):
        kind = _kind(shown[ends], picture)
        line = _line(body, smooth(layout.routes[ends]), kind)
        add(line, "title", "; ".join(_said(edge) for edge in sorted(between[ends], key=lambda e: _rank(e, picture))))
    _draw_signs(body, shown, picture, layout)


def _draw_signs(body: Element, shown: Mapping[Edge, Dependency], picture: Picture, layout: Layout) -> None:
    """Cross out what vanished and write how sure suggestions are, above all lines."""
    for ends, edge in sorted(shown.items()):
        kind = _kind(edge, picture)
        if kind == VANISHED and ends in layout.routes:
            _draw_cross(body, _apart(layout.routes[ends]))
        elif kind == LEARNED and ends in layout.routes:
            x, y = _apart(layout.routes[ends])
            add(body, "text", f"{edge.confidence:.2f}", x=x, y=y + 3.5, css="sure", text_anchor="middle")


def _rank(edge: Dependency, picture: Picture) -> int:
    return _ORDER[_kind(edge, picture)]


def _said(edge: Dependency) -> str:
    rate = "" if edge.calls_per_s is None else f", {edge.calls_per_s:.3g}/s"
    ends = f"{shorten(edge.caller, 80)} → {shorten(edge.callee, 80)}"
    return f"{ends} ({edge.type}, {edge.source}, confidence {edge.confidence:.2g}{rate})"


def _apart(points: Sequence[Point]) -> Point:
    """Return a point of a line near its end, where no other that leaves the same component shares its way."""
    (x0, y0), (x1, y1) = points[-2:]
    return (x0 + x1) / 2, (y0 + y1) / 2


def _draw_cross(body: Element, centre: Point) -> None:
    x, y = centre
    a, b, c, d = number(x - 5), number(x + 5), number(y - 5), number(y + 5)
    add(body, "path", d=f"M{a} {c}L{b} {d}M{a} {d}L{b} {c}", css="cross")


def _draw_nodes(body: Element, picture: Picture, layout: Layout, box: Box) -> None:
    components = sorted(picture.components, key=lambda component: component.name)
    shown = labels([component.name for component in components], int((box.width - 32) / LETTER))
    for component in components:
        x, y = layout.centres[component.name]
        group = add(body, "g", css=f"{component.type}{' focus' if component.name == picture.focus else ''}")
        group.set("transform", f"translate({number(x - box.width / 2)} {number(y - box.height / 2)})")
        add(group, "title", ", ".join(_facts(component)))
        round_ = 18 if component.type is ComponentType.QUEUE else 2 if component.type is ComponentType.HOST else 6
        add(group, "rect", x=0, y=0, width=box.width, height=box.height, rx=round_, css="frame")
        add(group, "path", d=ICONS[component.type], css="icon", transform=f"translate(8 {number((HEIGHT - ICON) / 2)})")
        _draw_words(group, shown[component.name], component, box)


def _draw_words(group: Element, name: str, component: Component, box: Box) -> None:
    """Write the name and, unless it is a service that nobody owns, what it is below."""
    kind = "" if component.type is ComponentType.SERVICE else str(component.type)
    below = shorten(" · ".join(filter(None, (kind, component.owner))), int((box.width - 34) / SMALL_LETTER))
    words = add(group, "g", clip_path="url(#inside)")
    add(words, "text", name, x=29, y=17 if below else 23, css="name")
    if below:
        add(words, "text", below, x=29, y=31, css="kind")


def _facts(component: Component) -> Iterable[str]:
    owner = [f"owner {shorten(component.owner, 80)}"] if component.owner else []
    return [component.name, str(component.type), *owner]
