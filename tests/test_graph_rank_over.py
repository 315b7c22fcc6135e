"""Ranking over several moments at which an incident may have begun: none is certain, all that are likely count."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hypocenter.catalog import KINDS
from hypocenter.model import Alert, ChangeEvent, Dependency, DependencyType, MetricKind, Series, Target
from hypocenter_graph.deviation import Deviation
from hypocenter_graph.rank import Assumed, Context, rank, rank_over
from hypocenter_graph.topology import build_topology

ONSET = datetime(2026, 3, 3, 7, 35, tzinfo=UTC)
NAMES = ("ads", "cart", "db", "web")
NAME = st.sampled_from(NAMES)
OWN = st.builds(
    lambda component, kind: Series(component, kind, kind, KINDS[kind].unit, "mean"),
    NAME, st.sampled_from([MetricKind.CPU, MetricKind.LATENCY, MetricKind.ERRORS, MetricKind.UP]),
)  # fmt: skip
LEVEL = st.sampled_from([0.0, 0.1, 1.0, 50.0]) | st.just(math.nan)
DEVIATIONS = st.dictionaries(OWN, st.tuples(LEVEL, LEVEL, st.floats(-100, 100), st.booleans()), max_size=6).map(
    lambda found: tuple(Deviation(s, *levels[:3], silent=levels[3]) for s, levels in found.items())
)
ASSUMED = st.builds(
    lambda minute, deviations, prior: Assumed(after(minute), deviations, prior),
    st.integers(-4, 2), DEVIATIONS, st.floats(0.01, 1.0),
)  # fmt: skip
STARTS = st.lists(ASSUMED, min_size=1, max_size=4, unique_by=lambda start: start.onset)
EDGES = st.lists(st.builds(Dependency, NAME, NAME, st.sampled_from(DependencyType)), max_size=6)
CONTEXTS = st.builds(lambda target: Context(Target(target) if target else None, ONSET), st.none() | NAME)
SHOP = build_topology([], [Dependency("web", "cart"), Dependency("cart", "db"), Dependency("web", "ads")])
NOWHERE = Context()


def after(minutes):
    return ONSET + timedelta(minutes=minutes)


def burning(component, cores=4.0, z=80.0):
    return Deviation(Series(component, "cpu", MetricKind.CPU, "cores"), 0.5, cores, z)


def slow(component, seconds=0.9, z=80.0):
    series = Series(component, "latency", MetricKind.LATENCY, "s", "mean")
    return Deviation(series, 0.1, seconds, z)


def at(minutes, *deviations, prior=1.0):
    return Assumed(after(minutes), deviations, prior)


def scores(ranking):
    return {scored.component: scored.score for scored in ranking.scored}


def order(ranking):
    return [scored.component for scored in ranking.scored]


def shares(ranking):
    """What each component scored on the scale on which findings add up."""
    return {component: -math.log1p(-score) for component, score in scores(ranking).items()}


def findings(ranking, component):
    return next(scored.findings for scored in ranking.scored if scored.component == component)


@settings(max_examples=25)
@given(DEVIATIONS, EDGES, CONTEXTS, st.floats(0.01, 1.0))
def test_one_start_is_ranking_from_it(deviations, edges, context, prior):
    topology = build_topology([], edges)
    alone = rank(deviations, topology, context)
    assume(max(scores(alone).values(), default=0.0) < 0.99)
    joined, best = rank_over([Assumed(ONSET, deviations, prior)], topology, context)
    assert best == 0
    assert scores(joined) == pytest.approx(scores(alone), abs=1e-12)
    assert [s.findings for s in joined.scored if s.score] == [s.findings for s in alone.scored if s.score]
    assert (joined.symptoms, joined.explained, joined.seen) == (alone.symptoms, alone.explained, alone.seen)


@settings(max_examples=25)
@given(STARTS, EDGES, CONTEXTS)
def test_a_joint_score_lies_between_those_from_each_start(starts, edges, context):
    topology = build_topology([], edges)
    joined, best = rank_over(starts, topology, context)
    alone = [scores(rank(s.deviations, topology, replace(context, onset=s.onset))) for s in starts]
    assert 0 <= best < len(starts)
    assert {*scores(joined)} == {component for of_one in alone for component in of_one}
    for component, score in scores(joined).items():
        each = [of_one.get(component, 0.0) for of_one in alone]
        assert min(0.99, *each) - 1e-9 <= score <= max(each) + 1e-9
        assert 0.0 <= score < 1.0


@settings(max_examples=25)
@given(STARTS, EDGES, CONTEXTS)
def test_a_joint_ranking_is_sorted_and_what_is_suspected_has_findings(starts, edges, context):
    joined, _ = rank_over(starts, build_topology([], edges), context)
    keys = [(-scored.score, scored.component) for scored in joined.scored]
    assert keys == sorted(set(keys))
    assert all(scored.findings for scored in joined.scored if scored.score > 0)
    assert all(f.component == scored.component for scored in joined.scored for f, _ in scored.findings)


@settings(max_examples=25)
@given(STARTS, EDGES, CONTEXTS, st.randoms(use_true_random=False))
def test_the_order_of_starts_is_of_no_account(starts, edges, context, random):
    topology = build_topology([], edges)
    here, there = (
        rank_over(in_order, topology, context)[0] for in_order in (starts, random.sample(starts, len(starts)))
    )
    assert scores(here) == pytest.approx(scores(there), abs=1e-9)


@settings(max_examples=25)
@given(STARTS, EDGES, CONTEXTS, st.floats(0.1, 10))
def test_only_the_proportion_of_priors_counts(starts, edges, context, factor):
    topology = build_topology([], edges)
    scaled = [replace(start, prior=start.prior * factor) for start in starts]
    here, there = (rank_over(some, topology, context)[0] for some in (starts, scaled))
    assert scores(here) == pytest.approx(scores(there), abs=1e-9)


@settings(max_examples=25)
@given(DEVIATIONS, EDGES, CONTEXTS, st.integers(2, 5))
def test_starts_that_show_the_same_are_one(deviations, edges, context, times):
    topology = build_topology([], edges)
    once, _ = rank_over([Assumed(ONSET, deviations)], topology, context)
    again, best = rank_over([Assumed(after(k), deviations) for k in range(times)], topology, context)
    assert scores(again) == pytest.approx(scores(once), abs=1e-9)
    assert best == 0


def test_of_starts_that_count_the_same_the_first_is_the_best():
    starts = [at(0, burning("db")), at(-1, burning("db")), at(1, burning("db"))]
    assert rank_over(starts, SHOP, NOWHERE)[1] == 0
    assert rank_over(starts[::-1], SHOP, NOWHERE)[1] == 0


def test_the_start_that_leaves_most_to_explain_is_the_best():
    little, much = at(0, burning("web", 0.6, 4.0)), at(-2, burning("db"), slow("db"))
    ranking, best = rank_over([little, much], SHOP, NOWHERE)
    assert best == 1
    assert order(ranking)[0] == "db"
    assert ranking.symptoms.keys() == {("db", "latency")}


def test_a_likely_start_outweighs_one_that_is_not():
    burns, other = burning("db"), burning("ads")
    starts = {prior: [at(0, other), at(-2, burns, prior=prior)] for prior in (0.2, 5)}
    first = {prior: order(rank_over(some, SHOP, NOWHERE)[0])[0] for prior, some in starts.items()}
    assert first == {0.2: "ads", 5: "db"}


def test_a_start_that_is_out_of_the_question_changes_nothing():
    known = at(0, burning("db"), slow("cart"))
    alone, _ = rank_over([known], SHOP, NOWHERE)
    joined, best = rank_over([known, at(-4, burning("ads"), slow("ads"), prior=1e-9)], SHOP, NOWHERE)
    assert best == 0
    assert scores(joined) == pytest.approx(scores(alone), abs=1e-6)


@settings(max_examples=25)
@given(DEVIATIONS, EDGES, st.sampled_from([-4, -1, 1, 2]))
def test_a_start_from_which_nothing_moved_keeps_the_order(deviations, edges, minutes):
    topology = build_topology([], edges)
    known = Assumed(ONSET, deviations)
    alone, _ = rank_over([known], topology, NOWHERE)
    joined, best = rank_over([known, at(minutes)], topology, NOWHERE)
    assert best == 0
    assert {c: s for c, s in scores(joined).items() if s} == pytest.approx(
        {c: -math.expm1(-share / (1 + math.exp(-1))) for c, share in shares(alone).items() if share}, abs=1e-9
    )
    assert [s.component for s in joined.scored if s.score] == [s.component for s in alone.scored if s.score]


def test_what_one_start_alone_shows_counts_less_and_is_told_from_there():
    both, seldom = burning("db"), burning("ads", 0.9, 9.0)
    ranking, best = rank_over([at(0, both), at(-1, both, seldom)], SHOP, NOWHERE)
    alone = rank([both, seldom], SHOP, NOWHERE)
    assert best == 1
    assert 0 < scores(ranking)["ads"] < scores(alone)["ads"]
    assert order(ranking)[0] == "db"
    told, _ = rank_over([at(0, both, slow("db"), slow("web", 3.0)), at(-1, both, seldom)], SHOP, NOWHERE)
    assert [finding.deviations for finding, _ in findings(told, "ads")] == [(seldom,)]
    assert told.symptoms.keys() == {("db", "latency"), ("web", "latency")}


def test_a_suspect_is_told_of_by_the_best_start_even_where_another_scored_it_higher():
    milder, worse = burning("db", 1.0, 10.0), burning("db", 4.0, 100.0)
    starts = [at(0, milder, slow("db"), slow("ads")), at(-1, worse)]
    ranking, best = rank_over(starts, SHOP, NOWHERE)
    assert best == 0
    assert milder in {d for finding, _ in findings(ranking, "db") for d in finding.deviations}
    assert worse not in {d for finding, _ in findings(ranking, "db") for d in finding.deviations}


def test_a_deploy_counts_from_each_start_by_its_own_age():
    context = Context(None, None, (ChangeEvent("db", after(1), "deploy"),))
    shown = burning("db", 1.0, 10.0)
    late = scores(rank_over([at(2, shown)], SHOP, context)[0])["db"]
    early = scores(rank_over([at(-4, shown)], SHOP, context)[0])["db"]
    between = scores(rank_over([at(2, shown), at(-4, shown)], SHOP, context)[0])["db"]
    assert early < between < late


def test_without_any_start_the_alerts_are_ranked():
    context = Context(alerts=(Alert("cart", "slow"), Alert("cart", "down"), Alert("web", "slow")))
    ranking, best = rank_over((), SHOP, context)
    assert best == 0
    assert ranking == rank((), SHOP, context)
    assert order(ranking)[0] == "cart"


def test_without_start_and_alerts_nobody_is_suspected():
    assert not any(scores(rank_over((), SHOP, NOWHERE)[0]).values())


SHOWN = (burning("db"), burning("stranger"))


def suspicion(edges, target):
    return scores(rank(SHOWN, build_topology([], edges), Context(Target(target), ONSET)))


def test_a_bystander_counts_less_than_what_the_symptom_leans_on():
    found = suspicion([Dependency("web", "db")], "web")
    assert 0 < found["stranger"] < found["db"]


def test_a_symptom_of_which_the_graph_knows_nothing_clears_nobody():
    edges = [Dependency("web", "db")]
    nobody = scores(rank(SHOWN, build_topology([], edges), NOWHERE))
    assert suspicion(edges, "front")["db"] == suspicion(edges, "front")["stranger"] == nobody["db"]


def test_a_symptom_that_leans_on_nothing_reaches_itself_alone():
    found = suspicion([Dependency("web", "db")], "db")
    free = suspicion([], "db")
    assert found["db"] == free["db"]
    assert found["stranger"] < free["stranger"]
