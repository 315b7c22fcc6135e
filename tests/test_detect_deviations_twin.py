"""What a table's own rows say of their wandering, read off once for all onsets: equal to computing it anew for each."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hypocenter.model import MetricKind, Series
from hypocenter.telemetry import SeriesTable
from hypocenter_workers.detect.deviations import Known, deviations, deviations_at

START = np.datetime64("2026-03-03T06:00:00", "ns")
STEP = np.timedelta64(30, "s")
SAMPLE = st.sampled_from([0.0, 1.0, math.nan]) | st.floats(-1e3, 1e3)
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 4))
VALUES = SHAPES.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=SAMPLE))


def table(values):
    series = tuple(
        Series(f"c{j}", "cpu", MetricKind.CPU, "cores") if j % 2 else Series(f"c{j}", "lines", MetricKind.LOG_LINES)
        for j in range(values.shape[1])
    )
    return SeriesTable(series, START + np.arange(len(values)) * STEP, values)


def naive_strays(values, length):
    """How far each median over `length` rows lies from that of all rows, one series and one window at a time."""
    rows = [values] if len(values) <= length else [values[k : k + length] for k in range(len(values) - length + 1)]
    return np.array(
        [[abs(naive_median(w[:, j]) - naive_median(values[:, j])) for j in range(values.shape[1])] for w in rows]
    )


def naive_median(column):
    ordered = sorted(value for value in column if math.isfinite(value))
    if not ordered:
        return math.nan
    middle = (len(ordered) - 1) / 2
    low, high = ordered[math.floor(middle)], ordered[math.ceil(middle)]
    return low + (high - low) * (middle - math.floor(middle))


@settings(max_examples=60)
@given(VALUES, st.integers(2, 6), st.data())
def test_rows_up_to_an_onset_stray_as_when_looked_at_by_themselves(values, length, data):
    known = Known(table(values), ())
    for rows in data.draw(st.lists(st.integers(1, len(values)), min_size=1, max_size=4)):
        before = np.arange(len(values)) < rows
        np.testing.assert_allclose(known.strays_before(before, length), naive_strays(values[before], length), atol=1e-9)


@settings(max_examples=60)
@given(VALUES, st.integers(2, 6), st.data())
def test_rows_with_gaps_between_them_stray_as_when_looked_at_by_themselves(values, length, data):
    known = Known(table(values), ())
    for before in data.draw(st.lists(hnp.arrays(np.bool_, len(values)).filter(np.any), min_size=1, max_size=4)):
        np.testing.assert_allclose(known.strays_before(before, length), naive_strays(values[before], length), atol=1e-9)


def test_rows_from_the_first_on_are_not_mistaken_for_rows_behind_a_gap():
    values = np.arange(20.0)[:, None] ** 2
    known = Known(table(values), ())
    first, later = np.arange(20) < 10, np.arange(20) >= 10
    for before in (first, later, first):
        np.testing.assert_allclose(known.strays_before(before, 3), naive_strays(values[before], 3))


def test_no_row_before_strays_nowhere():
    values = np.ones((12, 2))
    assert Known(table(values), ()).strays_before(np.zeros(12, dtype=bool), 3).shape == (0, 2)


@settings(max_examples=30)
@given(VALUES, st.lists(st.integers(-2, 42), min_size=1, max_size=4), st.lists(st.integers(0, 40), max_size=2))
def test_what_is_known_from_one_onset_serves_the_next(values, rows, faults):
    measured, references = table(values), (table(values[::-1]),)
    known = Known(measured, references)
    neighbours = [START + k * STEP for k in faults]
    for onset in (START + k * STEP for k in rows):
        again = deviations_at(onset, measured, known, neighbours)
        assert_same(again, deviations(measured, references, onset, neighbours))


def assert_same(here, there):
    assert [d.series for d in here] == [d.series for d in there]
    assert [d.silent for d in here] == [d.silent for d in there]
    for what in ("before", "after", "z"):
        levels = [[getattr(d, what) for d in found] for found in (here, there)]
        assert levels[0] == pytest.approx(levels[1], nan_ok=True)
