"""A score depends on no later row: series are cut at random rows, and what comes before the cut scores the same."""

from __future__ import annotations

from dataclasses import replace

import detectors
import made
import methods
import nab
import numpy as np
import pytest

FIRST_CUT = 300


@pytest.fixture(scope="module", params=detectors.shipped().values(), ids=detectors.shipped())
def detector(request):
    return request.param


def cut(one, row):
    return replace(one, times=one.times[:row], values=one.values[:row], windows=())


def assert_same_before(one, row, score):
    np.testing.assert_allclose(
        score(cut(one, row)), score(one)[:row], rtol=1e-9, atol=1e-9, err_msg=f"{one.name} {row}"
    )


def awkward(seed):
    """A made series with gaps in time, missing samples, a constant stretch and a level that moves."""
    random = np.random.default_rng(seed)
    one = made.series(made.KINDS[seed % len(made.KINDS)], seed)
    values, kept = one.values.copy(), np.ones(len(one.values), dtype=bool)
    values[random.integers(len(values), size=40)] = np.nan
    kept[900:1000] = False
    values[1500:1700] = values[1499]
    values[2500:] += 30
    return nab.Labelled(one.name, one.times[kept], values[kept], ())


@pytest.mark.parametrize("seed", range(3))
def test_made_series_score_the_same_without_their_future(detector, seed):
    for one in (made.series(made.KINDS[seed], seed), awkward(seed)):
        for row in np.random.default_rng(seed).integers(FIRST_CUT, len(one.values), size=3):
            assert_same_before(one, int(row), lambda part: detectors.scores(detector, part))


@pytest.mark.parametrize("seed", range(3))
def test_events_are_told_the_same_without_their_future(detector, seed):
    one = awkward(seed)
    for row in np.random.default_rng(seed).integers(FIRST_CUT, len(one.values), size=3):
        assert_same_before(one, int(row), lambda part: detectors.alerts(detector, part, 3.0))


@pytest.mark.data
def test_nab_scores_the_same_without_its_future(detector, data_folder):
    random = np.random.default_rng(3)
    for one in nab.load(data_folder / "nab"):
        row = int(random.integers(FIRST_CUT, len(one.values)))
        assert_same_before(one, row, lambda part: detectors.scores(detector, part))


@pytest.mark.parametrize("method", methods.METHODS, ids=[method.name for method in methods.METHODS])
def test_methods_of_the_comparison_do_not_look_ahead_either(method):
    one = made.series("contextual", 1)
    # Beyond 5,000 rows the fitted part is the same for every length.
    twice = np.concatenate([one.values, one.values])[:5400]
    times = one.times[0] + np.arange(len(twice)) * np.timedelta64(900, "s")
    long = nab.Labelled(one.name, times, twice, ())
    row = int(np.random.default_rng(2).integers(5000, 5400))
    np.testing.assert_allclose(method.score(cut(long, row)), method.score(long)[:row], rtol=1e-6, atol=1e-6)


def test_a_method_that_looks_ahead_would_be_noticed():
    one = made.series("point", 1)
    with pytest.raises(AssertionError):
        assert_same_before(one, 2000, lambda part: part.values - part.values.mean())
