"""Ticks on real stores: whatever dies, runs twice, late or in parallel, the same anomalies are told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from hypocenter.batches import Batch, Samples
from hypocenter_workers.ticks.shards import Roster
from hypocenter_workers.ticks.states import FileStates
from hypocenter_workers.ticks.steps import Clock
from hypocenter_workers.ticks.tick import Place, tick

START = datetime(2026, 3, 2, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
STEP = timedelta(seconds=60)
STEPS, CALM_STEPS = 300, 240
CLOCK = Clock(most_steps=120, learn=timedelta(days=2))
END = START + timedelta(days=1)


def labels(component, name, **more):
    return tuple(sorted({"__name__": name, "service_name": component, **more}.items()))


def written(store, series, rows, values, at=7_000):
    """Write one sample a step of each series, `at` ms into the step; NaN is no sample."""
    numbers = store.number(series)
    steps, columns = np.nonzero(np.isfinite(values))
    at_ms = START_MS + np.array(rows)[steps] * 60_000 + at
    store.append([Batch(Samples(numbers[columns], at_ms, values[steps, columns]))])


@pytest.fixture
def system():
    """Labels and samples [step, series] of a small system in which two series go wrong."""
    series = [labels(f"service-{at}", f"queue_length{at % 3}") for at in range(12)]
    series += [labels(f"service-{at}", "http_requests_total", code="200") for at in range(12)]
    rng = np.random.default_rng(3)
    gauges = 50 + 3 * rng.normal(size=(STEPS, 12))
    gauges[250:260, 3] += 80
    rates = 20 + rng.normal(size=(STEPS, 12))
    rates[270:, 5] *= 4
    return series, np.hstack([gauges, np.cumsum(rates * 60, axis=0)])


@pytest.fixture
def new_place(new_metrics, records_at, new_tenant, tmp_path):
    def new(metrics=None, states=None, clock=CLOCK, records=None):
        metrics = metrics or new_metrics("duckdb", lambda: END)
        return Place(
            metrics,
            (records or records_at(new_tenant())).detections,
            FileStates(states or tmp_path / new_tenant()),
            Roster(metrics, 2),
            clock,
        )

    return new


def settled(step):
    """The moment at which the steps before one are settled."""
    return START + step * STEP + timedelta(seconds=30)


def every_tick(place, ends):
    return [tick(place, shard, settled(end)) for end in ends for shard in (0, 1)]


def once_in_time(place):
    """Tick as time goes on: the calm hours some steps at a time, then step by step."""
    return every_tick(place, [0, 120, CALM_STEPS, *range(CALM_STEPS + 1, STEPS + 1)])


def kept(place):
    return place.detections.anomalies(START, END)


def test_ticks_tell_what_went_wrong(new_place, system):
    place = new_place()
    written(place.metrics, system[0], range(STEPS), system[1])
    done = once_in_time(place)
    assert all(one.is_committed and one.steps == 1 and one.left == 0 for one in done[-8:])
    told = {(one.anomaly.series.name, one.anomaly.onset) for one in kept(place)}
    assert ("service-3|queue_length0", START + 250 * STEP) in told
    assert any(name.startswith("service-5|") and onset >= START + 269 * STEP for name, onset in told)
    assert {name.partition("|")[0] for name, _ in told} == {"service-3", "service-5"}
