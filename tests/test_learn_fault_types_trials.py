"""What held-back incidents say of a model of fault types: folds, the unknown, calibration, the queue for review."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from learn_incidents import SHOWN, history, known_roots

from hypocenter_workers.learn.fault_types import FaultTypeModel
from hypocenter_workers.learn.incident_features import features_of, is_local
from hypocenter_workers.learn.review_queue import review_queue
from hypocenter_workers.learn.trials import calibration_error, sharpened
from hypocenter_workers.learn.type_trees import look_at
from hypocenter_workers.learn.unknown import UNMEASURED, fit_doubt, surprise
from hypocenter_workers.learn.validation import folds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DAY = datetime(2026, 3, 2, tzinfo=UTC)


@settings(max_examples=25)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=4, max_size=30), st.integers(2, 5))
def test_no_incident_is_on_both_sides_and_undated_ones_are_held_back_once(groups: list[str], count: int) -> None:
    split = folds(groups, [None] * len(groups), ["x"] * len(groups), count)
    for fold in split:
        assert not {groups[at] for at in fold.learned} & {groups[at] for at in fold.held}
    held = sorted(int(at) for fold in split for at in fold.held)
    assert len(held) == len(set(held))
    assert held == list(range(len(groups))) or len(set(groups)) == 1


@settings(max_examples=25)
@given(st.permutations(range(20)), st.integers(2, 5))
def test_dated_incidents_are_judged_by_models_of_earlier_ones(hours: list[int], count: int) -> None:
    times = [DAY + timedelta(hours=hour) for hour in hours]
    split = folds([str(hour) for hour in hours], times, ["x"] * 20, count)
    assert split
    for fold in split:
        assert max(times[at] for at in fold.learned) < min(times[at] for at in fold.held)


def test_local_features_serve_where_history_proves_them_and_not_where_they_say_nothing() -> None:
    pairs = history(60)
    told = FaultTypeModel.fit([e for e, _ in pairs], [label for _, label in pairs], known_roots(pairs))
    assert told.trials.tried == 60
    assert told.trials.local == (told.trials.gain > 1.64 * told.trials.gain_error)
    if not told.trials.local:
        assert told.trees
        assert not [name for columns in told.trees.columns().values() for name in columns if is_local(name)]


def test_a_type_that_was_never_seen_raises_the_chance_of_the_unknown() -> None:
    types = tuple(SHOWN)
    past, seen = history(80, types=types[:2]), history(20, seed=3, types=types[:2])
    new = history(20, seed=4, types=types[2:])
    model = FaultTypeModel.fit([e for e, _ in past], [label for _, label in past], known_roots(past))

    def unknown(pairs: Sequence[Any]) -> float:
        return float(
            np.mean([model.predict(e, s).unknown for (e, _), s in zip(pairs, known_roots(pairs), strict=True)])
        )

    assert unknown(new) > unknown(seen)


def test_doubt_keeps_its_false_alarms_and_finds_what_stands_apart() -> None:
    rng = np.random.default_rng(0)
    known, hidden = rng.beta(2, 6, 200), rng.beta(30, 2, 100)
    doubt = fit_doubt(known, known, hidden)
    assert doubt.false_alarms <= 0.05 + 1e-9
    assert doubt.recall > 0.9
    assert doubt.chances(hidden).mean() > doubt.chances(known).mean()


def test_hidden_faults_that_look_more_familiar_than_known_ones_teach_no_doubt() -> None:
    rng = np.random.default_rng(0)
    known, hidden = rng.beta(30, 2, 200), rng.beta(2, 6, 100)
    doubt = fit_doubt(known, known, hidden)
    assert doubt.recall == 0
    assert np.unique(doubt.chances(np.concatenate([known, hidden]))).tolist() == pytest.approx([0.1])


def test_no_limit_is_kept_by_fewer_than_nineteen_known_faults() -> None:
    known = np.linspace(0, 1, 18)
    assert fit_doubt(known, known[:0], known[:0]).limit == 1.0
    assert fit_doubt(np.linspace(0, 1, 19), known[:0], known[:0]).limit < 1.0


@pytest.mark.parametrize("values", [3, 1000])
def test_of_later_faults_of_known_types_one_in_twenty_is_called_unknown(values: int) -> None:
    rng = np.random.default_rng(0)
    called = []
    for _ in range(40):
        held, later = (rng.integers(0, values, count) / values for count in (100, 200))
        doubt = fit_doubt(held, held[:0], held[:0])
        called.append(float((doubt.chances(later) > doubt.limit).mean()))
    assert np.mean(called) <= 0.06


@settings(max_examples=50)
@given(arrays(float, 7, elements=st.integers(0, 4)), arrays(float, 9, elements=st.integers(0, 4)))
def test_the_surprise_is_that_of_its_naive_twin(asked: Any, known: Any) -> None:
    naive = [-math.log((1 + sum(known >= one)) / (1 + len(known))) for one in asked.tolist()]
    assert surprise(asked, known).tolist() == pytest.approx(naive)
    itself = [-math.log(sum(known >= one) / len(known)) for one in known.tolist()]
    assert surprise(known, known, known_themselves=True).tolist() == pytest.approx(itself)


def test_an_incident_is_as_strange_as_trees_that_part_it_from_every_past_root() -> None:
    past = history(60)
    suspects = known_roots(past)
    model = FaultTypeModel.fit([e for e, _ in past], [label for _, label in past], suspects)
    assert model.known is not None
    assert model.trees is not None
    view = model.trees.rooted
    roots = view.booster.predict(model.known.rows, pred_leaf=True)
    looks = [look_at(features_of(example, own)) for (example, _), own in zip(past[:5], suspects, strict=False)]
    for look, told in zip(looks, model.known.strangeness(looks), strict=True):
        naive = 0.0
        for component, chance in look.incident.chances.items():
            [own] = view.booster.predict(view.columns.matrix([look.rooted[component]]), pred_leaf=True)
            naive += chance * min(float(np.mean(own != other)) for other in roots)
        assert told == pytest.approx(naive)


def test_an_incident_without_a_suspect_is_as_strange_as_can_be() -> None:
    past = history(60)
    model = FaultTypeModel.fit([e for e, _ in past], [label for _, label in past], known_roots(past))
    assert model.known is not None
    assert model.known.strangeness([look_at(features_of(past[0][0], {}))]).tolist() == [1.0]
    assert model.known.strangeness([]).tolist() == []


def test_doubt_is_not_measured_on_a_handful() -> None:
    assert fit_doubt(np.zeros(3), np.zeros(3), np.zeros(50)) == UNMEASURED


@settings(max_examples=25)
@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=40), st.data())
def test_the_calibration_error_is_that_of_its_naive_twin(chances: list[float], data: st.DataObject) -> None:
    hits = data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=len(chances), max_size=len(chances)))
    naive = 0.0
    for b in range(10):
        inside = [(c, h) for c, h in zip(chances, hits, strict=True) if int(c * 10) == b]
        naive += abs(sum(c for c, _ in inside) - sum(h for _, h in inside)) / len(chances)
    assert calibration_error(np.array(chances), np.array(hits)) == pytest.approx(naive)


def test_sharpening_keeps_the_order_and_the_sum() -> None:
    chances = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    for power in (0.3, 1.0, 3.0):
        found = sharpened(chances, power)
        assert found.sum(axis=1) == pytest.approx([1.0, 1.0])
        assert (found.argsort(axis=1, kind="stable") == chances.argsort(axis=1, kind="stable")).all()


def test_the_queue_starts_with_what_is_unsure_and_does_not_ask_the_same_twice() -> None:
    looks = [look_at(features_of(e)) for e, _ in history(12)]
    chances = [[0.98, 0.01, 0.01] for _ in looks]
    chances[5] = [0.34, 0.33, 0.33]
    queue = review_queue(looks, chances, most=4)
    assert queue[0].incident_id == looks[5].incident.incident_id
    assert len({each.incident_id for each in queue}) == 4
    assert queue[0].unsure > 0.99
    assert review_queue([], []) == ()


def test_a_missing_openmp_runtime_is_told_with_what_to_install(tmp_path: Path) -> None:
    package = tmp_path / "lightgbm"
    package.mkdir()
    (package / "__init__.py").write_text("raise OSError('libgomp.so.1: cannot open shared object file')\n")
    asked = "from hypocenter_workers.learn.boosting import load_lightgbm; load_lightgbm()"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "InputError: LightGBM cannot be loaded (libgomp.so.1" in ended.stderr
    assert "apt-get install libgomp1" in ended.stderr
