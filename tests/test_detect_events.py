"""Events: told once, merged, told again when worse; the compiled walk against a slow twin."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter.model import Direction, Series
from hypocenter_workers.detect.contract import Flag, Scored, State
from hypocenter_workers.detect.events import Events, Kind, QuietTime, mute, to_anomaly

START = np.datetime64("2026-03-03T00:00:00", "ns")
STAGE = Events(threshold=4.0, settle_s=900.0, quiet_s=3_600.0)
STEP_S = 300
HOUR = np.timedelta64(3600, "s")


def grid(rows, step_s=STEP_S):
    return START + np.arange(rows) * np.timedelta64(step_s, "s")


def at(row):
    return grid(row + 1)[row]


def table(column):
    return np.array(column, dtype=float)[:, None]


def scored(scores, expected=10.0, state=None):
    flags = np.where(np.isnan(scores), Flag.MISSING, 0).astype(np.uint8)
    return Scored(scores, np.full(scores.shape, expected), np.ones(scores.shape), flags, state)


def tell(scores, stage=STAGE, values=None, state=None, times=None, **more):
    scores = table(scores) if np.ndim(scores) == 1 else scores
    values = np.full(scores.shape, 12.0) if values is None else np.broadcast_to(values, scores.shape)
    times = grid(len(scores)) if times is None else times
    return stage.tell_block(scored(scores), values, times, state or stage.begin(), **more)


def alert_rows(told):
    return np.flatnonzero(told.alerts.any(axis=1)).tolist()


def test_a_spike_is_told_once_from_its_first_sign_to_its_last_row():
    told = tell([0, 0.1, 2.5, 3, 5, 9, 4.5, 1] + [0] * 20)
    (event,) = told.events
    assert alert_rows(told) == [4]
    assert (event.onset, event.alert, event.peak, event.end) == (at(2), at(4), at(5), at(6))
    assert (event.score, event.value, event.expected, event.scale) == (9.0, 12.0, 10.0, 1.0)
    assert (event.rows, event.escalations, event.direction) == (3, 0, Direction.UP)
    assert np.flatnonzero(told.flags & Flag.SUPPRESSED).tolist() == [5, 6]


def test_one_calm_row_among_the_first_signs_is_forgiven_and_two_are_not():
    assert tell([0, 3, 0, 3, 5]).events[0].onset == at(1)
    assert tell([0, 3, 0, 0, 3, 5]).events[0].onset == at(4)


def test_a_level_that_stays_off_is_told_once_for_as_long_as_it_lasts():
    told = tell([0] * 10 + [6.0] * 500)
    (event,) = told.events
    assert alert_rows(told) == [10]
    assert event.end is None
    assert event.rows == 500


def test_flapping_is_one_event_and_what_follows_a_quiet_hour_is_another():
    flapping = [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] * 3
    told = tell(flapping + [0] * 12 + [5, 0])
    first, second = told.events
    assert alert_rows(told) == [0, len(flapping) + 12]
    assert first.end == at(22)
    assert second.end is None


def test_an_event_returns_when_it_was_calm_for_long_and_not_while_it_flaps():
    stage = replace(STAGE, calm_s=3 * STEP_S)
    assert tell([5, 0, 0, 5, 0, 5], stage).events[0].returned is None
    assert tell([5, 0, 0, 0, 5, 5], stage).events[0].returned == at(4)
    (event,) = tell([5, 0, 0, 0, 5, 0, 0, 0, 5, 5, 0], stage).events
    assert (event.onset, event.returned) == (at(0), at(8))
    assert to_anomaly(event, Series("cart", "latency")).returned_at is not None


def test_a_series_seen_rarely_needs_calm_samples_not_only_calm_hours():
    hourly = np.arange(12) * 2 * HOUR + START
    assert alert_rows(tell([5, 0, 5, 0, 5, 0, 0, 5, 0, 0, 0, 5], times=hourly)) == [0, 11]


def test_a_clearly_worse_part_is_told_again_and_a_slightly_worse_one_is_not():
    worse = tell([6] * 6 + [10, 10, 10] + [0] * 15)
    assert alert_rows(worse) == [0, 6]
    assert worse.events[0].escalations == 1
    assert worse.events[0].told_at == at(6)
    assert alert_rows(tell([6] * 6 + [8] * 6)) == [0]


def test_the_climb_to_the_first_peak_is_no_second_anomaly():
    assert alert_rows(tell([4, 8, 30, 20, 20, 20, 20, 20])) == [0]


def test_another_direction_is_told_again_once():
    values = table([12] * 5 + [8] * 5 + [12] * 5 + [8] * 5)
    told = tell([6.0] * 20, values=values)
    assert alert_rows(told) == [0, 5]
    assert told.events[0].direction is Direction.UP


def test_an_event_that_grows_for_ever_is_told_a_bounded_number_of_times():
    told = tell(np.linspace(0, 300, 3000))
    assert len(alert_rows(told)) <= 1 + math.log(300 / 4, STAGE.growth)


def test_gaps_neither_tell_nor_end_and_a_series_lost_for_a_day_begins_anew():
    assert alert_rows(tell([5] + [math.nan] * 40 + [5])) == [0]
    assert alert_rows(tell([5] + [math.nan] * 300 + [5])) == [0, 301]
    assert tell([math.nan] * 50).events == ()


def test_a_fall_out_of_sight_has_no_value_and_points_down():
    (event,) = tell([0, 5], values=table([1, math.nan])).events
    assert math.isnan(event.value)
    assert event.direction is Direction.DOWN


def test_nothing_is_told_in_a_quiet_time_and_what_outlasts_it_is_told_after():
    quiet = mute(grid(40), 1, [QuietTime(at(5), at(15))])
    over = tell([0] * 6 + [5] * 3 + [0] * 31, muted=quiet)
    assert over.events == ()
    assert np.flatnonzero(over.flags & Flag.SUPPRESSED).tolist() == [6, 7, 8]
    lasting = tell([0] * 6 + [5] * 20, muted=quiet[:26])
    assert alert_rows(lasting) == [15]
    assert lasting.events[0].onset == at(6)


def test_a_quiet_time_of_one_series_leaves_the_others_loud():
    quiet = mute(grid(4), 2, [QuietTime(at(0), at(4), series=(1,))])
    told = tell(np.full((4, 2), 5.0), muted=quiet)
    assert [event.series for event in told.events] == [0]


@pytest.mark.parametrize(
    ("quiet", "complaint"),
    [(QuietTime(at(5), at(5)), "must end after"), (QuietTime(at(1), at(5), series=(2,)), "column outside 0 to 1")],
)
def test_quiet_times_that_make_no_sense_are_refused(quiet, complaint):
    with pytest.raises(InputError, match=complaint):
        mute(grid(9), 2, [quiet])


@pytest.mark.parametrize("wrong", [{"threshold": 0.0}, {"threshold": math.nan}, {"sign_share": 0.0}, {"growth": 0.5}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        replace(STAGE, **wrong)


def test_the_kind_is_that_of_the_peak_and_a_lasting_point_is_collective():
    kinds = np.array([[Kind.POINT], [Kind.SHIFT], [Kind.POINT]], dtype=np.uint8)
    assert tell([5, 9, 5], kinds=kinds).events[0].kind is Kind.SHIFT
    assert tell([5, 9]).events[0].kind is Kind.POINT
    assert tell([5, 9, 5]).events[0].kind is Kind.COLLECTIVE


def test_alert_scores_cross_the_threshold_where_people_are_told_and_nowhere_else():
    scores = table([0, 3, 5, 9, 5, math.nan, 0.5] + [6] * 10 + [20])
    told = tell(scores)
    after = STAGE.alert_scores(scores, told.flags)
    np.testing.assert_array_equal(after >= STAGE.threshold, told.alerts)
    calm = scores < STAGE.threshold
    np.testing.assert_array_equal(after[calm], scores[calm])
    assert np.isnan(after[5, 0])


def test_an_event_is_an_anomaly_with_the_band_at_its_peak():
    (event,) = tell([0, 3, 9]).events
    anomaly = to_anomaly(event, Series("shop", "cpu"))
    assert (anomaly.onset.minute, anomaly.peak.minute) == (5, 10)
    assert (anomaly.low, anomaly.expected, anomaly.high) == (7.0, 10.0, 13.0)
    assert (anomaly.value, anomaly.score, anomaly.direction) == (12.0, 9.0, Direction.UP)


def naive_alerts(column, signs, stage):
    """Walk one series by hand, with the whole past at hand; returns its alerting rows."""
    alerts, over, told, sides, known, more = [], [], 0.0, set(), False, 0.0
    calm, step, raised, heard = 0, STEP_S, False, None
    for row, score in enumerate(column):
        if math.isnan(score):
            continue
        if heard is not None and (row - heard) * step >= stage.lost_s:
            known = raised = False
        heard = row
        if score < stage.threshold:
            raised_now = score >= stage.sign_share * stage.threshold
            calm = 0 if raised_now and not known else calm + 1
            raised = raised or raised_now
            if known and calm >= stage.quiet_rows and (row - over[-1]) * step >= stage.quiet_s:
                known = raised = False
            continue
        calm = 0
        over.append(row)
        settled = known and (row - alerts[-1]) * step >= stage.settle_s
        worse = score >= max(told + stage.margin, told * stage.growth) or signs[row] not in sides
        worn = (row - alerts[-1]) * step / stage.budget_s * stage.surcharge if alerts else 0.0
        if not known and score < stage.threshold + max(more - worn, 0.0):
            continue
        if not known:
            known, told, sides = True, score, {signs[row]}
        elif settled and worse:
            told, sides = max(told, score), sides | {signs[row]}
        else:
            told = max(told, score) if not settled else told
            continue
        more = min(max(more - worn, 0.0) + stage.surcharge, 6.0)
        alerts.append(row)
    return alerts


some_scores = st.sampled_from([0.0, 0.0, 0.0, 2.5, 4.5, 6.0, 11.0, math.nan])
columns = st.lists(st.tuples(some_scores, st.sampled_from([9.0, 11.0])), min_size=1, max_size=60)
SMALL = Events(threshold=4.0, quiet_s=1_500.0, lost_s=3_000.0, settle_s=600.0, budget_s=9_000.0, surcharge=1.0)


def blocks(drawn):
    rows = max(len(column) for column in drawn)
    padded = [column + [(math.nan, 9.0)] * (rows - len(column)) for column in drawn]
    both = np.array(padded).transpose(1, 0, 2)
    return np.ascontiguousarray(both[:, :, 0]), np.ascontiguousarray(both[:, :, 1])


@settings(max_examples=150)
@given(st.lists(columns, min_size=1, max_size=4))
def test_alerts_equal_a_walk_by_hand_over_each_series(drawn):
    scores, values = blocks(drawn)
    told = tell(scores, SMALL, values)
    for j in range(scores.shape[1]):
        expected = naive_alerts(scores[:, j], values[:, j] > 10.0, SMALL)
        assert np.flatnonzero(told.alerts[:, j]).tolist() == expected


@settings(max_examples=80)
@given(st.lists(columns, min_size=1, max_size=4), st.data())
def test_blocks_tell_what_the_whole_tells_through_bytes_and_without_a_look_ahead(drawn, data):
    scores, values = blocks(drawn)
    cut = data.draw(st.integers(0, len(scores)))
    times = grid(len(scores))
    whole = tell(scores, SMALL, values)
    first = tell(scores[:cut], SMALL, values[:cut])
    kept = State.from_bytes(first.state.to_bytes(), SMALL.name, SMALL.version)
    second = tell(scores[cut:], SMALL, values[cut:], kept, times[cut:])
    np.testing.assert_array_equal(np.vstack([first.alerts, second.alerts]), whole.alerts)
    np.testing.assert_array_equal(np.vstack([first.flags, second.flags]), whole.flags)
    last_word = {(e.series, e.onset): repr(e) for e in first.events + second.events}
    assert last_word == {(e.series, e.onset): repr(e) for e in whole.events}
    assert second.state.to_bytes() == whole.state.to_bytes()


@settings(max_examples=60)
@given(st.lists(columns, min_size=1, max_size=4))
def test_every_row_over_the_threshold_alerts_or_is_suppressed_and_belongs_to_an_event(drawn):
    scores, values = blocks(drawn)
    told = tell(scores, replace(SMALL, surcharge=0.0), values)
    suppressed = (told.flags & Flag.SUPPRESSED).astype(bool)
    np.testing.assert_array_equal(told.alerts ^ suppressed, scores >= SMALL.threshold)
    assert sum(event.rows for event in told.events) == (scores >= SMALL.threshold).sum()
    assert sum(1 + event.escalations for event in told.events) == told.alerts.sum()
    assert all(e.onset <= e.alert <= e.told_at and e.onset <= e.peak for e in told.events)


def test_a_series_that_spends_its_budget_pays_more_for_the_next_alert():
    """Excursions of the same size every five hours: the first are told, then one in so many as the budget grants."""
    scores = np.zeros(12 * 24 * 28)
    scores[::60] = 4.3
    often = tell(scores, replace(STAGE, surcharge=0.15))
    weeks = [alerts.sum() for alerts in np.array_split(often.alerts[:, 0], 4)]
    assert weeks[0] <= 4
    assert weeks[1:] == [1, 1, 1]
    assert tell(scores, replace(STAGE, surcharge=0.0)).alerts.sum() == len(scores[::60])


def test_what_is_far_worse_is_told_whatever_was_spent():
    scores = np.zeros(12 * 24 * 7)
    scores[::60] = 4.3
    scores[-12] = 9.0
    assert tell(scores).alerts[-12, 0]


def test_a_state_is_as_large_as_the_events_under_way_and_no_larger():
    calm = tell(np.zeros((10, 5000)))
    assert all(len(array) == 0 for array in calm.state.arrays.values())
    scores = np.zeros((500, 3))
    scores[::2] = 5.0
    busy = tell(scores)
    assert all(len(array) == 3 for array in busy.state.arrays.values())


def test_telling_changes_nothing_it_was_given():
    scores = table([5, 0, 5, 9])
    before = tell(scores)
    kept = before.state.to_bytes()
    tell(scores, state=before.state, times=grid(8)[4:])
    assert before.state.to_bytes() == kept
