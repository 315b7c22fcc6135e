"""The page of a model: all of its card is there, escaped, and nothing in it is ever loaded or executed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from hypocenter.model_card import Accuracy, Bin, Confusion, Drift, FeatureBins, FeatureDrift, Figure, ModelCard
from hypocenter.report.confusion_svg import confusion_svg
from hypocenter.report.model_card import ModelPage, not_for, render_model_card
from hypocenter.report.reliability_svg import reliability_svg

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVIL = "<script>alert(1)</script>\"'&\x1b"
CARD = ModelCard(
    trained_on="342 incidents of the history",
    simulated=False,
    created_at=NOON,
    data_hash="ab12",
    incidents=342,
    held_back=85,
    systems=2,
    first_at=datetime(2025, 3, 1, tzinfo=UTC),
    last_at=NOON,
    labelled_by={"history": 300, "feedback": 42},
    fault_types={"cpu": 300, "memory": 37, "disk": 5},
    parameters={"ranker": {"trees": 60}},
    figures=(Figure("root cause first", 0.812, 0.72, 0.88, 85, 0.7), Figure("F1", float("nan"), 0, 1, 85)),
    bins={"root cause": (Bin(0.15, 0.2, 40), Bin(0.9, 0.88, 45)), "fault type": ()},
    confusion=Confusion(("cpu", "memory"), ((40, 2), (3, 17))),
    features={"own_latency": FeatureBins((0.0,), (0.5, 0.5, 0.0))},
    notes=("the ranker was let through",),
)
DRIFT = Drift(
    incidents=40,
    features=(FeatureDrift("own_latency", 0.31), FeatureDrift("silence", 0.01)),
    accuracy=(Accuracy("2026-02", 12, 20, 0.39, 0.78),),
    reasons=("own_latency has moved far",),
)


class Words(HTMLParser):
    """The text that a reader sees, and the tags that hold it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[str] = []
        self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.tags.append(tag)
        self._hidden = tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text.append(data)


def text_of(page: ModelPage) -> str:
    return " ".join(" ".join(Words(render_model_card(page)).text).split())


def test_the_page_tells_all_of_the_card() -> None:
    shown = text_of(ModelPage("shop, version 3", CARD, "serving", DRIFT, ("2026-03-02 promoted by Ada",)))
    for told in (
        "shop, version 3 · serving",
        "Trained on 342 incidents of the history",
        "From 2025-03-01",
        "root cause first 0.812 0.720 to 0.880 0.700 85",
        "F1 –",
        "cpu 300 memory 37 disk 5",
        "history 300 feedback 42",
        "ranker trees 60",
        "own_latency 0.31 moved far",
        "silence 0.01 as in training",
        "2026-02 12 of 20",
        "Training it anew is proposed own_latency has moved far",
        "2026-03-02 promoted by Ada the ranker was let through",
    ):
        assert told in shown


def test_what_there_is_nothing_of_is_left_out() -> None:
    bare = replace(CARD, figures=(), bins={}, confusion=None, labelled_by={}, fault_types={}, parameters={}, notes=())
    shown = text_of(ModelPage("shop", bare))
    assert "What it must not be used for" in shown
    for heading in (
        "How well",
        "probabilities",
        "mistakes",
        "What it learned",
        "moved since",
        "Its life",
        "Parameters",
    ):
        assert heading not in shown


def test_a_model_of_simulated_incidents_says_so() -> None:
    simulated = replace(CARD, simulated=True, trained_on="1,200 simulated incidents")
    assert "has seen simulated systems only" in " ".join(not_for(simulated))
    assert "simulated systems only" in text_of(ModelPage("cold start", simulated))
    assert "simulated" not in text_of(ModelPage("shop", CARD))


def test_types_that_were_hardly_seen_are_named() -> None:
    assert any(text.endswith("fewer than 10 times: disk.") for text in not_for(CARD))
    assert not any("fewer than" in text for text in not_for(replace(CARD, fault_types={"cpu": 10})))


def test_nothing_in_the_page_is_executed_or_loaded() -> None:
    evil = replace(
        CARD,
        trained_on=EVIL,
        labelled_by={EVIL: 1},
        fault_types={EVIL: 3},
        parameters={EVIL: EVIL},
        figures=(Figure(EVIL, 1, 1, 1, 1),),
        bins={EVIL: (Bin(0.5, 0.5, 1),)},
        confusion=Confusion((EVIL,), ((1,),)),
        notes=(EVIL,),
    )
    drift = Drift(1, (FeatureDrift(EVIL, 1.0),), (Accuracy(EVIL, 1, 1, 0, 1),), (EVIL,))
    page = render_model_card(ModelPage(EVIL, evil, EVIL, drift, (EVIL,)))
    assert not {"script", "iframe", "object", "img", "form"} & set(Words(page).tags)
    assert "<script" not in page
    assert "\x1b" not in page
    assert "default-src &#39;none&#39;" in page


@pytest.mark.parametrize("count", [1, 14, 15, 24, 25])
def test_matrices_of_any_size_are_told(count: int) -> None:
    types = tuple(f"a rather long name of type {number}" for number in range(count))
    matrix = Confusion(types, tuple(tuple(range(count)) for _ in types))
    page = render_model_card(ModelPage("shop", replace(CARD, confusion=matrix)))
    assert ('class="confusion"' in page) == (count <= 24)
    assert ('class="matrix"' in page) == (count <= 24)


def test_the_drawn_matrix_holds_every_count() -> None:
    root = ElementTree.fromstring(confusion_svg(Confusion(("cpu", "memory"), ((40, 2), (0, 17)))))
    shown = [element.text for element in root.iter("text")]
    assert [text for text in shown if text and text.isdigit()] == ["40", "2", "17"]
    assert {title.text for title in root.iter("title")} >= {"cpu said to be memory: 2, 5\xa0%"}


def test_an_empty_matrix_and_no_bins_are_drawn_without_harm() -> None:
    drawn = (confusion_svg(Confusion((), ())), reliability_svg("root cause", ()))
    assert [ElementTree.fromstring(text).tag for text in drawn] == ["svg", "svg"]


def test_a_dot_lies_where_what_was_said_and_what_was_meet() -> None:
    root = ElementTree.fromstring(reliability_svg("root cause", (Bin(0.25, 0.75, 4), Bin(0.5, 0.5, 16))))
    dots = [(float(dot.get("cx", 0)), float(dot.get("cy", 0)), float(dot.get("r", 0))) for dot in root.iter("circle")]
    (x0, y0, small), (x1, y1, large) = dots
    assert (x1 - x0, y1 - y0) == (65, 65)
    assert large == 2 * small


@pytest.mark.browser
@pytest.mark.parametrize("width", [375, 1400])
def test_the_page_is_silent_and_fits_the_screen(browser: Browser, tmp_path: Path, width: int) -> None:
    (tmp_path / "card.html").write_text(render_model_card(ModelPage("shop", CARD, "serving", DRIFT)), encoding="utf-8")
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        page, heard = context.new_page(), []
        page.on("console", lambda message: heard.append(message.text))
        page.goto((tmp_path / "card.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert heard == []
