"""What a Prometheus server is asked: selectors that are one, pieces that cover the window, sums within the budget."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.errors import InputError, LimitError
from hypocenter.readers.columns import labels_of
from hypocenter.readers.prometheus_options import DEFAULT_MATCH, options_from_settings
from hypocenter.readers.prometheus_plan import POINTS_PER_QUERY, SERIES_PER_QUERY, Catalogue, Window, pieces, plan
from hypocenter.readers.selectors import exactly, parse_selector

HOUR = Window(0.0, 3600.0, 3600.0)
ANY = [parse_selector('{namespace="shop"}')]


def catalogue(**series: int) -> Catalogue:
    return {
        name: [{"__name__": name, "job": f"j{at % 2}", "path": f"/{at}"} for at in range(count)]
        for name, count in sorted(series.items())
    }


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("up", "up{}"),
        (" up ", "up{}"),
        ("job:up:sum", "job:up:sum{}"),
        ('{a="b"}', '{a="b"}'),
        ('up{ a = "b" , c=~\'d|e\', f!~`g`, h!="", }', 'up{a = "b" , c=~\'d|e\', f!~`g`, h!=""}'),
        ('{a="}[5m]{\\" or vector(1)"}', '{a="}[5m]{\\" or vector(1)"}'),
    ],
)
def test_a_selector_is_read(text: str, selector: str) -> None:
    assert str(parse_selector(text)) == selector


@pytest.mark.parametrize(
    "text",
    ["", "{}", " { } ", "up[5m]", "rate(up[5m])", "up or up", 'up{a="b"', "up{a=b}", '{a="b"} offset 5m', "up{a}", "1"],
)
def test_anything_else_is_no_selector(text: str) -> None:
    with pytest.raises(InputError, match="write a series selector"):
        parse_selector(text)


def test_the_default_is_a_selector() -> None:
    for text in DEFAULT_MATCH:
        assert parse_selector(text)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,5}", fullmatch=True), st.text(max_size=9), min_size=1, max_size=4))
def test_the_selector_of_one_series_says_its_labels(labels: dict[str, str]) -> None:
    text = exactly(labels)
    assert str(parse_selector(text)) == text
    assert labels_of([text]) == (labels,)


@given(st.integers(1, 40_000), st.integers(1, 300), st.integers(60, 200_000), st.floats(0, 1e9))
def test_pieces_cover_the_window_and_none_is_heavy(series: int, interval: int, seconds: int, start: float) -> None:
    window = Window(start, start + seconds, start + seconds)
    known = {"a": [{"__name__": "a"}] * series}
    asked = list(pieces(known, ["a"], ANY, window, interval))
    assert asked[0].end - asked[0].range_s == pytest.approx(start, abs=1e-3)
    assert asked[-1].end >= window.end - 1e-3
    for before, after in pairwise(asked):
        assert after.end - after.range_s == pytest.approx(before.end, abs=1e-3)
    assert all(piece.range_s <= max(POINTS_PER_QUERY * interval / series, interval) for piece in asked)


def test_many_metrics_are_asked_for_in_batches_by_name() -> None:
    known = catalogue(a=1500, b=400, c=200, d=3000)
    asked = {piece.expression for piece in pieces(known, known, ANY, HOUR, 15)}
    assert asked == {
        '{namespace="shop",__name__=~"a|b"}',
        '{namespace="shop",__name__=~"c"}',
        '{namespace="shop",__name__=~"d"}',
    }
    assert SERIES_PER_QUERY == 2000


def test_a_selector_of_one_metric_is_asked_for_that_metric_alone() -> None:
    known = catalogue(a=1500, b=1500)
    selectors = [parse_selector('a{pod="x"}'), parse_selector("b")]
    assert {piece.expression for piece in pieces(known, known, selectors, HOUR, 15)} == {'a{pod="x"}', "b{}"}


def test_within_the_budget_all_is_read_as_it_was_scraped() -> None:
    chosen = plan(catalogue(a=10, b=5), ANY, HOUR, 60, most=900)
    assert (chosen.raw, chosen.aggregated, chosen.points) == (("a", "b"), (), 900)


def test_the_largest_metrics_are_added_up_until_the_rest_fits() -> None:
    chosen = plan(catalogue(calls_total=100, heap_bytes=60, up=4), ANY, HOUR, 60, most=4000)
    assert chosen.raw == ("heap_bytes", "up")
    assert [each.expression for each in chosen.aggregated] == [
        'sum by (job) (rate({namespace="shop",__name__=~"calls_total"}[240s]))'
    ]
    assert chosen.aggregated[0].groups == 2
    assert chosen.points == 60 * 64 + 2 * 30
    less = plan(catalogue(calls_total=100, heap_bytes=60, up=4), ANY, HOUR, 60, most=400)
    assert [each.expression for each in less.aggregated][1] == (
        'avg by (job) ({namespace="shop",__name__=~"heap_bytes"})'
    )


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        ({"service": "a", "pod": "p", "code": "200", "path": "/"}, "code,service"),
        ({"job": "a", "pod": "p", "container": "c", "namespace": "n"}, "job,namespace,pod"),
        ({"container": "c", "image": "i"}, "container"),
        ({"instance": "i", "le": "1"}, "instance,le"),
        ({"job": "j", "instance": "i"}, "job"),
        ({"client": "a", "server": "b", "trace": "x", "job": "j"}, "client,job,server"),
    ],
)
def test_a_sum_keeps_what_names_the_component_and_the_outcome(labels: dict[str, str], kept: str) -> None:
    series = [{"__name__": "calls_total", **labels, "noise": str(at)} for at in range(9)]
    chosen = plan({"calls_total": series}, ANY, HOUR, 60, most=60)
    assert chosen.aggregated[0].expression.startswith(f"sum by ({kept}) (rate(")
    assert chosen.aggregated[0].groups == 1


def test_a_sum_keeps_the_label_that_the_caller_names_components_by() -> None:
    series = [{"__name__": "calls_total", "team": "a", "pod": f"p{at}"} for at in range(9)]
    chosen = plan({"calls_total": series}, ANY, HOUR, 60, most=60, component_labels=("team",))
    assert chosen.aggregated[0].expression.startswith("sum by (team) (rate(")


def test_a_machine_keeps_its_name() -> None:
    series = [{"__name__": "node_load1", "job": "node", "instance": f"i{at}", "cpu": "0"} for at in range(9)]
    assert (
        plan({"node_load1": series}, ANY, HOUR, 60, most=500)
        .aggregated[0]
        .expression.startswith("avg by (instance,job) (")
    )


def test_what_does_not_fit_even_added_up_is_refused() -> None:
    with pytest.raises(
        LimitError, match=r"104 series would be 120 points.*limit of 50.*HYPOCENTER_PROMETHEUS_MAX_POINTS"
    ):
        plan(catalogue(calls_total=100, up=4), ANY, HOUR, 60, most=50)


def test_the_step_of_a_sum_keeps_within_the_points_of_one_answer() -> None:
    year = Window(0.0, 365 * 86_400.0, 0.0)
    chosen = plan(catalogue(up=4), ANY, year, 15, most=100_000)
    assert year.seconds / chosen.step_s <= 11_000
    assert chosen.step_s % 15 == 0


def test_patience_and_budget_come_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPOCENTER_PROMETHEUS_TIMEOUT", "2.5")
    monkeypatch.setenv("HYPOCENTER_PROMETHEUS_MAX_POINTS", "77")
    options = options_from_settings()
    assert (options.timeout_s, options.max_points) == (2.5, 77)
