"""Who looks guilty and is not: every test that clears a component, and what keeps it from being cleared."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from hypocenter.catalog import KINDS
from hypocenter.model import ChangeEvent, Component, ComponentType, Dependency, DependencyType, MetricKind, Series
from hypocenter_graph.deviation import Deviation
from hypocenter_graph.rank import Context, rank
from hypocenter_graph.ruled_out import ruled_out
from hypocenter_graph.topology import build_topology

ONSET = datetime(2026, 3, 3, 7, 35, tzinfo=UTC)
CALLS = [Dependency("web", "cart"), Dependency("cart", "db")]
HOSTED = [*CALLS, *(Dependency(guest, "node", DependencyType.RUNS_ON) for guest in ("cart", "ads", "web"))]
QUEUE = [Component("mails", ComponentType.QUEUE)]
MAILS = [Dependency("web", "mails"), Dependency("mailer", "mails", DependencyType.CONSUMES)]


def moved(component, kind, before, after, peer=None):
    side = "client" if peer else None
    series = Series(component, f"{kind}_mean", kind, KINDS[kind].unit, "mean", side, peer)
    return Deviation(series, before, after, math.copysign(150.0, after - before))


def slow(component, before, after, peer=None):
    return moved(component, MetricKind.LATENCY, before, after, peer)


def cleared(deviations, dependencies, changes=(), components=(), spared=()):
    """Rank, and return what is said of each component that is ruled out: the test and the reason."""
    topology = build_topology(components, dependencies)
    ranking = rank(deviations, topology, Context(None, ONSET, tuple(changes)))
    return {r.component: (r.test, r.reason) for r in ruled_out(ranking, frozenset(spared), None)}


STARVED = [moved("node", MetricKind.CPU, 2.0, 7.8), slow("cart", 0.05, 0.45), slow("ads", 0.1, 0.5)]


def test_a_host_that_is_short_of_something_clears_all_that_only_suffers_on_it():
    found = cleared(STARVED, HOSTED)
    assert found["cart"] == (
        "explained by what it runs on",
        "cart mean latency rose from 50 ms to 450 ms, 76% explained by node, which it runs on with 1 more that"
        " suffers: node CPU rose from 2 cores to 7.8 cores",
    )
    assert found.keys() == {"cart", "ads"}


def test_a_guest_that_uses_more_itself_is_not_cleared_but_clears_its_host():
    found = cleared([*STARVED, moved("cart", MetricKind.CPU, 0.2, 6.0)], HOSTED)
    assert "cart" not in found
    assert found["node"] == (
        "explained by what runs on it",
        "node CPU rose from 2 cores to 7.8 cores, 94% explained by cart, which runs on it:"
        " cart CPU rose from 0.2 cores to 6 cores",
    )


def test_a_host_at_its_ease_clears_nobody():
    assert cleared(STARVED[1:], HOSTED) == {}


SURGE = [
    moved("web", MetricKind.TRAFFIC, 100.0, 250.0),
    moved("cart", MetricKind.TRAFFIC, 50.0, 120.0),
    slow("cart", 0.05, 0.45),
]


def test_more_traffic_clears_whom_more_work_reaches():
    assert cleared(SURGE, CALLS)["cart"] == (
        "explained by more traffic",
        "cart mean latency rose from 50 ms to 450 ms, 100% explained by more traffic at web:"
        " cart requests rose from 50/s to 120/s",
    )


@pytest.mark.parametrize("row", [0, 1])
def test_traffic_clears_nobody_whom_no_more_of_it_reaches(row):
    assert cleared([d for number, d in enumerate(SURGE) if number != row], CALLS) == {}


def test_a_stalled_consumer_clears_the_queue_that_backs_up():
    full = moved("mails", MetricKind.SATURATION, 10.0, 5000.0)
    test, reason = cleared([full, slow("mailer", 0.1, 4.0)], MAILS, components=QUEUE)["mails"]
    assert test == "explained by who drains it"
    assert "% explained by mailer, which drains it: mailer mean latency rose from 100 ms to 4 s" in reason


def test_calls_that_wait_for_a_callee_without_trouble_of_its_own_clear_the_caller():
    found = cleared(
        [slow("cart", 0.05, 0.45), moved("cart", MetricKind.EDGE_GAP, 0.01, 0.40, peer="db")], CALLS, spared=["db"]
    )
    assert found["cart"] == (
        "explained by its calls",
        "cart +400 ms, 98% explained by db, in the calls to it: by itself it shows no trouble",
    )


def changed(minutes, component="cart"):
    return ChangeEvent(component, ONSET + timedelta(minutes=minutes), "deploy", "v2")


def test_a_change_after_the_onset_cannot_have_caused_it():
    assert cleared([slow("db", 0.01, 0.4)], CALLS, [changed(4)], spared=["db"]) == {
        "cart": ("its change came after the onset", "deploy v2 came 4 min after the onset")
    }


@pytest.mark.parametrize("minutes", [-4, 0.5, 600])
def test_a_change_before_about_or_long_after_the_onset_clears_nobody(minutes):
    assert cleared([slow("db", 0.01, 0.4)], CALLS, [changed(minutes)], spared=["db"]) == {}


def test_a_late_change_does_not_clear_of_what_was_there_before_it():
    assert "cart" not in cleared([moved("cart", MetricKind.CPU, 0.2, 6.0)], CALLS, [changed(4)])


def test_trouble_that_is_explained_in_one_way_and_not_in_another_clears_nobody():
    failing = moved("cart", MetricKind.ERRORS, 0.0, 0.3)
    found = cleared([slow("cart", 0.05, 0.45), slow("db", 0.01, 0.02), failing], CALLS)
    assert "cart" not in found


def test_more_of_its_own_that_is_left_keeps_a_component_under_suspicion():
    found = cleared([*STARVED, moved("ads", MetricKind.RESTARTS, 0.0, 3.0)], HOSTED)
    assert found.keys() == {"cart"}
