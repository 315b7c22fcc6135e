"""Seasonal normals: the daily pattern is learned, a shift stands out where the daily peak does not, and the laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hypocenter_workers.detect import normal as window
from hypocenter_workers.detect import robust

STEP_S = 300
PER_DAY = 288
MIDNIGHT = np.datetime64("2026-03-03T00:00:00", "ns")
NOISE = 1.0
NO_FLOOR = np.zeros(1)


def grid(rows, step_s=STEP_S, start=MIDNIGHT):
    return start + np.arange(rows) * np.timedelta64(step_s, "s")


def pattern(times):
    """Fifty by day, thirty by night, with a sharp peak in the evening."""
    hours = (times - times.astype("datetime64[D]")) / np.timedelta64(3600, "s")
    return 40 + 10 * np.sin((hours - 9) / 24 * 2 * np.pi) + 25 * np.exp(-((hours - 19) ** 2))


def noisy(times, seed=1):
    return (pattern(times) + NOISE * np.random.default_rng(seed).standard_normal(len(times)))[:, None]


@pytest.fixture(scope="module")
def days():
    """Four days; the last one is for scoring."""
    times = grid(4 * PER_DAY)
    return times, noisy(times)


@pytest.fixture(scope="module")
def normal(days):
    times, values = days
    known = times < times[0] + np.timedelta64(3, "D")
    return window.learn(values[known], times[known], NO_FLOOR)


def last_day(days):
    times, values = days
    return times[-PER_DAY:], values[-PER_DAY:]


def test_the_daily_pattern_is_learned_within_the_noise(days, normal):
    times, _ = last_day(days)
    off = window.expected(normal, times)[:, 0] - pattern(times)
    assert np.abs(off).mean() < NOISE
    assert np.abs(off).max() < 5 * NOISE
    assert normal.scale[0] == pytest.approx(NOISE, rel=0.3)


def test_the_profile_is_that_of_an_exact_stl(days, normal):
    from statsmodels.tsa.seasonal import STL

    _, values = days
    exact = STL(values[: 3 * PER_DAY, 0], period=PER_DAY, robust=True).fit().seasonal[-PER_DAY:]
    assert np.abs(normal.profile[:, 0] - exact).max() < 0.5 * NOISE


def test_the_profile_is_near_the_naive_mean_of_each_slot(days, normal):
    _, values = days
    means = values[: 3 * PER_DAY, 0].reshape(3, PER_DAY).mean(axis=0)
    off = (normal.profile[:, 0] - normal.profile[:, 0].mean()) - (means - means.mean())
    assert np.abs(off).mean() < NOISE


def test_a_level_shift_is_scored_high_and_the_daily_peak_is_not(days, normal):
    times, values = last_day(days)
    calm = window.score_block(values, times, normal).scores[:, 0]
    shifted = window.score_block(values + 15 * NOISE, times, normal).scores[:, 0]
    peak = int(pattern(times).argmax())
    assert np.median(calm) < 1
    assert np.median(calm[peak - 6 : peak + 6]) < 1.5
    assert np.median(shifted) > 3
    assert (shifted > calm).mean() > 0.99


def test_without_a_known_season_the_same_peak_would_have_stood_out(days):
    times, values = days
    noon = np.flatnonzero(times == MIDNIGHT + np.timedelta64(12, "h"))[0]
    evening = slice(noon + 7 * 12 - 6, noon + 7 * 12 + 6)
    blind = window.learn(values[noon - 60 : noon], times[noon - 60 : noon], NO_FLOOR)
    assert blind.profile.shape == (1, 1)
    learned = window.learn(values[: 3 * PER_DAY], times[: 3 * PER_DAY], NO_FLOOR)
    without = window.score_block(values[evening], times[evening], blind).scores
    assert np.median(without) > 2 * np.median(window.score_block(values[evening], times[evening], learned).scores)


def test_history_that_starts_at_any_time_of_day_has_the_same_pattern(days, normal):
    times = grid(3 * PER_DAY + 40, start=MIDNIGHT + np.timedelta64(17 * 3600, "s"))
    other = window.learn(noisy(times, seed=2), times, NO_FLOOR)
    checked, _ = last_day(days)
    off = window.expected(other, checked) - window.expected(normal, checked)
    assert np.abs(off).mean() < 2 * NOISE


def test_short_history_expects_the_level_of_the_last_hour():
    times = grid(6 * 60, step_s=60)
    values = np.where(np.arange(len(times)) < 5 * 60, 10.0, 20.0)[:, None]
    normal = window.learn(values, times, np.ones(1))
    assert normal.level[0] == 20.0
    assert (window.expected(normal, times) == 20.0).all()


def test_the_last_hour_counts_only_where_it_holds_enough_samples():
    times = grid(6 * 60, step_s=60)
    values = np.where(np.arange(len(times)) < 5 * 60, 10.0, math.nan)[:, None]
    values[-3:] = 20.0
    assert window.learn(values, times, np.ones(1)).level[0] == 10.0


def test_a_gap_in_history_does_not_hide_the_pattern(days, normal):
    times, values = days
    holed = values[: 3 * PER_DAY].copy()
    holed[300:340] = math.nan
    learned = window.learn(holed, times[: 3 * PER_DAY], NO_FLOOR)
    assert np.abs(window.expected(learned, times) - window.expected(normal, times)).mean() < NOISE


SERIES = st.lists(st.floats(-1e3, 1e3) | st.just(math.nan), min_size=1, max_size=40)


@given(SERIES)
def test_a_gap_has_no_score_and_every_sample_has_one(samples):
    values, times = np.array(samples)[:, None], grid(len(samples), 60)
    scored = window.score_block(values, times, window.learn(values, times, np.ones(1)))
    assert scored.scores.shape == scored.expected.shape == scored.scale.shape == values.shape
    np.testing.assert_array_equal(np.isnan(scored.scores), np.isnan(values))
    assert (scored.scores[~np.isnan(values)] >= 0).all()


@given(SERIES, st.sampled_from([0.25, 3.0, 1e4]), st.floats(-1e3, 1e3))
def test_scores_do_not_depend_on_the_unit_or_the_zero(samples, factor, offset):
    values, times = np.array(samples)[:, None], grid(len(samples), 60)
    here = window.score_block(values, times, window.learn(values, times, np.ones(1)))
    moved = values * factor + offset
    there = window.score_block(moved, times, window.learn(moved, times, np.full(1, factor)))
    np.testing.assert_allclose(there.scores, here.scores, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(there.expected, here.expected * factor + offset, rtol=1e-9, atol=1e-7)


def test_a_learned_season_does_not_depend_on_the_unit_or_the_zero(days, normal):
    times, values = days
    moved = window.learn(values[: 3 * PER_DAY] * 1000 - 7, times[: 3 * PER_DAY], NO_FLOOR)
    there = window.score_block(values * 1000 - 7, times, moved).scores
    np.testing.assert_allclose(there, window.score_block(values, times, normal).scores, rtol=1e-4, atol=1e-4)


def test_scoring_is_pure_and_point_by_point_is_as_good_as_a_block(days, normal):
    times, values = last_day(days)
    kept = values.copy(), normal.level.copy(), normal.scale.copy(), normal.profile.copy()
    block = window.score_block(values, times, normal)
    for row in range(0, PER_DAY, 7):
        point = window.score_block(values[row : row + 1], times[row : row + 1], normal)
        assert (point.scores[0], point.expected[0]) == (block.scores[row], block.expected[row])
    np.testing.assert_array_equal(window.score_block(values, times, normal).scores, block.scores)
    for now, then in zip((values, normal.level, normal.scale, normal.profile), kept, strict=True):
        np.testing.assert_array_equal(now, then)


def test_each_series_is_learned_by_itself(days, normal):
    times, values = days
    rest = np.column_stack([np.zeros(len(times)), values[:, 0], np.full(len(times), math.nan)])
    learned = window.learn(rest[: 3 * PER_DAY], times[: 3 * PER_DAY], np.array([0.0, 0.0, 1.0]))
    assert learned.level[1] == normal.level[0]
    np.testing.assert_array_equal(learned.profile[:, 1], normal.profile[:, 0])
    assert (learned.level[0], learned.profile[:, 0].any(), math.isnan(learned.level[2])) == (0.0, False, True)


@given(st.floats(-50, 50))
def test_a_score_is_the_tail_of_students_t(distance):
    state = window.Normal(level=np.zeros(1), scale=np.ones(1), profile=np.zeros((1, 1)))
    score = window.score_block(np.array([[distance]]), grid(1), state).scores[0, 0]
    tail = 2 * stats.t.sf(abs(distance), df=4)
    assert 10**-score == pytest.approx(min(tail, 1.0), rel=1e-6)


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=2, unique=True))
def test_further_off_is_never_less_unlikely(distances):
    state = window.Normal(level=np.zeros(1), scale=np.ones(1), profile=np.zeros((1, 1)))
    near, far = window.score_block(np.sort(distances)[:, None], grid(2), state).scores[:, 0]
    assert near <= far


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_hardly_any_history_is_no_error(rows):
    times = grid(rows, 60)
    normal = window.learn(np.full((rows, 2), 5.0), times, np.ones(2))
    assert normal.level.tolist() == [5.0, 5.0] if rows else np.isnan(normal.level).all()
    assert np.isfinite(window.score_block(np.full((1, 2), 9.0), grid(1), normal).scores).all() == bool(rows)


def test_the_floor_is_the_least_scale():
    times = grid(30, 60)
    normal = window.learn(np.full((30, 1), 4.0), times, np.array([0.5]))
    assert normal.scale.tolist() == [0.5]
    values = np.random.default_rng(3).normal(0, 2, (300, 1))
    wide = window.learn(values, grid(300, 60), np.array([0.5]))
    assert wide.scale[0] >= robust.scale(values, robust.median(values))[0] * 0.9


@given(st.floats(0, 1e30))
def test_the_tail_is_that_of_students_t_with_four_degrees_of_freedom(z):
    tail = window.tail(np.array([z, -z]))
    np.testing.assert_allclose(tail, 2.0 * stats.t.sf(z, 4), rtol=1e-12)


def test_beyond_all_numbers_the_tail_is_nothing_and_without_one_unknown():
    assert window.tail(np.array([math.inf])) < 1e-300
    assert math.isnan(window.tail(np.array([math.nan]))[0])
