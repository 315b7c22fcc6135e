"""What the forest of a component finds in its columns together, and how it explains a row."""

from __future__ import annotations

import numpy as np
import pytest

from hypocenter.errors import InputError
from hypocenter_workers.detect.contract import Flag
from hypocenter_workers.detect.joint_forest import JointForest

ROWS = 800
START, STEP = np.datetime64("2026-03-02T00:00", "ns"), np.timedelta64(60, "s")
FOREST = JointForest(trees=25, samples=128)


def times(rows):
    return START + np.arange(rows) * STEP


def component(rows=ROWS, seed=1):
    """Traffic, memory and latency follow one load; the fourth column is noise."""
    rng = np.random.default_rng(seed)
    load = np.sin(np.arange(rows) / 5)
    noise = rng.normal(0, 0.02, (rows, 4))
    return np.stack(
        [100 + 50 * (load + noise[:, 0]), 5e9 + 1e8 * (load + noise[:, 1]), 20 - 3 * (load + noise[:, 2]),
         rng.normal(0, 1, rows)], axis=1,
    )  # fmt: skip


def run(values, detector=FOREST):
    return detector.score_block(values, times(len(values)), detector.begin(values.shape[1]))


def explain(values, detector=FOREST):
    return detector.explain(values, detector.begin(values.shape[1]))


def test_one_score_for_all_columns():
    scored = run(component())
    assert np.ptp(scored.scores, axis=1).max() == 0
    assert scored.scores.shape == (ROWS, 4)


def test_a_combination_is_found_whose_values_are_all_usual():
    values = component()[:, :3]
    values[700, 2] = 22.0
    assert values[600:700, 2].min() < values[700, 2] < values[600:700, 2].max()
    scores = run(values).scores[:, 0]
    assert scores[700] > 3
    assert scores[300:700].max() < scores[700]


@pytest.mark.parametrize(("column", "move"), [(0, -60.0), (1, 4e8), (2, 8.0), (3, -9.0)])
def test_the_column_that_moved_is_blamed_in_its_direction(column, move):
    values = component()
    usual = values[700, column]
    values[700, column] += move
    told = explain(values[:701])
    blamed = told.high + told.low
    assert blamed.argmax() == column
    assert (told.high > told.low)[column] == (move > 0)
    assert abs(told.expected[column] - usual) < 0.3 * abs(move)


def test_attributions_sum_to_the_raw_score():
    values = component()
    for row in (300, 500, 700):
        told = explain(values[: row + 1])
        found = FOREST.raw_block(values[: row + 1], FOREST.begin(4)).raw[-1, 0]
        assert told.score == pytest.approx(found, rel=1e-12)
        assert (told.high + told.low).sum() == pytest.approx(found, rel=1e-12)
        assert min(told.high.min(), told.low.min()) >= 0


def test_a_row_like_all_others_is_blamed_on_no_column():
    values = np.tile([[0.0, 1.0], [1.0, 0.0]], (200, 1))
    told = explain(values, JointForest(trees=10, samples=64))
    assert np.ptp(told.high + told.low) < 0.05 * told.score


def test_an_explanation_leaves_the_state_as_it_was_and_needs_no_rows_before():
    values = component()
    state = run(values[:700]).state
    before = state.to_bytes()
    alone, whole = FOREST.explain(values[700:701], state), explain(values[:701])
    assert state.to_bytes() == before
    for one, other in zip(alone, whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_column_without_a_sample_is_expected_from_the_others():
    values = component()
    usual = values[700, 1]
    values[700, 1] = np.nan
    told = explain(values[:701])
    assert told.high[1] == told.low[1] == 0
    assert told.expected[1] == pytest.approx(usual, abs=3e7)


def test_a_column_that_falls_silent_raises_no_alarm():
    values = component()
    values[600:, 1] = np.nan
    scored = run(values)
    assert np.isnan(scored.scores[600:, 1]).all()
    assert ((scored.flags[600:, 1] & Flag.MISSING) > 0).all()
    assert np.nanmax(scored.scores[600:]) < 4
    values[700, 0] += 200
    assert run(values).scores[700, 0] > 3


def test_rows_before_may_be_part_of_the_vector():
    detector = JointForest(trees=25, samples=128, shingle=4)
    values = component()
    values[700, 0] += 200
    assert run(values, detector).scores[700, 0] > 3
    told = explain(values[:701], detector)
    assert told.high.argmax() == 0
    assert told.expected[0] == pytest.approx(values[700, 0] - 200, abs=30)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.full((50, 2), np.nan), "no sample"),
        (np.empty((0, 2)), "no sample"),
        (np.arange(10.0).reshape(5, 2), "too few rows"),
    ],
)
def test_what_cannot_be_explained_is_refused(values, why):
    with pytest.raises(InputError, match=why):
        explain(values)


def test_one_of_many_columns_is_named():
    rng = np.random.default_rng(3)
    values = rng.normal(0, 1, (400, 1)) + rng.normal(0, 0.1, (400, 21))
    values[-1, 17] += 6
    told = explain(values)
    assert told.high.argmax() == 17
    assert (told.high + told.low).sum() == pytest.approx(told.score)
    assert told.expected[17] == pytest.approx(np.median(values[-1, :17]), abs=1)


def test_settings_without_sense_are_refused():
    with pytest.raises(InputError, match="split the component"):
        JointForest(shingle=3).begin(700)
    with pytest.raises(InputError, match="trees=0"):
        JointForest(trees=0)
    with pytest.raises(InputError, match="shingle=0"):
        JointForest(shingle=0)
