"""Laws of ranking that hold for any system: names, order and the hour of the day are of no account."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.catalog import KINDS
from hypocenter.model import (
    Alert,
    ChangeEvent,
    Component,
    ComponentType,
    Dependency,
    DependencyType,
    MetricKind,
    Series,
    Target,
)
from hypocenter_graph.deviation import Deviation
from hypocenter_graph.rank import Context, components_of, rank
from hypocenter_graph.topology import build_topology

ONSET = datetime(2026, 3, 3, 7, 35, tzinfo=UTC)
NAMES = ("ads", "cart", "db", "node", "pay", "web")
RENAMED = {"ads": "Straße", "cart": "x|y", "db": "", "node": "<b>", "pay": "web-1", "web": "web"}
NAME = st.sampled_from(NAMES)
LEVEL = st.sampled_from([0.0, 0.001, 0.1, 1.0, 50.0]) | st.floats(0, 100) | st.just(math.nan)
DISTANCE = st.sampled_from([0.0, 4.0, 40.0]) | st.floats(-1e4, 1e4)
KIND = st.sampled_from(MetricKind)
OWN = st.builds(
    lambda component, kind, stat: Series(component, f"{kind}_{stat}", kind, KINDS[kind].unit, stat),
    NAME, KIND, st.sampled_from(["mean", "p50", "p95"]),
)  # fmt: skip
EDGE = st.builds(
    lambda component, kind, peer: Series(component, f"{kind}_p50", kind, KINDS[kind].unit, "p50", "client", peer),
    NAME, st.sampled_from([MetricKind.EDGE_GAP, MetricKind.LATENCY, MetricKind.ERRORS, MetricKind.TRAFFIC]), NAME,
)  # fmt: skip
DEVIATIONS = st.dictionaries(OWN | EDGE, st.tuples(LEVEL, LEVEL, DISTANCE, st.booleans()), max_size=24).map(
    lambda found: tuple(Deviation(s, *levels[:3], silent=levels[3]) for s, levels in found.items())
)
COMPONENTS = st.lists(
    st.builds(Component, NAME, st.sampled_from(ComponentType)), max_size=4, unique_by=lambda component: component.name
)
DEPENDENCIES = st.lists(st.builds(Dependency, NAME, NAME, st.sampled_from(DependencyType)), max_size=10)
CHANGES = st.lists(
    st.builds(ChangeEvent, NAME, st.integers(-200, 200).map(lambda m: ONSET + timedelta(minutes=m))), max_size=3
)
ALERTS = st.lists(st.builds(Alert, NAME, st.sampled_from(["slow", "down"])), max_size=4)
CONTEXTS = st.builds(
    lambda target, changes, alerts: Context(Target(target) if target else None, ONSET, tuple(changes), tuple(alerts)),
    st.none() | NAME, CHANGES, ALERTS,
)  # fmt: skip
SYSTEMS = st.tuples(DEVIATIONS, COMPONENTS, DEPENDENCIES, CONTEXTS)


def ranked(deviations, components, dependencies, context):
    return rank(deviations, build_topology(components, dependencies), context)


def scores(ranking):
    return {scored.component: scored.score for scored in ranking.scored}


def rename(thing):
    """The same thing with every component in it called something else."""
    if isinstance(thing, Series):
        peer = None if thing.peer is None else RENAMED[thing.peer]
        return replace(thing, component=RENAMED[thing.component], peer=peer)
    if isinstance(thing, Deviation):
        return replace(thing, series=rename(thing.series))
    if isinstance(thing, Component):
        return replace(thing, name=RENAMED[thing.name])
    if isinstance(thing, Dependency):
        return replace(thing, caller=RENAMED[thing.caller], callee=RENAMED[thing.callee])
    if isinstance(thing, Context):
        target = Target(RENAMED[thing.target.component]) if thing.target else None
        changes, alerts = (tuple(map(rename, things)) for things in (thing.changes, thing.alerts))
        return replace(thing, target=target, changes=changes, alerts=alerts)
    return replace(thing, component=RENAMED[thing.component])


@given(SYSTEMS)
def test_every_component_is_scored_once_from_0_to_1_best_first_and_ties_by_name(system):
    deviations, components, dependencies, _ = system
    ranking = ranked(*system)
    keys = [(-scored.score, scored.component) for scored in ranking.scored]
    assert keys == sorted(set(keys))
    assert all(0.0 <= scored.score < 1.0 for scored in ranking.scored)
    assert {*build_topology(components, dependencies).components} <= scores(ranking).keys() <= set(NAMES)
    assert {d.series.component for d in deviations if d.series.peer is None} <= scores(ranking).keys()


@given(SYSTEMS)
def test_shares_of_a_score_add_up_and_the_heaviest_comes_first(system):
    for scored in ranked(*system).scored:
        shares = [share for _, share in scored.findings]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1.0 if scored.score else 0.0)
        assert all(finding.component == scored.component for finding, _ in scored.findings)
        assert all(0 <= finding.strength <= 1 for finding, _ in scored.findings)


@given(SYSTEMS)
def test_what_explains_a_symptom_explains_a_share_of_it_and_is_leaned_on(system):
    _, components, dependencies, _ = system
    topology = build_topology(components, dependencies)
    ranking = ranked(*system)
    assert ranking.explained.keys() == ranking.symptoms.keys()
    for (component, _), explained in ranking.explained.items():
        assert 0.0 <= explained.share <= 1.0
        assert (explained.by is None) == (explained.share == 0.0)
        assert explained.by is None or explained.by in topology.leaned_on(component)


@given(SYSTEMS)
def test_the_same_system_is_ranked_the_same(system):
    assert ranked(*system) == ranked(*system)


@given(SYSTEMS, st.randoms(use_true_random=False))
def test_the_order_of_series_and_edges_is_of_no_account(system, random):
    shuffled = [random.sample(part, len(part)) for part in system[:3]]
    assert scores(ranked(*shuffled, system[3])) == pytest.approx(scores(ranked(*system)), abs=1e-9)


@given(SYSTEMS)
def test_other_names_for_all_components_leave_every_score_as_it_was(system):
    here = scores(ranked(*system))
    there = scores(ranked(*(tuple(map(rename, part)) for part in system[:3]), rename(system[3])))
    assert there == pytest.approx({RENAMED[name]: score for name, score in here.items()}, abs=1e-9)


@given(SYSTEMS, st.integers(-(10**6), 10**6))
def test_another_time_of_day_changes_nothing(system, minutes):
    context = system[3]
    shift = timedelta(minutes=minutes)
    moved = replace(
        context, onset=context.onset + shift, changes=tuple(replace(c, at=c.at + shift) for c in context.changes)
    )
    assert scores(ranked(*system[:3], moved)) == scores(ranked(*system))


@given(SYSTEMS)
def test_a_component_that_nothing_is_known_of_is_not_suspected(system):
    deviations, components, dependencies, context = system
    strangers = [*components, Component("unheard-of")]
    assert scores(ranked(deviations, strangers, dependencies, context))["unheard-of"] == 0.0


@given(SYSTEMS)
def test_a_stranger_without_edges_changes_nobodys_score(system):
    deviations, components, dependencies, context = system
    more = scores(ranked(deviations, [*components, Component("unheard-of")], dependencies, context))
    assert {name: score for name, score in more.items() if name != "unheard-of"} == scores(ranked(*system))


@given(DEPENDENCIES)
def test_without_telemetry_all_score_nothing_in_order_of_name(dependencies):
    topology = build_topology([], dependencies)
    ranking = rank([], topology, Context())
    assert [scored.component for scored in ranking.scored] == sorted(topology.components)
    assert not any(scored.score for scored in ranking.scored)
    assert components_of(topology, ranking.seen) == sorted(topology.components)
