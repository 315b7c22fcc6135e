"""What ranking makes of rare things: new complaints, components known by their callers alone, queues nobody counts."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.catalog import KINDS
from hypocenter.model import Dependency, MetricKind, Series
from hypocenter_graph.deviation import Deviation
from hypocenter_graph.observations import observe
from hypocenter_graph.rank import Context, rank
from hypocenter_graph.topology import build_topology

ONSET = datetime(2026, 3, 3, 7, 35, tzinfo=UTC)
SHOP = build_topology([], [Dependency("web", "cart"), Dependency("cart", "db"), Dependency("web", "pay")])


def moved(component, kind, before, after, z, **stated):
    known = MetricKind(kind)
    series = Series(component, str(kind), known, KINDS[known].unit, "mean")
    return Deviation(replace(series, **stated), before, after, z)


def said(component, statement, before=0.0, after=0.2, z=6.0):
    return moved(component, MetricKind.LOG_LINES, before, after, z, metric=statement)


def ranked(*deviations, topology=SHOP):
    return rank(deviations, topology, Context(None, ONSET))


def strengths(ranking, component):
    scored = next(s for s in ranking.scored if s.component == component)
    return {finding.channel: finding.strength for finding, _ in scored.findings}


def first(ranking):
    return ranking.scored[0].component


REFUSED = "ERROR could not reserve stock for order <*>"


def test_a_complaint_that_never_came_before_speaks_against_who_utters_it():
    ranking = ranked(said("db", REFUSED), said("web", "page shown", 2.0, 2.1, 0.5))
    assert first(ranking) == "db"
    assert strengths(ranking, "db")["log_error"] == 1.0
    assert "log_error" not in strengths(ranking, "web")


def test_a_complaint_in_words_that_several_use_is_nobodys_own():
    shared = "WARN connection to <*> timed out"
    ranking = ranked(said("db", shared), said("web", shared), said("cart", REFUSED))
    assert "log_error" not in strengths(ranking, "db").keys() | strengths(ranking, "web").keys()
    assert "log_error" in strengths(ranking, "cart")
    assert first(ranking) == "cart"


@pytest.mark.parametrize(
    "line",
    [
        said("db", REFUSED, before=0.001),
        said("db", REFUSED, z=1.0),
        said("db", REFUSED, z=-6.0, after=0.0),
        said("db", REFUSED, after=0.0),
        said("db", "order <*> placed"),
        moved("db", MetricKind.OPERATION, 0.0, 0.2, 6.0, metric="handle error"),
    ],
    ids=["came before", "rare", "stays away", "does not come", "is no complaint", "is no line of a log"],
)
def test_what_is_no_new_complaint_is_not_taken_for_one(line):
    assert "log_error" not in strengths(ranked(line), "db")


@given(st.lists(st.floats(1.0, 20.0), min_size=2, max_size=6))
def test_the_surer_a_new_complaint_the_stronger(distances):
    found = [strengths(ranked(said("db", REFUSED, z=z)), "db").get("log_error", 0.0) for z in sorted(distances)]
    assert found == sorted(found)
    assert all(0.0 <= strength <= 1.0 for strength in found)


@pytest.mark.parametrize(
    "word", ["Exception", "FATAL", "panic", "Warning", "failed", "refused", "timeout", "timed out"]
)
def test_complaints_are_known_by_their_words_in_any_case(word):
    assert "log_error" in strengths(ranked(said("db", f"{word} in <*>")), "db")


def by_web(kind, before, after, z=40.0, *, peer="pay"):
    """What web measured of its calls to another."""
    return moved("web", kind, before, after, z, side="client", peer=peer)


def by_pay(kind, before, after, z=40.0):
    """What pay measured of the calls that web made."""
    return moved("pay", kind, before, after, z, side="server", peer="web")


def test_an_edge_is_from_caller_to_callee_whoever_measured_it():
    asked, answered = by_web(MetricKind.LATENCY, 0.1, 0.9), by_pay(MetricKind.LATENCY, 0.1, 0.8)
    seen = observe([asked, answered])
    assert dict(seen.edges) == {("web", "pay"): (asked, answered)}
    assert dict(seen.called) == {"pay": (asked, answered)}
    assert (seen.own, seen.touched) == ({}, {"web", "pay"})


def test_a_component_is_judged_by_its_callers_only_where_it_says_nothing_itself():
    asked, failed = by_web(MetricKind.LATENCY, 0.1, 0.9), by_web(MetricKind.ERRORS, 0.0, 0.5)
    own = moved("pay", MetricKind.LATENCY, 0.1, 0.1, 0.0)
    alone, both = observe([asked, failed]), observe([asked, failed, own])
    assert alone.served("pay", MetricKind.LATENCY) == (asked,)
    assert both.served("pay", MetricKind.LATENCY) == (own,)
    assert both.served("pay", MetricKind.ERRORS) == (failed,)
    assert both.served("pay", MetricKind.LATENCY, MetricKind.ERRORS) == (own,)
    assert both.served("web", MetricKind.LATENCY) == both.served("nobody", MetricKind.LATENCY) == ()


def test_what_the_callee_measured_of_its_calls_is_nearer_than_what_the_caller_waited():
    asked, answered = by_web(MetricKind.LATENCY, 0.1, 0.9), by_pay(MetricKind.LATENCY, 0.1, 0.1)
    assert observe([asked, answered]).served("pay", MetricKind.LATENCY) == (answered,)


def test_what_a_component_asks_of_others_is_not_what_it_serves_unless_nothing_else_is_known():
    asked = moved("web", MetricKind.LATENCY, 0.1, 0.9, 40.0, side="client")
    served = moved("web", MetricKind.LATENCY, 0.1, 0.2, 4.0, side="server")
    assert observe([asked, served]).served("web", MetricKind.LATENCY) == (served,)
    assert observe([asked]).served("web", MetricKind.LATENCY) == (asked,)


def test_servers_are_who_says_something_itself_and_who_is_called():
    seen = observe(
        [moved("db", MetricKind.CPU, 1, 1, 0), by_web(MetricKind.ERRORS, 0, 0), by_web("errors", 0, 0, peer="db")]
    )
    assert sorted(seen.serving()) == ["db", "pay"]


def test_kinds_that_only_calls_show_are_observed_too():
    seen = observe([moved("db", MetricKind.CPU, 1, 1, 0), by_web(MetricKind.LATENCY, 0.1, 0.1)])
    assert seen.groups() == {"resource", "latency"}
    assert observe([]).groups() == frozenset()


def test_the_rate_of_a_component_known_by_its_callers_is_that_of_their_calls():
    calls = by_web(MetricKind.TRAFFIC, 20.0, 5.0, 0.0)
    assert observe([calls]).rate("pay") == 20.0
    assert observe([calls, moved("pay", MetricKind.TRAFFIC, math.nan, 7.0, 0.0)]).rate("pay") == 7.0
    assert observe([by_web(MetricKind.TRAFFIC, 20.0, math.nan, 0.0)]).rate("pay") is None


def test_a_component_that_only_its_callers_saw_fail_is_to_blame():
    ranking = ranked(moved("web", MetricKind.ERRORS, 0.0, 0.3, 60.0), by_web(MetricKind.ERRORS, 0.0, 0.9, 60.0))
    assert first(ranking) == "pay"
    assert ("pay", "errors") in ranking.symptoms
    assert ranking.explained["web", "errors"].by == "pay"


def test_a_component_that_only_its_callers_saw_slow_is_to_blame():
    ranking = ranked(moved("web", MetricKind.LATENCY, 0.1, 1.0, 60.0), by_web(MetricKind.LATENCY, 0.05, 0.95, 60.0))
    assert first(ranking) == "pay"
    assert ranking.explained["web", "latency"].share == pytest.approx(1.0)


def slow(component, before, after, z=60.0):
    return moved(component, MetricKind.LATENCY, before, after, z)


def counted(component, before, after, z):
    return moved(component, MetricKind.SATURATION, before, after, z)


def share_of_web(*more):
    """How much of a caller's long queue a callee explains that is slow as well, by far fewer seconds."""
    return ranked(slow("web", 0.1, 30.0), *more).explained["web", "latency"].share


