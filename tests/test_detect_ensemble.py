"""The detectors of one series together: point, contextual and collective anomalies, and what each member sees."""

from __future__ import annotations

import numpy as np
import pytest

from hypocenter_workers.detect.budget import Watch, default_threshold
from hypocenter_workers.detect.ensemble import Ensemble
from hypocenter_workers.detect.events import Events, Kind

PER_DAY = 288
ROWS = 12 * PER_DAY
START = np.datetime64("2026-03-02T00:00", "ns")
AT = START + np.arange(ROWS) * np.timedelta64(300, "s")
LATE = 11 * PER_DAY + 30
THRESHOLD = default_threshold(Watch(series=1, step_s=300.0))


def wave(seed=1, noise=1.0):
    hours = np.arange(ROWS) % PER_DAY / 12
    return 100 + 30 * np.sin((hours - 9) / 24 * 2 * np.pi) + noise * np.random.default_rng(seed).standard_normal(ROWS)


def found(values, **options):
    detector = Ensemble(**options)
    block = values[:, None]
    scored, kinds = detector.detect_block(block, AT, detector.begin(1))
    stage = Events(THRESHOLD)
    told = stage.tell_block(scored, block, AT, stage.begin(), kinds=kinds)
    return scored, [event for event in told.events if event.alert >= AT[LATE - 1]]


@pytest.mark.parametrize("shapes", [True, False])
def test_a_point_anomaly_is_found(shapes):
    values = wave()
    values[LATE] += 40
    scored, events = found(values, shapes=shapes)
    assert events[0].peak == AT[LATE]
    assert scored.scores[LATE, 0] > 2 * THRESHOLD


@pytest.mark.parametrize("shapes", [True, False])
def test_a_contextual_anomaly_is_found(shapes):
    """The height of the afternoon at half past two at night."""
    values = wave()
    values[LATE : LATE + 6] = 128
    assert values.max() < 140
    _, events = found(values, shapes=shapes)
    assert events[0].onset <= AT[LATE] <= events[0].alert <= AT[LATE + 2]
    assert events[0].expected < 90


@pytest.mark.parametrize("shapes", [True, False])
def test_a_collective_anomaly_is_found(shapes):
    """Each sample is as it may be; that none of forty is below the usual is what no day had."""
    values = wave()
    values[LATE : LATE + 40] += 2.0
    _, events = found(values, shapes=shapes)
    assert events
    assert AT[LATE] < events[0].alert <= AT[LATE + 40]


def test_a_standstill_is_found_and_named():
    values = wave()
    values[LATE : LATE + 60] = values[LATE]
    detector = Ensemble(shapes=False)
    _, kinds = detector.detect_block(values[:, None], AT, detector.begin(1))
    assert (kinds[LATE + 20 : LATE + 60, 0] == Kind.FLATLINE).mean() > 0.5


def test_a_drop_to_zero_is_found_and_named():
    values = 5.0 + np.random.default_rng(4).gamma(2.0, 3.0, ROWS)
    values[LATE : LATE + 12] = 0.0
    _, events = found(values, shapes=False)
    assert events[0].kind == Kind.ZERO
    assert AT[LATE - 3] <= events[0].onset <= AT[LATE]


def test_sticking_to_a_stated_limit_is_found_and_named():
    random = np.random.default_rng(5)
    values = random.uniform(40, 110, ROWS)
    values[LATE : LATE + 60] = random.uniform(99.1, 99.9, 60)
    kinds = {limit: {event.kind for event in found(values, shapes=False, limit=limit)[1]} for limit in (None, 100.0)}
    assert [Kind.SATURATION in told for told in kinds.values()] == [False, True]


def test_a_calm_series_stays_calm():
    _, events = found(wave(seed=8))
    assert len(events) <= 1


def test_a_shift_is_told_once():
    values = wave()
    values[LATE:] += 25
    _, events = found(values, shapes=False)
    assert len(events) == 1
    assert events[0].escalations <= 1
