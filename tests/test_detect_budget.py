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
    Costs,
    Watch,
    alerts_per_day,
    default_threshold,
    threshold,
    threshold_from_costs,
)

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
    ],
)
def test_numbers_that_make_no_sense_are_refused_by_name(make, field):
    with pytest.raises(InputError, match=field):
        make()
