"""The laws of the detector contract, run on every detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError, LimitError
from hypocenter_workers.detect import contract
from hypocenter_workers.detect.contract import Flag, State
from hypocenter_workers.detect.ensemble import Ensemble
from hypocenter_workers.detect.forest import Forest
from hypocenter_workers.detect.joint_forest import JointForest
from hypocenter_workers.detect.seasonal import Seasonal
from hypocenter_workers.detect.shift import Shift
from hypocenter_workers.detect.silence import Flatline, Saturation, Silence, Zeros

START = np.datetime64("2026-03-02T00:00", "ns")
STEP = np.timedelta64(300, "s")
ROWS = 420
FEW = 12
LOUD = 2.5


@dataclass(frozen=True)
class Law:
    """A detector and what it is exempt from, with the reason.

    `apart`: the columns are series of their own. `gaps`: a missing sample is what it looks at. `zero`: zero, or a top,
    is a fact to it and no matter of units.
    """

    detector: Any
    apart: bool = True
    gaps: bool = False
    zero: bool = False


DETECTORS = {
    "seasonal": Law(Seasonal(warm=50)),
    "forest": Law(Forest(trees=FEW, samples=64, warm=50)),
    "joint forest": Law(JointForest(trees=FEW, samples=64), apart=False),
    "shift": Law(Shift()),
    "flatline": Law(Flatline()),
    "zeros": Law(Zeros(), zero=True),
    "saturation": Law(Saturation(), zero=True),
    "silence": Law(Silence(), apart=False, gaps=True),
    "ensemble": Law(Ensemble(), zero=True),
}


def laws(holds=bool):
    """Run a test on every detector that it holds for."""
    chosen = {name: law for name, law in DETECTORS.items() if holds(law)}
    return pytest.mark.parametrize("law", list(chosen.values()), ids=list(chosen))


def times(rows, start=START):
    return start + np.arange(rows) * STEP


def noise(rows, series=3, seed=1):
    return (
        50
        + np.random.default_rng(seed).standard_normal((rows, series)).cumsum(axis=0) * 0.1
        + (np.random.default_rng(seed + 1).standard_normal((rows, series)))
    )


def holed(values, seed=3, share=0.1):
    holes = np.random.default_rng(seed).random(values.shape) < share
    return np.where(holes, np.nan, values)


def run(law, values, at=None):
    return law.detector.score_block(
        values, times(len(values)) if at is None else at, law.detector.begin(values.shape[1])
    )


def assert_same(one, two):
    for name in ("scores", "expected", "scale", "flags"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert one.state.to_bytes() == two.state.to_bytes()


@laws()
def test_every_answer_has_the_shape_of_the_block(law):
    values = holed(noise(ROWS))
    scored = run(law, values)
    for part in scored[:4]:
        assert part.shape == values.shape
    assert np.isnan(scored.scores[np.isnan(values)]).all() or law.gaps
    assert ((scored.flags & Flag.MISSING) > 0).tolist() == np.isnan(values).tolist()
    known = scored.scores[np.isfinite(values)]
    assert np.isfinite(known).all()
    assert (known >= 0).all()


@laws()
def test_nothing_that_was_given_is_changed(law):
    values = holed(noise(ROWS))
    state = run(law, values[:300]).state
    before, bytes_before = values.copy(), state.to_bytes()
    first = law.detector.score_block(values[300:], times(ROWS)[300:], state)
    np.testing.assert_array_equal(values, before)
    assert state.to_bytes() == bytes_before
    assert_same(law.detector.score_block(values[300:], times(ROWS)[300:], state), first)


@laws()
def test_a_state_survives_the_way_through_bytes(law):
    values = holed(noise(ROWS))
    state = run(law, values[:300]).state
    back = State.from_bytes(state.to_bytes(), law.detector.name, law.detector.version)
    there = law.detector.score_block(values[300:], times(ROWS)[300:], back)
    assert_same(there, law.detector.score_block(values[300:], times(ROWS)[300:], state))


@laws()
def test_a_block_gives_what_its_rows_one_by_one_give(law):
    values = holed(noise(ROWS))
    whole = run(law, values)
    state = law.detector.begin(3)
    rows = []
    for row in range(ROWS):
        scored = law.detector.score_block(values[row : row + 1], times(ROWS)[row : row + 1], state)
        rows.append(scored)
        state = scored.state
    for name in ("scores", "expected", "scale", "flags"):
        np.testing.assert_array_equal(np.vstack([getattr(r, name) for r in rows]), getattr(whole, name), err_msg=name)
    assert state.to_bytes() == whole.state.to_bytes()


@laws()
@settings(max_examples=5)
@given(cuts=st.lists(st.integers(1, ROWS - 1), max_size=4, unique=True))
def test_a_block_may_be_cut_anywhere(law, cuts):
    values = holed(noise(ROWS))
    state = law.detector.begin(3)
    scores = []
    for part in np.split(np.arange(ROWS), sorted(cuts)):
        scored = law.detector.score_block(values[part], times(ROWS)[part], state)
        scores.append(scored.scores)
        state = scored.state
    np.testing.assert_array_equal(np.vstack(scores), run(law, values).scores)


@laws()
@settings(max_examples=5)
@given(cut=st.integers(1, ROWS - 1))
def test_a_score_depends_on_no_later_row(law, cut):
    values = noise(ROWS)
    other = np.where(np.arange(ROWS)[:, None] < cut, values, values * 7 - 1000)
    np.testing.assert_array_equal(run(law, other).scores[:cut], run(law, values).scores[:cut])


@laws(lambda law: law.apart)
def test_series_know_nothing_of_each_other(law):
    values = noise(ROWS)
    together = run(law, values)
    for j in range(3):
        alone = run(law, values[:, j : j + 1])
        np.testing.assert_array_equal(alone.scores[:, 0], together.scores[:, j])


@laws()
def test_a_state_does_not_grow(law):
    values = holed(noise(3 * ROWS))
    sizes = {len(run(law, values[:rows]).state.to_bytes()) for rows in (ROWS, 2 * ROWS, 3 * ROWS)}
    assert len(sizes) == 1


@pytest.mark.parametrize(("factor", "offset"), [(1.0, 1e9), (-0.37, 12.5), (1e-9, -3.0)])
@laws(lambda law: not law.zero)
def test_another_zero_point_or_sign_changes_no_score(law, factor, offset):
    values = noise(ROWS)
    values[300:310] += 12
    here, there = run(law, values), run(law, values * factor + offset)
    # Offsets cost digits: what is left of them is what the scores can agree on.
    digits = max(1e-3, 1e3 * abs(offset / factor) * np.finfo(float).eps)
    np.testing.assert_allclose(there.scores, here.scores, rtol=digits, atol=digits)
    np.testing.assert_array_equal(there.flags, here.flags)


@pytest.mark.parametrize(("factor", "offset"), [(1.0, 1e9), (0.37, 12.5), (1e-3, 3.0)])
@laws(lambda law: law.zero)
def test_a_zero_point_that_is_never_reached_is_no_fact(law, factor, offset):
    """Zero stays out of reach and the top stays the top: then those that look at them keep the law as well."""
    values = np.abs(noise(2 * ROWS)) + 1.0
    values[700:710] += 12
    here, there = run(law, values), run(law, values * factor + offset)
    # In single precision a residual may fall on the other side of a cut of the forest.
    np.testing.assert_allclose(there.scores, here.scores, rtol=0.02, atol=0.02)
    np.testing.assert_array_equal(there.flags, here.flags)


@pytest.mark.parametrize("factor", [1024.0, 0.37])
@laws()
def test_another_unit_changes_no_score(law, factor):
    values = noise(ROWS)
    values[300:310] += 12
    here, there = run(law, values), run(law, values * factor)
    np.testing.assert_allclose(there.scores, here.scores, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(there.flags, here.flags)


@pytest.mark.parametrize("gap", [1, 5, 60])
@laws(lambda law: not law.gaps)
def test_gaps_never_raise_an_alarm(law, gap):
    """What comes after a gap scores as if it had been no gap; silence itself is told by the detector of silence."""
    values = np.random.default_rng(5).normal(50, 1, (ROWS, 3))
    values[300 : 300 + gap] = np.nan
    scored = run(law, values)
    assert np.isnan(scored.scores[300 : 300 + gap]).all()
    calm = run(law, np.random.default_rng(5).normal(50, 1, (ROWS, 3)))
    assert np.nanmax(scored.scores[300:]) <= max(LOUD, 1.2 * np.nanmax(calm.scores[300:]))


@laws()
def test_a_series_that_never_reports_is_no_error(law):
    values = noise(ROWS)
    values[:, 1] = np.nan
    scored = run(law, values)
    assert (scored.flags[:, 1] & Flag.MISSING).all()
    assert not np.nan_to_num(scored.scores[:, 1]).any()


@laws()
def test_a_constant_series_is_a_state_and_no_anomaly(law):
    scored = run(law, np.full((ROWS, 2), 7.0))
    assert (scored.flags[-1] & Flag.CONSTANT).all()
    assert scored.scores.max() == 0


@laws()
def test_a_short_history_is_warming_and_silent(law):
    scored = run(law, noise(20) * [1, 100, 1])
    assert (scored.flags & Flag.WARMING).all()
    assert not scored.scores.any()


@laws()
def test_an_empty_block_changes_nothing(law):
    state = run(law, noise(50)).state
    scored = law.detector.score_block(np.empty((0, 3)), times(0), state)
    assert scored.scores.shape == (0, 3)
    assert scored.state.to_bytes() == state.to_bytes()


@laws()
def test_infinite_values_are_gaps(law):
    values = noise(ROWS)
    holes = values.copy()
    values[200], holes[200] = np.inf, np.nan
    np.testing.assert_array_equal(run(law, values).scores[201:], run(law, holes).scores[201:])


@laws()
def test_bytes_of_another_detector_version_or_length_are_refused(law):
    state = run(law, noise(50)).state
    data = state.to_bytes()
    with pytest.raises(InputError, match="learn it anew"):
        State.from_bytes(data, law.detector.name, law.detector.version + 1)
    with pytest.raises(InputError, match="learn it anew"):
        State.from_bytes(data, "another", law.detector.version)
    with pytest.raises(InputError, match="not a detector state"):
        State.from_bytes(data[: len(data) // 2], law.detector.name, law.detector.version)


@settings(max_examples=30)
@given(data=st.binary(max_size=200))
def test_foreign_bytes_are_no_state(data):
    with pytest.raises(InputError):
        State.from_bytes(data, "seasonal", 1)


@settings(max_examples=30)
@given(place=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_damaged_state_is_refused_or_whole(place, byte):
    data = bytearray(State("seasonal", 1, {"level": np.arange(9.0), "rows": (np.ones(3), np.zeros(3))}).to_bytes())
    data[place % len(data)] = byte
    try:
        state = State.from_bytes(bytes(data), "seasonal", 1)
    except InputError:
        return
    np.testing.assert_array_equal(state.arrays["level"], np.arange(9.0))


def test_a_state_that_would_unpack_to_too_much_is_refused(monkeypatch):
    data = State("seasonal", 1, {"level": np.arange(9.0)}).to_bytes()
    monkeypatch.setattr(contract, "MOST_STATE_BYTES", 50)
    with pytest.raises(LimitError, match="at most 50 bytes"):
        State.from_bytes(data, "seasonal", 1)
