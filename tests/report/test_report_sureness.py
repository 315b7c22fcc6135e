"""What makes a verdict sure: candidates, threshold, counterfactuals, the ladder, several causes beside each other."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html import unescape
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter import model
from hypocenter.report import render
from hypocenter.report.interval_svg import WIDTH, interval_svg
from hypocenter.report.sureness import holding, mark_svg, sureness

LEVELS = st.one_of(st.floats(), st.floats(0, 1), st.sampled_from([0.0, 1e-300, 1e300]))
UNITS = st.sampled_from(["s", "share", "1/s", "bytes", "cores", "count", ""])
COUNTERFACTUALS = st.builds(
    model.Counterfactual, st.just("web|x"), UNITS, LEVELS, LEVELS, LEVELS, LEVELS, st.just(0.9), st.just(".")
)
NEW = ("Would it still say so?", "sure that", "Shown best", "without it", "apart")


def text_of(html):
    """All words of a page in their order, without its style."""
    body = re.sub("<style>.*?</style>|<svg.*?</svg>", " ", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub("<[^>]*>", " ", body)).split()).replace("\u00a0", " ")


def header_of(sample, name):
    return text_of(render(sample(name)).split("</header>")[0])


def test_the_first_words_say_among_which_components_the_cause_is_and_what_is_named(sample):
    first = header_of(sample, "shop")
    assert "90 % sure that the cause is orders-db or host-3." in first
    assert "A cause is named from 72 % on, so that 95 % of named causes are right." in first


def test_an_abstaining_verdict_says_what_it_lacks(sample):
    assert "95 % of named causes are right: orders-db reaches only 38 %." in header_of(sample, "undecided")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"candidates": ()}, 1),
        ({"coverage": None}, 1),
        ({"threshold": None}, 1),
        ({"wanted_precision": None, "candidates": ()}, 0),
        ({"suspects": (), "abstained": True}, 2),
    ],
)
def test_what_is_not_known_is_not_said(sample, changed, said):
    assert len(sureness(replace(sample("shop").verdict, **changed))) == said


def test_one_candidate_is_no_choice(sample):
    verdict = replace(sample("shop").verdict, candidates=("orders-db",))
    assert "no other candidate than orders-db is needed" in sureness(verdict)[0]


def test_many_candidates_are_counted(sample):
    verdict = replace(sample("shop").verdict, candidates=tuple("abcdefghij"))
    assert sureness(verdict)[0].endswith("a, b, c, d, e, f or one of 4 more.")


def test_a_verdict_that_says_nothing_of_it_shows_no_empty_places(sample):
    for name in ("plain", "empty"):
        assert not [words for words in NEW if words in text_of(render(sample(name)))]
    assert not [words for words in NEW if words not in text_of(render(sample("shop"))) and words != "without it"]


def test_the_ladder_says_what_holds_and_who_it_would_be_otherwise(sample):
    text = text_of(render(sample("shop")))
    assert "orders-db stays the first suspect in 5 of 7 trials." in text
    assert "yes without log lines" in text
    assert "no without metrics : then checkout" in text.replace(": then", " : then").replace("  ", " ")


def test_a_ladder_that_holds_says_so_and_one_without_a_suspect_nothing(sample):
    verdict = sample("shop").verdict
    held = tuple(trial for trial in verdict.robustness if trial.holds)
    assert holding(replace(verdict, robustness=held)) == "orders-db stays the first suspect in all of 5 trials."
    assert holding(replace(verdict, suspects=())) == ""
    nobody = replace(verdict, robustness=(model.Trial("without metrics", None, holds=False),))
    assert "then nobody is suspected" in text_of(render(model.Investigation(nobody)))


def test_yes_and_no_differ_in_shape_and_name():
    yes, no = (ElementTree.fromstring(mark_svg(holds)) for holds in (True, False))
    assert (yes.get("aria-label"), no.get("aria-label")) == ("yes", "no")
    assert {element.tag for element in yes.iter()} != {element.tag for element in no.iter()}


def drawn(item):
    return ElementTree.fromstring(interval_svg(item))


def places(root):
    """Every horizontal place of a drawing."""
    found = [float(e.get(name)) for e in root.iter() for name in ("x", "cx", "x1", "x2") if e.get(name)]
    found += [float(e.get("x")) + float(e.get("width")) for e in root.iter("rect")]
    return found + [float(x) for e in root.iter("path") for x in re.findall(r"M(-?[\d.]+)", e.get("d"))]


@given(COUNTERFACTUALS)
def test_an_interval_is_drawn_within_its_picture_or_not_at_all(item):
    """Its ends are on both sides of the estimate where the numbers are."""
    if not interval_svg(item):
        assert not all(math.isfinite(value) and abs(value) < 1e300 for value in (item.observed, item.expected))
        return
    root = drawn(item)
    assert all(0 <= place <= WIDTH + 1 for place in places(root))
    bar = root.find("rect")
    if bar is not None and item.low <= item.expected <= item.high:
        low, width = float(bar.get("x")), float(bar.get("width"))
        [middle] = re.findall(
            r"M(-?[\d.]+)", next(e for e in root.iter("path") if e.get("class") == "estimate").get("d")
        )
        assert low - 0.2 <= float(middle) <= low + width + 0.2


def test_the_picture_says_its_numbers_without_being_seen(sample):
    root = drawn(sample("shop").verdict.suspects[0].counterfactual)
    assert root.get("aria-label") == "observed 7.4 %, without it 0.3 %. between 0.1 % and 1.2 %"
    level = float(root.find("circle").get("cx"))
    bar = root.find("rect")
    assert level > float(bar.get("x")) + float(bar.get("width"))


def test_a_counterfactual_without_numbers_is_told_in_words_alone(sample):
    verdict = sample("shop").verdict
    odd = replace(verdict.suspects[0].counterfactual, expected=math.nan)
    html = render(model.Investigation(replace(verdict, suspects=(replace(verdict.suspects[0], counterfactual=odd),))))
    assert odd.text in text_of(html)
    assert 'class="interval"' not in html


@pytest.mark.parametrize(
    ("series", "said"),
    [
        ("orders-db|pool_used", "Shown best by the metric pool_used"),
        ("orders-db|latency_p95:orders", "Shown best by the metric latency_p95:orders"),
        ("orders-db|template:cannot | <*>", "Shown best by the log statement cannot | <*>"),
        ("orders-db|operation:INSERT", "Shown best by the operation INSERT"),
    ],
)
def test_the_series_that_shows_a_suspect_is_named_by_what_it_is(sample, series, said):
    verdict = sample("shop").verdict
    verdict = replace(verdict, suspects=(replace(verdict.suspects[0], series=series),))
    assert said in text_of(render(model.Investigation(verdict)))


def test_the_first_chart_is_of_the_series_that_shows_the_suspect(sample):
    investigation = sample("shop")
    first, *others = investigation.verdict.suspects
    suspects = (replace(first, series="orders-db|pool_used"), *others)
    html = render(replace(investigation, verdict=replace(investigation.verdict, suspects=suspects)))
    assert re.findall('class="chart"[^>]*aria-label="(.*?)[.:(]', html)[0] == "orders-db"
    assert "pool_used" in html[: html.index("More series")].split("<figcaption>")[1]


def test_a_long_log_statement_is_not_said_twice_above_its_chart(sample):
    chart = sample("shop").charts[0]
    long = replace(chart, series=replace(chart.series, metric="template:" + "words of a long line " * 9), caption="")
    html = render(replace(sample("shop"), charts=(long,)))
    assert "<code>" not in html.split("<figcaption>")[1].split("</figcaption>")[0]


def test_two_causes_stand_beside_each_other_with_what_shows_each(sample):
    first = header_of(sample, "two_causes")
    own = ("orders-db 50 % as the only cause · Disk", "search 38 % as the only cause · Errors")
    for words in (*own, "log statement index segment", "search → web"):
        assert words in first
    assert "How sure 88 % that at least one of them is a cause" in first
    assert "90 % sure that no cause is missing from orders-db and search." in first


def test_the_test_that_rules_out_stands_with_the_component(sample):
    assert "checkout explained by what it calls Its own time" in text_of(render(sample("shop")))


def test_the_check_that_tells_two_apart_is_marked(sample):
    assert "it is orders-db. tells orders-db and host-3 apart" in text_of(render(sample("shop")))
