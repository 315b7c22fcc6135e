"""Suggested edges: found where the graph is known, not where nothing depends, and the reason when none can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter.model import DependencyType, MetricKind, Series
from hypocenter.readers.case_folder import read_case_folder
from hypocenter.readers.folders import case_folders
from hypocenter.signals import resolve
from hypocenter.simulator import generate_scenario, read_scenario, simulate
from hypocenter.telemetry import Case, SeriesTable
from hypocenter_graph.discover.dependence import FEWEST_ROWS, given_all, given_slower
from hypocenter_graph.discover.learned import LEAST_CONFIDENCE, MOST_CONFIDENCE, confidence, discover_learned

SCENARIOS = Path(__file__).parents[1] / "fixtures" / "scenarios"
START = datetime(2026, 3, 1, tzinfo=UTC)
CALLS = {("web", "cart"), ("web", "search"), ("cart", "store"), ("search", "index")}


def table(columns, *, kind_of=None, step_s=60, modality="metrics", **extra):
    """A table of `component` or `component|latency` columns; traffic unless said otherwise."""
    rows = len(next(iter(columns.values())))
    first = np.datetime64(START.replace(tzinfo=None), "ns")
    series = [_series(name, **extra) for name in columns]
    times = first + np.arange(rows) * np.timedelta64(step_s, "s")
    return SeriesTable(tuple(series), times, np.column_stack([*columns.values()]).astype(float), modality)


def _series(name, **extra):
    component, _, latency = name.partition("|")
    kind = MetricKind.LATENCY if latency else MetricKind.TRAFFIC
    return Series(component, latency or "requests", kind, "s" if latency else "1/s", "mean", **extra)


def shop(rows=600, seed=1):
    """Traffic that is passed on and latency that is waited for, along CALLS, each with noise of its own."""
    random = np.random.default_rng(seed)

    def own(size):
        return size * random.gamma(20, 1 / 20, rows)

    day = 1 + 0.3 * np.sin(np.arange(rows) / 100)
    web = 50 * day * random.gamma(30, 1 / 30, rows)
    cart, search = 0.5 * web + own(8), 0.8 * web + own(12)
    traffic = {"web": web, "cart": cart, "search": search, "store": 2 * cart + own(15), "index": search + own(10)}
    store, index = own(0.010), own(0.008)
    cart_s, search_s = own(0.012) + 2 * store, own(0.015) + index
    latency = {"store": store, "index": index, "cart": cart_s, "search": search_s}
    latency["web"] = own(0.02) + 0.5 * cart_s + 0.8 * search_s
    return traffic | {f"{name}|latency": values for name, values in latency.items()}


def pairs(discovered):
    return {(d.caller, d.callee) for d in discovered.dependencies}


def test_calls_of_a_plain_system_are_found_with_their_direction():
    found = discover_learned([table(shop())])
    strongest = found.dependencies[: len(CALLS)]
    assert {(d.caller, d.callee) for d in strongest} == CALLS
    assert {d.type for d in strongest} == {DependencyType.CALLS}


def test_what_only_shares_a_caller_or_calls_through_another_is_less_sure():
    sure = {(d.caller, d.callee): d.confidence for d in discover_learned([table(shop())]).dependencies}
    indirect = [confidence for pair, confidence in sure.items() if pair not in CALLS]
    assert max(indirect) < min(sure[pair] for pair in CALLS)


def test_claims_are_suggestions_of_the_time_that_was_read():
    found = discover_learned([table(shop())])
    (seen,) = {d.seen for d in found.dependencies}
    assert [(i.first, i.last) for i in seen] == [(START, START + timedelta(minutes=599))]
    assert {d.source for d in found.dependencies} == {c.source for c in found.components} == {"learned"}
    assert {c.name for c in found.components} == {end for pair in pairs(found) for end in pair}
    assert all(LEAST_CONFIDENCE <= d.confidence <= MOST_CONFIDENCE for d in found.dependencies)
    assert found.notes == (
        f"{len(found.dependencies)} edges are suggested from traffic and latency of 5 components in 600 rows",
    )


def test_independent_components_are_not_joined():
    random = np.random.default_rng(3)
    noise = {f"c{i:02d}": random.gamma(5, 10, 2000) for i in range(20)}
    assert discover_learned([table(noise)]).dependencies == ()


def test_the_common_daily_swing_alone_joins_nothing():
    random = np.random.default_rng(4)
    day = 10 + 5 * np.sin(np.arange(3000) / 200)
    swinging = {f"c{i:02d}": day * (i + 1) * random.gamma(50, 1 / 50, 3000) for i in range(20)}
    assert discover_learned([table(swinging)]).dependencies == ()


def test_what_follows_rows_later_is_found_with_its_direction():
    random = np.random.default_rng(5)
    published = random.gamma(4, 10, 1500)
    delivered = np.r_[published[:2], published[:-2]] + random.gamma(4, 1, 1500)
    others = {f"c{i}": random.gamma(4, 10, 1500) for i in range(4)}
    found = discover_learned([table({"a-consumer": delivered, "z-producer": published} | others)])
    assert [(d.caller, d.callee, d.type) for d in found.dependencies] == [
        ("z-producer", "a-consumer", DependencyType.CALLS)
    ]


def test_without_latency_and_lag_the_direction_is_not_claimed():
    traffic = {name: values for name, values in shop().items() if "|" not in name}
    found = discover_learned([table(traffic)])
    assert found.dependencies
    assert {d.type for d in found.dependencies} == {DependencyType.DEPENDS_ON}
    assert f"{len(found.dependencies)} suggestions have no clear direction" in found.notes[-1]


def test_at_most_so_many_callees_and_the_surest_of_them():
    every = discover_learned([table(shop())])
    two = discover_learned([table(shop())], most_callees=2)
    assert set(two.dependencies) < set(every.dependencies)
    assert pairs(two) >= CALLS
    callers = [claim.caller for claim in two.dependencies]
    assert max(callers.count(caller) for caller in callers) == 2


def test_rows_after_the_asked_time_are_not_read():
    columns = shop(rows=600)
    early = {name: values[:300] for name, values in columns.items()}
    late = {name: np.r_[values[:300], 7 * values[300:][::-1]] for name, values in columns.items()}
    at = START + timedelta(minutes=299)
    assert discover_learned([table(late)], at) == discover_learned([table(early)])


@pytest.mark.parametrize("changed", [{"peer": "web"}, {"host": True}, {"modality": "traces"}])
def test_series_that_name_edges_or_machines_are_left_out(changed):
    assert discover_learned([table(shop(), **changed)]).dependencies == ()


def test_too_few_rows_are_named():
    found = discover_learned([table(shop(rows=FEWEST_ROWS - 1))])
    assert found.dependencies == ()
    assert found.notes == (
        f"no edge is suggested: {FEWEST_ROWS} rows of metrics are needed, the longest table has {FEWEST_ROWS - 1}",
    )


@pytest.mark.parametrize("tables", [[], [table({"a": np.ones(200)})]], ids=["no tables", "nothing moves"])
def test_nothing_to_learn_from_says_so(tables):
    found = discover_learned(tables)
    assert found.dependencies == found.components == ()
    assert found.notes[0].startswith("no edge is suggested: ")


def test_components_that_stand_still_are_named():
    still = {f"still-{i}": np.full(600, 3.0) for i in range(7)}
    missing = {"absent": np.full(600, np.nan)}
    note = discover_learned([table(shop() | still | missing)]).notes[1]
    assert note == (
        f"no edge can be suggested where neither traffic nor latency moves in {FEWEST_ROWS} rows: "
        "absent, still-0, still-1, still-2, still-3 and 3 more"
    )


def test_what_rounding_leaves_of_a_constant_does_not_move():
    wobble = 0.1 + np.random.default_rng(6).normal(size=600) * 1e-17
    found = discover_learned([table(shop() | {"still": wobble, "still|latency": wobble})])
    assert "still" not in {c.name for c in found.components}


def test_gaps_cost_little():
    random = np.random.default_rng(7)
    holed = {name: np.where(random.random(600) < 0.2, np.nan, values) for name, values in shop().items()}
    assert pairs(discover_learned([table(holed)])) >= CALLS


def test_tables_of_several_days_are_joined():
    columns = shop(rows=600)
    parts = [table({name: values[a : a + 150] for name, values in columns.items()}) for a in range(0, 600, 150)]
    assert {(d.caller, d.callee) for d in discover_learned(parts).dependencies[: len(CALLS)]} == CALLS


def test_infinite_values_are_gaps():
    columns = shop()
    columns["web"][10], columns["cart|latency"][20] = np.inf, -np.inf
    assert pairs(discover_learned([table(columns)])) >= CALLS


def test_a_name_that_no_component_can_have_is_refused():
    with pytest.raises(InputError, match=r"metrics: .* is longer than the 512 letters"):
        discover_learned([table({"x" * 513: np.arange(100.0)})])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 50), st.floats(1e-3, 1e6), st.floats(1e-3, 1e3), st.permutations(range(10)))
def test_units_offsets_and_the_order_of_columns_change_nothing(seed, per_hour, offset, order):
    columns = shop(rows=200, seed=seed)
    names = list(columns)
    other = {}
    for place in order:
        name = names[place]
        is_latency = "|" in name
        other[name] = columns[name] * 1000 if is_latency else columns[name] * per_hour + offset * per_hour
    one, two = discover_learned([table(columns)]), discover_learned([table(other)])
    assert [(d.caller, d.callee, d.type) for d in one.dependencies] == [
        (d.caller, d.callee, d.type) for d in two.dependencies
    ]
    assert [d.confidence for d in one.dependencies] == pytest.approx([d.confidence for d in two.dependencies], abs=2e-3)


VALUES = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1.0, -1.0]))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(VALUES, min_size=60, max_size=60), min_size=3, max_size=6))
def test_any_numbers_give_finite_confidence(columns):
    named = {f"c{i}" + ("|latency" if i % 2 else ""): values for i, values in enumerate(columns)}
    named |= {f"d{i}": values for i, values in enumerate(columns)}
    found = discover_learned([table(named)])
    assert all(0 < d.confidence <= MOST_CONFIDENCE and d.caller != d.callee for d in found.dependencies)


@given(st.floats(0, 2), st.floats(0, 2), st.integers(3, 500))
def test_confidence_grows_with_strength_and_is_a_share(one, other, components):
    low, high = confidence(np.array(sorted([one, other])), components)
    assert 0 <= low <= high <= MOST_CONFIDENCE


def left_of(values, column, held):
    """What a least-squares fit on the columns `held` leaves of a column."""
    design = np.column_stack([np.ones(len(values)), values[:, held]])
    return values[:, column] - design @ np.linalg.lstsq(design, values[:, column], rcond=None)[0]


def naive_partial(values, one, other, held):
    rest = [column for column in held if column not in (one, other)]
    return np.corrcoef(left_of(values, one, rest), left_of(values, other, rest))[0, 1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.lists(st.sampled_from([np.nan, 1.0, 2.0, 3.0, 4.0]), min_size=5, max_size=5))
def test_partial_correlations_match_the_naive_twin(seed, latency):
    random = np.random.default_rng(seed)
    values = random.normal(size=(40, 5)) @ random.normal(size=(5, 5))
    correlation, logs = np.corrcoef(values.T), np.log(latency)
    every = given_all(correlation)
    found = given_slower(correlation, logs[:, None] - logs[None, :])
    place = [(-level if np.isfinite(level) else -np.inf, column) for column, level in enumerate(logs)]
    for callee in range(5):
        unknown = not np.isfinite(logs[callee])
        held = [c for c in range(5) if unknown or place[c] < place[callee]]
        for caller in set(range(5)) - {callee}:
            assert every[caller, callee] == pytest.approx(naive_partial(values, caller, callee, range(5)), abs=1e-6)
            slower = naive_partial(values, caller, callee, held) if caller in held else 0.0
            assert found[caller, callee] == pytest.approx(slower, abs=1e-6)


def simulated(scenario, seed):
    """Tables as an investigation would have them, and the calls between what has traffic or latency of its own."""
    simulation = simulate(scenario, seed)
    tables = resolve(Case("simulated", metrics=simulation.metrics, components=simulation.components)).tables
    calls = {(d.caller, d.callee) for d in simulation.dependencies if d.type is DependencyType.CALLS}
    return tables, calls


@pytest.mark.parametrize("shape", ["chain", "fan", "mesh"])
def test_suggestions_for_simulated_systems_beat_chance_by_far(shape):
    tables, calls = simulated(generate_scenario(shape, 12, 31, "none", length=4 * 3600.0), 31)
    found = discover_learned(tables)
    right = len(pairs(found) & calls)
    components = len({s.component for t in tables for s in t.series if s.kind is MetricKind.TRAFFIC})
    density = len(calls) / (components * (components - 1))
    assert right >= 3
    assert right / len(found.dependencies) > 3 * density


def test_a_calm_shop_is_told_apart_from_chance():
    tables, calls = simulated(read_scenario(SCENARIOS / "calm.scenario"), 1)
    found = discover_learned(tables)
    assert found == discover_learned(tables)
    assert len(pairs(found) & calls) >= 0.2 * len(found.dependencies) > 0


@pytest.mark.data
@pytest.mark.parametrize("dataset", ["nezha_onlineboutique", "petshop"])
def test_suggestions_for_recorded_systems_beat_chance_by_far(data_folder, dataset):
    cases = (read_case_folder(folder) for folder in case_folders(data_folder / "cases" / dataset))
    signals = next(resolve(case) for case in cases if case.reference)
    calls = {(d.caller, d.callee) for d in signals.dependencies if d.source == "declared"}
    found = discover_learned(signals.reference)
    ends = {end for call in calls for end in call}
    assert len(pairs(found) & calls) / len(found.dependencies) > 2 * len(calls) / (len(ends) * (len(ends) - 1))
    assert len(pairs(found) & calls) >= 0.3 * len(calls)
