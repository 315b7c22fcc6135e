"""Running totals and what is read back of them: every gain once, whatever was late and whoever began anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.batches import BIN_MS, Samples
from hypocenter.stores.forwarding_totals import NEAR_MS, RunningTotals, gains_of, marked, unmarked

TURN_MS = 3 * BIN_MS
SERIES, TURNS = 3, 12
LAST_MS = TURNS * TURN_MS
# Time and what was gained then; half of it in bins, half at any time, as deltas have it.
times = st.one_of(st.integers(1, LAST_MS // BIN_MS).map(lambda at: at * BIN_MS), st.integers(1, LAST_MS))
gains = st.tuples(st.integers(0, SERIES - 1), times, st.integers(0, 50), st.sampled_from([0, 0, 0, 1, 4]))


def rows(given):
    columns = list(zip(*given, strict=True)) or [(), (), ()]
    return Samples(np.array(columns[0], np.int64), np.array(columns[1], np.int64), np.array(columns[2], np.float64))


def sent(totals, all_gains, turn, until_ms):
    """What one turn sends: what was gained by then and had come."""
    due = [each[:3] for each in all_gains if max(-(-each[1] // TURN_MS) + each[3], 1) == turn]
    return totals.samples(rows(due), until_ms)


def as_dict(samples):
    return {
        (series, at): value
        for series, at, value in zip(
            samples.series.tolist(), samples.at_ms.tolist(), samples.values.tolist(), strict=True
        )
    }


def between(samples, start, end):
    inside = (samples.at_ms >= start) & (samples.at_ms <= end)
    return Samples(samples.series[inside], samples.at_ms[inside], samples.values[inside])


@given(given_gains=st.lists(gains, max_size=60), begin_anew=st.sets(st.integers(2, TURNS + 4)))
def test_every_gain_is_read_back_once(given_gains, begin_anew):
    totals, known = RunningTotals(0), {}
    for turn in range(1, TURNS + 6):
        if turn in begin_anew:
            totals = RunningTotals((turn - 1) * TURN_MS)
        found = as_dict(sent(totals, given_gains, turn, turn * TURN_MS))
        assert not known.keys() & found.keys(), "a server takes one value at a time"
        assert all(at <= turn * TURN_MS for _, at in found)
        known |= found
    kept = rows([(*key, value) for key, value in known.items()] * 2)
    gained, steady = gains_of(kept)
    for series in range(SERIES):
        own, mine = gained.values[gained.series == series], [each for each in given_gains if each[0] == series]
        assert own.sum() == sum(each[2] for each in mine)
        assert (np.diff(steady.values[steady.series == series]) == own[1:]).all()


@given(given_gains=st.lists(gains.map(lambda each: (*each[:3], 0)), max_size=60), start=st.integers(0, LAST_MS))
def test_what_came_in_time_is_read_at_its_own_time_from_any_moment_on(given_gains, start):
    totals, known = RunningTotals(-1), {}
    for turn in range(1, TURNS + 1):
        known |= as_dict(sent(totals, given_gains, turn, turn * TURN_MS))
    kept = between(rows([(*key, value) for key, value in known.items()]), start - NEAR_MS, LAST_MS)
    expected = {}
    for series, at, value, _ in given_gains:
        expected[series, at] = expected.get((series, at), 0) + value
    gained = as_dict(between(gains_of(kept)[0], start, LAST_MS))
    wanted = {key: value for key, value in expected.items() if key[1] >= start}
    # Of two times a millisecond apart the later may tell for both.
    if all((series, at + 1) not in expected for series, at in expected):
        assert gained == wanted
    assert sum(gained.values()) == sum(wanted.values())


def test_a_first_gain_stands_on_a_zero_and_one_after_a_pause_on_the_total_before():
    totals = RunningTotals(0)
    first = totals.samples(rows([(0, BIN_MS, 5), (0, 2 * BIN_MS, 2)]), 2 * BIN_MS)
    paused = 2 * BIN_MS + NEAR_MS + BIN_MS
    second = totals.samples(rows([(0, paused, 1)]), paused)
    assert as_dict(first) == {(0, BIN_MS - 1): 0, (0, BIN_MS): 5, (0, 2 * BIN_MS): 7}
    assert as_dict(second) == {(0, paused - 1): 7, (0, paused): 8}


def test_what_is_late_is_told_of_at_the_end_of_what_is_sent_next():
    totals = RunningTotals(0)
    totals.samples(rows([(0, 2 * BIN_MS, 5)]), 2 * BIN_MS)
    late = totals.samples(rows([(0, BIN_MS, 1), (0, 2 * BIN_MS, 2), (0, 3 * BIN_MS, 4), (1, BIN_MS, 8)]), 3 * BIN_MS)
    assert as_dict(late) == {(0, 3 * BIN_MS): 12, (1, BIN_MS - 1): 0, (1, BIN_MS): 8}


@pytest.mark.parametrize("rounded", [1 - 1e-14, 1 + 1e-14])
def test_the_last_digits_that_a_server_drops_are_no_gain(rounded):
    kept = rows([(0, 10_000, 3e6), (0, 299_999, 3e6 * rounded), (0, 300_000, 3e6 * rounded + 5)])
    gained, _ = gains_of(kept)
    assert gained.at_ms.tolist() == [300_000]
    assert gained.values == pytest.approx(5)


def test_a_mark_is_no_label_of_the_series():
    labels = (("__name__", "calls"), ("zone", "a"))
    assert unmarked(marked(labels)) == labels
    assert unmarked(labels) is None
    assert marked((*labels, ("hypocenter_forwarded", "no"))) == marked(labels)
