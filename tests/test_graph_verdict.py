"""What is said of a ranking: probabilities, evidence, propagation, what is ruled out and the picture."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.catalog import FAULT_TYPES, KINDS
from hypocenter.model import (
    Alert,
    ChangeEvent,
    Component,
    ComponentType,
    Dependency,
    DependencyType,
    MetricKind,
    Series,
    Target,
)
from hypocenter_graph.calibration import probabilities
from hypocenter_graph.deviation import Deviation
from hypocenter_graph.evidence import MOST_EVIDENCE, evidence_for, fault_type_of
from hypocenter_graph.rank import Context, rank
from hypocenter_graph.ruled_out import ruled_out
from hypocenter_graph.topology import build_topology
from hypocenter_graph.verdict import MOST_NODES, blame_path, graph_view, propagation, suspects_of

ONSET = datetime(2026, 3, 3, 7, 35, tzinfo=UTC)
NAME = st.sampled_from(["ads", "cart", "db", "node", "pay", "web"])
LEVEL = st.sampled_from([0.0, 0.001, 0.1, 1.0, 50.0, math.nan])
SERIES = st.builds(
    lambda component, kind, peer: Series(
        component, str(kind), kind, KINDS[kind].unit, "mean", "client" if peer else None, peer
    ),
    NAME, st.sampled_from(MetricKind), st.none() | NAME,
)  # fmt: skip
DEVIATIONS = st.dictionaries(SERIES, st.tuples(LEVEL, LEVEL, st.floats(-500, 500)), max_size=20).map(
    lambda found: tuple(Deviation(series, *levels) for series, levels in found.items())
)
DEPENDENCIES = st.lists(st.builds(Dependency, NAME, NAME, st.sampled_from(DependencyType)), max_size=10)
SYSTEMS = st.tuples(DEVIATIONS, DEPENDENCIES, st.none() | NAME.map(Target))


def made(system):
    deviations, dependencies, target = system
    topology = build_topology([], dependencies)
    return rank(deviations, topology, Context(target, ONSET)), topology, target


def slow(component, before, after, z=40.0):
    return Deviation(Series(component, "latency_mean", MetricKind.LATENCY, "s", "mean"), before, after, z)


CALLS = [Dependency("web", "cart"), Dependency("cart", "db"), Dependency("ads", "ads-db")]
CHAIN = [slow("web", 0.1, 0.5), slow("cart", 0.05, 0.45), slow("db", 0.01, 0.405), slow("ads", 0.1, 0.5)]


@pytest.fixture
def shop():
    """A chain in which db slows cart and web down; ads is slow for reasons of its own."""
    topology = build_topology([], CALLS)
    return rank(CHAIN, topology, Context(Target("web"), ONSET)), topology


@given(SYSTEMS)
def test_probabilities_share_out_less_than_one_in_the_order_of_the_ranking(system):
    ranking, _, _ = made(system)
    chances = probabilities(ranking)
    assert sum(chances.values()) < 1
    assert all(0 <= chance < 1 for chance in chances.values())
    assert list(chances) == [scored.component for scored in ranking.scored]
    assert list(chances.values()) == sorted(chances.values(), reverse=True)


def test_nothing_unusual_makes_nobody_probable():
    topology = build_topology([], CALLS)
    assert not any(probabilities(rank([], topology, Context())).values())


def test_more_evidence_is_more_probable():
    topology = build_topology([], CALLS)
    weak, strong = (probabilities(rank([slow("db", 0.01, 0.4, z)], topology, Context()))["db"] for z in (5, 100))
    assert 0 < weak < strong


@given(SYSTEMS)
def test_suspects_are_the_ranking_with_evidence_and_a_path_to_the_symptom(system):
    ranking, topology, target = made(system)
    suspects = suspects_of(ranking, topology, target, {})
    assert [(s.component, s.score) for s in suspects] == [(s.component, s.score) for s in ranking.scored]
    for suspect in suspects:
        assert suspect.fault_type in FAULT_TYPES
        assert suspect.path == () or (suspect.path[0], suspect.path[-1]) == (suspect.component, target.component)
        assert all(below in topology.leaned_on(above) for below, above in pairwise(suspect.path))


@given(SYSTEMS)
def test_evidence_for_comes_strongest_first_and_evidence_against_last(system):
    ranking, _, _ = made(system)
    for scored in ranking.scored:
        told = evidence_for(scored, ranking, {})
        supporting = [e for e in told if e.supports]
        assert list(told[: len(supporting)]) == supporting
        shares = [e.share for e in supporting]
        assert shares == sorted(shares, reverse=True)
        assert all(0 < share <= 1 for share in shares)
        assert sum(shares) <= 1 + 1e-9
        assert len(supporting) <= MOST_EVIDENCE
        assert all(e.text and (e.before is None or math.isfinite(e.before)) for e in told)
        assert all(e.channel == "exoneration" for e in told if not e.supports)


@given(SYSTEMS)
def test_propagation_begins_at_the_cause_and_goes_up_through_what_leans_on_it(system):
    ranking, topology, _ = made(system)
    if not ranking.scored:
        return
    cause = ranking.scored[0].component
    steps = propagation(ranking, topology, cause, {})
    impact = topology.impact(cause)
    assert (steps[0].component, steps[0].via) == (cause, None)
    assert len({step.component for step in steps}) == len(steps)
    assert [impact[step.component] for step in steps] == sorted(impact[step.component] for step in steps)
    assert all(step.via in topology.leaned_on(step.component) for step in steps[1:])


@given(SYSTEMS)
def test_who_is_spared_is_never_ruled_out_and_nobody_is_twice(system):
    ranking, topology, target = made(system)
    spared = frozenset(scored.component for scored in ranking.scored[:2])
    found = ruled_out(ranking, spared, topology.distances(target.component) if target else None)
    assert not spared & {r.component for r in found}
    assert len({r.component for r in found}) == len(found)
    assert all(r.reason for r in found)


@given(SYSTEMS)
def test_the_picture_holds_every_component_and_only_edges_between_them(system):
    ranking, topology, target = made(system)
    suspects = suspects_of(ranking, topology, target, {})
    cause = suspects[0].component if suspects and suspects[0].score else None
    view = graph_view(ranking, topology, suspects, [cause], [])
    names = [node.component for node in view.nodes]
    assert names == sorted({*topology.components, *(s.component for s in suspects)})
    assert view.edges == topology.dependencies
    assert view.omitted == 0
    assert {n.component for n in view.nodes if n.state == "cause"} == ({cause} if cause else set())
    assert {n.state for n in view.nodes} <= {"cause", "suspect", "affected", "normal", "unobserved"}


def test_evidence_against_a_victim_says_how_much_of_its_trouble_is_explained_by_whom(shop):
    ranking, _ = shop
    cart = next(scored for scored in ranking.scored if scored.component == "cart")
    against = [e for e in evidence_for(cart, ranking, {}) if not e.supports]
    assert [e.text for e in against] == ["cart +400 ms, 99% explained by db"]
    assert (against[0].before, against[0].after, against[0].unit) == (0.05, 0.45, "s")


def test_evidence_names_the_series_its_levels_and_its_onset(shop):
    ranking, _ = shop
    db = next(scored for scored in ranking.scored if scored.component == "db")
    late = ONSET + timedelta(seconds=30)
    first = evidence_for(db, ranking, {CHAIN[2].series: late})[0]
    assert (first.channel, first.series, first.unit) == ("latency", "db|latency_mean", "s")
    assert (first.before, first.after, first.onset) == (0.01, 0.405, late)
    assert first.text == "db mean latency rose from 10 ms to 405 ms"


def test_a_change_is_evidence_in_words():
    change = ChangeEvent("db", ONSET - timedelta(minutes=4), "deploy", "v2")
    ranking = rank(CHAIN, build_topology([], CALLS), Context(None, ONSET, (change,)))
    told = evidence_for(ranking.scored[0], ranking, {})
    assert [e.text for e in told if e.channel == "change"] == ["db: deploy v2 4 min before the onset"]


def test_a_change_after_the_onset_speaks_against_it_having_caused_anything():
    change = ChangeEvent("db", ONSET + timedelta(minutes=4), "deploy", "v2")
    ranking = rank(CHAIN, build_topology([], CALLS), Context(None, ONSET, (change,)))
    db = next(scored for scored in ranking.scored if scored.component == "db")
    told = [e for e in evidence_for(db, ranking, {}) if e.channel == "change"]
    assert [(e.text, e.supports, e.share) for e in told] == [("db: deploy v2 came 4 min after the onset", False, 0.0)]


def seen_by_callers(*deviations):
    """Return the evidence against a database that only its callers know, and the database as a suspect."""
    calls = [Dependency("web", "db"), Dependency("ads", "db")]
    ranking = rank(deviations, build_topology([], calls), Context(None, ONSET))
    suspect = next(s for s in suspects_of(ranking, build_topology([], calls), None, {}) if s.component == "db")
    return next(e for e in suspect.evidence if e.channel == "callers"), suspect


def of(component, kind, before, after, peer=None, z=40.0):
    side = "client" if peer else None
    return Deviation(Series(component, f"{kind}_mean", kind, KINDS[kind].unit, "mean", side, peer), before, after, z)


def test_what_a_caller_loses_is_told_in_seconds_and_requests():
    lost = of("web", MetricKind.EDGE_GAP, 0.001, 0.301, "db")
    told, suspect = seen_by_callers(slow("web", 0.1, 0.5), of("web", MetricKind.TRAFFIC, 20.0, 20.0, z=0.0), lost)
    assert told.text == (
        "web mean latency rose from 100 ms to 500 ms, 75% of that on db: 6 seconds of waiting a second,"
        " at 20 requests a second"
    )
    assert (told.series, told.unit, told.before, told.after) == ("web|latency_mean", "s", 0.1, 0.5)
    assert suspect.series is None


def test_more_callers_that_lose_are_counted_and_requests_that_nobody_counts_left_out():
    gaps = [of(caller, MetricKind.EDGE_GAP, 0.001, after, "db") for caller, after in (("web", 0.301), ("ads", 0.25))]
    told, _ = seen_by_callers(slow("web", 0.1, 0.4), slow("ads", 0.1, 0.4), *gaps)
    assert told.text == (
        "web mean latency rose from 100 ms to 400 ms, 100% of that on db (1 more of its callers lose on it too)"
    )


def fired(component, name, after_s=None, state=""):
    return Alert(component, name, ONSET + timedelta(seconds=after_s) if after_s is not None else None, state=state)


@pytest.mark.parametrize(
    ("alerts", "text"),
    [
        ([fired("web", "slow", 0), fired("db", "cpu", 40, "up"), fired("db", "cpu", 60, "up"), fired("db", "io", 50)],
         "db: 3 of 4 alerts, 40 s after the first of all: 2x cpu up, io"),
        ([fired("web", "slow", 10), *(fired("db", name, 0) for name in "abcde")],
         "db: 5 of 6 alerts, the first of all among them: a, b, c and 2 more kinds"),
        ([*(fired("db", name) for name in "abcd"), fired("web", "slow", 1)],
         "db: 4 of 5 alerts: a, b, c and 1 more kind"),
    ],
)  # fmt: skip
def test_alerts_are_told_by_number_kind_and_time(alerts, text):
    ranking = rank([], build_topology([], CALLS), Context(None, ONSET, (), tuple(alerts)))
    db = next(scored for scored in ranking.scored if scored.component == "db")
    assert [e.text for e in evidence_for(db, ranking, {})] == [text]


def test_propagation_follows_the_calls_up(shop):
    ranking, topology = shop
    onsets = {name: ONSET + timedelta(seconds=n) for n, name in enumerate(["db", "cart", "web"])}
    steps = propagation(ranking, topology, "db", onsets)
    assert [(s.component, s.via, s.onset) for s in steps] == [
        ("db", None, onsets["db"]), ("cart", "db", onsets["cart"]), ("web", "cart", onsets["web"])
    ]  # fmt: skip


def test_victims_and_bystanders_are_ruled_out_for_different_reasons(shop):
    ranking, topology = shop
    reasons = {r.component: r.reason for r in ruled_out(ranking, frozenset({"db"}), topology.distances("web"))}
    assert reasons.keys() == {"web", "cart", "ads"}
    assert "explained by db" in reasons["cart"]
    assert "explained by cart" in reasons["web"]
    assert "does not depend" in reasons["ads"]


def test_the_states_of_the_picture(shop):
    ranking, topology = shop
    suspects = suspects_of(ranking, topology, Target("web"), {})
    states = {n.component: n.state for n in graph_view(ranking, topology, suspects, ["db"], []).nodes}
    assert (states["db"], states["cart"], states["ads-db"]) == ("cause", "affected", "unobserved")


def test_the_blame_path_climbs_from_the_suspect_to_the_symptom():
    topology = build_topology([], CALLS)
    assert blame_path(topology, Target("web"), "db") == ("db", "cart", "web")
    assert blame_path(topology, Target("web"), "web") == ("web",)
    assert blame_path(topology, Target("web"), "ads") == ()
    assert blame_path(topology, None, "db") == ()


def large(count=600):
    """A wide system of many services under one entry, with one slow database deep inside."""
    names = [f"s{i:03}" for i in range(count)]
    calls = [Dependency(names[(i - 1) // 4], name) for i, name in enumerate(names) if i]
    return build_topology([Component(names[-1], ComponentType.DATABASE)], calls), names


def test_the_picture_of_a_large_system_is_its_causal_neighbourhood():
    topology, names = large()
    cause = names[-1]
    ranking = rank([slow(cause, 0.01, 0.9)], topology, Context(Target(names[0]), ONSET))
    suspects = suspects_of(ranking, topology, Target(names[0]), {})
    view = graph_view(ranking, topology, suspects, [cause], [cause, names[0]])
    shown = {node.component for node in view.nodes}
    assert len(shown) <= MOST_NODES
    assert view.omitted == len(names) - len(shown)
    assert {cause, names[0], *topology.leaning(cause)} <= shown
    assert all({edge.caller, edge.callee} <= shown for edge in view.edges)
    assert all(suspect.evidence == suspect.path == () for suspect in suspects[20:])


def test_a_component_with_nothing_against_it_has_no_class_of_fault(shop):
    ranking, _ = shop
    assert fault_type_of(next(s for s in ranking.scored if s.component == "ads-db")) == "unknown"