def test_a_many_times_slower_callee_explains_a_queue_where_nobody_counts_workers():
    assert share_of_web(slow("cart", 0.01, 0.4)) > 0.6
    assert share_of_web(slow("cart", 0.01, 0.025)) == pytest.approx(0.015 / 29.9, abs=1e-3)


def test_workers_that_are_counted_and_not_used_up_are_no_queue():
    assert share_of_web(slow("cart", 0.01, 0.4), counted("web", 0.1, 0.1, 0.0)) == pytest.approx(0.39 / 29.9)


def test_workers_that_are_counted_and_used_up_are_surer_than_those_not_counted():
    unseen = share_of_web(slow("cart", 0.01, 0.4))
    assert share_of_web(slow("cart", 0.01, 0.4), counted("web", 0.1, 1.0, 40.0)) > unseen


@given(st.lists(st.floats(0.011, 2.0), min_size=2, max_size=6))
def test_the_slower_a_callee_the_more_of_a_queue_it_explains(levels):
    found = [share_of_web(slow("cart", 0.01, level)) for level in sorted(levels)]
    assert found == sorted(found)
    assert all(0.0 <= share <= 1.0 for share in found)


def test_a_queue_of_a_caller_of_a_sound_callee_is_its_own():
    assert share_of_web(slow("cart", 0.01, 0.4, 0.0)) == 0.0
    assert share_of_web() == 0.0
