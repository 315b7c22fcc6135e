"""How far a series moved: right levels, no false movers, and laws of unit, order and workload."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import MetricKind, Series
from hypocenter.telemetry import SeriesTable
from hypocenter_workers.detect.deviations import deviations, stack

START = np.datetime64("2026-03-03T06:00:00", "ns")
STEP_S = 15
ONE_DAY = np.timedelta64(1, "D")
ROWS, ONSET_ROW = 480, 360
ONSET = START + np.timedelta64(ONSET_ROW * STEP_S, "s")
UNUSUAL = 3.0
SEEDS = st.integers(0, 10_000)


def table(columns, *, start=START, step_s=STEP_S, modality="metrics"):
    """A table from `{series: values}`; a name alone makes a series without a unit, so no absolute floor is in play."""
    series = tuple(s if isinstance(s, Series) else Series(s, "figure") for s in columns)
    values = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
    times = start + np.arange(len(values)) * np.timedelta64(step_s, "s")
    return SeriesTable(series, times, values, modality)


def noise(level, seed=0, rows=ROWS):
    return level * (1 + 0.02 * np.random.default_rng(seed).standard_normal(rows))


def step(level, to, seed=0, *, at=ONSET_ROW, rows=ROWS):
    values = noise(level, seed, rows)
    values[at:] *= to / level
    return values


def moved(columns, *, references=(), onset=ONSET, neighbours=()):
    return {d.series: d for d in deviations(table(columns), references, onset, neighbours)}


def one(values, **stated):
    return next(iter(moved({"cart": values}, **stated).values()))


@pytest.mark.parametrize(("level", "to"), [(10, 40), (40, 10), (0.2, 5.0), (1e9, 3e9)])
def test_a_clean_step_is_found_with_its_levels(level, to):
    found = one(step(level, to))
    assert found.before == pytest.approx(level, rel=0.02)
    assert found.after == pytest.approx(to, rel=0.06)
    assert math.copysign(1, found.z) == math.copysign(1, to - level)
    assert abs(found.z) > 2 * UNUSUAL
    assert not found.silent


@settings(max_examples=40)
@given(SEEDS)
def test_a_calm_series_is_not_unusual(seed):
    assert abs(one(noise(10, seed)).z) < UNUSUAL


def test_a_larger_step_is_further_away():
    distances = [one(step(10, to)).z for to in (12, 15, 30, 100)]
    assert distances == sorted(distances)
    assert distances[0] < distances[-1]


@pytest.mark.parametrize("values", [np.full(ROWS, 3.0), np.zeros(ROWS)])
def test_a_constant_series_never_moves(values):
    assert one(values).z == 0


def test_a_single_spike_is_no_new_level():
    values = noise(10)
    values[ONSET_ROW + 5] = 1000
    assert abs(one(values).z) < UNUSUAL


def test_a_series_that_was_already_so_is_not_new():
    calm = table({"cart": noise(10, 1)}, start=START - ONE_DAY)
    chronic = one(noise(50, 2), references=[calm])
    assert abs(chronic.z) < UNUSUAL
    assert abs(one(step(10, 50), references=[calm]).z) > UNUSUAL


def test_a_return_to_what_is_usual_is_not_unusual():
    calm = table({"cart": noise(10, 1)}, start=START - ONE_DAY)
    assert abs(one(step(50, 10), references=[calm]).z) < UNUSUAL


LONG = 2400
LATE = START + np.timedelta64((LONG - 65) * STEP_S, "s")


def bursts(starts, height=50.0):
    """Short bursts, too rare to widen the usual scale."""
    values = noise(10, 5, LONG)
    for start in starts:
        values[start : start + 5] += height
    return values


def test_a_series_that_always_wanders_so_far_does_not_count():
    last = LONG - 40
    assert abs(one(bursts(range(last % 120, LONG, 120)), onset=LATE).z) < UNUSUAL
    assert one(bursts([last]), onset=LATE).z > UNUSUAL


def test_one_that_wanders_still_counts_when_it_goes_further():
    restless = bursts(range(20, LONG, 120))
    restless[-65:] += 500
    assert one(restless, onset=LATE).z > UNUSUAL


def test_what_is_new_in_one_direction_and_unusual_in_the_other_does_not_count():
    high = table({"cart": noise(100, 1)}, start=START - ONE_DAY)
    assert one(step(10, 40), references=[high]).z == 0
    assert one(step(10, 40)).z > UNUSUAL


def test_silence_after_the_onset_is_noted_and_is_no_distance():
    values = noise(10)
    values[ONSET_ROW:] = math.nan
    found = one(values)
    assert (found.silent, found.z) == (True, 0.0)
    assert found.before == pytest.approx(10, rel=0.02)
    assert math.isnan(found.after)


@pytest.mark.parametrize("gone", [slice(None), slice(0, ONSET_ROW), slice(0, ONSET_ROW, 2)])
def test_what_hardly_ever_reported_did_not_fall_silent(gone):
    values = noise(10)
    values[ONSET_ROW:] = math.nan
    values[gone] = math.nan
    assert not one(values).silent


def test_a_reporting_series_is_not_silent_for_a_gap():
    values = noise(10)
    values[ONSET_ROW : ONSET_ROW + 20] = math.nan
    assert not one(values).silent


def test_a_known_fault_before_is_not_learned_as_normal():
    early, late = step(10, 60), step(10, 60)
    early[200:220] = 60.0
    late[ONSET_ROW - 20 : ONSET_ROW] = 60.0
    for values, row in ((early, 200), (late, ONSET_ROW - 20)):
        masked = one(values, neighbours=[START + np.timedelta64(row * STEP_S, "s")])
        assert masked.z > 2 * UNUSUAL
        assert masked.z > one(values).z
        assert masked.before == pytest.approx(10, rel=0.05)


def test_rows_after_the_table_ends_are_no_incident():
    assert deviations(table({"cart": noise(10)}), [], START + np.timedelta64(30, "D")) == ()


def test_an_onset_before_the_table_begins_leaves_nothing_to_compare_with():
    found = one(noise(10), onset=START - np.timedelta64(60, "s"))
    assert (found.z, found.silent) == (0.0, False)


def test_short_coarse_history_is_helped_by_a_reference():
    series = Series("cart", "latency", MetricKind.LATENCY, "s", "mean")
    calm = table({series: noise(0.1, 1)}, step_s=60, start=START - ONE_DAY)
    short = table({series: np.array([0.1, 0.1, 0.8, 0.8, 0.8])}, step_s=60)
    (found,) = deviations(short, [calm], START + np.timedelta64(120, "s"))
    assert found.z > UNUSUAL
    assert (found.before, found.after) == (pytest.approx(0.1, rel=0.1), pytest.approx(0.8, rel=0.1))


def mixed(seed):
    """Some calm columns, some that step, some with gaps."""
    random = np.random.default_rng(seed)
    columns = {}
    for number in range(8):
        values = step(10.0, 10.0 * random.choice([1, 1, 2, 5]), seed * 10 + number)
        values[random.random(ROWS) < 0.05 * (number % 3)] = math.nan
        columns[Series(f"c{number % 4}", f"figure-{number // 4}")] = values
    return columns


@settings(max_examples=25)
@given(SEEDS, st.sampled_from([2.0**-10, 2.0**20, 1000.0]))
def test_distance_does_not_depend_on_the_unit(seed, factor):
    here, there = mixed(seed), {s: v * factor for s, v in mixed(seed).items()}
    for series, found in moved(here).items():
        other = moved(there)[series]
        assert other.z == pytest.approx(found.z, rel=1e-6, abs=1e-6)
        assert other.change == pytest.approx(found.change * factor, rel=1e-6, nan_ok=True)


@settings(max_examples=25)
@given(SEEDS, st.randoms(use_true_random=False))
def test_the_order_of_columns_is_of_no_account(seed, random):
    columns = mixed(seed) | counts(seed)
    order = list(columns)
    random.shuffle(order)
    reference = table({series: columns[series] for series in sorted(columns, key=str)}, start=START - ONE_DAY)
    here = moved(columns, references=[reference])
    there = moved({series: columns[series] for series in order}, references=[reference])
    assert list(there) == order
    assert {s: d.silent for s, d in here.items()} == {s: d.silent for s, d in there.items()}
    assert {s.name: d.z for s, d in there.items()} == pytest.approx({s.name: d.z for s, d in here.items()}, abs=1e-9)


@settings(max_examples=25)
@given(SEEDS, st.integers(-(10**7), 10**7))
def test_shifting_everything_in_time_changes_nothing_without_a_season(seed, shift_s):
    shift = np.timedelta64(shift_s, "s")
    here = deviations(table(mixed(seed)), [], ONSET)
    there = deviations(table(mixed(seed), start=START + shift), [], ONSET + shift)
    assert [(d.series, d.z, d.silent) for d in here] == [(d.series, d.z, d.silent) for d in there]


def counts(seed, *, work=1.0):
    """Log statements per second of two components: the second half is `work` times as busy."""
    random = np.random.default_rng(seed)
    busy = np.where(np.arange(ROWS) < ONSET_ROW, 1.0, work)
    return {
        Series(component, f"template:{name}", MetricKind.LOG_LINES, "1/s", "rate"): random.poisson(rate * STEP_S * busy)
        / STEP_S
        for component in ("cart", "front")
        for name, rate in (("order placed", 2.0), ("cache hit", 0.5), ("rare", 0.05))
    }


@settings(max_examples=30)
@given(SEEDS, st.sampled_from([0.5, 2.0, 4.0]))
def test_more_or_less_work_alone_moves_no_count(seed, work):
    assert all(abs(d.z) < 5 for d in moved(counts(seed, work=work)).values())


def test_doubling_every_count_after_moves_none():
    values = np.full((ROWS, 2), 1.0) * [2.0, 0.5]
    values[ONSET_ROW:] *= 2
    columns = {Series("cart", f"template:{j}", MetricKind.OPERATION, "1/s", "rate"): values[:, j] for j in range(2)}
    assert all(abs(d.z) < 0.5 for d in moved(columns).values())


@pytest.mark.parametrize("work", [1.0, 2.0])
def test_a_vanished_statement_stands_out_however_busy_the_rest(work):
    columns = counts(3, work=work)
    gone = next(s for s in columns if (s.component, s.metric) == ("cart", "template:cache hit"))
    columns[gone] = np.where(np.arange(ROWS) < ONSET_ROW, columns[gone], 0.0)
    found = moved(columns)
    assert found[gone].z < -2 * UNUSUAL
    assert found[gone].after == 0
    assert found[gone].z == min(d.z for d in found.values())
    assert all(abs(d.z) < 5 for s, d in found.items() if s.component == "front"), "another component's counts"


def test_a_new_statement_stands_out_too():
    columns = counts(3)
    new = Series("cart", "template:cannot reach database", MetricKind.LOG_LINES, "1/s", "rate")
    columns[new] = np.where(np.arange(ROWS) < ONSET_ROW, 0.0, 0.5)
    assert moved(columns)[new].z > 2 * UNUSUAL


def naive_g(lines_before, lines_after, all_before, all_after):
    """Two Poisson counts against the share of all lines that fell after the onset, by the book: 2 sum O ln(O / E)."""
    share = (all_after + 1) / (all_before + all_after + 2)
    expected = (1 - share) * (lines_before + lines_after), share * (lines_before + lines_after)
    seen = lines_before, lines_after
    g = 2 * sum(o * math.log(o / e) for o, e in zip(seen, expected, strict=True) if o)
    return math.copysign(math.sqrt(max(g, 0)), lines_after - expected[1])


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 200)), min_size=2, max_size=4))
def test_counts_match_the_naive_g_test(pairs):
    columns = {}
    for number, (before, after) in enumerate(pairs):
        lines = np.zeros(ROWS)
        lines[0], lines[ONSET_ROW + 1] = before, after
        columns[Series("cart", f"template:{number}", MetricKind.LOG_LINES, "1/s", "rate")] = lines / STEP_S
    all_before, all_after = (sum(pair[side] for pair in pairs) for side in (0, 1))
    for found, (before, after) in zip(moved(columns).values(), pairs, strict=True):
        naive = naive_g(before, after, all_before, all_after) if all_before and all_after else 0.0
        assert found.z == pytest.approx(naive, abs=1e-6)


def test_references_are_brought_to_the_columns_of_the_table():
    a, b, c = Series("a", "x"), Series("b", "x"), Series("c", "x")
    here = table({a: [1, 2], b: [3, 4]})
    joined = stack(here, [table({b: [5], c: [6]}), table({a: [7, 8]})])
    np.testing.assert_array_equal(joined, [[np.nan, 5], [7, np.nan], [8, np.nan]])
    assert stack(here, []).shape == (0, 2)
