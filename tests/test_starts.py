"""The moments at which an incident may have begun: which are looked at, and that a start that is off costs nothing."""

from __future__ import annotations

import re
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import Component, MetricKind, Series
from hypocenter.readers import read_cases
from hypocenter.simulator import read_scenario, simulate, write_case
from hypocenter.telemetry import SeriesTable, Signals
from hypocenter_graph.rank import Context
from hypocenter_graph.topology import build_topology
from hypocenter_workers.detect.deviations import deviations
from hypocenter_workers.detect.onset import BEFORE_ALERT, FIRST_SIGNS, MOST_ONSETS, Onset, find_onsets
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.starts import EARLIER, LATER, MOST_MEASURED, Movements, best_start, likeliest, plausible_starts

START = np.datetime64("2026-03-03T06:00:00", "ns")
SEEDS = st.integers(0, 10_000)
STEPS = st.sampled_from([1, 5, 15, 30, 60, 90, 300, 600])


def seconds(count):
    return np.timedelta64(int(count), "s")


def series_of(component, kind=MetricKind.LATENCY, unit="s"):
    return Series(component, str(kind), kind, unit, "mean")


def table(values, step_s=15, *, start=START, modality="metrics"):
    """One latency per column, each of its own component."""
    series = tuple(series_of(f"c{j}") for j in range(values.shape[1]))
    return SeriesTable(series, start + np.arange(len(values)) * seconds(step_s), values, modality)


def steps(seed, *, rows=480, risen=((300, 3),), columns=8):
    """Noise in which some columns are five times higher from a row on, for 40 rows or to the end."""
    values = 1 + 0.03 * np.random.default_rng(seed).standard_normal((rows, columns))
    for at, unwell in risen:
        values[at : at + 40, :unwell] += 4
    return table(values)


def close_up(first_row, rows, *, modality="logs"):
    """Log lines or spans that were recorded for some of the rows of `steps` only."""
    return table(np.ones((rows, 1)), start=START + seconds(15 * first_row), modality=modality)


@given(STEPS, st.integers(0, 100))
def test_starts_lie_around_the_first_a_row_and_a_minute_apart_at_least(step_s, row):
    here = table(np.ones((20, 3)), step_s)
    start = START + row * seconds(7)
    starts = plausible_starts([here], start)
    apart = seconds(max(60, step_s))
    assert starts[0] == start
    assert sorted(starts[1:]) == list(starts[1:])
    assert {*np.diff(sorted(starts))} == {apart}
    assert start - max(EARLIER, apart) <= min(starts) < start < max(starts) <= start + max(LATER, apart)


def test_rows_a_minute_apart_give_four_starts_before_and_two_after():
    offsets = [(s - START) / seconds(60) for s in plausible_starts([table(np.ones((20, 1)), 60)], START)]
    assert offsets == [0, -4, -3, -2, -1, 1, 2]


def test_rows_that_lie_far_apart_give_one_start_on_either_side():
    assert [(s - START) / seconds(300) for s in plausible_starts([table(np.ones((5, 1)), 300)], START)] == [0, -1, 1]


def test_without_a_table_starts_lie_a_minute_apart():
    assert len(plausible_starts([], START)) == len(plausible_starts([table(np.ones((5, 1)), 60)], START))


@settings(max_examples=25)
@given(st.integers(1, 4 * MOST_MEASURED))
def test_the_larger_a_system_the_fewer_and_the_nearer_its_starts(size):
    wide = [SeriesTable((series_of("web"),) * size, START + np.arange(2) * seconds(60), np.ones((2, 1)))]
    starts = plausible_starts(wide, START)
    assert starts[0] == START
    assert (len(starts) - 1) * size <= MOST_MEASURED
    all_of_them = sorted(plausible_starts([], START), key=lambda s: (abs(s - START), s))
    assert sorted(starts) == sorted(all_of_them[: len(starts)])


def measured(values, reference=None):
    resolved = Signals((table(values),), () if reference is None else (reference,))
    return resolved, Movements(resolved)


