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
from hypocenter_workers.detect import robust
from hypocenter_workers.detect.deviations import LEAST_BLOCKS, WANDERING, Known, Levels, deviations, deviations_at

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


def naive_wandering(blocks, length, rows):
    """How far each series strays in most spells of so many rows of the blocks, read spell by spell."""
    furthest = []
    for strays in (naive_strays(block, length) for block in blocks if len(block)):
        for spell in range(len(strays) // rows):
            columns = strays[spell * rows : (spell + 1) * rows].T
            furthest.append([max((v for v in column if not math.isnan(v)), default=0.0) for column in columns])
    return np.quantile(furthest, WANDERING, axis=0) if len(furthest) >= LEAST_BLOCKS else np.zeros(blocks[0].shape[1])


def levels(values, *references):
    series = tuple(Series(f"c{j}", "cpu", MetricKind.CPU, "cores") for j in range(values.shape[1]))
    tables = [SeriesTable(series, START + np.arange(len(v)) * STEP, v) for v in (values, *references)]
    return Levels(tables[0], tables[1:])


def check_wandering(known, values, before, length, rows, references=()):
    found = known.wandering(before, robust.median(values[before]), length, rows)
    expected = naive_wandering([values[before], *references], length, rows)
    np.testing.assert_allclose(found, expected, atol=1e-9)


LENGTHS, ROWS = st.integers(1, 6), st.integers(1, 6)


@settings(max_examples=60)
@given(VALUES, LENGTHS, ROWS, st.data())
def test_rows_up_to_an_onset_stray_as_when_looked_at_by_themselves(values, length, rows, data):
    known = levels(values, values[::-1])
    for count in data.draw(st.lists(st.integers(0, len(values)), min_size=1, max_size=4)):
        check_wandering(known, values, np.arange(len(values)) < count, length, rows, [values[::-1]])


@settings(max_examples=60)
@given(VALUES, LENGTHS, ROWS, st.data())
def test_rows_with_gaps_between_them_stray_as_when_looked_at_by_themselves(values, length, rows, data):
    known = levels(values)
    for before in data.draw(st.lists(hnp.arrays(np.bool_, len(values)), min_size=1, max_size=4)):
        check_wandering(known, values, before, length, rows)


def test_rows_from_the_first_on_are_not_mistaken_for_rows_behind_a_gap():
    values = np.arange(20.0)[:, None] ** 2
    known = levels(values)
    first, later = np.arange(20) < 10, np.arange(20) >= 10
    for before in (first, later, first):
        check_wandering(known, values, before, 3, 1)
    assert naive_wandering([values[first]], 3, 1) != naive_wandering([values[later]], 3, 1)


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
