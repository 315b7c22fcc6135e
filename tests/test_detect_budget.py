"""The alert budget: thresholds follow from what alerts may cost, and move the way they should."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter_workers.detect.budget import (
    Corrector,
    Costs,
    Watch,
    alerts_per_day,
    default_threshold,
    threshold,
    threshold_from_costs,
)
from hypocenter_workers.detect.contract import State

WATCH = Watch(series=50, step_s=300.0)
COSTS = Costs(false_alarm=1.0, miss=500.0, incidents_per_day=0.2)
sizes = st.integers(1, 1_000_000)
steps = st.floats(1.0, 86_400.0)
amounts = st.floats(1e-3, 1e3)
MORE = 1.5


@given(amounts, sizes, steps)
def test_the_threshold_spends_the_budget_and_no_more(budget, series, step_s):
    watch = Watch(series, step_s)
    spent = alerts_per_day(threshold(budget, watch), watch)
    assert spent == pytest.approx(min(budget, watch.chances_per_day))


@given(amounts, sizes, steps)
def test_the_threshold_rises_with_what_is_watched_and_falls_with_the_budget(budget, series, step_s):
    watch = Watch(series, step_s)
    at = threshold(budget, watch)
    assert threshold(budget * MORE, watch) <= at
    assert threshold(budget, replace(watch, series=series * 2)) >= at
    assert threshold(budget, replace(watch, step_s=step_s / MORE)) >= at
    assert threshold(budget, replace(watch, tests=3)) >= at
    assert threshold(budget, replace(watch, clump=MORE)) <= at


def test_calibrated_noise_alerts_as_often_as_the_budget_says():
    watch = Watch(series=200, step_s=60.0)
    days = 10
    looks = np.random.default_rng(5).exponential(1 / math.log(10), int(days * watch.chances_per_day))
    alerts = (looks >= threshold(20.0, watch)).sum()
    assert alerts == pytest.approx(20.0 * days, abs=4 * math.sqrt(20.0 * days))


def test_the_default_is_the_same_for_one_series_and_for_a_fleet():
    one, many = Watch(series=1, step_s=300.0), Watch(series=9_000, step_s=300.0)
    assert default_threshold(one) == pytest.approx(default_threshold(many))
    assert alerts_per_day(default_threshold(many), replace(many, clump=3.5)) * 7 == pytest.approx(9_000)


def cost_of_a_day(score, costs, watch):
    missed = 1 - math.exp(-score / costs.typical_score)
    return costs.false_alarm * alerts_per_day(score, watch) + costs.miss * costs.incidents_per_day * missed


@given(amounts, amounts, st.floats(1e-3, 10.0), st.floats(1.5, 100.0))
def test_no_other_threshold_costs_less(false_alarm, miss, incidents, typical):
    costs = Costs(false_alarm, miss, incidents, typical)
    best = threshold_from_costs(costs, WATCH)
    least = cost_of_a_day(best, costs, WATCH)
    assert all(least <= cost_of_a_day(s, costs, WATCH) * (1 + 1e-9) for s in np.linspace(0, 40, 200))


def test_the_threshold_moves_with_each_cost_the_way_it_should():
    at = threshold_from_costs(COSTS, WATCH)
    assert threshold_from_costs(replace(COSTS, false_alarm=2.0), WATCH) > at
    assert threshold_from_costs(replace(COSTS, miss=1_000.0), WATCH) < at
    assert threshold_from_costs(replace(COSTS, incidents_per_day=0.4), WATCH) < at
    assert threshold_from_costs(COSTS, replace(WATCH, series=100)) > at


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: threshold(0.0, WATCH), "alerts_per_day=0.0"),
        (lambda: threshold(math.nan, WATCH), "alerts_per_day=nan"),
        (lambda: replace(WATCH, series=0), "series=0"),
        (lambda: replace(WATCH, step_s=-1.0), "step_s=-1.0"),
        (lambda: replace(WATCH, clump=0.5), "clump=0.5"),
        (lambda: replace(COSTS, miss=0.0), "miss=0.0"),
        (lambda: replace(COSTS, typical_score=0.9), "typical_score=0.9"),
        (lambda: Corrector(threshold=4.0, share=0.0), "share=0.0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_by_name(make, field):
    with pytest.raises(InputError, match=field):
        make()


CORRECTOR = Corrector(threshold=3.0, share=1e-3)


def noise(rows, heavier):
    """Scores of 30 series that promise -log10 p and exceed it by a factor."""
    return heavier * np.random.default_rng(3).exponential(1 / math.log(10), (rows, 30))


def excursions(scores):
    over = scores >= CORRECTOR.threshold
    return (over[1:] & ~over[:-1]).sum(axis=0) + over[0]


@pytest.mark.parametrize("heavier", [1.0, 1.15, 1.3])
def test_scores_that_promise_too_much_are_held_to_the_budget(heavier):
    scores = noise(20_000, heavier)
    corrected, _ = CORRECTOR.correct_block(scores, CORRECTOR.begin(30))
    granted = len(scores) * CORRECTOR.share
    assert excursions(corrected).max() <= granted + 1 + CORRECTOR.most / CORRECTOR.gain
    assert excursions(corrected).mean() <= 1.3 * granted


def test_scores_are_only_lowered_and_never_by_more_than_stated():
    scores = noise(4_000, 3.0)
    corrected, _ = CORRECTOR.correct_block(scores, CORRECTOR.begin(30))
    assert (corrected <= scores).all()
    assert (corrected >= np.maximum(scores - CORRECTOR.most, 0.0)).all()


def test_blocks_columns_and_bytes_make_no_difference_to_a_correction():
    scores = noise(400, 3.0)
    scores[50:60, 3] = np.nan
    whole, last = CORRECTOR.correct_block(scores, CORRECTOR.begin(30))
    first, state = CORRECTOR.correct_block(scores[:55], CORRECTOR.begin(30))
    kept = State.from_bytes(state.to_bytes(), CORRECTOR.name, CORRECTOR.version)
    second, again = CORRECTOR.correct_block(scores[55:], kept)
    np.testing.assert_array_equal(np.vstack([first, second]), whole)
    assert again.to_bytes() == last.to_bytes()
    alone, _ = CORRECTOR.correct_block(scores[:, 3:4], CORRECTOR.begin(1))
    np.testing.assert_array_equal(alone[:, 0], whole[:, 3])
    assert np.isnan(whole[50:60, 3]).all()
