"""The page of a detection: nothing of a long series is lost, nothing breaks out, and it fits every screen."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hypocenter.report.detection import DetectionPage, EventRow, render_detection
from hypocenter.report.series_svg import Buckets, Drawn, Span, series_svg, tick_texts

START = np.datetime64("2026-03-02", "ns")
HOSTILE = "<script>alert(1)</script>\"'&amp;</svg></style>{{ 7*7 }}\x00\x1b[31m\u202e 日本 " + "x" * 5000
TEXT_SIZES = """[...document.querySelectorAll("body *")]
    .filter(e => e.tagName !== "text" && e.checkVisibility())
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => parseFloat(getComputedStyle(e).fontSize))"""


def drawn(values, step=60.0):
    rows = len(values)
    known = np.where(np.isfinite(values), 5.0, np.nan)
    at = 1.7e9 + step * np.arange(rows)
    return Drawn(at, np.asarray(values, dtype=np.float64), known, known - 3, known + 3, np.ones(rows))


def shapes(svg, css):
    return [e for e in ElementTree.fromstring(svg).iter() if css in e.get("class", "").split()]


def page_of(rows=3000, names=("cpu", "rate")):
    random = np.random.default_rng(1)
    values = 50 + random.normal(size=(rows, len(names)))
    values[rows // 2 : rows // 2 + 5, 0] = 90
    values[rows // 4 : rows // 4 + rows // 10, 1] = np.nan
    level = np.full(values.shape, 50.0)
    times = START + np.arange(rows) * np.timedelta64(300, "s")
    scores = np.abs(values - 50)
    first, last = times[rows // 2], times[rows // 2 + 4]
    events = (
        EventRow(0, first, last, "collective", 8.0, 90.0, 50.0, "up"),
        EventRow(1, last, None, "point", 4.0, 60.0, 50.0, "up"),
    )
    return DetectionPage("a.csv", names, times, values, level, level - 3, level + 3, scores, events, 3.9, ("noted",))


@given(
    arrays.arrays(np.float64, st.integers(1, 200), elements=st.floats(-1e6, 1e6) | st.just(np.nan)), st.integers(1, 20)
)
def test_thinning_keeps_the_least_and_the_largest_of_every_stretch(values, count):
    at = 1.7e9 + 60.0 * np.arange(len(values))
    buckets = Buckets.of(at, count)
    kept_at, kept = buckets.extremes(at, values)
    assert (np.diff(kept_at) > 0).all()
    assert len(kept) <= max(2 * (count + 1), 2 * count)
    stretches = (
        np.split(np.arange(len(values)), buckets.starts[1:]) if buckets.thin else np.arange(len(values))[:, None]
    )
    for rows in stretches:
        there = values[rows][np.isfinite(values[rows])]
        shown = kept[(kept_at >= at[rows[0]]) & (kept_at <= at[rows[-1]])]
        assert shown.size == 0 if there.size == 0 else (shown.min(), shown.max()) == (there.min(), there.max())


@pytest.mark.parametrize("rows", [100, 100_000])
def test_a_spike_of_one_row_is_drawn_however_long_the_series(rows):
    values = np.full(rows, 5.0)
    values[rows // 3] = 100.0
    svg = series_svg(drawn(values), [], 4.0, 980.0, "cpu")
    (line,) = shapes(svg, "line")
    heights = [float(point.split(" ")[1]) for point in re.split("[ML]", line.get("d"))[1:]]
    assert min(heights) == pytest.approx(26.0)
    assert len(svg) < 120_000


def test_a_gap_breaks_the_line_and_a_lone_sample_is_a_dot():
    values = np.full(100, 5.0)
    values[40:50] = values[52:60] = np.nan
    values[51] = np.nan
    svg = series_svg(drawn(values), [], 4.0, 980.0, "cpu")
    assert [shape.tag for shape in shapes(svg, "line")] == ["path", "circle", "path"]


def test_an_event_is_shaded_numbered_and_thick():
    svg = series_svg(drawn(np.full(100, 5.0)), [Span("7", 1.7e9 + 600, 1.7e9 + 1200)], 4.0, 980.0, "cpu")
    (shade,), (label,) = shapes(svg, "event"), shapes(svg, "event-label")
    assert float(shade.get("width")) > 50
    assert label.text == "7"
    assert len(shapes(svg, "unusual")) == len(shapes(svg, "event-edge")) == 1


def test_an_event_of_one_moment_is_wide_enough_to_see_and_close_numbers_do_not_overlap():
    spans = [Span(str(n), 1.7e9 + 600 + n, 1.7e9 + 600 + n) for n in range(5)]
    svg = series_svg(drawn(np.full(100, 5.0)), spans, 4.0, 980.0, "cpu")
    assert all(float(shade.get("width")) >= 3 for shade in shapes(svg, "event"))
    assert [label.text for label in shapes(svg, "event-label")] == ["0"]


def test_a_series_without_a_sample_says_so():
    assert "no samples" in series_svg(drawn(np.full(10, np.nan)), [], 4.0, 980.0, "cpu")


@given(st.floats(-1e15, 1e15), st.floats(1e-6, 1e9))
def test_labels_of_ticks_differ(first, step):
    ticks = [first + index * step for index in range(4)]
    if len(set(ticks)) == 4:
        assert len(set(tick_texts(ticks))) == 4


def test_numbers_join_the_drawings_and_the_table():
    html = render_detection(page_of())
    assert "2 events in 2 of 2 series" in html
    assert re.findall(r'class="event-label"[^>]*>(\d)<', html) == ["1", "1", "2", "2"]
    assert re.findall(r"<tr><td>(\d)</td>", html) == ["1", "2"]
    assert "still on" in html
    assert "noted" in html


def test_of_many_series_those_with_the_highest_events_are_drawn():
    page = page_of(names=tuple(f"s{n}" for n in range(40)))
    html = render_detection(replace(page, events=(replace(page.events[0], series=39),)))
    assert html.count('<figure class="plot">') == 24
    assert "<b>s39</b> 1 event" in html
    assert "and 16 more series" in html


def test_of_very_many_events_the_highest_are_drawn():
    page = page_of()
    every = tuple(replace(page.events[0], score=float(n), onset=time, end=time) for n, time in enumerate(page.times))
    html = render_detection(replace(page, events=every))
    assert "3000 events, the 300 highest of them drawn" in html
    assert "and 2800 more" in html
    assert len(html) < 1_500_000


def test_hostile_names_do_not_break_out():
    html = render_detection(replace(page_of(names=(HOSTILE, "b")), title=HOSTILE, notes=(HOSTILE,)))
    assert "<script" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert len(html) < 400_000


@pytest.mark.browser
@pytest.mark.parametrize("width", [375, 768, 1400])
@pytest.mark.parametrize("name", ["cpu", HOSTILE])
def test_it_is_silent_and_fits_the_screen(browser, tmp_path, width, name):
    file = tmp_path / "plot.html"
    file.write_text(render_detection(replace(page_of(names=(name, "b")), title=name)), encoding="utf-8")
    page, heard = browser.new_page(viewport={"width": width, "height": 900}), []
    page.on("console", lambda message: heard.append(message.text))
    page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: heard.append(request.url))
    page.goto(file.as_uri())
    assert heard == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert min(page.evaluate(TEXT_SIZES)) >= 11
    assert page.locator("svg.series:visible").count() == 2
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= max(width, 700)
    page.close()
