"""The report: one harmless file that says what the verdict says, whatever the telemetry's names are."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from hypocenter import model
from hypocenter.report import render

ONSET = datetime(2026, 3, 4, 3, 7, 30, tzinfo=UTC)
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """A page as its elements and text; elements that are closed in a wrong order fail."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes), f"{tag} repeats an attribute"
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def tags(self):
        return {tag for tag, _ in self.elements}


def drawings(html):
    return [ElementTree.fromstring(text) for text in re.findall(r"<svg .*?</svg>", html, flags=re.DOTALL)]


def graph_of(html):
    return next(root for root in drawings(html) if root.get("class") == "graph")


@pytest.fixture(params=["shop", "plain", "two_causes", "undecided", "large", "hostile", "empty"])
def html(request, sample):
    return render(sample(request.param))


def test_the_page_is_well_formed_and_asks_for_nothing(html):
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert page.tags().isdisjoint({"script", "iframe", "object", "embed", "img", "base", "form", "foreignobject"})
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "src", "srcset"}], tag
        assert attributes.get("href", "data:,") == "data:,"
    assert "url(" not in re.sub(r"url\(#[a-z-]+\)", "", html)
    assert "@import" not in html
    assert "://" not in html


def test_every_reference_inside_the_page_has_its_end(html):
    attributes = [pair for _, pairs in Page(html).elements for pair in pairs.items()]
    ids = {value for name, value in attributes if name == "id"}
    assert {value for name, value in attributes if name == "aria-labelledby"} <= ids
    assert {found for name, value in attributes if name != "d" for found in re.findall(r"url\(#(.+?)\)", value)} <= ids


def test_headings_and_landmarks_are_in_order(html):
    elements = Page(html).elements
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels))
    assert [tag for tag, _ in elements if tag in {"header", "main", "footer"}] == ["header", "main", "footer"]
    assert ("html", {"lang": "en"}) in elements


def test_every_drawing_is_xml_and_has_a_name_and_finite_places(html):
    for root in drawings(html):
        assert root.get("role") == "img"
        assert root.get("aria-label")
        for element in root.iter():
            places = [element.get(name, "0") for name in ("x", "y", "cx", "cy", "d", "width", "height", "points")]
            assert not re.search(r"nan|inf", " ".join(places))


def test_it_is_small_even_when_large(html):
    assert len(html.encode()) < 1_000_000


