"""The start of an incident is found in the data, and moves with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import MetricKind, Series
from hypocenter.telemetry import SeriesTable
from hypocenter_workers.detect.onset import BEFORE_ALERT, find_onsets

START = np.datetime64("2026-03-03T06:00:00", "ns")
SEEDS = st.integers(0, 10_000)


def seconds(count):
    return np.timedelta64(int(count), "s")


def incident(seed, *, rows=480, at=300, step_s=15, unwell=3, to=5.0, ramp=1):
    """Eight components of two series each; some of them rise at a row and stay there."""
    random = np.random.default_rng(seed)
    series = tuple(
        Series(f"c{number // 2}", kind, kind, unit, "mean")
        for number in range(16)
        for kind, unit in [((MetricKind.LATENCY, "s"), (MetricKind.CPU, "cores"))[number % 2]]
    )
    values = 1 + 0.03 * random.standard_normal((rows, 16))
    risen = np.clip((np.arange(rows) - at + 1) / ramp, 0, 1) * (to - 1)
    values[:, : 2 * unwell] += risen[:, None]
    return SeriesTable(series, START + np.arange(rows) * seconds(step_s), values)


def highest(tables, references, **known):
    return next(iter(find_onsets(tables, references, **known)), None)


def shifted(table, shift_s):
    return SeriesTable(table.series, table.times + seconds(shift_s), table.values)


def off_s(found, at, step_s):
    return abs(float((found.at - (START + seconds(at * step_s))) / seconds(1)))


@settings(max_examples=25)
@given(SEEDS, st.integers(80, 400), st.sampled_from([1, 3, 8]))
def test_a_clean_step_is_found_at_its_row(seed, at, unwell):
    found = highest([incident(seed, at=at, unwell=unwell)], [])
    assert off_s(found, at, 15) <= 30
    assert 15 <= found.uncertainty_s <= 300


@pytest.mark.parametrize(("step_s", "rows", "at"), [(5, 720, 500), (30, 240, 150), (60, 120, 80), (300, 60, 40)])
def test_any_step_between_rows_will_do(step_s, rows, at):
    found = highest([incident(1, rows=rows, at=at, step_s=step_s)], [])
    assert off_s(found, at, step_s) <= 2 * step_s
    assert found.uncertainty_s >= step_s


@pytest.mark.parametrize("ramp", [4, 12])
def test_a_slow_start_is_found_while_it_rises(ramp):
    found = highest([incident(1, ramp=ramp)], [])
    assert -30 <= float((found.at - (START + seconds(300 * 15))) / seconds(1)) <= ramp * 15


@pytest.mark.parametrize("to", [0.1, 0.5])
def test_a_fall_is_a_start_too(to):
    assert off_s(highest([incident(1, to=to)], []), 300, 15) <= 30


@settings(max_examples=25)
@given(SEEDS, st.integers(-(10**7), 10**7))
def test_a_shift_in_time_moves_the_onset_by_as_much(seed, shift_s):
    here = highest([incident(seed)], [])
    there = highest([shifted(incident(seed), shift_s)], [])
    assert there.at - here.at == seconds(shift_s)
    assert there.uncertainty_s == here.uncertainty_s


@settings(max_examples=25)
@given(SEEDS, st.randoms(use_true_random=False))
def test_the_order_of_series_is_of_no_account(seed, random):
    table = incident(seed)
    order = list(range(16))
    random.shuffle(order)
    shuffled = SeriesTable(tuple(table.series[j] for j in order), table.times, table.values[:, order])
    assert highest([shuffled], []).at == highest([table], []).at


@settings(max_examples=25)
@given(SEEDS, st.integers(0, 480))
def test_an_alert_bounds_the_onset(seed, row):
    alerted = START + seconds(row * 15)
    found = highest([incident(seed)], [], alerted=alerted)
    assert found is None or alerted - BEFORE_ALERT <= found.at <= alerted


def test_an_alert_soon_after_leaves_the_onset_where_it_was():
    table = incident(1)
    assert highest([table], [], alerted=START + seconds(310 * 15)).at == highest([table], []).at


def twice(first, second):
    table = incident(1, at=second, to=3.0)
    table.values[first : first + 25, :16] += 20.0
    return table


def test_the_worse_of_two_is_the_incident_unless_it_is_another_known_one():
    table, known = twice(150, 300), START + seconds(150 * 15)
    assert off_s(highest([table], []), 150, 15) <= 30
    masked = highest([table], [], neighbours=[known])
    assert not known <= masked.at < known + seconds(300)


def flat(value, rows=200):
    series = (Series("a", "cpu", MetricKind.CPU, "cores"), Series("b", "errors", MetricKind.ERRORS, "share"))
    return SeriesTable(series, START + np.arange(rows) * seconds(15), np.full((rows, 2), value))


@pytest.mark.parametrize("value", [0.0, 1.0, 1e9, math.nan])
@pytest.mark.parametrize("rows", [2, 8, 200])
def test_nothing_out_of_its_normal_has_no_onset(value, rows):
    assert highest([flat(value, rows)], []) is None


@pytest.mark.parametrize("rows", [0, 1])
def test_one_row_or_none_has_no_onset(rows):
    assert highest([flat(1.0, rows)], []) is None


def test_no_table_has_no_onset():
    assert highest([], []) is None


def test_counts_alone_say_nothing_of_the_start():
    table = incident(1)
    lines = tuple(Series(s.component, f"template:{s.metric}", MetricKind.LOG_LINES, "1/s") for s in table.series)
    assert highest([SeriesTable(lines, table.times, table.values, "logs")], []) is None


def test_one_noisy_series_is_no_incident_beside_many_unwell_ones():
    table = incident(1, unwell=4)
    table.values[120:, 15] *= 40
    assert off_s(highest([table], []), 300, 15) <= 30


def test_metrics_are_believed_before_spans():
    metrics, spans = incident(1, at=300), incident(2, at=200, rows=480)
    spans = SeriesTable(spans.series, spans.times, spans.values, "traces")
    assert off_s(highest([spans, metrics], []), 300, 15) <= 30


def test_gaps_do_not_matter():
    table = incident(1)
    table.values[np.random.default_rng(5).random(table.values.shape) < 0.2] = math.nan
    assert off_s(highest([table], []), 300, 15) <= 30


def test_a_very_short_table_is_judged_by_its_reference():
    calm = shifted(incident(2, rows=300, at=10_000), -86_400)
    short = incident(1, rows=7, at=4)
    assert off_s(highest([short], [calm]), 4, 15) <= 30


def test_a_table_without_series_is_passed_over():
    table = incident(1)
    empty = SeriesTable((), table.times, table.values[:, :0])
    spans = SeriesTable(table.series, table.times, table.values, "traces")
    assert highest([empty], []) is None
    assert highest([empty, spans], []).at == highest([spans], []).at
