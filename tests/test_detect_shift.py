"""Level shifts and ramps: found, dated, told once, and calibrated on noise that resembles itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter_workers.detect.contract import Flag, State
from hypocenter_workers.detect.events import Kind
from hypocenter_workers.detect.shift import Shift, onset_interval

START = np.datetime64("2026-03-03T00:00:00", "ns")
STEP_S = 300
ALERT = 4.0
SHIFT = Shift()
NAN = math.nan


def grid(rows):
    return START + np.arange(rows) * np.timedelta64(STEP_S, "s")


def noise(rows, columns=1, correlation=0.0, seed=1):
    """Noise of unit variance with a lag-1 autocorrelation."""
    fresh = np.random.default_rng(seed).standard_normal((rows, columns))
    made = fresh.copy()
    for row in range(1, rows):
        made[row] = correlation * made[row - 1] + math.sqrt(1 - correlation**2) * fresh[row]
    return made


def score(values, detector=SHIFT):
    return detector.score_block(values, grid(len(values)), detector.begin(values.shape[1]))


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 0.999])
def test_scores_promise_no_more_than_they_keep_on_noise_that_resembles_itself(correlation):
    scores = score(noise(4_000, 60, correlation)).scores[500:]
    for promised in (2, 3, 4):
        assert (scores >= promised).mean() <= 2 * 10.0**-promised


@pytest.mark.parametrize("spread", [0.5, 1.0])
def test_scores_promise_about_what_they_keep_on_noise_with_heavy_tails(spread):
    heavy = np.random.default_rng(2).lognormal(0, spread, (4_000, 60))
    scores = score(heavy).scores[500:]
    for promised in (1, 2, 3):
        assert (scores >= promised).mean() <= 3 * 10.0**-promised


def test_a_level_that_always_wanders_seldom_shifts():
    wandering = noise(6_000, 40) + 0.1 * noise(6_000, 40, seed=2).cumsum(axis=0)
    scores = score(wandering).scores
    assert (scores[3_000:] >= ALERT).mean() < 1e-3


@pytest.mark.parametrize(("correlation", "size"), [(0.0, 2.0), (0.5, 3.0), (0.0, -2.0)])
def test_a_shift_is_found_within_hours_and_dated(correlation, size):
    values = noise(1_300, 20, correlation)
    values[1_200:] += size
    first = score(values[:1_200])
    scored = SHIFT.score_block(values[1_200:1_230], grid(1_230)[1_200:], first.state)
    assert (scored.scores.max(axis=0) > ALERT).mean() > 0.9
    assert np.median(np.abs(SHIFT.rows_since_onset(scored.state) - 30)) <= 3


def test_a_ramp_is_found_in_either_direction():
    values = noise(1_400, 20)
    slope = np.where(np.arange(20) % 2, 0.03, -0.03)
    values[1_200:] += slope * np.arange(200)[:, None]
    assert (score(values).scores[1_200:].max(axis=0) > ALERT).all()


def test_a_spike_is_no_shift():
    values = noise(1_000, 20)
    values[900] += 50
    assert score(values).scores[890:].max() < ALERT


def test_a_shift_that_stays_becomes_the_normal_and_is_not_told_for_ever():
    values = noise(2_000, 20)
    values[1_000:] += 4
    scored = score(values)
    assert (scored.flags[1_080:1_100] & Flag.DRIFTED).all()
    assert (scored.scores[1_150:] > ALERT).mean() < 1e-3
    np.testing.assert_allclose(np.median(scored.expected[1_200:], axis=0), 4, atol=0.5)


def test_a_second_shift_is_found_after_the_first():
    values = noise(2_000, 20)
    values[1_000:] += 4
    values[1_500:] += 3
    assert (score(values).scores[1_500:1_530].max(axis=0) > ALERT).all()


def test_a_constant_series_that_moves_for_good_has_shifted():
    values = np.full((400, 1), 7.0)
    values[300:] = 8.0
    scored = score(values)
    assert (scored.scores[:300] == 0).all()
    assert (scored.flags[1:300] & Flag.CONSTANT).all()
    assert scored.scores[300:310].max() > ALERT


def test_nothing_is_told_while_warming_and_gaps_tell_nothing():
    values = noise(500, 3)
    values[100:160] = NAN
    scored = score(values)
    warming = (scored.flags & Flag.WARMING) > 0
    assert warming[:32].all()
    assert (scored.scores[warming] == 0).all()
    np.testing.assert_array_equal(np.isnan(scored.scores), np.isnan(values))
    np.testing.assert_array_equal(score(np.where(np.isnan(values), np.inf, values)).scores, scored.scores)
    whole = score(np.delete(values, slice(100, 160), axis=0))
    np.testing.assert_array_equal(np.delete(scored.scores, slice(100, 160), axis=0), whole.scores)


def naive_scores(column, limits):
    """Walk one series with plain floats, each formula as the documentation states it."""
    scores, level, variance, covariance, n, last = [], 0.0, 0.0, 0.0, 0, 0.0
    recent, sums, since, wandering, batch = 0.0, [0.0, 0.0], [0, 0], 0.0, []
    for value in column:
        if math.isnan(value):
            scores.append(NAN)
            continue
        level = value if n == 0 else level
        off, score_now = value - level, 0.0
        if n >= limits.relearned:
            r = covariance / variance if variance > 0 else 0.0
            r = min(max(r + 2 * math.sqrt(max(1 - r * r, 0) / n), 0), 0.99)
            wide = math.sqrt(max(variance * (1 + r) / (1 - r), wandering))
            z = off / wide if wide > 0 else math.copysign(math.inf, off) if off else 0.0
            z = min(max(z, -limits.clip), limits.clip)
            for side, toward in enumerate((z, -z)):
                sums[side] = max(0.0, sums[side] + toward - limits.slack)
                since[side] = since[side] + 1 if sums[side] > 0 else 0
            slack = limits.slack - math.sqrt(2 / n)
            if max(sums) > 0 and slack > 0:
                score_now = max(0.0, -math.log10(2 * math.exp(-2 * slack * (max(sums) + 0.583))))
            recent += (off - recent) / 16
        scores.append(score_now)
        batch.append(off)
        if len(batch) == 32:
            most = 9 * max(wandering, variance) if wandering > 0 else math.inf
            wandering += (min(sum(batch) ** 2 / 32, most) - wandering) / max(n / 32, 1)
            batch = []
        if score_now < limits.held:
            n = min(n + 1, limits.memory)
            if n > limits.warming and variance > 0:
                off = min(max(off, -limits.clip * math.sqrt(variance)), limits.clip * math.sqrt(variance))
            level += off / n
            variance += (off * off * (1 - 1 / n) - variance) / n
            covariance += (off * last - covariance) / n
            last = off
        elif max(since) >= limits.window:
            level, last, recent, sums, since, batch = level + recent, 0.0, 0.0, [0.0, 0.0], [0, 0], []
            n = min(n, limits.relearned)
    return scores


SMALL = Shift(memory=30, warming=12, relearned=10, window=8)
moves = st.integers(5, 120).flatmap(
    lambda rows: st.lists(
        st.lists(st.sampled_from([0.0, 1.0, -1.0, 2.0, 9.0, NAN]), min_size=rows, max_size=rows), min_size=1, max_size=3
    )
)


def block(columns):
    return np.ascontiguousarray(np.array(columns).T)


@settings(max_examples=120)
@given(moves)
def test_scores_equal_a_walk_by_hand(columns):
    values = block(columns)
    expected = np.array([naive_scores(column, SMALL) for column in columns]).T
    np.testing.assert_allclose(score(values, SMALL).scores, expected, rtol=1e-9, atol=1e-9)


def test_a_long_walk_by_hand_through_a_shift_and_a_take_over():
    values = noise(900, 2, 0.4)
    values[600:, 0] += 5
    expected = np.array([naive_scores(values[:, j], SHIFT) for j in range(2)]).T
    np.testing.assert_allclose(score(values).scores, expected, rtol=1e-9, atol=1e-9)
    assert expected.max() > ALERT


@settings(max_examples=60)
@given(moves, st.data())
def test_blocks_columns_and_bytes_make_no_difference(columns, data):
    values = block(columns)
    cut = data.draw(st.integers(0, len(values)))
    whole = score(values, SMALL)
    first = score(values[:cut], SMALL)
    kept = first.state.to_bytes()
    loaded = State.from_bytes(kept, SMALL.name, SMALL.version)
    second = SMALL.score_block(values[cut:], grid(len(values))[cut:], loaded)
    for name in ("scores", "expected", "scale", "flags"):
        both = np.vstack([getattr(first, name), getattr(second, name)])
        np.testing.assert_array_equal(both, getattr(whole, name))
    assert second.state.to_bytes() == whole.state.to_bytes()
    assert loaded.to_bytes() == kept
    alone = score(np.ascontiguousarray(values[:, :1]), SMALL)
    np.testing.assert_array_equal(alone.scores[:, 0], whole.scores[:, 0])


@pytest.mark.parametrize(("factor", "offset"), [(1024.0, 0.0), (1.0, 1e9), (-0.37, 12.5), (1e-9, -3.0)])
def test_neither_unit_nor_zero_point_matters(factor, offset):
    values = noise(600, 3)
    values[500:, 0] += 4
    moved = score(values * factor + offset)
    digits = max(1e-6, 1e3 * abs(offset / factor) * np.finfo(float).eps)
    np.testing.assert_allclose(moved.scores, score(values).scores, rtol=digits, atol=digits)
    np.testing.assert_array_equal(moved.flags, score(values).flags)


def test_a_state_of_other_series_is_refused():
    with pytest.raises(InputError, match="one of 2 series"):
        SHIFT.score_block(noise(3, 5), grid(3), SHIFT.begin(2))


@pytest.mark.parametrize("wrong", [{"slack": 0.0}, {"clip": NAN}, {"relearned": 1}, {"memory": 10}, {"window": 0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        replace(SHIFT, **wrong)


WINDOW = 64


def drawn_window(seed, correlation, size, is_ramp):
    """Return a window with one change, and the row at which it begins."""
    first = int(np.random.default_rng(seed).integers(16, 50))
    since = np.maximum(np.arange(WINDOW) - first + 1, 0)
    change = size * (0.2 * since if is_ramp else since > 0)
    return noise(WINDOW, 1, correlation, seed)[:, 0] + change, first


@pytest.mark.parametrize("is_ramp", [False, True], ids=["step", "ramp"])
@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_the_interval_holds_the_onset_as_often_as_it_says(correlation, is_ramp):
    held = kinds = 0
    for seed in range(120):
        values, first = drawn_window(seed, correlation, 2.0, is_ramp)
        onset = onset_interval(values, grid(WINDOW))
        held += onset.earliest <= grid(WINDOW)[first] <= onset.latest
        kinds += onset.kind is (Kind.RAMP if is_ramp else Kind.SHIFT)
        assert onset.earliest <= onset.at <= onset.latest
    assert held / 120 >= 0.84
    assert kinds / 120 >= 0.85


def test_a_larger_change_is_dated_more_closely():
    widths = []
    for size in (1.0, 2.0, 4.0, 8.0):
        values, _ = drawn_window(3, 0.0, size, is_ramp=False)
        widths.append(onset_interval(values, grid(WINDOW)).uncertainty_s)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 0


def test_the_size_is_what_moved_and_down_is_negative():
    values, _ = drawn_window(5, 0.0, -30.0, is_ramp=False)
    assert onset_interval(values, grid(WINDOW)).size == pytest.approx(-30, abs=1.0)


def test_an_onset_has_the_time_of_a_sample_and_gaps_are_left_out():
    values = np.where(np.arange(40) < 25, 10.0, 16.0) + np.where(np.arange(40) % 2, 1.0, -1.0)
    values[22:27] = NAN
    onset = onset_interval(values, grid(40))
    assert onset.at == grid(40)[27]


def test_a_window_that_says_nothing_has_no_onset():
    assert onset_interval(np.full(20, 3.0), grid(20)) is None
    assert onset_interval(np.full(20, NAN), grid(20)) is None
    assert onset_interval(np.arange(5.0), grid(5)) is None


def test_a_perfect_step_is_dated_to_the_row():
    onset = onset_interval(np.where(np.arange(30) < 11, 2.0, 5.0), grid(30))
    assert (onset.earliest, onset.at, onset.latest) == (grid(30)[11],) * 3
    assert onset.size == pytest.approx(3.0)


@pytest.mark.parametrize(("rows", "mass", "complaint"), [(20, 1.0, "mass=1.0"), (600, 0.9, "600 rows is too long")])
def test_windows_that_make_no_sense_are_refused(rows, mass, complaint):
    with pytest.raises(InputError, match=complaint):
        onset_interval(np.arange(float(rows)), grid(rows), mass)
