"""The picture of the graph: whole, harmless, told apart without colour, and readable at 200 components."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations

import pytest

from hypocenter.model import Component, ComponentType, Dependency, DependencyType
from hypocenter.report.topology_svg import EDGE_WORDS, ICONS, STYLE, Picture, topology_svg

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>\"'&amp;</svg>]]>\x00\x1b[31m\ud800\u202e\u2028 日本 " + "x" * 500
CALLS = DependencyType.CALLS


def parsed(picture):
    return ElementTree.fromstring(topology_svg(picture).encode())


def by_class(root, name):
    return [element for element in root.iter() if name in (element.get("class") or "").split()]


def placed_frames(root):
    """Left, top, width and height of each component's frame, as its group places it in the body."""
    (body,) = [
        group
        for group in root.findall(f"{SVG}g")
        if any(c.get("class") == "frame" for c in group.iter()) and group.findall(f"{SVG}path")
    ]
    for group in body.findall(f"{SVG}g"):
        frame = group.find(f"{SVG}rect")
        x, y = map(float, re.findall(r"-?[\d.]+", group.get("transform")))
        yield x, y, float(frame.get("width")), float(frame.get("height"))


def mesh(count=200, seed=3):
    """A layered graph with a few that many lean on, as call graphs of large systems are."""
    chance = random.Random(seed)
    names = [
        f"{chance.choice(['order', 'cart', 'seat', 'price'])}-{chance.choice(['api', 'core'])}-{n:03}"
        for n in range(count)
    ]
    pairs = {
        (
            names[
                min(int(chance.paretovariate(0.8)), n) - 1
                if chance.random() < 0.6
                else chance.randrange(max(0, n - 30), n)
            ],
            names[n],
        )
        for n in range(1, count)
        for _ in range(2)
    }
    return Picture(
        "Mesh", [Component(name) for name in names], [Dependency(*pair, source="spans") for pair in sorted(pairs)]
    )


def every_kind():
    types = list(ComponentType)
    components = [Component(str(type_), type_, owner="a team") for type_ in types]
    edges = [Dependency("service", str(types[n + 1]), type_) for n, type_ in enumerate(DependencyType)]
    edges += [Dependency("host", "pod", CALLS, "learned", 0.42), Dependency("pod", "queue", CALLS)]
    return Picture("Every kind", components, edges, ["a note"], frozenset({("pod", "queue", CALLS)}), "service")


def test_the_same_picture_gives_the_same_text_whatever_the_order():
    picture = mesh(60)
    chance = random.Random(1)
    turned = Picture(
        picture.title,
        chance.sample(picture.components, 60),
        chance.sample(picture.dependencies, len(picture.dependencies)),
    )
    assert topology_svg(turned) == topology_svg(picture)


def test_two_hundred_components_do_not_overlap_and_are_all_named():
    picture = mesh()
    root = parsed(picture)
    frames = list(placed_frames(root))
    assert len(frames) == 200
    for (x0, y0, w, h), (x1, y1, *_) in combinations(frames, 2):
        assert abs(x0 - x1) >= w or abs(y0 - y1) >= h
    names = {text.text for text in by_class(root, "name")}
    assert names == {component.name for component in picture.components}
    assert len(by_class(root, "edge")) == len(picture.dependencies) + 1
    width, height = float(root.get("width")), float(root.get("height"))
    assert (width, height) == tuple(map(float, root.get("viewBox").split()[2:]))
    assert width < 6000
    assert height < 4000


def test_the_legend_names_what_is_there_and_nothing_else():
    root = parsed(every_kind())
    keys = [text.text for text in by_class(root, "key")]
    assert keys == [*map(str, ComponentType), *EDGE_WORDS.values()]
    few = parsed(Picture("Few", [Component("a"), Component("b")], [Dependency("a", "b")]))
    assert [text.text for text in by_class(few, "key")] == ["service", "calls"]


def test_kinds_differ_in_more_than_colour():
    assert len(set(ICONS.values())) == len(ComponentType)
    dashes = {
        name: re.search(rf"^\.{name} {{.*?stroke-dasharray: ([\d. ]+|none);", STYLE, re.MULTILINE)
        for name in EDGE_WORDS
    }
    looks = [(found[1] if found else "none", name == "vanished") for name, found in dashes.items()]
    assert len(set(looks)) == len(EDGE_WORDS)


def test_what_vanished_is_crossed_out_and_a_suggestion_says_how_sure_it_is():
    root = parsed(every_kind())
    assert len(by_class(root, "cross")) == 2  # the edge and its entry in the legend
    assert [text.text for text in by_class(root, "sure")] == ["0.42"]
    assert len(by_class(root, "focus")) == 1


def test_several_dependencies_between_two_are_one_line_that_tells_all():
    edges = [Dependency("a", "b", type_, "spans", 0.5, 2.0) for type_ in (DependencyType.RUNS_ON, CALLS)]
    root = parsed(Picture("Two", [Component("a"), Component("b")], edges))
    (line,) = [edge for edge in by_class(root, "edge") if edge.find(f"{SVG}title") is not None]
    assert line.get("class") == "edge CALLS"
    assert line.find(f"{SVG}title").text == (
        "a → b (CALLS, spans, confidence 0.5, 2/s); a → b (RUNS_ON, spans, confidence 0.5, 2/s)"
    )


@pytest.mark.parametrize("where", ["title", "note", "name", "owner", "source"])
def test_hostile_text_is_text(where):
    text = HOSTILE
    name = text if where == "name" else "a"
    component = Component(name, owner=text if where == "owner" else "")
    edge = Dependency(name, "b", source=text if where == "source" else "spans")
    picture = Picture(
        text if where == "title" else "t", [component, Component("b")], [edge], [text] if where == "note" else []
    )
    root = parsed(picture)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "style", "rect", "defs", "marker", "path", "clipPath", "g", "text")
    }
    assert not any(name.startswith("on") or "href" in name for element in root.iter() for name in element.attrib)


def test_an_empty_graph_and_a_lone_component_are_drawn():
    assert parsed(Picture("Nothing", [], [])).get("role") == "img"
    assert len(by_class(parsed(Picture("One", [Component("a")], [Dependency("a", "a")])), "name")) == 1


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser_no_name_leaves_its_frame(browser, tmp_path, scheme):
    names = ["W" * 80, "i" * 80, "日本語" * 20, "cart", "MMMMMMMMMMMMMMMMMMMM", "a-rather-long-name-of-a-service"]
    edges = [Dependency("cart", name) for name in names if name != "cart"]
    path = tmp_path / "graph.svg"
    path.write_text(topology_svg(Picture("Names", [Component(name) for name in names], edges)), encoding="utf-8")
    page = browser.new_page(color_scheme=scheme)
    page.goto(path.as_uri())
    shown = page.evaluate(
        """() => [...document.querySelectorAll('g[clip-path]')].map(words => {
            const frame = words.parentNode.querySelector('.frame').getBoundingClientRect();
            const ink = getComputedStyle(words.querySelector('.name')).fill;
            const clip = document.querySelector('#inside rect').width.baseVal.value;
            return [clip <= frame.width, words.querySelector('.name').getBoundingClientRect().left > frame.left, ink];
        })"""
    )
    assert len(shown) == len(names)
    assert all(clipped and inside for clipped, inside, _ in shown)
    assert {ink for *_, ink in shown} == {"rgb(26, 34, 44)" if scheme == "light" else "rgb(228, 233, 239)"}
    page.close()
