"""Series that stop reporting, moving or counting, or stick to a limit: against each one's own habits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter_workers.detect.contract import Flag, State
from hypocenter_workers.detect.silence import Flatline, Saturation, Silence, Zeros

START = np.datetime64("2026-03-03T00:00:00", "ns")
STEP_S = 300
DAY = 288
ALERT = 4.0
NAN = math.nan
DETECTORS = [Flatline(), Zeros(), Saturation(), Saturation(limit=100.0), Silence()]
NAMES = ["flatline", "zeros", "ceiling", "limit", "silence"]
every_detector = pytest.mark.parametrize("detector", DETECTORS, ids=NAMES)


def grid(rows):
    return START + np.arange(rows) * np.timedelta64(STEP_S, "s")


def noise(rows, columns=1, seed=1):
    return 50 + 5 * np.random.default_rng(seed).standard_normal((rows, columns))


def score(detector, values):
    return detector.score_block(values, grid(len(values)), detector.begin(values.shape[1]))


def with_tail(values, tail):
    longer = np.vstack([values, np.full((len(tail), values.shape[1]), NAN)])
    longer[len(values) :, 0] = tail
    return longer


@every_detector
def test_an_ordinary_series_is_ordinary(detector):
    scored = score(detector, noise(14 * DAY, 3))
    assert scored.scores.max() < ALERT


def test_a_flatline_is_told_within_the_hour_and_not_before_it_is_far_longer_than_ever():
    scored = score(Flatline(), with_tail(noise(4 * DAY), [50.0] * 12))
    tail = scored.scores[4 * DAY :, 0]
    assert (tail[:6] == 0).all()
    assert tail[-1] > ALERT
    assert (np.diff(tail) >= 0).all()


def test_a_series_that_stands_still_every_night_may_do_so_again():
    days = noise(6 * DAY)
    days[np.arange(len(days)) % DAY < 100] = 7.0
    assert np.nanmax(score(Flatline(), days).scores) == 0
    longer = with_tail(days, [7.0] * 500)
    assert score(Flatline(), longer).scores.max() > ALERT


def test_a_series_that_never_moved_is_no_flatline():
    scored = score(Flatline(), np.full((6 * DAY, 1), 3.0))
    assert (scored.scores == 0).all()
    assert (scored.flags == Flag.WARMING | Flag.CONSTANT).all()


@every_detector
def test_a_series_is_constant_until_it_first_moves(detector):
    values = np.array([[3.0, 3.0], [3.0, NAN], [4.0, 3.0], [3.0, 3.0]])
    constant = (score(detector, values).flags & Flag.CONSTANT) > 0
    assert constant.tolist() == [[True, True], [True, False], [False, True], [False, True]]


def test_a_drop_to_zero_of_a_series_that_is_never_zero_is_told_at_once():
    scored = score(Zeros(), with_tail(noise(10 * DAY), [0.0, 0.0]))
    assert scored.scores[-2, 0] == pytest.approx(math.log10(10 * DAY + 1))
    assert scored.scores[-1, 0] > ALERT


def test_a_series_that_is_often_zero_may_be():
    values = np.random.default_rng(2).poisson(1.0, (10 * DAY, 5)).astype(float)
    assert score(Zeros(), values).scores.max() < ALERT


def test_sticking_to_a_stated_limit_is_told_and_touching_it_is_not():
    detector = Saturation(limit=100.0)
    assert score(detector, with_tail(noise(4 * DAY), [99.5] * 8)).scores.max() > ALERT
    assert score(detector, with_tail(noise(4 * DAY), [99.5, 60, 100.0, 60])).scores.max() == 0


def test_a_ceiling_is_learned_from_the_series_that_sticks_to_it():
    clipped = with_tail(noise(4 * DAY), np.minimum(noise(40, seed=3)[:, 0] + 60, 80.0))
    scored = score(Saturation(), clipped)
    assert scored.scores[4 * DAY + 20 :, 0].min() > ALERT


def test_a_series_that_is_at_its_top_but_for_a_moment_is_at_no_ceiling():
    values = np.ones((8 * DAY, 1))
    values[DAY] = 0.0
    assert score(Saturation(), values).scores.max() == 0


def test_a_series_that_climbs_is_not_at_its_ceiling():
    climbing = np.arange(6 * DAY, dtype=float)[:, None] + noise(6 * DAY)
    assert score(Saturation(), climbing).scores.max() < ALERT


def test_a_series_falls_silent_while_others_report():
    fallen = with_tail(noise(4 * DAY, 3), [NAN] * 20)
    fallen[4 * DAY :, 1:] = 50.0
    scored = score(Silence(), fallen)
    tail = scored.scores[4 * DAY :, 0]
    assert (tail[:9] == 0).all()
    assert tail[9] > ALERT
    assert (scored.flags[4 * DAY :, 0] == Flag.MISSING).all()
    assert (scored.scores[:, 1:] == 0).all()


def test_a_series_that_often_skips_may_skip():
    values = noise(10 * DAY, 4)
    skipping = np.random.default_rng(4).random((len(values), 3)) < 0.5
    values[:, 1:][skipping] = NAN
    assert np.nanmax(score(Silence(), values).scores) < ALERT
    nightly = noise(6 * DAY, 2)
    nightly[np.arange(len(nightly)) % DAY < 100, 1] = NAN
    assert np.nanmax(score(Silence(), nightly).scores) == 0


def test_when_nearly_nobody_reports_the_collector_is_down_and_no_series_silent():
    values = noise(4 * DAY, 20)
    values[3 * DAY :, 1:] = NAN
    scored = score(Silence(), values)
    assert np.isnan(scored.scores[3 * DAY :, 1:]).all()
    assert np.isnan(score(Silence(), with_tail(noise(4 * DAY), [NAN] * 500)).scores[4 * DAY :]).all()


def test_a_series_that_is_gone_for_good_is_forgotten_and_one_that_never_reported_is_unknown():
    detector = Silence(gone=30)
    values = noise(4 * DAY, 3)
    values[3 * DAY :, 1] = NAN
    values[:, 2] = NAN
    scored = score(detector, values)
    assert scored.scores[3 * DAY + 28, 1] > ALERT
    assert np.isnan(scored.scores[3 * DAY + 29 :, 1]).all()
    assert np.isnan(scored.scores[:, 2]).all()
    assert (scored.flags[:, 2] == Flag.MISSING | Flag.WARMING).all()


def test_one_outage_does_not_become_the_normal_and_a_habit_does():
    detector = Silence()
    values = noise(30 * DAY, 3)
    outages = [6 * DAY + k * DAY for k in range(20)]
    for begin in outages:
        values[begin : begin + 100, 0] = NAN
    told = np.nan_to_num(score(detector, values).scores[:, 0]).clip(min=0)
    by_outage = [told[begin : begin + 100].max() for begin in outages]
    assert min(by_outage[:2]) > ALERT
    assert max(by_outage[5:]) == 0


@every_detector
def test_gaps_of_a_series_alone_never_alarm(detector):
    values = noise(6 * DAY)
    values[np.random.default_rng(6).random(len(values)) < 0.3] = NAN
    scored = score(detector, values)
    assert np.nan_to_num(scored.scores).max() == 0
    assert np.isnan(scored.scores[np.isnan(values)]).all()
    np.testing.assert_array_equal((scored.flags & Flag.MISSING) > 0, np.isnan(values))
    np.testing.assert_array_equal(score(detector, np.where(np.isnan(values), -np.inf, values)).scores, scored.scores)


@every_detector
def test_a_state_of_other_series_is_refused(detector):
    with pytest.raises(InputError, match="one of 2 series"):
        detector.score_block(noise(3, 5), grid(3), detector.begin(2))


@pytest.mark.parametrize("wrong", [{"overdue": 0.5}, {"growth": 1.0}, {"usual": -1}, {"memory": 0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        replace(Flatline(), **wrong)


SMALL = {"usual": 1, "overdue": 1.0, "growth": 2.0, "memory": 6, "warming_s": 1_500.0, "warming_looks": 3}
SMALL_ONES = [Flatline(**SMALL), Zeros(**SMALL), Saturation(limit=9.0, **SMALL), Silence(gone=8, **SMALL)]


def naive_scores(detector, column, conditions):
    """Score one series from the list of all its rows: 'look', 'held', 'nothing' or 'forget'."""
    scores, looks, ended, first, run = [], 0, [(0, 0)], None, 0
    for row, condition in enumerate(conditions):
        if condition == "forget":
            looks, ended, first, run = 0, [(0, 0)], None, 0
        if condition in ("nothing", "forget"):
            scores.append(NAN)
            continue
        first = row if first is None else first
        epoch = looks // detector.memory
        seen = looks - max(0, epoch - 1) * detector.memory
        usual = max([length for at, length in ended if at >= epoch - 1] + [detector.usual])
        warming = seen < detector.warming_looks or (row - first) * STEP_S < detector.warming_s
        if condition == "held":
            run += 1
            told = run > detector.overdue * usual and not warming
            scores.append(math.log10(seen + 1) + 4 * math.log10(run / max(usual, 1)) if told else 0.0)
            continue
        if run:
            ended.append((epoch, run if warming else min(run, int(detector.growth * max(usual, 1)))))
        looks, run = looks + 1, 0
        scores.append(0.0)
    return scores


def conditions_of(detector, values, j):
    """Say by hand what each row of one series is to its run."""
    column, said, last, silent, alive = values[:, j], [], NAN, 0, False
    for row, value in enumerate(column):
        there = not math.isnan(value)
        if isinstance(detector, Silence):
            silent = 0 if there else silent + (alive and bool(np.isfinite(values[row]).any()))
            witnessed = np.isfinite(values[row]).any()
            word = "look" if there else "held" if alive and witnessed else "nothing"
            word = "forget" if word == "held" and silent >= detector.gone else word
            alive = there or (alive and word != "forget")
        elif isinstance(detector, Flatline):
            is_held = value == last
        else:
            is_held = value == 0 if isinstance(detector, Zeros) else value >= 9.0 - 0.09
        if not isinstance(detector, Silence):
            word = "nothing" if not there else "held" if is_held else "look"
        last = value if there else last
        said.append(word)
    return said


tables = st.integers(1, 70).flatmap(
    lambda rows: st.lists(
        st.lists(st.sampled_from([0.0, 1.0, 2.0, 9.0, NAN]), min_size=rows, max_size=rows), min_size=1, max_size=3
    )
)
any_small = st.sampled_from(SMALL_ONES)


@settings(max_examples=200)
@given(any_small, tables)
def test_scores_equal_a_walk_by_hand(detector, columns):
    values = np.array(columns).T
    # In so small a block one series is a tenth of all: whoever reports is witness enough.
    scored = score(detector, np.ascontiguousarray(values))
    for j in range(values.shape[1]):
        expected = naive_scores(detector, values[:, j], conditions_of(detector, values, j))
        np.testing.assert_allclose(scored.scores[:, j], expected)


@settings(max_examples=80)
@given(st.one_of(any_small, st.just(Saturation(**SMALL))), tables, st.data())
def test_blocks_give_what_the_whole_gives_through_bytes_and_nothing_given_is_changed(detector, columns, data):
    values = np.ascontiguousarray(np.array(columns).T)
    cut = data.draw(st.integers(0, len(values)))
    whole = score(detector, values)
    first = score(detector, values[:cut])
    kept = first.state.to_bytes()
    loaded = State.from_bytes(kept, detector.name, detector.version)
    second = detector.score_block(values[cut:], grid(len(values))[cut:], loaded)
    np.testing.assert_array_equal(np.vstack([first.scores, second.scores]), whole.scores)
    np.testing.assert_array_equal(np.vstack([first.flags, second.flags]), whole.flags)
    assert second.state.to_bytes() == whole.state.to_bytes()
    assert loaded.to_bytes() == kept
    assert len(kept) == len(detector.begin(values.shape[1]).to_bytes())


@settings(max_examples=60)
@given(st.sampled_from([Flatline(**SMALL), Saturation(**SMALL)]), tables, st.sampled_from([0.25, 8.0, 1024.0]))
def test_neither_unit_nor_zero_point_matters(detector, columns, factor):
    values = np.ascontiguousarray(np.array(columns).T)
    moved = score(detector, factor * values + 4096.0)
    np.testing.assert_array_equal(moved.scores, score(detector, values).scores)


def test_only_silence_looks_at_other_series():
    values = noise(300, 3)
    values[100:150, 1] = 0.0
    values[200:, 2] = NAN
    for detector in DETECTORS[:4]:
        together = score(detector, values).scores
        apart = [score(detector, np.ascontiguousarray(values[:, [j]])).scores[:, 0] for j in range(3)]
        np.testing.assert_array_equal(together, np.array(apart).T)
