"""Charts: what is unusual, missing or extreme in a series is seen, and axes carry round values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import Chart, Series, TimelineEntry
from hypocenter.report.charts import Sample, chart_svg, thinned
from hypocenter.report.scales import Scale, tick_label, time_ticks, value_ticks
from hypocenter.report.timeline_svg import timeline_svg

START = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)
VALUES = st.none() | st.floats(allow_nan=True, allow_infinity=True)
COLUMNS = st.lists(VALUES, max_size=12).map(tuple)


def times(count):
    return tuple(START + timedelta(seconds=15 * step) for step in range(count))


def chart(values, band=(0.0, 2.0)):
    level = [(edge,) * len(values) for edge in band]
    return Chart(Series("cart", "cpu"), times(len(values)), tuple(values), (1.0,) * len(values), *level)


def drawn(chart, onset=None):
    return ElementTree.fromstring(chart_svg(chart, onset, "cart: cpu"))


def paths(root, css):
    return [element.get("d") for element in root.iter() if element.get("class", "").split()[:1] == [css]]


def test_only_what_leaves_the_band_is_thick():
    assert paths(drawn(chart([1.0] * 9)), "unusual") == []
    assert len(paths(drawn(chart([1.0, 1.0, 9.0, 9.0, 1.0, 1.0, 7.0])), "unusual")) == 2


def test_a_gap_breaks_the_line():
    assert len(paths(drawn(chart([1.0, 1.2, 1.1])), "line")) == 1
    assert len(paths(drawn(chart([1.0, 1.2, None, None, 1.1, 1.3])), "line")) == 2


def test_a_lone_sample_is_a_dot():
    root = drawn(chart([None, 1.5, None]))
    assert [element.tag for element in root.iter() if element.get("class") == "line dot"] == ["circle"]


def test_the_onset_of_the_series_comes_before_that_of_the_incident():
    series = chart([1.0] * 9)
    late = START + timedelta(seconds=75)
    own = replace(series, onset=START + timedelta(seconds=30))
    assert "onset 03:01:15" in chart_svg(series, late, "")
    assert "onset 03:00:30" in chart_svg(own, late, "")
    assert "onset" not in chart_svg(series, START + timedelta(days=1), "").replace('class="onset', "")


def test_a_wide_band_does_not_flatten_the_values():
    line = paths(drawn(chart([1.0, 3.0] * 9, (-1e6, 1e6))), "line")[0]
    heights = [float(point.split(" ")[1]) for point in line[1:].split("L")]
    assert max(heights) - min(heights) > 30


@settings(max_examples=60, deadline=None)
@given(COLUMNS, COLUMNS, COLUMNS, COLUMNS)
def test_columns_of_any_length_and_value_are_drawn(values, expected, low, high):
    item = Chart(Series("cart", "cpu", unit="bytes"), times(8), values, expected, low, high)
    root = drawn(item, START)
    places = [element.get(name, "0") for element in root.iter() for name in ("x", "y", "x1", "y1", "cx", "cy")]
    assert all(0 <= float(place) <= 420 for place in places)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.floats(-9, 9), max_size=200), st.integers(4, 60))
def test_thinning_keeps_the_extremes_and_the_order(values, most):
    rows = [Sample(float(at), value, None, None, None) for at, value in enumerate(values)]
    kept = thinned(rows, most)
    assert len(kept) <= max(most, 2)
    assert [row.at for row in kept] == sorted({row.at for row in kept})
    assert set(kept) <= set(rows)
    present = [row.value for row in rows if row.value is not None]
    if present:
        assert {min(present), max(present)} <= {row.value for row in kept}


@settings(max_examples=80, deadline=None)
@given(st.floats(-1e5, 1e5), st.floats(1e-9, 1e12), st.sampled_from([10.0, 60.0, 1024.0]))
def test_ticks_of_values_span_the_range_and_are_few(place, width, base):
    low = place * width
    ticks = value_ticks(low, low + width, base)
    assert ticks[0] <= low + 1e-6 * width
    assert ticks[-1] >= low + width - 1e-6 * width
    assert 2 <= len(ticks) <= 7


@settings(max_examples=80, deadline=None)
@given(st.floats(0, 4e9), st.floats(1, 1e8), st.integers(2, 9))
def test_ticks_of_time_lie_in_the_range_and_are_few(low, width, most):
    ticks = time_ticks(low, low + width, most)
    assert len(ticks) <= most
    assert all(low - 1e-6 <= tick <= low + width + 1e-6 for tick in ticks)
    assert all(tick_label(tick, ticks) for tick in ticks)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e9, 1e9))
def test_a_scale_never_leaves_its_pixels(low, high, value):
    assert 10.0 <= Scale(low, high, 10.0, 90.0)(value) <= 90.0


def test_a_timeline_keeps_the_incident_wide_when_one_fact_is_a_day_old():
    early = TimelineEntry(START - timedelta(days=1), "change", "db", "deploy")
    late = [TimelineEntry(START + timedelta(seconds=60 * step), "anomaly", "web", "left") for step in range(4)]
    root = ElementTree.fromstring(timeline_svg([early, *late], START))
    groups = [group for group in root.iter("g") if group.find("title") is not None]
    assert len(groups) == 5
    places = {group.find("title").text: float(group.get("transform")[10:].split(" ")[0]) for group in groups}
    early_place = min(places.values())
    assert [text for text, place in places.items() if place == early_place and "long before" in text]
    recent = sorted(places.values())[1:]
    assert recent[-1] - recent[0] > 300


def test_what_is_never_negative_has_no_negative_axis():
    ticks = [
        element.text
        for element in drawn(chart([5.0, 7.0, 40.0], (-30.0, 9.0))).iter()
        if element.get("class") == "tick"
    ]
    assert not [text for text in ticks if text.startswith(("-", "−"))]


def test_a_fact_of_no_component_has_no_row():
    entries = [TimelineEntry(START, "onset", "", "begins"), TimelineEntry(START, "anomaly", "web", "left")]
    root = ElementTree.fromstring(timeline_svg(entries, START))
    assert [element.text for element in root.iter() if element.get("class") == "lane"] == ["web"]
