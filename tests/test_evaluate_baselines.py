"""Trivial baselines: what each ranks first, and its arithmetic against a slow twin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import Alert, Component, Dependency, DependencyType, Series, Target
from hypocenter.telemetry import Case, SeriesTable, Signals
from hypocenter_workers.baselines import (
    BASELINES,
    Situation,
    candidates,
    mean_deviations,
    nsigma_deviations,
    robust_deviations,
    windows,
)
from hypocenter_workers.scoring import hits

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NONE = np.array([], dtype="datetime64[ns]")


def minutes(count, first=-20):
    return np.datetime64("2026-03-01T12:00", "ns") + (np.arange(count) + first) * np.timedelta64(1, "m")


def table(columns, first=-20):
    """Series by `component|metric`, one value a minute from `first` minutes after the start."""
    names = tuple(Series(*name.split("|")) for name in columns)
    values = np.array(list(columns.values()), dtype=float).T
    return SeriesTable(names, minutes(len(values), first), values)


def step(before, after, noise=0.1):
    calm = before + noise * np.resize([-1.0, 1.0], 20)
    return [*calm, *([after] * 5)]


def situation(columns, dependencies=(), *, start=BEGAN, **case):
    signals = Signals((table(columns),), dependencies=tuple(Dependency(*pair) for pair in dependencies))
    return Situation(Case("made", **case), signals, start)


SHOP = {
    "web|latency": step(1.0, 2.0),
    "cart|latency": step(1.0, 3.0),
    "cart|errors": step(1.0, 1.0),
    "db|cpu": step(1.0, 9.0),
    "ads|cpu": step(1.0, 1.1),
    "ads|memory": step(1.0, 1.0),
}
CALLS = (("web", "cart"), ("cart", "db"), ("web", "ads"))


def test_largest_z_finds_the_series_that_moved_most():
    assert [name for name, _ in BASELINES["largest-z"](situation(SHOP, CALLS))] == ["db", "cart", "web", "ads"]


def test_a_change_of_a_tenth_is_not_made_large_by_a_still_normal():
    shown = situation({"web|latency": step(1.0, 1.1, noise=1e-6), "ads|cpu": step(1.0, 2.0, noise=0.3)})
    assert BASELINES["largest-z"](shown)[0][0] == "ads"
    assert BASELINES["nsigma"](shown)[0][0] == "web"


def test_rounding_is_no_spread():
    constant = np.full((30, 1), 0.1) + np.resize([0.0, 1e-17], (30, 1))
    assert nsigma_deviations(constant, np.array([[0.3]])) == pytest.approx([0.2])


def test_robust_z_is_not_moved_by_an_outlier_in_the_normal():
    spoiled = step(1.0, 2.0)
    spoiled[3] = 500.0
    shown = situation({"web|latency": spoiled, "ads|cpu": step(1.0, 1.3)})
    assert BASELINES["robust-z"](shown)[0][0] == "web"
    assert BASELINES["nsigma"](shown)[0][0] == "ads"


def test_the_reference_is_part_of_the_normal():
    columns = {"web|latency": [3.0, 3.0], "ads|cpu": [3.0, 3.0]}
    calm = {"ads|cpu": [3.0, 2.9, 3.1], "web|latency": [1.0, 1.1, 0.9], "gone|cpu": [9.0, 9.0, 9.0]}
    signals = Signals((table(columns, first=0),), reference=(table(calm, first=-900),))
    assert BASELINES["largest-z"](Situation(Case("made"), signals, BEGAN))[0][0] == "web"


def test_most_anomalous_counts_series_beyond_three_sigma():
    shown = situation({"web|a": step(1, 2), "web|b": step(1, 2), "db|a": step(1, 99), "ads|a": step(1, 1)})
    assert dict(BASELINES["most-anomalous"](shown)) == {"web": 2.0, "db": 1.0, "ads": 0.0}


def test_deepest_anomalous_follows_the_sick_to_the_end():
    ranking = [name for name, _ in BASELINES["deepest-anomalous"](situation(SHOP, CALLS))]
    assert ranking == ["db", "cart", "web", "ads"]


def test_deepest_anomalous_puts_the_unreachable_behind_the_reached():
    columns = {"web|latency": step(1, 3), "cart|latency": step(1, 3), "db|cpu": step(1, 1), "disk|busy": step(1, 99)}
    calls = (("web", "cart"), ("cart", "db"), ("db", "disk"))
    ranking = [name for name, _ in BASELINES["deepest-anomalous"](situation(columns, calls, target=Target("web")))]
    assert ranking == ["cart", "web", "disk", "db"]


def test_deepest_anomalous_measures_depth_from_the_symptom():
    calls = (("gate", "web"), ("web", "cart"), ("batch", "queue"), ("queue", "disk"), ("disk", "tape"))
    columns = {f"{name}|latency": step(1, 3) for name in ("gate", "web", "cart", "queue", "disk", "tape")}
    ranking = BASELINES["deepest-anomalous"](situation(columns, calls, target=Target("gate")))
    assert ranking[0][0] == "cart"


def test_a_cycle_and_a_self_loop_do_not_trap_the_walk():
    calls = (("web", "cart"), ("cart", "web"), ("cart", "cart"))
    ranking = BASELINES["deepest-anomalous"](situation({"cart|latency": step(1, 3)}, calls))
    assert {name for name, _ in ranking} == {"web", "cart"}


def test_random_is_k_of_n():
    shown = situation(SHOP, CALLS, components=(Component("quiet"),))
    assert hits(BASELINES["random"](shown), ["db"]) == pytest.approx([k / 5 for k in range(1, 6)])
    assert hits(BASELINES["random"](shown), ["unknown"]) == pytest.approx([0] * 5)


def test_candidates_are_all_that_could_be_blamed():
    edge = Dependency("pod", "host", DependencyType.RUNS_ON)
    signals = Signals((table({"db|cpu": [1.0]}),), dependencies=(edge,), components=(Component("web"),))
    case = Case("made", components=(Component("cache"),), alerts=(Alert("queue", "lag"),))
    assert candidates(case, signals) == ("cache", "db", "host", "pod", "queue", "web")


def test_alerts_alone_make_a_ranking():
    alerts = (Alert("db", "slow"), Alert("db", "errors"), Alert("web", "errors"))
    shown = Situation(Case("made", alerts=alerts), Signals((), dependencies=(Dependency("web", "db"),)), None)
    assert BASELINES["most-anomalous"](shown)[0] == ("db", 2.0)
    assert BASELINES["deepest-anomalous"](shown)[0][0] == "db"
    assert len({score for _, score in BASELINES["largest-z"](shown)}) == 1


@pytest.mark.parametrize("method", sorted(BASELINES))
def test_nothing_to_judge_ties_everything(method):
    silent = situation({"web|latency": [np.nan] * 25, "db|cpu": [np.nan] * 25})
    assert {score for _, score in BASELINES[method](silent)} == {0.0}


@pytest.mark.parametrize("method", sorted(BASELINES))
def test_a_start_outside_the_data_is_no_failure(method):
    for shift in (-timedelta(days=1), timedelta(days=1)):
        ranking = BASELINES[method](situation(SHOP, CALLS, start=BEGAN + shift))
        assert {name for name, _ in ranking} == {"web", "cart", "db", "ads"}


def test_windows_leave_out_masked_faults_and_end_at_the_next():
    start, times = minutes(1, 0)[0], minutes(20, -10)
    before, after = windows(times, start, minutes(2, first=-8)[:1])
    assert [int(row) - 10 for row in np.flatnonzero(before)] == [-10, -9, -3, -2, -1]
    assert [int(row) - 10 for row in np.flatnonzero(after)] == list(range(10))
    assert np.flatnonzero(windows(times, start, minutes(1, first=4))[1]).tolist() == [10, 11, 12, 13]


def naive_windows(times, start, masked):
    """Judge one row at a time."""
    spoiled = [any(fault <= moment < fault + np.timedelta64(5, "m") for fault in masked) for moment in times]
    before = [moment < start and not bad for moment, bad in zip(times, spoiled, strict=True)]
    return before, [moment >= start and not any(start < fault <= moment for fault in masked) for moment in times]


@given(st.lists(st.integers(-9, 9), max_size=3))
def test_windows_equal_their_slow_twin(faults):
    start, times = minutes(1, 0)[0], minutes(16, -8)
    masked = np.array([start + np.timedelta64(fault, "m") for fault in faults], dtype="datetime64[ns]")
    before, after = windows(times, start, masked)
    assert (before.tolist(), after.tolist()) == naive_windows(times, start, masked)


def naive_deviation(normal, incident, method):
    """Judge one series with the library's own statistics."""
    normal, incident = normal[np.isfinite(normal)], incident[np.isfinite(incident)]
    if not len(normal) or not len(incident):
        return np.nan
    centre = np.median(normal) if method == "robust" else np.mean(normal)
    scale = np.subtract(*np.percentile(normal, [75, 25])) if method == "robust" else np.std(normal)
    scale = max(scale, abs(centre) / 10) if method == "mean" else scale
    z = abs(incident - centre) / (scale if scale > 0 else 1.0)
    return np.mean(z) if method == "mean" else np.max(z)


# Eighths add up exactly, so that a constant series has a scale of exactly 0 in the fast code and in the slow.
CELL = st.one_of(st.integers(-400, 400).map(lambda eighths: eighths / 8), st.just(np.nan))
ROWS = st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=8).map(np.array)
METHODS = {"mean": mean_deviations, "nsigma": nsigma_deviations, "robust": robust_deviations}


@settings(max_examples=40, deadline=None)
@given(ROWS, ROWS, st.sampled_from(sorted(METHODS)))
def test_deviations_equal_their_slow_twin(normal, incident, method):
    slow = [naive_deviation(normal[:, column], incident[:, column], method) for column in range(2)]
    assert METHODS[method](normal, incident) == pytest.approx(slow, nan_ok=True, rel=1e-6, abs=1e-9)
