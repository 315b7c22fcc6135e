"""Anomalies and charts of series that moved: when, how far, which way, and what a report is given to draw."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import Direction, MetricKind, Series
from hypocenter.telemetry import SeriesTable
from hypocenter_workers.detect.anomalies import (
    MOST_POINTS,
    draw_chart,
    find_anomalies,
    instant,
    moment,
    score_tables,
)

START = np.datetime64("2026-03-03T06:00:00", "ns")
STEP_S, ROWS, ONSET_ROW = 15, 480, 360
ONSET = START + np.timedelta64(ONSET_ROW * STEP_S, "s")
CART = Series("cart", "latency", MetricKind.LATENCY, "s", "mean")
ADS = Series("ads", "latency", MetricKind.LATENCY, "s", "mean")


def table(columns, rows=ROWS):
    times = START + np.arange(rows) * np.timedelta64(STEP_S, "s")
    return SeriesTable(tuple(columns), times, np.column_stack(list(columns.values())))


def calm(seed=0):
    return 0.1 * (1 + 0.02 * np.random.default_rng(seed).standard_normal(ROWS))


def moved(to, *, late=0, seed=0):
    values = calm(seed)
    values[ONSET_ROW + late :] = to
    return values


def anomalies(*tables, wanted=(CART, ADS)):
    return find_anomalies(score_tables(tables, wanted, ONSET))


@pytest.mark.parametrize(("to", "direction"), [(0.5, Direction.UP), (0.01, Direction.DOWN)])
def test_a_step_is_one_anomaly_with_its_band(to, direction):
    (found,) = anomalies(table({CART: moved(to)}))
    assert (found.series, found.direction) == (CART, direction)
    assert found.onset == moment(ONSET)
    assert found.peak >= found.onset
    assert found.value == to
    assert found.low < found.expected < found.high
    assert not found.low <= found.value <= found.high
    assert found.expected == pytest.approx(0.1, rel=0.05)
    assert found.score > 3


def test_a_calm_series_may_leave_its_band_but_never_far():
    assert all(a.score < 4 for a in anomalies(table({CART: calm(1), ADS: calm(2)})))


def test_a_late_victim_has_a_later_onset():
    first, second = sorted(
        anomalies(table({CART: moved(0.5), ADS: moved(0.5, late=8)})), key=lambda a: (a.onset, a.series.name)
    )
    assert (first.series, second.series) == (CART, ADS)
    assert second.onset - first.onset == timedelta(seconds=8 * STEP_S)


def test_the_onset_is_where_it_stays_out_and_not_a_spike_before():
    values = moved(0.5, late=10)
    values[ONSET_ROW + 2] = 0.5
    (found,) = anomalies(table({CART: values}))
    assert found.onset == moment(ONSET) + timedelta(seconds=10 * STEP_S)


def test_the_most_unlikely_comes_first():
    found = anomalies(table({CART: moved(0.3), ADS: moved(3.0)}))
    assert [a.series for a in found] == [ADS, CART]
    assert found[0].score > found[1].score


def test_only_what_is_wanted_is_looked_at():
    assert [a.series for a in anomalies(table({CART: moved(0.5), ADS: moved(0.5)}), wanted=[ADS])] == [ADS]
    assert anomalies(table({CART: moved(0.5)}), wanted=[]) == ()


@pytest.mark.parametrize("level", [math.nan, 0.0, 7.0])
def test_a_constant_or_missing_series_has_no_anomaly(level):
    assert anomalies(table({CART: np.full(ROWS, level)})) == ()


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_table_of_few_rows_has_no_anomaly(rows):
    assert anomalies(table({CART: np.full(rows, 0.1)}, rows)) == ()


def test_a_gap_during_the_incident_is_skipped():
    values = moved(0.5)
    values[ONSET_ROW : ONSET_ROW + 4] = math.nan
    (found,) = anomalies(table({CART: values}))
    assert found.onset == moment(ONSET) + timedelta(seconds=4 * STEP_S)


def charted(values):
    scorings = score_tables([table({CART: values})], [CART], ONSET)
    return draw_chart(scorings, CART, ONSET, "cart is slow")


def test_a_chart_shows_the_series_in_its_band_around_the_onset():
    chart = charted(moved(0.5))
    lengths = {len(part) for part in (chart.times, chart.values, chart.expected, chart.low, chart.high)}
    assert len(lengths) == 1
    assert 0 < lengths.pop() <= 2 * MOST_POINTS
    assert chart.times[0] < chart.onset == moment(ONSET) < chart.times[-1]
    assert list(chart.times) == sorted(set(chart.times))
    assert all(low <= middle <= high for low, middle, high in zip(chart.low, chart.expected, chart.high, strict=True))
    assert (chart.series, chart.caption, chart.values[-1]) == (CART, "cart is slow", 0.5)


def test_a_chart_of_gaps_says_none_and_never_nan():
    values = moved(0.5)
    values[ONSET_ROW - 5 : ONSET_ROW + 5] = math.nan
    chart = charted(values)
    assert None in chart.values
    assert not any(v is not None and math.isnan(v) for v in (*chart.values, *chart.expected, *chart.low, *chart.high))
    assert all(v is None for v in charted(np.full(ROWS, math.nan)).values)


def test_a_series_that_was_not_scored_has_no_chart():
    assert draw_chart(score_tables([table({CART: calm()})], [CART], ONSET), ADS, ONSET, "") is None


MICROSECONDS = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001


@settings(max_examples=50)
@given(MICROSECONDS, st.integers(-12, 14))
def test_times_keep_their_instant_in_any_zone(naive, hours):
    at = naive.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert moment(instant(at)) == at
    assert moment(instant(at)).tzinfo is UTC
