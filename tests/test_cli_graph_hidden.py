"""What `hypocenter graph` says of what it does not show: other times, suggestions, what is said better."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TIMES = """\
dependencies:
- {caller: web, callee: cart, source: spans, seen: [[2026-01-01T10:00:00Z, 2026-01-02T11:00:00Z]]}
- {caller: web, callee: mail, source: spans, seen: [[2026-02-01, 2026-02-02T12:30:00Z]]}
"""
LEARNED = "dependencies: [{caller: a, callee: b, source: learned, seen: [[2026-01-01, 2026-01-02]]}]"
TWINS = """\
dependencies:
- {caller: web, callee: cart, type: DEPENDS_ON, source: backstage, seen: [[2026-01-01, null]]}
- {caller: web, callee: cart, source: spans, seen: [[2026-01-05, 2026-01-06]]}
- {caller: web, callee: old, source: spans, seen: [[2025-01-05, 2025-01-06]]}
- {caller: web, callee: guess, source: learned, seen: [[2026-01-05, 2026-01-06]]}
- {caller: web, callee: plan, type: DEPENDS_ON, source: backstage, seen: [[2026-01-05, null]]}
- {caller: web, callee: plan, source: spans, seen: [[2026-01-05, 2026-01-06]]}
"""


@pytest.fixture
def graph_of(graph_command):
    """`graph_of(text)` fills a graph and is the command."""

    def fill(text):
        Path("graph.yaml").write_text(text, encoding="utf-8")
        assert graph_command("import", "graph.yaml")[0] == 0
        return graph_command

    return fill


@pytest.mark.parametrize("at", ["2025-01-01", "2026-03-01"])
def test_a_graph_of_other_times_says_which(graph_of, at):
    code, out, _ = graph_of(TIMES)("show", "--as-of", at)
    assert code == 0
    said = "it knows of times from 2026-01-01 10:00 UTC to 2026-02-02 12:30 UTC"
    assert out == f"the graph holds nothing as of {at} 00:00 UTC; {said}\n"


def test_a_graph_of_the_future_holds_on(graph_of):
    graph = graph_of("dependencies: [{caller: a, callee: b, first: 2030-01-01}]")
    assert graph("show")[1].endswith("; it knows of times from 2030-01-01 00:00 UTC on\n")


def test_a_graph_of_suggestions_says_how_they_are_shown(graph_of):
    graph = graph_of(LEARNED)
    assert graph("show", "--as-of", "2026-01-02")[1].endswith(
        "; 1 suggestions learned from metrics are shown with --learned\n"
    )
    assert graph("show")[1].endswith("; it knows of times from 2026-01-01 00:00 UTC to 2026-01-02 00:00 UTC\n")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("impact", "mail"), "what leans on mail"),
        (("path", "web", "mail"), "dependencies of mail"),
        (("show", "mail"), "dependencies of mail"),
    ],
)
def test_what_was_not_known_then_is_told_of_other_times(graph_of, words, what):
    graph = graph_of(TIMES)
    _, out, _ = graph(*words, "--as-of", "2026-01-03")
    said = f"nothing is known as of then; the graph knows {what} from 2026-02-01 00:00 UTC to 2026-02-02 12:30 UTC"
    assert out.splitlines()[-1] == said
    assert "nothing is known" not in graph(*words, "--as-of", "2026-02-03")[1]


def test_what_never_was_known_is_no_matter_of_time(graph_of):
    assert graph_of(TIMES)("impact", "web", "--as-of", "2026-01-03")[1] == "nothing leans on web\n"


def test_show_says_what_it_does_not_count(graph_of):
    lines = graph_of(TWINS)("show", "--as-of", "2026-01-06")[1].splitlines()
    assert lines[2:4] == [
        "dependencies  2 (2 CALLS)",
        "              4 more are not shown: 2 said better by another, "
        "1 learned from metrics (--learned), 1 of other times",
    ]
    lines = graph_of(TWINS)("show", "--as-of", "2026-01-06", "--learned")[1].splitlines()
    assert lines[3].endswith("3 more are not shown: 2 said better by another, 1 of other times")


def test_what_another_says_better_neither_appears_nor_vanishes(graph_of):
    graph = graph_of(TWINS)
    since = json.loads(graph("as-of", "2026-01-02", "--until", "2026-01-06", "--json")[1])
    assert since["appeared"] == [["web", "cart", "CALLS"], ["web", "plan", "CALLS"]]
    assert since["vanished"] == []
    later = json.loads(graph("as-of", "2026-01-06", "--until", "2026-03-01", "--json")[1])
    assert later["vanished"] == [["web", "cart", "CALLS"], ["web", "plan", "CALLS"]]


def test_who_tells_of_a_component_is_who_does_as_of_then(graph_of):
    text = TIMES + "components: [{name: cart, source: declared, seen: [[2026-02-01, null]]}]"
    graph = graph_of(text)
    told = {}
    for at in ("2026-01-03", "2026-02-02"):
        shown = json.loads(graph("show", "--as-of", at, "--json")[1])
        told[at] = {one["name"]: one["sources"] for one in shown["components"]}
    assert told["2026-01-03"] == {"cart": ["spans"], "web": ["spans"]}
    assert told["2026-02-02"] == {"cart": ["declared"], "mail": ["spans"], "web": ["spans"]}
    assert "told by    spans" in graph("show", "cart", "--as-of", "2026-01-03")[1]


@pytest.mark.parametrize(
    ("typed", "near"),
    [("frontnd", "'frontend'"), ("cartt", "'prod/cart-7f9c5d'"), ("Basket", "'prod/cart-7f9c5d', 'web'")],
)
def test_an_unknown_name_is_told_other_names_and_beginnings(graph_of, typed, near):
    graph = graph_of(
        "components: [{name: shop-ui, aliases: [frontend]}, {name: web, aliases: [basket]}, "
        "{name: prod/cart-7f9c5d, aliases: [basket]}]"
    )
    code, _, err = graph("show", typed)
    assert (code, err) == (2, f"hypocenter: error: {typed!r} is no component of the graph; is it {near}?\n")
