"""Profiles from history: beside statsmodels' own decompositions, and whatever else history holds."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.seasonal import MSTL, STL

from hypocenter_workers.detect import decompose
from hypocenter_workers.detect.calendar import Calendar

HOUR = np.timedelta64(3600, "s")
DAY = np.timedelta64(1, "D")
MONDAY = np.datetime64("2026-03-02", "ns")
PER_DAY, WEEK = 24, 7 * 24
UTC = Calendar()
WEEKS = 4


def hourly(days, start=MONDAY):
    return start + np.arange(days * PER_DAY) * HOUR


def habit(times):
    """A day's wave and an evening's peak; two fifths of it on weekends, and five less."""
    into_day = (times - times.astype("datetime64[D]")) / HOUR
    weekend = (times.astype("datetime64[D]").astype(int) + 3) % 7 >= 5
    wave = 10 * np.sin(into_day / 24 * 2 * np.pi) + 8 * np.exp(-((into_day - 19) ** 2))
    return np.where(weekend, 0.4 * wave - 5, wave)


def noisy(times, seed=1, noise=1.0):
    return (50 + habit(times) + noise * np.random.default_rng(seed).standard_normal(len(times)))[:, None]


def centred(values):
    return values - values.mean()


WANTED = centred(habit(hourly(7)))


@pytest.fixture(scope="module")
def month():
    times = hourly(7 * WEEKS)
    return times, noisy(times)


def off(found, wanted=WANTED):
    return np.abs(found.profile[:, 0] - wanted)


@pytest.mark.parametrize(("weekly", "smoothed"), [(True, 11), (False, 35)])
def test_the_profile_is_that_of_statsmodels_stl(month, weekly, smoothed):
    times, values = month
    if not weekly:
        values = values - habit(times)[:, None] + np.tile(habit(hourly(1)), 28)[:, None]
    period = WEEK if weekly else PER_DAY
    exact = STL(values[:, 0], period=period, seasonal=smoothed, seasonal_deg=0).fit(inner_iter=2, outer_iter=0)
    found = decompose.refit(values, times, UTC, PER_DAY, weekly)
    np.testing.assert_allclose(found.profile[:, 0], centred(exact.seasonal[-period:]), atol=0.02)


def test_a_weekly_profile_is_the_sum_of_those_of_mstl():
    times = hourly(7 * 8)
    values = noisy(times, noise=0.0)
    both = MSTL(values[:, 0], periods=(PER_DAY, WEEK), stl_kwargs={"seasonal_deg": 0}).fit().seasonal
    found = decompose.refit(values, times, UTC, PER_DAY)
    np.testing.assert_allclose(found.profile[:, 0], centred(both.sum(axis=1)[-WEEK:]), atol=0.1)
    np.testing.assert_allclose(found.profile[:, 0], WANTED, atol=0.01)


def test_history_is_told_apart_into_profile_level_trend_and_scale(month):
    times, values = month
    climb = 0.3 * (times - times[0]) / DAY
    found = decompose.refit(values + climb[:, None], times, UTC, PER_DAY)
    assert np.sqrt((off(found) ** 2).mean()) < 0.6
    assert found.trend[0] == pytest.approx(0.3, abs=0.1)
    assert found.level[0] == pytest.approx(50 + habit(hourly(7)).mean() + climb[-1], abs=1.0)
    assert found.scale[0] == pytest.approx(1.0, rel=0.2)


def test_samples_between_slots_are_averaged_and_history_starts_at_any_time():
    times = MONDAY + 31 * HOUR + np.arange(28 * 288) * np.timedelta64(300, "s")
    found = decompose.refit(noisy(times), times, UTC, PER_DAY)
    middles = hourly(7) + HOUR // 2
    assert off(found, centred(habit(middles))).max() < 1.5


BURST, BAD_DAY, BAD_WEEKEND = slice(-20, -8), slice(-72, -48), slice(-9 * 24, -7 * 24)


@pytest.mark.parametrize("rows", [BURST, BAD_DAY, BAD_WEEKEND], ids=["burst", "day", "weekend"])
def test_an_anomaly_does_not_become_a_habit(month, rows):
    times, values = month
    ill = values.copy()
    ill[rows] += 25
    calm = decompose.refit(values, times, UTC, PER_DAY)
    assert off(decompose.refit(ill, times, UTC, PER_DAY), calm.profile[:, 0]).max() < 1.0


def test_a_gap_does_not_hide_the_habit(month):
    times, values = month
    holed = values.copy()
    holed[-150:-90] = np.nan
    calm = decompose.refit(values, times, UTC, PER_DAY)
    assert off(decompose.refit(holed, times, UTC, PER_DAY), calm.profile[:, 0]).max() < 1.5


def test_a_level_shift_moves_the_level_and_not_the_profile(month):
    times, values = month
    shifted = values.copy()
    shifted[-6 * PER_DAY :] += 25
    calm, found = decompose.refit(values, times, UTC, PER_DAY), decompose.refit(shifted, times, UTC, PER_DAY)
    assert off(found, calm.profile[:, 0]).max() < 0.6
    assert found.level[0] - calm.level[0] == pytest.approx(25, abs=0.5)
    assert found.scale[0] == pytest.approx(calm.scale[0], rel=0.1)


def test_a_steady_climb_is_no_row_of_shifts():
    times = hourly(28)
    climb = (50.0 * np.arange(len(times)) / PER_DAY)[:, None]
    found = decompose.refit(noisy(times) + climb, times, UTC, PER_DAY)
    assert off(found).max() < 3
    assert found.trend[0] == pytest.approx(50, abs=1)


def test_the_profile_follows_the_wall_clock():
    times = hourly(28, start=np.datetime64("2026-03-09", "ns"))
    berlin = Calendar("Europe/Berlin")
    place = berlin.slots(times, PER_DAY).place
    found = decompose.refit(np.where(place == 9, 10.0, 0.0)[:, None], times, berlin, PER_DAY, weekly=False)
    assert int(found.profile[:, 0].argmax()) == 9
    assert np.ptp(found.profile[:, 0]) == pytest.approx(10, abs=0.1)
    in_utc = decompose.refit(np.where(place == 9, 10.0, 0.0)[:, None], times, UTC, PER_DAY, weekly=False)
    assert int(in_utc.profile[:, 0].argmax()) == 8, "which is ten o'clock in the last week, when it is nine that counts"


def test_holidays_and_special_days_teach_no_habit():
    times = hourly(21)
    values = noisy(times, noise=0.1)
    days = times.astype("datetime64[D]")
    thursdays = [date(2026, 3, 5), date(2026, 3, 12)]
    for day in thursdays:
        values[days == np.datetime64(day)] = 30.0
    known = Calendar(holidays=frozenset(thursdays[:1]), special=frozenset(thursdays[1:]))
    thursday = slice(3 * PER_DAY, 4 * PER_DAY)
    assert off(decompose.refit(values, times, known, PER_DAY))[thursday].max() < 2
    assert off(decompose.refit(values, times, UTC, PER_DAY))[thursday].max() > 10


def test_without_two_weeks_every_day_has_the_daily_profile(month):
    times, values = month
    found = decompose.refit(values[: 10 * PER_DAY], times[: 10 * PER_DAY], UTC, PER_DAY)
    by_day = found.profile[:, 0].reshape(7, PER_DAY)
    assert (by_day == by_day[0]).all()
    assert np.ptp(by_day[0]) > 10


def test_a_profile_on_more_slots_than_samples_lies_between_them():
    times = hourly(28)
    found = decompose.refit(noisy(times, noise=0.0), times, UTC, 4 * PER_DAY)
    assert found.profile.shape == (4 * WEEK, 1)
    coarse = decompose.refit(noisy(times, noise=0.0), times, UTC, PER_DAY).profile[:, 0]
    np.testing.assert_allclose(found.profile[:, 0].reshape(-1, 4)[:, 1:3].mean(axis=1), coarse, atol=1.0)


@pytest.mark.parametrize("rows", [0, 1, 2, 30])
def test_short_history_shows_no_season(rows):
    values = np.full((rows, 2), 5.0)
    found = decompose.refit(values, hourly(2)[:rows], UTC, PER_DAY)
    assert found.profile.shape == (WEEK, 2)
    assert not found.profile.any()
    assert found.level.tolist() == [5.0, 5.0] if rows else np.isnan(found.level).all()


def test_each_series_is_decomposed_by_itself(month):
    times, values = month
    rest = np.column_stack([np.full(len(times), 7.0), values[:, 0], np.full(len(times), np.nan)])
    alone, found = decompose.refit(values, times, UTC, PER_DAY), decompose.refit(rest, times, UTC, PER_DAY)
    np.testing.assert_array_equal(found.profile[:, [1]], alone.profile)
    assert (found.level[1], found.trend[1], found.scale[1]) == (alone.level[0], alone.trend[0], alone.scale[0])
    assert (found.level[0], found.trend[0], found.scale[0]) == (7.0, 0.0, 0.0)
    assert np.isnan(found.level[2])
    assert not found.profile[:, [0, 2]].any()


def test_history_of_special_days_alone_teaches_nothing():
    times = hourly(3)
    special = Calendar(special=frozenset({date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)}))
    assert not decompose.refit(noisy(times), times, special, PER_DAY).profile.any()


@settings(max_examples=10)
@given(st.sampled_from([1e-3, 8.0, 1e6]), st.floats(-1e6, 1e6), st.integers(0, 3))
def test_another_unit_or_zero_changes_nothing(factor, zero, seed):
    times = hourly(15)
    values = noisy(times, seed)
    here = decompose.refit(values, times, UTC, PER_DAY)
    there = decompose.refit(values * factor + zero, times, UTC, PER_DAY)
    close = {"rtol": 1e-6, "atol": 1e-6 * factor + 1e-9 * abs(zero)}
    np.testing.assert_allclose(there.profile, here.profile * factor, **close)
    np.testing.assert_allclose(there.level, here.level * factor + zero, **close)
    np.testing.assert_allclose(there.trend, here.trend * factor, **close)
    np.testing.assert_allclose(there.scale, here.scale * factor, **close)


def test_history_is_left_as_it_was(month):
    times, values = month
    kept = values.copy()
    decompose.refit(values, times, UTC, PER_DAY)
    np.testing.assert_array_equal(values, kept)