def test_the_policy_allows_this_style_and_nothing_else(html):
    style = re.search("<style>(.*?)</style>", html, flags=re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(a["content"] for t, a in Page(html).elements if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["style-src"] == f"'sha256-{digest}'"
    assert "script-src" not in rules


def test_hostile_names_are_text_and_cut(sample):
    page = Page(render(sample("hostile")))
    assert page.tags() <= Page(render(sample("shop"))).tags()
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text
    assert not re.search("[\x00\x1b\u202e\ud800]", page.text)
    assert max(len(run) for run in re.findall("x+", page.text)) < 700


def test_the_first_words_are_the_answer(sample):
    text = Page(render(sample("shop"))).text
    first = text[: text.index("Suspects")]
    answer = (
        "orders-db is the probable cause",
        "How sure 86 % very likely",
        "Kind of fault Disk",
        "Began 03:07:30 UTC Wed 4 Mar 2026, ±15 s",
        "Felt at web",
        "disk write wait rose from 1.9 ms to 214 ms",
        "×113",
        "What to check next",
        "CHG-4711",
    )
    assert [words for words in answer if words not in first] == []


def test_doubt_is_said_plainly_and_the_candidates_are_shown(sample):
    text = Page(render(sample("undecided"))).text
    assert "No confident cause" in text
    assert "probable cause" not in text[: text.index("Dependencies")]
    assert "Candidates: orders-db 38 %, host-3 31 %, orders 12 %" in text


def test_two_causes_are_both_named(sample):
    investigation = sample("shop")
    verdict = replace(investigation.verdict, causes=("orders-db", "orders"))
    text = Page(render(replace(investigation, verdict=verdict))).text
    assert "orders-db and orders are the probable causes" in text


def test_of_several_causes_it_is_said_what_each_probability_is_of(sample):
    verdict = sample("shop").verdict
    either = sum(one.probability for one in verdict.suspects if one.component in ("orders-db", "orders"))
    several = replace(sample("shop"), verdict=replace(verdict, causes=("orders-db", "orders")))
    text = Page(render(several)).text
    assert f"How sure {either:.0%}".replace("%", " %") + " that at least one of them is a cause" in text
    assert text.count("86 % as the only cause") == 2
    assert "as the only cause" not in Page(render(sample("shop"))).text


def test_nothing_of_the_verdict_is_missing(sample):
    verdict = sample("shop").verdict
    text = Page(render(sample("shop"))).text
    said = [item.text for suspect in verdict.suspects for item in suspect.evidence]
    said += [part for item in verdict.ruled_out for part in (item.component, item.reason)]
    said += [item.test for item in verdict.ruled_out] + [verdict.next_check.text, *verdict.candidates]
    said += [item.counterfactual.text for item in verdict.suspects if item.counterfactual]
    said += [item.series.partition("|")[2] for item in verdict.suspects if item.series]
    said += [part for trial in verdict.robustness for part in (trial.change, trial.cause)]
    said += [*verdict.blind_spots, *verdict.observed, verdict.summary, verdict.case_id]
    said += [part for step in verdict.propagation for part in (step.component, step.text)]
    said += [entry.text for entry in verdict.timeline]
    assert [words for words in said if words not in text] == []


def test_what_a_long_list_leaves_out_is_counted(sample):
    verdict = sample("large").verdict
    text = Page(render(sample("large"))).text
    assert f"and {len(verdict.ruled_out) - 25} more" in text
    assert f"and {len(verdict.timeline) - 40} more" in text
    assert "450 more components are left out" in text


def test_a_change_long_before_stays_in_the_timeline_of_a_crowded_incident(sample):
    change = model.TimelineEntry(ONSET - timedelta(days=1), "change", "db-00", "a change a day before")
    investigation = sample("large")
    verdict = replace(investigation.verdict, timeline=(*investigation.verdict.timeline, change))
    assert "a change a day before" in Page(render(replace(investigation, verdict=verdict))).text


def test_evidence_against_stands_apart_from_evidence_for(sample):
    text = Page(render(sample("shop"))).text
    suspect = text[text.index("Suspects") :]
    order = [suspect.index(words) for words in ("new line 'checkpoint", " Against ", "its traffic did not rise")]
    assert order == sorted(order)


@pytest.mark.parametrize("name", ["shop", "large"])
def test_the_same_investigation_gives_the_same_bytes(sample, name):
    assert render(sample(name)) == render(sample(name))


def test_the_order_of_nodes_and_edges_does_not_matter(sample):
    investigation = sample("shop")
    graph = investigation.verdict.graph
    turned = model.GraphView(graph.nodes[::-1], graph.edges[::-1], graph.omitted)
    again = replace(investigation, verdict=replace(investigation.verdict, graph=turned))
    both = [graph_of(render(item)) for item in (investigation, again)]
    places = [[sorted(element.attrib.items()) for element in root.iter()] for root in both]
    assert len(places[0]) > 50
    assert places[0] == places[1]


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 1e308, -1e308, 0.0, 5e-324])
def test_odd_numbers_are_drawn_or_said_but_never_break(sample, odd):
    first = sample("shop").verdict.suspects[0]
    evidence = tuple(replace(item, before=odd, after=odd, share=odd) for item in first.evidence)
    suspect = replace(first, probability=odd, score=odd, evidence=evidence)
    charts = [replace(item, values=(odd,) * 240, low=(odd,) * 240) for item in sample("shop").charts]
    charts.append(replace(charts[0], values=(1.0, odd, 2.0), expected=(), low=(), high=()))
    verdict = replace(sample("shop").verdict, suspects=(suspect, suspect), onset_uncertainty_s=odd)
    html = render(model.Investigation(verdict, tuple(charts)))
    Page(html)
    for root in drawings(html):
        places = [element.get(name, "") for element in root.iter() for name in ("d", "x", "y", "width")]
        assert not re.search(r"\b(nan|inf)\b", " ".join(places))


