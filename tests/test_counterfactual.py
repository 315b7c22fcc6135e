"""Where the symptom would be without a suspect: toy systems with a known answer, and when nothing is said."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter import signals
from hypocenter.model import Component, ComponentType, Dependency, DependencyType, MetricKind, Series, Target
from hypocenter.telemetry import Case, RawTable, SeriesTable
from hypocenter_graph.counterfactual import Blame, Levels, blames, counterfactual
from hypocenter_graph.rank import Context, rank
from hypocenter_graph.topology import build_topology
from hypocenter_graph.verdict import suspects_of
from hypocenter_workers.detect.deviations import deviations
from hypocenter_workers.forecast import Forecast, forecast, joined
from hypocenter_workers.without import Telemetry, levels, with_counterfactuals

ROWS, ONSET_ROW = 480, 360
START = np.datetime64("2026-03-03T06:00", "ns")
TIMES = START + np.arange(ROWS) * np.timedelta64(15, "s")
AT = TIMES[ONSET_ROW]
ONSET = datetime(2026, 3, 3, 7, 30, tzinfo=UTC)
WEB = Target("web", "latency")


def wandering(random, rows=ROWS, memory=0.9):
    values = np.zeros(rows)
    for row in range(1, rows):
        values[row] = memory * values[row - 1] + np.sqrt(1 - memory**2) * random.standard_normal()
    return values


def latency(component, usual, excess, random, noise=0.02):
    values = usual * (1 + noise * wandering(random))
    values[ONSET_ROW:] += excess
    return Series(component, "latency_mean", MetricKind.LATENCY, "s", "mean", "server"), values


def requests(component, values):
    return Series(component, "request_rate", MetricKind.TRAFFIC, "1/s", "rate", "server"), values


def table(*columns):
    return SeriesTable(tuple(s for s, _ in columns), TIMES, np.column_stack([v for _, v in columns]))


def calls(*chains):
    pairs = [pair for chain in chains for pair in pairwise(chain.split(" -> "))]
    return build_topology([], [Dependency(*pair) for pair in pairs])


def asked(suspect, seen, topology, target=WEB):
    """Investigate one table and return what is said of the suspect, put first."""
    ranking = rank(deviations(seen, [], AT), topology, Context(target, ONSET))
    suspects = suspects_of(ranking, topology, target, {}, ONSET)
    chosen = [s for s in suspects if s.component == suspect]
    return with_counterfactuals(chosen, ranking, topology, target, Telemetry((seen,), AT))[0].counterfactual


def shop(web=0.4, cart=0.4, db=0.4, noise=0.02, scale=1.0):
    random = np.random.default_rng(5)
    grown = (("web", 0.2, web), ("cart", 0.1, cart), ("db", 0.05, db))
    idle = Series("web", "worker_usage", MetricKind.SATURATION, "share"), np.full(ROWS, 0.1)
    return table(*(latency(name, scale * usual, scale * more, random, noise) for name, usual, more in grown), idle)


def test_without_the_root_the_symptom_is_back_at_its_normal():
    said = asked("db", shop(), calls("web -> cart -> db"))
    assert said.series == "web|latency_mean"
    assert said.observed == pytest.approx(0.6, rel=0.02)
    assert said.expected == pytest.approx(0.2, rel=0.03)
    assert said.low <= 0.2 <= said.high
    assert said.high - said.low < 0.05


def test_the_sentence_tells_both_levels_and_the_interval():
    said = asked("db", shop(noise=1e-9), calls("web -> cart -> db"))
    assert said.text == (
        "without db's deviation web mean latency would be at 200 ms (90% interval 200 ms to 200 ms), not 600 ms"
    )


def test_what_a_suspect_does_not_explain_stays_until_somebody_else_may_be_blamed_for_it():
    said = asked("cart", shop(web=0.5, cart=0.3, db=0.0), calls("web -> cart -> db"))
    assert said.expected == pytest.approx(0.7 - 0.3, rel=0.05)
    assert said.low <= 0.2 <= said.expected <= said.high
    assert said.text.endswith("cart explains 59% of the excess")


@pytest.mark.parametrize(
    ("suspect", "seen", "topology"),
    [
        pytest.param("db", shop(), calls("web -> cart", "other -> db"), id="no path"),
        pytest.param("db", shop(db=0.05), calls("web -> cart -> db"), id="explains little"),
        pytest.param("cart", shop(web=0.0), calls("web -> cart -> db"), id="symptom at its normal"),
        pytest.param("db", shop(noise=0.9), calls("web -> cart -> db"), id="noisier than the excess"),
    ],
)
def test_nothing_is_said_where_nothing_is_known(suspect, seen, topology):
    assert asked(suspect, seen, topology) is None


def test_without_a_stated_target_the_unwell_component_furthest_above_counts():
    assert asked("db", shop(), calls("web -> cart -> db"), target=None).series == "web|latency_mean"


def used(component, usual, excess, random):
    series, values = latency(component, usual, excess, random)
    return Series(series.component, "cpu_usage", MetricKind.CPU, "cores"), values


def on_one_host(*, web=0.4, cart=0.4, ads=0.0, cart_cpu=0.0, node=6.0):
    random = np.random.default_rng(5)
    slow = (("web", 0.2, web), ("cart", 0.1, cart), ("ads", 0.1, ads))
    busy = (("node", 1.0, node), ("cart", 0.1, cart_cpu))
    return table(*(latency(*one, random) for one in slow), *(used(*one, random) for one in busy))


HOSTED = build_topology(
    [Component("node", ComponentType.HOST)],
    [Dependency("web", "cart"), Dependency("cart", "ads"), Dependency("cart", "node", DependencyType.RUNS_ON)],
)


def test_without_a_starved_host_the_symptom_of_those_who_lean_on_its_guests_is_back_at_its_normal():
    said = asked("node", on_one_host(), HOSTED)
    assert said.text.startswith("without node's deviation web mean latency would be at 20")
    assert said.low <= 0.2 <= said.high < 0.22


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(on_one_host(ads=0.35), id="the guest waits for a callee elsewhere"),
        pytest.param(on_one_host(cart_cpu=5.0), id="the guest uses the host up"),
    ],
)
def test_a_host_is_not_blamed_for_what_it_does_not_do(seen):
    assert asked("node", seen, HOSTED) is None


@pytest.mark.parametrize("scale", [5.0, 60.0])
def test_a_system_in_another_gear_has_the_same_answer_in_proportion(scale):
    usual, scaled = (asked("db", shop(scale=by), calls("web -> cart -> db")) for by in (1.0, scale))
    for end in ("observed", "expected", "low", "high"):
        assert getattr(scaled, end) == pytest.approx(scale * getattr(usual, end))


def test_seconds_and_milliseconds_have_the_same_sentence():
    seen = shop()
    said = set()
    for unit, factor in (("seconds", 1.0), ("milliseconds", 1000.0)):
        slow = [j for j, s in enumerate(seen.series) if s.kind is MetricKind.LATENCY]
        labels = tuple({"__name__": f"latency_mean_{unit}", "service": seen.series[j].component} for j in slow)
        resolved = signals.resolve(Case("toy", metrics=RawTable(labels, TIMES, seen.values[:, slow] * factor)))
        said.add(asked("db", resolved.tables[0], calls("web -> cart -> db")).text)
    assert len(said) == 1


def test_failures_counted_as_availability_fall_and_come_back():
    series = Series("web", "availability", MetricKind.AVAILABILITY, "share")
    random = np.random.default_rng(2)
    up = 0.999 - 0.001 * random.random(ROWS)
    up[ONSET_ROW:] -= 0.2
    said = asked("web", table((series, up)), calls("web -> cart"), Target("web", "availability"))
    assert said.expected == pytest.approx(0.9985, abs=2e-4)
    assert said.observed < said.low <= said.high <= 1.0


def test_more_load_is_not_blamed_on_the_suspect():
    random = np.random.default_rng(7)
    load = 100 + 20 * np.sin(np.arange(ROWS) / 60)
    load[ONSET_ROW:] = 1.1 * load[:ONSET_ROW].max()
    series, values = latency("web", 0.0, 0.5, random)
    seen = table((series, values + 0.002 * load), requests("web", load))
    known = levels(series, Telemetry((seen,), AT))
    assert known.normal == pytest.approx(0.002 * load[ONSET_ROW], rel=1e-6)


def test_load_beyond_everything_seen_says_nothing():
    random = np.random.default_rng(7)
    load = 100 * (1 + 0.1 * wandering(random))
    load[ONSET_ROW:] *= 3
    series, values = latency("web", 0.0, 0.5, random)
    seen = table((series, values + 0.002 * load), requests("web", load))
    assert levels(series, Telemetry((seen,), AT)) is None
    assert levels(series, Telemetry((seen,), AT), by_load=False) is not None


def test_a_short_history_vouches_for_a_short_window_and_a_shorter_one_for_none():
    rows = np.linspace(0.1, 0.2, 400)
    assert forecast(rows[:100], rows[100:160]).rows == 20
    assert forecast(rows[:14], rows[14:74]) is None
    assert forecast(np.full(400, np.nan), rows) is None


def test_a_level_that_moved_shortly_before_stays():
    rows = np.where(np.arange(400) < 300, 1.0, 2.0)
    assert forecast(rows[:360], rows[360:]).expected == 2.0


@pytest.mark.parametrize("memory", [0.0, 0.8, 0.95])
def test_intervals_hold_the_truth_as_often_as_they_say(memory):
    random = np.random.default_rng(11)
    held = []
    for _ in range(400):
        values = wandering(random, memory=memory)
        told = forecast(values[:360], values[360:420])
        span = joined([told], [1.0], 0.9)
        held.append(span.low <= told.observed <= span.high)
    assert 0.85 <= np.mean(held) <= 0.95


@pytest.mark.parametrize("memory", [0.8, 0.95])
def test_intervals_hold_the_truth_from_further_away_too(memory):
    random = np.random.default_rng(12)
    held = []
    for _ in range(400):
        values = wandering(random, memory=memory)
        told = forecast(values[:350], values[362:410], None, 12)
        span = joined([told], [1.0], 0.9)
        held.append(span.low <= told.observed <= span.high)
    assert 0.85 <= np.mean(held) <= 0.95


def found_late(*starts):
    """Return the levels of a series that rose two minutes before the start that was found."""
    series, values = latency("web", 0.2, 0.4, np.random.default_rng(5))
    values[ONSET_ROW - 8 : ONSET_ROW] += 0.4
    began = [(AT - seconds * np.timedelta64(1, "s"), 0.5) for seconds in starts]
    return levels(series, Telemetry((table((series, values)),), AT, (), began))


def test_what_may_be_the_incident_already_is_not_taken_for_normal_alone():
    late, perhaps = found_late(), found_late(0, 120)
    assert perhaps.low < 0.2 < late.low
    assert perhaps.high > late.normal
    assert found_late(120).high < late.low


def test_a_start_after_the_one_that_is_found_changes_nothing():
    once, twice = found_late(), found_late(0, -120)
    assert (twice.low, twice.normal, twice.high) == pytest.approx((once.low, once.normal, once.high))


def made(expected, error=0.01, windows=5):
    return Forecast(1.0, expected, error, windows, 60)


def test_one_forecast_has_the_interval_of_students_t():
    span = joined([made(0.2)], [3.0], 0.9)
    half = 0.01 * float(scipy.stats.t.ppf(0.95, 5))
    assert (span.low, span.middle, span.high) == pytest.approx((0.2 - half, 0.2, 0.2 + half))


SPREADS = st.tuples(st.floats(-5, 5), st.floats(1e-3, 2), st.integers(3, 30))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(SPREADS, st.floats(0.1, 3)), min_size=1, max_size=5))
def test_joined_forecasts_leave_a_twentieth_of_the_mixture_beyond_either_end(parts):
    span = joined([made(*spread) for spread, _ in parts], [weight for _, weight in parts], 0.9)
    for end, share in ((span.low, 0.05), (span.middle, 0.5), (span.high, 0.95)):
        below = [weight * scipy.stats.t.cdf((end - centre) / error, df) for (centre, error, df), weight in parts]
        assert sum(below) / sum(weight for _, weight in parts) == pytest.approx(share, abs=1e-6)


def test_a_series_that_never_strays_has_an_interval_without_width():
    span = joined([made(0.2, 0.0)], [1.0], 0.9)
    assert (span.low, span.high) == (0.2, 0.2)


def test_forecasts_without_error_that_differ_leave_the_heavier_one_in_the_middle():
    span = joined([made(0.2, 0.0), made(1e6, 0.0)], [3.0, 1.0], 0.9)
    assert span.low == pytest.approx(0.2, abs=1e-6)
    assert span.middle == pytest.approx(0.2, abs=1e-6)
    assert span.high == pytest.approx(1e6)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3) | st.just(float("nan")), min_size=20, max_size=60),
    st.integers(1, 12),
    st.integers(0, 6),
)
def test_the_error_is_that_of_windows_as_far_apart(values, during, between):
    """Against loops over every pair of such windows."""
    history = np.array(values)
    told = forecast(history, np.zeros(during), None, between)
    if told is None:
        return
    wrong = []
    for end in range(told.rows, len(history) - told.rows - between + 1):
        spans = history[end - told.rows : end], history[end + between : end + between + told.rows]
        if all(np.isfinite(span).sum() >= told.rows / 2 for span in spans):
            wrong.append(np.nanmean(spans[1]) - np.nanmean(spans[0]))
    assert told.error == pytest.approx(np.sqrt(np.mean(np.square(wrong))), rel=1e-6, abs=1e-6)


def test_an_interval_as_wide_as_the_excess_is_kept_back():
    seen = shop()
    ranking = rank(deviations(seen, [], AT), calls("web -> cart -> db"), Context(WEB, ONSET))
    (blame,) = blames("db", ranking, calls("web -> cart -> db"), WEB)
    assert isinstance(blame, Blame)
    said = [counterfactual(blame, Levels(seen.series[0], 0.6, 0.2, 0.2 - half, 0.2 + half)) for half in (0.19, 0.21)]
    assert said[0] is not None
    assert said[1] is None
