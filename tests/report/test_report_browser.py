"""The report in a real Chromium: silent, alone, and never wider than the screen."""

from __future__ import annotations

import pytest

from hypocenter.report import render

pytestmark = pytest.mark.browser
TEXT_SIZES = """[...document.querySelectorAll("body *")]
    .filter(e => e.tagName !== "text" && e.checkVisibility())
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => parseFloat(getComputedStyle(e).fontSize))"""
GROUND_AND_INK = """[getComputedStyle(document.body).backgroundColor,
    getComputedStyle(document.querySelector(".chart text")).fill]"""


@pytest.fixture
def opened(browser, sample, tmp_path):
    """`opened(name, width, scheme)` is a page read from disk, and all it said and asked for on its way."""
    contexts = []

    def open_page(name, width=1400, scheme="light"):
        file = tmp_path / f"{name}.html"
        file.write_text(render(sample(name)), encoding="utf-8")
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme))
        page, heard = contexts[-1].new_page(), []
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: heard.append(f"request: {request.url}"))
        page.goto(file.as_uri())
        heard.remove(f"request: {file.as_uri()}")
        return page, heard

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [375, 768, 1400])
@pytest.mark.parametrize("name", ["shop", "plain", "two_causes", "undecided", "large", "hostile", "empty"])
def test_it_is_silent_and_fits_the_screen(opened, name, width):
    page, heard = opened(name, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.compatMode") == "CSS1Compat"
    assert page.evaluate("document.styleSheets[0].cssRules.length") > 50
    assert heard == []


def test_no_text_is_too_small_to_read(opened):
    page, _ = opened("shop", 375)
    sizes = page.evaluate(TEXT_SIZES)
    assert len(sizes) > 50
    assert min(sizes) >= 11


def test_the_answer_is_on_the_first_screen(opened):
    page, _ = opened("shop")
    for words in ("orders-db is the probable cause", "How sure", "disk write wait rose", "What to check next"):
        box = page.get_by_text(words).first.bounding_box()
        assert box["y"] + box["height"] < 900, words


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_it_follows_the_colour_scheme(opened, scheme, dark):
    page, _ = opened("shop", 1400, scheme)
    ground, ink = (sum(int(part) for part in colour[4:-1].split(",")) for colour in page.evaluate(GROUND_AND_INK))
    assert (ground < ink) is dark


def test_paper_is_light_and_nothing_is_cut_off(opened):
    page, _ = opened("shop", 700, "dark")
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_keyboard_reaches_what_scrolls(opened):
    page, _ = opened("large", 375)
    regions = page.locator(".scroll:visible")
    assert regions.count() == 1
    assert regions.first.evaluate("e => [e.scrollWidth > e.clientWidth, e.tabIndex]") == [True, 0]
    assert regions.first.get_attribute("aria-label")