@settings(max_examples=20)
@given(SEEDS, st.lists(st.integers(100, 400), min_size=1, max_size=4))
def test_each_moment_is_measured_as_if_it_were_the_only_one(seed, rows):
    values = steps(seed).values
    resolved, moved = measured(values)
    for row in (*rows, *rows):
        start = START + row * seconds(15)
        assert moved.at(start) == deviations(resolved.tables[0], [], start)
        assert moved.at(start) is moved.at(start)


def test_a_reference_that_was_recorded_later_teaches_only_where_there_is_no_other():
    values = steps(1).values
    earlier, later = (
        table(values[:200] * level, start=START + np.timedelta64(days, "D")) for level, days in ((1.0, -1), (9.0, 1))
    )
    start = START + 300 * seconds(15)
    both, one, other = (Movements(Signals((table(values),), refs)) for refs in ((later, earlier), (earlier,), (later,)))
    assert both.at(start) == one.at(start) != other.at(start)


def test_starts_get_less_likely_with_their_distance_and_less_so_where_nothing_is_sure():
    _, moved = measured(steps(1).values)
    starts = plausible_starts([], START + 300 * seconds(15))
    told, found = ([a.prior for a in moved.around(starts, off_s)] for off_s in (0.0, 600.0))
    distance = [abs(s - starts[0]) for s in starts]
    assert told[0] == found[0] == 1.0
    for priors in (told, found):
        nearest = [prior for _, prior in sorted(zip(distance, priors, strict=True), key=lambda pair: pair[0])]
        assert nearest == sorted(nearest, reverse=True)
    assert all(sure < unsure for sure, unsure in zip(told[1:], found[1:], strict=True))


def test_a_start_is_as_uncertain_as_the_first_and_by_a_row_at_least():
    here = table(np.ones((5, 1)), 300)
    starts = plausible_starts([here], START)
    assert best_start([here], starts, 0, 0.0).uncertainty_s == 300
    assert best_start([here], starts, 1, 0.0).uncertainty_s == 300
    assert best_start([here], starts, 1, 900.0).uncertainty_s == 900
    assert best_start([here], starts, 2, 0.0).at == starts[2]


