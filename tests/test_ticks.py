"""Ticks on real stores: whatever dies, runs twice, late or in parallel, the same anomalies are told once."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypocenter.batches import Batch, Samples
from hypocenter.errors import InputError, SourceError
from hypocenter.readers.series_tables import SeriesOfTable
from hypocenter.rhythm import Rhythm
from hypocenter.stores.opening import open_records
from hypocenter_workers.detect.anomalies import moment
from hypocenter_workers.detect_table import detect
from hypocenter_workers.ticks.plan import read_block
from hypocenter_workers.ticks.scoring import watching
from hypocenter_workers.ticks.shards import Roster
from hypocenter_workers.ticks.states import FileStates, SparedStates
from hypocenter_workers.ticks.steps import milliseconds, times_of
from hypocenter_workers.ticks.tick import Place, Plans, tick

START = datetime(2026, 3, 2, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
STEP, STEP_MS = timedelta(seconds=60), 60_000
STEPS, CALM_STEPS = 280, 245
RHYTHM = Rhythm(most_steps=500, learn=timedelta(days=2))
END = START + timedelta(days=1)
SPIKED, SHIFTED, BEGAN = 250, 262, 20


def labels(component, name, **more):
    return tuple(sorted({"__name__": name, "service_name": component, **more}.items()))


def made():
    """Labels and samples [step, series] of a small system: one spikes, one shifts, one begins late and spikes too."""
    series = [labels(f"service-{at}", f"queue_length{at % 3}") for at in range(6)]
    series += [labels(f"service-{at}", "http_requests_total", code="200") for at in range(6)]
    rng = np.random.default_rng(3)
    gauges = 50 + 3 * rng.normal(size=(STEPS, 6))
    gauges[SPIKED : SPIKED + 4, 3] += 80
    gauges[:BEGAN, 4] = np.nan
    gauges[SPIKED + 6, 4] += 80
    rates = 20 + rng.normal(size=(STEPS, 6))
    rates[SHIFTED:, 5] *= 4
    return series, np.hstack([gauges, np.cumsum(rates * 60, axis=0)])


def samples_of(store, series, values, first=0, at=7_000):
    """Return one sample a step of each series, `at` ms into the step; NaN is no sample."""
    numbers = store.number(series)
    steps, columns = np.nonzero(np.isfinite(values))
    return Samples(numbers[columns], START_MS + (first + steps) * STEP_MS + at, values[steps, columns])


def write(store, series, values, first=0):
    store.append([Batch(samples_of(store, series, values, first))])


@pytest.fixture
def new_place(new_metrics, new_tenant, tmp_path):
    opened = []

    def new(metrics=None, rhythm=RHYTHM, shards=2, fill=True):
        records = open_records(str(tmp_path / "records.db"), new_tenant())
        opened.append(records)
        store = metrics or new_metrics("duckdb", lambda: END)
        if fill and metrics is None:
            write(store, *made())
        states = FileStates(tmp_path / new_tenant())
        return Place(store, records.detections, states, Roster(store, shards), rhythm)

    yield new
    for records in opened:
        records.close()


def settled(step):
    """The moment at which the steps before one are settled."""
    return START + step * STEP + timedelta(seconds=30)


def every_tick(place, ends):
    return [tick(place, shard, settled(end)) for end in ends for shard in range(place.roster.shards)]


def kept(place):
    return place.detections.anomalies(START, END)


@pytest.fixture
def expected(new_place):
    """What is told when all is scored at once."""
    place = new_place()
    every_tick(place, [0, STEPS])
    return kept(place)


def test_ticks_tell_what_went_wrong(expected):
    told = {(one.anomaly.series.name, one.anomaly.onset) for one in expected}
    assert ("service-3|queue_length0", START + SPIKED * STEP) in told
    assert ("service-4|queue_length1", START + (SPIKED + 6) * STEP) in told
    assert any(name.startswith("service-5|") and onset >= START + (SHIFTED - 1) * STEP for name, onset in told)
    assert {name.partition("|")[0] for name, _ in told} == {"service-3", "service-4", "service-5"}
    over = {one.anomaly.series.name: one.ended_at for one in expected}
    last = over["service-3|queue_length0"]
    assert START + SPIKED * STEP <= last < START + (SPIKED + 4) * STEP, "what was calm for a quarter hour is over"
    assert None in over.values(), "the shift lasts"


def test_step_by_step_is_as_all_at_once(new_place, expected):
    place = new_place()
    done = every_tick(place, [0, CALM_STEPS, *range(CALM_STEPS + 1, STEPS + 1)])
    assert all(one.is_committed and one.steps == 1 and one.left == 0 for one in done[4:])
    assert kept(place) == expected


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ends=st.lists(st.integers(1, STEPS - 1), max_size=4, unique=True).map(sorted), most=st.sampled_from([97, 500]))
def test_where_blocks_end_does_not_matter(new_place, expected, ends, most):
    place = new_place(rhythm=replace(RHYTHM, most_steps=most))
    every_tick(place, [0, *ends, STEPS, STEPS, STEPS])
    assert kept(place) == expected


def test_a_lost_state_is_learned_anew(new_place, expected, tmp_path):
    place = new_place()
    for end in (0, 100, CALM_STEPS, SPIKED + 2, SHIFTED + 4, STEPS):
        assert all(one.relearned == one.series for one in every_tick(place, [end]))
        for folder in tmp_path.iterdir():
            if folder.name.startswith("tenant-"):
                shutil.rmtree(folder)
    assert kept(place) == expected


def test_a_broken_or_foreign_state_is_learned_anew(new_place, expected):
    place = new_place()
    every_tick(place, [0, CALM_STEPS])
    for shard, position in place.detections.positions().items():
        place.states.save(shard, position, b"no state" if shard else b"")
    assert all(one.relearned == one.series for one in every_tick(place, [STEPS]))
    assert kept(place) == expected


def test_what_cannot_be_cached_is_told_all_the_same(new_place, expected):
    place = replace(new_place(), states=Deaf())
    every_tick(place, [0, CALM_STEPS, STEPS])
    assert kept(place) == expected


def test_what_cannot_be_cached_is_learned_anew_by_another_process_alone(new_place, expected):
    deaf = replace(new_place(), states=Deaf())
    own = replace(deaf, states=SparedStates(Deaf()))
    every_tick(own, [0, 100])
    assert all(one.relearned == 0 for one in every_tick(own, [CALM_STEPS - 9, CALM_STEPS]))
    other = replace(deaf, states=SparedStates(Deaf()))
    assert all(one.relearned == one.series for one in every_tick(other, [SPIKED + 2]))
    assert all(one.relearned == one.series for one in every_tick(own, [STEPS])), "another was there since"
    assert kept(own) == expected


class Deaf:
    """A cache that is full and forgets."""

    def load(self, shard, position):  # noqa: ARG002
        return None

    def save(self, shard, position, state):
        raise SourceError(f"no room for {shard} {position} {len(state)}")

    def forget(self, shard, before):
        raise SourceError(f"not reached: {shard} {before}")


def test_a_tick_that_dies_before_it_commits_changes_nothing(new_place, expected):
    place = new_place()
    every_tick(place, [0, CALM_STEPS])
    before = place.detections.positions(), kept(place)
    dying = replace(place, detections=Dying(place.detections))
    for end in (SPIKED, STEPS):
        with pytest.raises(SourceError, match="died"):
            tick(dying, 0, settled(end))
    assert (place.detections.positions(), kept(place)) == before
    every_tick(place, [SPIKED + 1, STEPS])
    assert kept(place) == expected


class Dying:
    """A store of detections that dies at each commit."""

    def __init__(self, inner):
        self.position, self.positions, self.shards = inner.position, inner.positions, inner.shards

    def commit(self, *_):
        raise SourceError("died")


@pytest.mark.parametrize("shards", [1, 3], ids=["fewer", "more"])
def test_shards_of_another_number_lose_and_double_nothing(new_place, expected, shards):
    place = new_place()
    place.detections.divide(2)
    every_tick(place, [0, SPIKED + 1])
    tick(place, 0, settled(SPIKED + 3))
    place.detections.divide(shards)
    assert not any(one.is_committed for one in every_tick(place, [STEPS])), "a worker of before stands back"
    anew = replace(place, roster=Roster(place.metrics, shards), plans=Plans())
    every_tick(anew, [STEPS])
    assert [one.key for one in kept(anew)] == [one.key for one in expected]
    assert [one.ended_at for one in kept(anew)] == [one.ended_at for one in expected]


def test_ticks_in_parallel_tell_once(new_place, expected):
    place = new_place()
    every_tick(place, [0, CALM_STEPS])
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda shard: tick(place, shard, settled(STEPS)), [0, 0, 0, 1, 1, 1]))
    moved = [one for one in done if one.is_committed and one.steps]
    assert sorted(one.shard for one in moved) == [0, 1]
    assert kept(place) == expected


def test_nothing_settled_is_nothing_done_also_when_the_clock_is_set_back(new_place):
    place = new_place()
    every_tick(place, [0, 100])
    before = place.detections.positions()
    for now in (settled(101) - timedelta(seconds=1), settled(100), settled(5)):
        assert tick(place, 0, now).steps == 0
    assert place.detections.positions() == before


def test_a_shard_of_nothing_moves_on(new_place):
    place = new_place(fill=False)
    done = every_tick(place, [0, 3])
    assert [(one.series, one.steps, one.is_committed) for one in done[2:]] == [(0, 3, True)] * 2
    assert place.detections.position(1).watermark == START + 3 * STEP


def test_the_order_in_which_samples_came_does_not_matter_before_they_settle(new_place, new_metrics, expected):
    store = new_metrics("duckdb", lambda: END)
    rows = samples_of(store, *made())
    order = np.random.default_rng(1).permutation(len(rows))
    for part in np.array_split(order, 3):
        store.append([Batch(Samples(rows.series[part], rows.at_ms[part], rows.values[part]))])
    place = new_place(store)
    every_tick(place, [0, STEPS])
    assert kept(place) == expected


def test_late_samples_are_counted_and_change_nothing_told(new_place, new_metrics):
    store = new_metrics("duckdb", lambda: END)
    series, values = made()
    cut = values.copy()
    cut[CALM_STEPS - 2, 3] = np.nan
    write(store, series, cut)
    place = new_place(store)
    done = every_tick(place, [0, CALM_STEPS, CALM_STEPS + 1])
    before = kept(place)
    assert sum(one.late for one in done) == 0
    store.append([Batch(samples_of(store, series[3:4], np.array([[500.0]]), CALM_STEPS - 2))])
    assert kept(place) == before
    assert sum(one.late for one in every_tick(place, [CALM_STEPS + 2])) == 1
    assert sum(one.late for one in every_tick(place, [CALM_STEPS + 3])) == 0, "counted once"


def test_a_series_that_begins_is_the_same_whenever_it_is_found(new_place, new_metrics, expected):
    series, values = made()
    store = new_metrics("duckdb", lambda: END)
    place = new_place(store)
    write(store, series, values[:BEGAN])
    every_tick(place, [0, 10, BEGAN])
    write(store, series, values[BEGAN:], BEGAN)
    done = every_tick(place, [BEGAN + 1, STEPS])
    assert sum(one.relearned for one in done) == 1, "the one that began"
    assert kept(place) == expected


def test_a_past_that_is_brought_along_after_the_first_tick_is_learned(new_place, expected):
    place = new_place(fill=False)
    every_tick(place, [CALM_STEPS - 2, CALM_STEPS - 1])
    write(place.metrics, *made())
    every_tick(place, [CALM_STEPS, STEPS])
    assert kept(place) == expected


def test_a_component_that_moves_leaves_its_old_name_and_takes_a_new_one(new_place):
    def place_and_ends(ends):
        place = new_place(fill=False)
        series, values = made()
        write(place.metrics, series, np.where(np.arange(STEPS)[:, None] < 100, values, np.nan))
        moved = [labels(f"moved-{at}", dict(one)["__name__"]) for at, one in enumerate(series)]
        write(place.metrics, moved, np.where(np.arange(STEPS)[:, None] >= 30, values, np.nan))
        every_tick(place, ends)
        return kept(place)

    at_once, in_parts = place_and_ends([0, STEPS]), place_and_ends([0, 50, 120, CALM_STEPS, SPIKED + 3, STEPS])
    assert at_once == in_parts
    assert "moved-3|queue_length0" in {one.anomaly.series.name for one in at_once}


def test_offline_detection_of_the_same_signals_tells_the_same(new_place, expected):
    place = new_place(shards=1)
    every_tick(place, [0])
    plan = place.plans.of(0, place.roster, milliseconds(START + STEPS * STEP))
    block = read_block(place.metrics, plan, START_MS - STEP_MS, STEPS + 1, STEP_MS)
    times = times_of(START_MS - STEP_MS, STEPS + 1, STEP_MS)
    names = tuple(one.name for one in plan.series)
    table = SeriesOfTable(names=names, stamps=tuple(map(str, times)), times=times, values=block.values, notes=())
    offline = detect(table, watching(60).detector)
    found = {(names[event.series], moment(event.onset), event.score) for event in offline.events}
    assert found == {(one.anomaly.series.name, one.anomaly.onset, one.anomaly.score) for one in expected}


def test_what_was_counted_from_spans_is_a_rate_and_nothing_counted_is_none(new_place, new_metrics):
    store = new_metrics("duckdb", lambda: END)
    counted = labels("cart", "traces_spanmetrics_calls_total", counted_from="spans", span_name="GET /")
    (number,) = store.number([counted]).tolist()
    at_ms = np.array([START_MS + 10_000, START_MS + 50_000, START_MS + 2 * STEP_MS])
    store.append([Batch(increments=Samples(np.full(3, number), at_ms, np.array([30.0, 30.0, 6.0])))])
    place = new_place(store, shards=1)
    plan = place.plans.of(0, place.roster, START_MS + 3 * STEP_MS)
    at = [one.name for one in plan.series].index("cart|span_rate")
    assert read_block(store, plan, START_MS, 3, STEP_MS).values[:, at].tolist() == [1.0, 0.0, 0.1]


def test_shards_of_other_numbers_hold_the_same_series(new_place, expected):
    place = new_place(shards=5)
    every_tick(place, [0, STEPS])
    assert [replace(one, shard=0) for one in kept(place)] == [replace(one, shard=0) for one in expected]


def test_settings_that_make_no_sense_are_refused():
    for wrong in ({"step": timedelta(0)}, {"settle": -STEP}, {"shards": 0}, {"most_steps": 0}, {"learn": -STEP}):
        with pytest.raises(InputError, match="at least 1"):
            Rhythm(**wrong)


@pytest.mark.parametrize("kind", ["memory", "duckdb"])
def test_stores_of_metrics_make_no_difference(new_metrics, new_place, expected, kind):
    with closing(new_metrics(kind, lambda: END)) as store:
        write(store, *made())
        place = new_place(store)
        every_tick(place, [0, STEPS])
        assert kept(place) == expected


def test_a_series_that_shows_after_its_time_was_listed_is_watched_without_a_further_sample(new_metrics):
    store = new_metrics("memory", lambda: END)
    roster = Roster(store, 1)
    write(store, [labels("cart", "queue_length")], np.ones((12, 1)))
    assert len(roster.members(0, START_MS + 5 * STEP_MS).series) == 1
    late = labels("cart", "errors_total")
    write(store, [late], np.ones((1, 1)), first=3)
    found = {member.series.labels: member.since_ms for member in roster.members(0, START_MS + 10 * STEP_MS).series}
    assert found[late] <= START_MS + 3 * STEP_MS