def test_a_series_without_samples_says_so(sample):
    chart_without = replace(sample("shop").charts[0], values=(None,) * 240, expected=(), low=(), high=())
    nothing = replace(chart_without, times=(), values=())
    text = Page(render(replace(sample("shop"), charts=(chart_without, nothing)))).text
    assert text.count("no samples in this window") == 2


def test_the_first_charts_are_the_suspects_and_the_symptoms_and_none_is_shown_twice(sample):
    page = Page(render(sample("shop")))
    shown = [attributes["aria-label"] for tag, attributes in page.elements if attributes.get("class") == "chart"]
    assert shown[0].startswith("orders-db: disk")
    assert shown[1].startswith("web: errors")
    assert len(shown) == len(sample("shop").charts)
    assert len(set(shown)) == len(shown)


@pytest.mark.parametrize(
    ("metric", "drawn"), [("failed_share", "errors"), ("errors", "errors"), ("requests", "requests")]
)
def test_the_symptom_is_shown_by_the_metric_it_was_stated_in_or_its_kind(sample, metric, drawn):
    investigation = sample("shop")
    verdict = replace(investigation.verdict, target=model.Target("web", metric))
    page = Page(render(replace(investigation, verdict=verdict)))
    shown = [attributes["aria-label"] for tag, attributes in page.elements if attributes.get("class") == "chart"]
    assert shown[1].startswith(f"web: {drawn}")


def test_the_headline_is_not_said_twice(sample):
    investigation = sample("undecided")
    verdict = replace(investigation.verdict, summary="No confident cause. The four candidates are equally loud.")
    text = Page(render(replace(investigation, verdict=verdict))).text
    head = text[text.index("Incident report") :]
    assert head.count("No confident cause") == 1
    assert "The four candidates are equally loud." in head


def test_a_suspect_without_findings_is_listed_but_takes_no_room(sample):
    investigation = sample("shop")
    quiet = model.Suspect("mail-queue", 0.0, 0.0, "unknown")
    verdict = replace(investigation.verdict, suspects=(*investigation.verdict.suspects, quiet))
    page = Page(render(replace(investigation, verdict=verdict)))
    assert [tag for tag, _ in page.elements].count("article") == 3
    listed = page.text[page.text.index("Less probable") :]
    assert "mail-queue 0 % Unknown" in listed
    assert "mail-queue" not in page.text[: page.text.index("Suspects")]


@pytest.mark.parametrize(
    ("via", "text", "said"), [("cart", "slow", True), ("orders-db", "slow", False), ("cart", "as cart", False)]
)
def test_a_step_names_what_it_came_through_where_nothing_else_does(sample, via, text, said):
    investigation = sample("shop")
    steps = (model.Step("orders-db", ONSET), model.Step("orders", ONSET, via, text))
    page = Page(render(replace(investigation, verdict=replace(investigation.verdict, propagation=steps))))
    assert (f"through {via}" in page.text) is said


def test_a_suggested_edge_is_told_from_what_was_observed(sample):
    investigation = sample("shop")
    graph = investigation.verdict.graph
    first, *others = graph.edges
    guess = replace(first, source="learned", confidence=0.37)
    html = render(
        replace(investigation, verdict=replace(investigation.verdict, graph=replace(graph, edges=(guess, *others))))
    )
    drawn = [path for path in graph_of(html).iter() if "suggested" in (path.get("class") or "")]
    assert len(drawn) == 1
    assert "only suggested: 37% sure" in "".join(drawn[0].itertext())
    assert "only suggested by metrics" in html
    assert "only suggested" not in render(investigation)


def test_a_finding_in_words_alone_leaves_no_room_for_numbers(sample):
    investigation = sample("shop")
    found = model.Evidence("alerts", "orders-db: 12 of 215 alerts, 10 s after the first of all: 4x slow", share=1.0)
    measured = replace(found, before=1.0, after=4.0, unit="s")
    for evidence, rooms in ((found, 0), (measured, 1)):
        suspect = replace(investigation.verdict.suspects[0], evidence=(evidence,))
        verdict = replace(investigation.verdict, suspects=(suspect,), cause=None, causes=())
        classes = [
            attributes.get("class") for _, attributes in Page(render(replace(investigation, verdict=verdict))).elements
        ]
        assert bool(classes.count("numbers")) == rooms
        assert ("finding for worded" in classes) is (rooms == 0)