SCENARIO = """
system shop
start 2026-03-03T06:00:00Z
length 45m
step 15s
seed 5
host node-1 cpus=8 memory=32GiB
service frontend on=node-1 workers=200 cpu=4ms cores=4
service cart on=node-1 workers=80 cpu=3ms
service payment on=node-1 workers=40 cpu=6ms
load frontend 20/s
frontend -> cart times=0.5 timeout=2s
frontend -> payment times=0.3 timeout=4s
fault cpu_hog payment at=30m severity=0.8 ramp=10s
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """`told(minutes)` is the verdict on a shop when the start is stated so many minutes late."""
    simulation = simulate(read_scenario(SCENARIO))
    case = next(iter(read_cases(write_case(simulation, tmp_path_factory.mktemp("shop")))))
    true = simulation.truth.started_at
    return lambda minutes: investigate(case, Options(at=true + timedelta(minutes=minutes), ladder=False)).verdict


@pytest.mark.parametrize("minutes", [-2, 2])
def test_a_start_that_is_off_by_two_minutes_leaves_the_first_suspect(told, minutes):
    true, off = told(0), told(minutes)
    assert true.suspects[0].component == off.suspects[0].component == "payment"
    assert true.cause == off.cause == "payment"


def test_a_verdict_says_so_when_another_moment_explains_more(told):
    noted = {}
    for minutes in (-3, 2):
        verdict = told(minutes)
        later = (verdict.onset - told(0).onset).total_seconds() / 60 - minutes
        spots = [spot for spot in verdict.blind_spots if "more is explained by a start" in spot]
        assert len(spots) == (later != 0)
        assert (verdict.onset_uncertainty_s >= 60) == (later != 0)
        noted[minutes] = (later, *spots)
    later, spot = noted[2]
    assert later < 0
    assert re.fullmatch(rf"more is explained by a start at 06:3\d:00 UTC, {-later:.1f} min before the stated one", spot)


@settings(max_examples=20)
@given(SEEDS, st.lists(st.tuples(st.integers(60, 430), st.integers(1, 8)), max_size=4))
def test_onsets_lie_apart_and_the_highest_comes_first(seed, risen):
    found = find_onsets([steps(seed, risen=risen)], [])
    heights = [onset.height for onset in found]
    assert len(found) <= MOST_ONSETS
    assert heights == sorted(heights, reverse=True)
    assert heights[:1] in ([], [1.0])
    assert all(0 < height <= 1 for height in heights)


def test_of_two_incidents_the_wider_is_higher_and_both_are_found():
    found = find_onsets([steps(1, risen=((100, 2), (300, 7)))], [])
    near = [round(float((onset.at - START) / seconds(15))) for onset in found]
    assert abs(near[0] - 300) <= 2
    assert any(abs(row - 100) <= 2 for row in near[1:])
    assert found[0].height == 1.0 > found[1].height


EARLY_AND_LATE = ((100, 7), (300, 3))


@pytest.mark.parametrize("modality", ["logs", "traces"])
def test_what_was_recorded_close_up_bounds_the_search(modality):
    whole = steps(1, risen=EARLY_AND_LATE)
    assert abs((find_onsets([whole], [])[0].at - START) / seconds(15) - 100) <= 2
    bounded = find_onsets([whole, close_up(280, 60, modality=modality)], [])
    assert abs((bounded[0].at - START) / seconds(15) - 300) <= 2
    assert not any(abs((onset.at - START) / seconds(15) - 100) <= 20 for onset in bounded)


@pytest.mark.parametrize("unwell", [0, 3])
def test_a_close_up_of_minutes_is_about_an_incident_that_began_in_its_middle_whether_or_not_it_shows(unwell):
    whole = steps(1, risen=((100, 7), (300, unwell)))
    (found,) = find_onsets([whole, close_up(295, 12)], [])
    assert abs((found.at - START) / seconds(15) - 300) <= 2
    assert found.uncertainty_s == pytest.approx(12 * 15 / 2, abs=15)


@pytest.mark.parametrize("earlier", [60, 100])
def test_of_two_moments_alike_the_later_is_the_incident(earlier):
    risen = ((earlier, 3), (430, 3))
    tables = [steps(1, risen=risen)]
    begins = [Onset(START + row * seconds(15), 60.0) for row, _ in risen]
    moved = Movements(Signals(tuple(tables), ()))
    topology = build_topology([Component(f"c{j}") for j in range(8)], [])
    chosen = {likeliest(tables, order, moved, topology, Context()).at for order in (begins, begins[::-1])}
    assert chosen == {max(begin.at for begin in begins)}


@pytest.mark.parametrize(("first_row", "rows"), [(280, 200), (0, 480), (280, 1)])
def test_what_was_recorded_most_of_the_time_or_once_bounds_nothing(first_row, rows):
    whole = steps(1, risen=EARLY_AND_LATE)
    assert find_onsets([whole, close_up(first_row, rows)], []) == find_onsets([whole], [])


def test_a_close_up_in_which_nothing_moved_bounds_nothing():
    whole = steps(1, risen=EARLY_AND_LATE)
    elsewhere = close_up(-900, 60)
    assert find_onsets([whole, elsewhere], []) == find_onsets([whole], [])


def test_an_alert_bounds_the_search_for_every_onset():
    whole = steps(1, risen=EARLY_AND_LATE)
    alerted = START + 120 * seconds(15)
    found = find_onsets([whole], [], alerted=alerted)
    assert found
    assert all(alerted - BEFORE_ALERT - FIRST_SIGNS <= onset.at <= alerted for onset in found)


@pytest.mark.parametrize("rows", [0, 1])
def test_in_a_row_or_none_nothing_begins(rows):
    assert find_onsets([table(np.ones((rows, 2)))], []) == ()
    assert find_onsets([], []) == ()


@settings(max_examples=30)
@given(st.integers(0, 99))
def test_no_two_onsets_lie_near_one_another(seed):
    found = find_onsets([steps(seed, risen=((120, 3), (300, 4)))], [])
    gaps = np.diff(sorted(onset.at for onset in found))
    assert (gaps > FIRST_SIGNS).all()
