"""Alerts and recall: frames come before their case, alerts are counted where a detector watched, rows say what was."""

from __future__ import annotations

import bench_alerts
import bench_methods
import made
import numpy as np
import pytest
from bench_alerts import Labelled, earlier, step_of, watch

from hypocenter.catalog import measure
from hypocenter.model import Series
from hypocenter.telemetry import SeriesTable
from hypocenter_workers.detect.seasonal import Seasonal

BEGIN = np.datetime64("2026-03-02", "ns")
DAY = np.timedelta64(1, "D")
MINUTE = np.timedelta64(1, "m")


def table(begin, rows, components=("web",), step=MINUTE, seed=1):
    values = np.random.default_rng(seed).normal(50, 1, (rows, len(components)))
    series = tuple(Series(component, "cpu", measure("cpu").kind) for component in components)
    return SeriesTable(series, begin + np.arange(rows) * step, values)


def test_frames_that_ended_before_a_case_are_its_history_in_order():
    old, older, later = (table(BEGIN + days * DAY, 60) for days in (-1, -3, 2))
    assert earlier([old, later, older], BEGIN) == [older, old]


def test_frames_of_later_days_are_put_back_by_whole_weeks_together():
    first, second = table(BEGIN + 20 * DAY, 60), table(BEGIN + 26 * DAY, 60)
    moved = earlier([second, first], BEGIN)
    assert [one.times[0] for one in moved] == [BEGIN - 8 * DAY, BEGIN - 2 * DAY]
    assert earlier([], BEGIN) == []


def test_the_step_is_the_usual_one():
    times = BEGIN + np.array([0, 1, 2, 9, 10]) * MINUTE
    assert step_of(times) == MINUTE


def test_alerts_are_counted_and_warm_up_and_gaps_are_not_watched():
    one = table(BEGIN, 2000, ("web", "db"))
    one.values[1500:, 0] += 60
    one.values[1000:1100, 1] = np.nan
    found = watch(Seasonal(), one)
    assert found.alerts[1500:1503, 0].sum() == 1
    assert found.alerts.sum() < 5 < found.over[1500:, 0].sum()
    assert not found.looked[0].any()
    assert found.looked[1999].all()
    assert not found.looked[1000:1100, 1].any()


def labelled(shift):
    one = table(BEGIN, 2000, ("web", "db"))
    start = BEGIN + 1800 * MINUTE
    one.values[1800 + shift : 1900 + shift, 0] += 60
    return Labelled("made", one, (), start, ("web",))


@pytest.mark.parametrize(("shift", "hit", "before"), [(2, True, False), (-10, False, True), (60, False, False)])
def test_recall_wants_the_root_to_be_told_with_the_fault(shift, hit, before):
    row = bench_alerts.recall_row("seasonal", [labelled(shift)], Seasonal())
    assert (row["cases"], row["watched"], row["told"], row["told before"]) == (1, 1.0, float(hit), float(before))
    assert row["median delay, min"] == (pytest.approx(shift, abs=3) if hit else None)


def test_a_root_without_series_is_missed_and_unwatched():
    case = labelled(2)
    row = bench_alerts.recall_row("seasonal", [Labelled("made", case.table, (), case.start, ("cache",))], Seasonal())
    assert (row["watched"], row["told"], row["median delay, min"]) == (0.0, 0.0, None)


def test_precision_recall_area_is_of_the_rows_after_the_probationary_ones():
    one = made.series("point", 1)
    perfect = {"perfect": lambda part: part.labels.astype(float), "blind": lambda part: np.zeros(len(part.values))}
    outcomes = list(bench_methods.outcomes_of("made", [one], perfect))
    rows = {row["method"]: row for row in bench_methods.rows_of(outcomes, [0.9, 0.1])}
    assert rows["perfect"]["average precision"] == pytest.approx(1)
    assert rows["blind"]["average precision"] == pytest.approx(rows["blind"]["chance"])
    assert rows["perfect"]["chance"] == pytest.approx(one.labels[one.probation :].mean())
    assert (rows["perfect"]["VUS-PR"], rows["blind"]["VUS-PR"]) == (0.9, 0.1)
    assert all(row["VUS-PR"] is None for row in bench_methods.rows_of(outcomes, [None, None]))
