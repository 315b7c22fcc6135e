"""Probabilities of suspects, the threshold of a wanted precision, and candidate sets: laws and edges."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.model import Alert, Dependency, MetricKind, Series
from hypocenter_graph.calibration import Strengths, least_for, probabilities, shares, strengths_of, threshold
from hypocenter_graph.candidates import candidates, limit_for, limit_of, set_size, standing_before
from hypocenter_graph.deviation import Deviation
from hypocenter_graph.fitted import BELIEFS, LIMITS, THRESHOLDS
from hypocenter_graph.rank import Context, rank
from hypocenter_graph.topology import build_topology

AT = datetime(2026, 3, 3, 7, 35, tzinfo=UTC)
SCORES = st.lists(st.floats(0, 1), max_size=12).map(lambda found: tuple(sorted(found, reverse=True)))
STRENGTHS = st.builds(Strengths, SCORES, st.integers(0, 17))
CHANCES = st.lists(st.floats(0, 0.25), max_size=4).map(lambda found: sorted(found, reverse=True))
PRECISION = st.floats(0, 1)
NAMES = ("ads", "cart", "db", "pay", "web")


def used(component, share, z):
    return Deviation(Series(component, "cpu", MetricKind.CPU, "cores"), 0.1, 0.1 + share, z)


def made(found, rename=lambda name: name):
    """A ranking of processors that work more than usual, and a chain of calls."""
    deviations = [used(rename(name), *figures) for name, figures in found.items()]
    topology = build_topology([], [Dependency(rename(a), rename(b)) for a, b in pairwise(NAMES)])
    return rank(deviations, topology, Context(onset=AT))


RANKINGS = st.dictionaries(st.sampled_from(NAMES), st.tuples(st.floats(0, 4), st.floats(-50, 300)), max_size=5)


@given(STRENGTHS)
def test_probabilities_follow_the_scores_and_leave_room_for_something_else(strengths):
    chances = shares(strengths)
    assert len(chances) == len(strengths.scores)
    assert sum(chances) < 1
    assert list(chances) == sorted(chances, reverse=True)
    for score, chance in zip(strengths.scores, chances, strict=True):
        assert (chance > 0) == (score > 0) or score < 1e-100


@given(STRENGTHS, st.floats(0.01, 0.5))
def test_a_stronger_first_suspect_is_more_probable_and_the_others_less(strengths, gain):
    if not strengths.scores or strengths.scores[0] > 0.99 or strengths.scores[0] < 0.01:
        strengths = Strengths((0.5, 0.4, 0.2), strengths.kinds)
    stronger = (min(0.995, strengths.scores[0] + gain), *strengths.scores[1:])
    before, after = shares(strengths), shares(Strengths(stronger, strengths.kinds))
    assert after[0] > before[0]
    assert all(now <= then for now, then in zip(after[1:], before[1:], strict=True))


@pytest.mark.parametrize("kinds", [0, 1, 9])
def test_equal_scores_are_equally_probable_and_nothing_is_where_nothing_shows(kinds):
    assert len(set(shares(Strengths((0.7, 0.7, 0.7), kinds)))) == 1
    assert shares(Strengths((), kinds)) == ()
    assert shares(Strengths((0.0, 0.0), kinds)) == (0.0, 0.0)
    (alone,) = shares(Strengths((1.0,), kinds))
    assert 0.5 < alone < 1


@given(SCORES)
def test_the_richer_the_telemetry_the_more_a_weak_showing_speaks_for_something_else(scores):
    poor, rich = shares(Strengths(scores, 4)), shares(Strengths(scores, 16))
    assert all(p >= r for p, r in zip(poor, rich, strict=True))


@given(RANKINGS)
def test_names_and_their_order_are_of_no_account(found):
    turned = {name: chr(ord("z") - place) for place, name in enumerate(NAMES)}
    plain, renamed = made(found), made(found, lambda name: turned[name])
    assert strengths_of(plain) == strengths_of(renamed)
    there = probabilities(renamed)
    assert {turned[name]: chance for name, chance in probabilities(plain).items()} == pytest.approx(there)
    assert {turned[name] for name in candidates(plain)} == set(candidates(renamed))
    assert threshold(plain, 0.9) == threshold(renamed, 0.9)


def test_alerts_alone_are_trusted_less_than_series():
    alone = rank(
        [], build_topology([], []), Context(onset=AT, alerts=(Alert("db", "slow", AT), Alert("web", "5xx", AT)))
    )
    assert strengths_of(alone).world == "alerts"
    assert strengths_of(made({"db": (2.0, 90.0)})).world == "series"
    assert max(probabilities(alone).values()) < max(probabilities(made({"db": (2.0, 90.0)})).values())


@given(PRECISION, PRECISION)
@pytest.mark.parametrize("world", ["series", "alerts"])
def test_who_wants_more_precision_gets_a_higher_threshold(world, one, other):
    low, high = sorted([one, other])
    assert 0 <= least_for(low, THRESHOLDS[world]) <= least_for(high, THRESHOLDS[world]) <= 1


@pytest.mark.parametrize("world", ["series", "alerts"])
def test_whoever_wants_no_error_at_all_is_never_named_a_cause(world):
    assert least_for(1.0, THRESHOLDS[world]) == 1.0
    assert least_for(0.0, THRESHOLDS[world]) == 0.0


@given(CHANCES, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_limit_never_makes_a_smaller_set_and_equals_stay_together(chances, one, other):
    low, high = sorted([one, other])
    assert set_size(chances, low) <= set_size(chances, high)
    size = set_size(chances, low)
    assert size >= min(1, len(chances))
    assert size == len(chances) or not size or chances[size] < chances[size - 1]


@given(CHANCES)
def test_what_stands_before_a_suspect_is_the_sum_of_all_that_are_likelier(chances):
    naive = [sum(other for other in chances if other > chance) for chance in chances]
    assert standing_before(chances) == pytest.approx(naive)


@given(PRECISION, PRECISION)
@pytest.mark.parametrize("world", ["series", "alerts"])
def test_a_higher_coverage_never_has_a_lower_limit(world, one, other):
    low, high = sorted([one, other])
    assert limit_of(low, LIMITS[world]) <= limit_of(high, LIMITS[world])


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_cover_as_often_as_promised_even_when_probabilities_are_wrong(coverage):
    draw = np.random.default_rng(7)
    truths = draw.dirichlet(np.full(8, 0.3), size=6000)
    # What is said is sharper than what is so.
    said = -np.sort(-(truths**3) / (truths**3).sum(axis=1, keepdims=True), axis=1)
    order = np.argsort(-truths, axis=1, kind="stable")
    drawn = np.array([draw.choice(8, p=row / row.sum()) for row in truths])
    places = (order == drawn[:, None]).argmax(axis=1)
    before = [standing_before(list(row))[place] for row, place in zip(said, places, strict=True)]
    limit = limit_for(before[:3000], coverage)
    sizes = [set_size(list(row), limit) for row in said[3000:]]
    covered = np.mean([place < size for place, size in zip(places[3000:], sizes, strict=True)])
    assert covered >= coverage - 0.02
    assert np.mean(sizes) < 8


def test_too_few_incidents_promise_nothing():
    assert limit_for([0.0] * 8, 0.9) == float("inf")
    assert limit_for([0.0] * 9, 0.9) == 0.0


def test_the_candidates_are_the_first_suspects():
    ranking = made({"db": (2.0, 90.0), "pay": (1.9, 80.0), "web": (0.1, 4.0)})
    named = [scored.component for scored in ranking.scored]
    for coverage in (0.5, 0.8, 0.9, 0.95, 1.0):
        found = candidates(ranking, coverage)
        assert list(found) == named[: len(found)]
        assert found
    assert set(candidates(ranking, 1.0)) == set(NAMES)


def test_the_constants_keep_their_laws():
    for belief in BELIEFS.values():
        assert belief["sharpness"] > 0
        assert belief["richness"] >= 0
    for table in (*THRESHOLDS.values(), *LIMITS.values()):
        assert list(table) == sorted(table)
        assert [second for _, second in table] == sorted(second for _, second in table)
