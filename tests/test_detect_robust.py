"""Robust level and scale against naive twins in plain Python."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hypocenter_workers.detect import robust

NUMBERS = st.floats(-1e6, 1e6, width=32) | st.just(math.nan)
BLOCKS = arrays(float, st.tuples(st.integers(0, 12), st.integers(1, 3)), elements=NUMBERS)


def known(column):
    return [float(value) for value in column if not math.isnan(value)]


def naive_median(column):
    return statistics.median(known(column)) if known(column) else math.nan


def naive_quantile(numbers, share):
    """Linear interpolation between the two nearest of the sorted numbers."""
    ordered = sorted(numbers)
    place = share * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def naive_scale(column, centre):
    """The largest of: the median distance, the inner half and the middle nine tenths, each as a normal's sigma."""
    off = [value - centre for value in known(column)]
    if not off or math.isnan(centre):
        return 0.0
    normal = statistics.NormalDist()
    middle = statistics.median(abs(value) for value in off) / normal.inv_cdf(0.75)
    half = (naive_quantile(off, 0.75) - naive_quantile(off, 0.25)) / (2 * normal.inv_cdf(0.75))
    most = (naive_quantile(off, 0.95) - naive_quantile(off, 0.05)) / (2 * normal.inv_cdf(0.95))
    return max(middle, half, most)


@given(BLOCKS)
def test_median_matches_the_naive_twin(values):
    expected = [naive_median(column) for column in values.T]
    np.testing.assert_allclose(robust.median(values), expected, rtol=1e-12)


@given(BLOCKS)
def test_scale_matches_the_naive_twin(values):
    centre = robust.median(values)
    expected = [naive_scale(column, middle) for column, middle in zip(values.T, centre, strict=True)]
    np.testing.assert_allclose(robust.scale(values, centre), expected, rtol=1e-3, atol=1e-9)


@given(BLOCKS.filter(len), st.integers(1, 14))
def test_rolling_median_matches_the_naive_twin(values, rows):
    rolled = robust.rolling_median(values, rows)
    starts = range(max(len(values) - rows, 0) + 1)  # fewer rows than asked for make one window
    expected = [[naive_median(column[start : start + rows]) for column in values.T] for start in starts]
    np.testing.assert_allclose(rolled, expected, rtol=1e-12)


@given(BLOCKS, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_of_no_account(values, random):
    order = list(range(len(values)))
    random.shuffle(order)
    centre = robust.median(values)
    np.testing.assert_array_equal(centre, robust.median(values[order]))
    np.testing.assert_array_equal(robust.scale(values, centre), robust.scale(values[order], centre))


@pytest.mark.parametrize("shape", [(0, 3), (0, 0), (5, 0), (1, 2)])
def test_shapes_without_rows_or_series_pass_through(shape):
    values = np.full(shape, 7.0)
    middle = robust.median(values)
    assert middle.shape == (shape[1],)
    assert robust.scale(values, middle).tolist() == [0.0] * shape[1]
    assert np.isnan(middle).all() == (shape[0] == 0 or shape[1] == 0)


def test_a_series_that_mostly_stands_still_still_has_a_scale():
    spiky = np.zeros((100, 1))
    spiky[::10] = 5.0
    assert robust.scale(spiky, robust.median(spiky))[0] > 1.0


def test_one_wild_sample_moves_nothing():
    values = np.random.default_rng(1).standard_normal((200, 1))
    wild = values.copy()
    wild[17] = 1e12
    assert robust.median(wild)[0] == pytest.approx(robust.median(values)[0], abs=0.05)
    assert robust.scale(wild, robust.median(wild))[0] == pytest.approx(1.0, abs=0.3)
