"""What the forest of a series finds, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from hypocenter.errors import InputError
from hypocenter_workers.detect.contract import Flag
from hypocenter_workers.detect.forest import Forest

ROWS = 900
START, STEP = np.datetime64("2026-03-02T00:00", "ns"), np.timedelta64(60, "s")
FOREST = Forest(trees=25, samples=128)


def times(rows):
    return START + np.arange(rows) * STEP


def wave(rows=ROWS, noise=0.05, seed=1):
    return np.sin(np.arange(rows) / 8) + np.random.default_rng(seed).normal(0, noise, rows)


def run(values, detector=FOREST):
    values = np.asarray(values, dtype=float)
    return detector.score_block(values[:, None], times(len(values)), detector.begin(1))


def raw(values, detector=FOREST):
    values = np.asarray(values, dtype=float)
    return detector.raw_block(values[:, None], detector.begin(1)).raw[:, 0]


def test_a_spike_is_rare_and_usual_rows_are_not():
    values = wave()
    values[800] += 3
    scores = run(values).scores[:, 0]
    assert scores[800] > 4
    assert (np.delete(scores[300:], range(500, 508)) < 3).mean() > 0.99


def test_a_value_that_is_usual_at_another_time_is_found():
    """A wave that stands still at a height it passes twice a period: no value is unusual, the shape is."""
    values = np.sin(np.arange(ROWS) / 2) + np.random.default_rng(1).normal(0, 0.05, ROWS)
    values[800:820] = values[800]
    found = raw(values, Forest())
    assert found[800:820].max() > 1.2 * np.quantile(found[300:800], 0.99)


def test_raw_scores_grow_with_distance():
    found = []
    for size in (0.0, 2.0, 4.0, 16.0):
        values = wave()
        values[800] += size
        found.append(raw(values)[800])
    assert found == sorted(found)
    assert found[0] < 1.2 < 1.5 < found[-1]


def test_the_same_seed_gives_the_same_scores_and_another_one_others():
    values = wave()
    np.testing.assert_array_equal(raw(values), raw(values))
    other = Forest(trees=25, samples=128, seed=2)
    assert not np.array_equal(raw(values, other), raw(values))
    assert raw(values, other)[300:].mean() == pytest.approx(raw(values)[300:].mean(), rel=0.05)


@pytest.mark.parametrize("factor", [1e-6, -250.0])
def test_raw_scores_know_no_unit_and_no_zero_point(factor):
    values = wave()
    np.testing.assert_allclose(raw(values * factor), raw(values), rtol=1e-9)
    np.testing.assert_allclose(raw(np.round(values, 3) + 1e6), raw(np.round(values, 3)), rtol=1e-2)


def test_small_noise_on_a_large_offset_still_shows_a_spike():
    values = 1e9 + wave()
    values[800] += 3
    assert run(values).scores[800, 0] > 4


def test_the_first_move_of_a_constant_series_is_an_anomaly():
    values = np.full(ROWS, 7.0)
    values[600] = 7.5
    scored = run(values)
    assert (scored.flags[1:600] & Flag.CONSTANT).all()
    assert scored.scores[:600].max() == 0
    assert scored.scores[600, 0] > 3
    assert not scored.flags[600, 0] & Flag.CONSTANT


def test_what_comes_after_a_long_gap_is_not_compared_with_what_came_before_it():
    values = wave()
    values[500:560] = np.nan
    scored = run(values)
    assert ((scored.flags[:, 0] & Flag.MISSING) > 0).tolist() == np.isnan(values).tolist()
    assert (scored.flags[560:567] & Flag.WARMING).all()
    assert np.nanmax(scored.scores[500:700]) < 3


def test_a_series_that_reports_on_every_fifth_row_is_scored_like_one_that_always_does():
    dense, sparse = wave(), np.full(5 * ROWS, np.nan)
    dense[800] += 3
    sparse[::5] = dense
    np.testing.assert_allclose(raw(sparse)[::5][100:], raw(dense)[100:])


def test_a_move_beyond_all_coordinates_is_learned_anew():
    values = np.concatenate([wave(500), 1e7 * (3 + wave(900, seed=2))])
    scored = run(values)
    drifted = np.flatnonzero(scored.flags[:, 0] & Flag.DRIFTED)
    assert scored.scores[500, 0] > 4
    assert 500 < drifted[0] < 600
    assert drifted[-1] < 900
    assert (scored.flags[drifted[0] : drifted[0] + 100] & Flag.WARMING).all()
    assert not scored.flags[-1].any()


def test_expected_is_the_level_in_the_unit_of_the_series():
    scored = run(1000 + 10 * wave(noise=0.5))
    assert scored.expected[-1, 0] == pytest.approx(1000, abs=5)
    assert 3 < scored.scale[-1, 0] < 15


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"trees": 0}, "trees=0"),
        ({"samples": 1}, "samples=1"),
        ({"shingle": 0}, "shingle=0"),
        ({"rate": 1.5}, "rate=1.5"),
        ({"fade": 0.0}, "fade=0"),
        ({"warm": -1}, "warm=-1"),
    ],
)
def test_settings_without_sense_are_refused(wrong, named):
    with pytest.raises(InputError, match=named):
        Forest(**wrong)


def test_a_block_needs_one_time_a_row():
    with pytest.raises(InputError, match="3 rows and times 2"):
        FOREST.score_block(np.zeros((3, 1)), times(2), FOREST.begin(1))
