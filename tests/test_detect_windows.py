"""Which rows are normal and which are the incident: a naive twin that reads row by row, and the laws."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from hypocenter_workers.detect.windows import COARSE, LEAST_STEPS, LONGEST, NEIGHBOUR, rows_of, split, step_of

START = np.datetime64("2026-03-03T06:00:00", "ns")
STEPS = st.sampled_from([1, 5, 15, 30, 60, 300])
ROWS = st.integers(2, 80)
OFFSETS = st.integers(-600, 6000)
NEIGHBOURS = st.lists(OFFSETS, max_size=3)


def seconds(count):
    return np.timedelta64(count, "s")


def grid(rows, step):
    return START + np.arange(rows) * seconds(step)


def naive(times, onset, neighbours, step):
    """Say of one row after the other whether it is before, during or neither, by what stretch of time it covers."""
    coarse = step >= COARSE
    end = min([onset + max(LONGEST, LEAST_STEPS * step), *(n for n in neighbours if n > onset)])
    for time in times:
        covered_to = time + step if coarse else time
        middle = time + step / 2 if coarse else time
        near_fault = any(n < onset and time + step > n and time < n + NEIGHBOUR for n in neighbours)
        yield (covered_to <= onset if coarse else time < onset) and not near_fault, onset <= middle and time < end


@given(ROWS, STEPS, OFFSETS, NEIGHBOURS)
def test_split_matches_the_naive_twin(rows, step, onset, neighbours):
    times, at, others = grid(rows, step), START + seconds(onset), [START + seconds(n) for n in neighbours]
    windows = split(times, at, others)
    before, during = zip(*naive(times, at, others, seconds(step)), strict=True)
    assert windows.step == seconds(step)
    assert (windows.before.tolist(), windows.during.tolist()) == (list(before), list(during))


@given(ROWS, STEPS, OFFSETS, NEIGHBOURS)
@example(rows=20, step=60, onset=330, neighbours=[])
def test_normal_rows_end_before_the_incident_rows_start(rows, step, onset, neighbours):
    onset = onset + 0.5 if step < 30 else onset
    at = START + np.timedelta64(int(onset * 1000), "ms")
    windows = split(grid(rows, step), at, [START + seconds(n) for n in neighbours])
    assert not (windows.before & windows.during).any()
    if windows.before.any() and windows.during.any():
        assert np.flatnonzero(windows.before)[-1] < np.flatnonzero(windows.during)[0]


@given(ROWS, STEPS, OFFSETS, NEIGHBOURS, st.integers(-(10**6), 10**6))
def test_shifting_everything_in_time_changes_no_row(rows, step, onset, neighbours, shift):
    times, at, others = grid(rows, step), START + seconds(onset), START + np.array(neighbours, dtype="m8[s]")
    here = split(times, at, others)
    there = split(times + seconds(shift), at + seconds(shift), others + seconds(shift))
    np.testing.assert_array_equal(here.before, there.before)
    np.testing.assert_array_equal(here.during, there.during)


def test_a_coarse_row_that_begins_before_the_onset_is_in_neither_window_unless_most_of_it_lies_after():
    windows = split(grid(12, 60), START + seconds(320))
    assert np.flatnonzero(windows.before).tolist() == [0, 1, 2, 3, 4], "the row of 300 s holds 20 s of calm: not normal"
    assert np.flatnonzero(windows.during)[0] == 5, "40 s of the row at 300 s are incident"
    windows = split(grid(12, 60), START + seconds(340))
    assert np.flatnonzero(windows.before)[-1] == 4
    assert np.flatnonzero(windows.during)[0] == 6, "only 20 s of the row at 300 s are incident"


def test_a_fine_row_is_a_moment_and_needs_no_gap():
    windows = split(grid(40, 15), START + seconds(100))
    assert np.flatnonzero(windows.before)[-1] + 1 == np.flatnonzero(windows.during)[0]


def test_a_known_fault_before_is_normal_for_nobody():
    windows = split(grid(60, 60), START + seconds(3000), [START + seconds(1200)])
    touched = (grid(60, 60) + seconds(60) > START + seconds(1200)) & (grid(60, 60) < START + seconds(1200) + NEIGHBOUR)
    assert touched.any()
    assert not (windows.before & touched).any()
    assert windows.before.sum() == (grid(60, 60) + seconds(60) <= START + seconds(3000)).sum() - touched.sum()


def test_the_incident_ends_where_the_next_fault_begins():
    windows = split(grid(60, 60), START + seconds(1200), [START + seconds(1500)])
    assert grid(60, 60)[windows.during].tolist() == grid(60, 60)[20:25].tolist()


def test_the_step_of_one_row_or_none_is_a_minute():
    assert step_of(grid(1, 15)) == step_of(grid(0, 15)) == seconds(60)


def test_one_missing_row_does_not_change_the_step():
    times = np.delete(grid(30, 15), 7)
    assert step_of(times) == seconds(15)


def test_an_empty_table_has_no_rows_on_either_side():
    windows = split(grid(0, 60), START)
    assert (windows.before.size, windows.during.size) == (0, 0)


@given(st.lists(st.booleans(), max_size=12))
def test_rows_that_follow_each_other_are_a_slice_of_the_same(wanted):
    mask, values = np.array(wanted, dtype=bool), np.arange(len(wanted))
    found = rows_of(mask)
    assert values[found].tolist() == values[mask].tolist()
    places = [k for k, chosen in enumerate(wanted) if chosen]
    assert isinstance(found, slice) == (not places or places == list(range(places[0], places[-1] + 1)))
