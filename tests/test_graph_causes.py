"""Several faults at once: both are named, and whoever merely suffers, or is merely loud, is not."""

from __future__ import annotations

import math
import random
import string
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.catalog import KINDS
from hypocenter.model import Alert, Component, ComponentType, Dependency, DependencyType, MetricKind, Series, Target
from hypocenter_graph.causes import LEAST_EVIDENCE, evidence_alone, independent_causes
from hypocenter_graph.deviation import Deviation
from hypocenter_graph.rank import Context, rank
from hypocenter_graph.topology import build_topology
from hypocenter_graph.verdict import probabilities

ONSET = datetime(2026, 3, 3, 7, 35, tzinfo=UTC)
WANTED = 0.9
USUAL_Z = 150.0
BRANCHES = "web -> cart -> cart-db; web -> pay -> bank; web -> search -> index"
CART_DB = """
    cart-db cpu 0.5 3.5
    cart-db latency/mean 0.010 0.410
    cart    latency/mean 0.030 0.430
    web     latency/mean 0.100 0.500
    web     traffic/rate 50 50
    cart    traffic/rate 40 40
    cart-db traffic/rate 40 40
"""
BANK = """
    bank errors 0.001 0.500
    pay  errors 0.001 0.500
    web  errors 0.001 0.200
    pay  traffic/rate 20 20
    bank traffic/rate 20 20
"""
SEARCH = "search memory 1e9 4e9\n search latency/mean 0.05 0.45"


def graph(text, rename=lambda name: name):
    """`web -> cart -> db; cart on node-1; queue mail`: calls, hosts and types of components."""
    components, dependencies = [], []
    for part in filter(None, map(str.strip, text.split(";"))):
        words = part.split()
        if " on " in part:
            dependencies.append(Dependency(rename(words[0]), rename(words[2]), DependencyType.RUNS_ON))
        elif "->" in part:
            stops = [rename(stop) for stop in part.replace(" ", "").split("->")]
            dependencies += [Dependency(*pair) for pair in pairwise(stops)]
        else:
            components.append(Component(rename(words[1]), ComponentType(words[0])))
    return build_topology(components, dependencies)


def deviation(line, rename=lambda name: name):
    """`cart latency/mean 0.1 0.5`, or `web->cart ...` as the caller sees it; anything that moved did so far."""
    where, what, before, after = line.split()
    what, _, stat = what.partition("/")
    component, _, peer = where.partition("->")
    kind = MetricKind(what)
    series = Series(
        rename(component),
        f"{what}_{stat}",
        kind,
        KINDS[kind].unit,
        stat or "last",
        "client" if peer else None,
        rename(peer) if peer else None,
    )
    change = float(after) - float(before)
    return Deviation(series, float(before), float(after), math.copysign(USUAL_Z, change) if change else 0.0)


def table(text, rename=lambda name: name):
    return [deviation(line, rename) for line in text.strip().splitlines() if line.strip()]


def causes(system, text, *, threshold=WANTED, onsets=None, rename=lambda name: name, **context):
    topology = graph(system, rename)
    ranking = rank(table(text, rename), topology, Context(onset=ONSET, **context))
    return independent_causes(ranking, topology, probabilities(ranking), threshold, onsets or {}, ONSET)


def test_two_faults_on_two_branches_are_both_named():
    assert set(causes(BRANCHES, CART_DB + BANK)) == {"cart-db", "bank"}


def test_two_faults_are_named_though_neither_is_probable_enough_alone():
    topology = graph(BRANCHES)
    alike = CART_DB + CART_DB.replace("cart-db", "index").replace("cart ", "search ")
    ranking = rank(table(alike), topology, Context(onset=ONSET))
    chances = probabilities(ranking)
    assert max(chances.values()) < WANTED
    assert len(independent_causes(ranking, topology, chances, WANTED, {}, ONSET)) == 2


def test_the_more_suspect_comes_first():
    ranking = rank(table(CART_DB + BANK), graph(BRANCHES), Context(onset=ONSET))
    assert causes(BRANCHES, CART_DB + BANK) == tuple(scored.component for scored in ranking.scored[:2])


def test_three_faults_are_named_and_a_fourth_is_not():
    system = BRANCHES + "; web -> mail"
    three = CART_DB + BANK + SEARCH
    assert set(causes(system, three)) == {"cart-db", "bank", "search"}
    assert len(causes(system, three + "\n mail cpu 0.5 3.5\n mail latency/mean 0.1 0.5", threshold=0.5)) == 3


@pytest.mark.parametrize("only", [CART_DB, BANK], ids=["slow", "failing"])
def test_one_fault_has_one_cause_whoever_suffers_from_it(only):
    assert causes(BRANCHES, only) == (("cart-db",) if only == CART_DB else ("bank",))


def test_none_is_named_where_none_is_sure_enough():
    assert causes(BRANCHES, CART_DB + BANK, threshold=1.0) == ()
    assert causes(BRANCHES, "web cpu 0.5 0.5") == ()


def test_a_pair_below_the_threshold_is_not_named_for_its_better_half():
    ranking = rank(table(CART_DB + BANK), graph(BRANCHES), Context(onset=ONSET))
    ordered = [scored.component for scored in ranking.scored]
    chances = dict.fromkeys(ordered, 0.0) | {ordered[0]: 0.5, ordered[1]: 0.3}
    assert independent_causes(ranking, graph(BRANCHES), chances, 0.81, {}, ONSET) == ()
    assert independent_causes(ranking, graph(BRANCHES), chances, 0.8, {}, ONSET) == tuple(ordered[:2])


@pytest.mark.parametrize(("minutes", "named"), [(-20, 1), (-4, 2), (4, 2), (20, 1)])
def test_an_older_or_a_later_trouble_is_another_incident(minutes, named):
    second = causes(BRANCHES, CART_DB + BANK)[1]
    assert len(causes(BRANCHES, CART_DB + BANK, onsets={second: ONSET + timedelta(minutes=minutes)})) == named


def test_a_loud_bystander_is_no_second_cause():
    loud = CART_DB + "batch cpu 0.5 7.5\n batch memory 1e9 9e9"
    assert causes(BRANCHES, loud, threshold=0.5) == ("cart-db",) or "batch" not in causes(BRANCHES, loud)
    assert "batch" not in causes(BRANCHES + "; batch -> bank", loud, target=Target("web"), threshold=0.5)[1:]


def test_what_the_graph_does_not_join_cannot_be_told_apart():
    assert len(causes("", CART_DB + BANK, threshold=0.5)) == 1


OVERLOAD = """
    cache   errors 0.001 1.0
    cache   restarts 0 3
    shop    errors 0.001 0.300
    shop    traffic/rate 50 50
    cache   traffic/rate 50 50
    shop-db cpu 0.5 3.5
"""


@pytest.mark.parametrize(("rate", "named"), [(50, {"cache", "shop-db"}), (200, {"cache"})])
def test_what_falls_ill_of_more_work_did_not_break(rate, named):
    moved = OVERLOAD + f"shop-db traffic/rate 50 {rate}"
    assert set(causes("web -> shop; shop -> cache; shop -> shop-db", moved, threshold=0.5)) == named


CHAIN = "web -> cart -> cart-db"


def test_above_a_cause_only_what_does_not_come_from_below_is_another():
    suffering = CART_DB + "cart saturation 0.1 1.0\n cart log_lines:declined 1 20"
    broken = CART_DB + "cart cpu 0.5 3.5\n cart disk 0.1 1.0"
    assert causes(CHAIN, suffering.replace("log_lines:declined", "error_lines/rate"), threshold=0.5) == ("cart-db",)
    assert set(causes(CHAIN, broken, threshold=0.5)) == {"cart-db", "cart"}


def test_time_lost_between_two_counts_half_for_each_end():
    gap = "web->pay edge_gap/p50 0.001 0.900"
    ranking = rank(table(CART_DB + gap), graph(BRANCHES), Context(onset=ONSET))
    lost = next(scored for scored in ranking.scored if scored.component == "pay")
    assert {finding.channel for finding, _ in lost.findings} == {"network_gap"}
    assert evidence_alone(lost, ranking) == pytest.approx(1.0 - math.sqrt(1.0 - lost.score))


def test_alerts_alone_tell_of_no_second_cause():
    fired = tuple(Alert(component, f"rule {component}") for component in ("cart-db", "bank"))
    topology = graph(BRANCHES)
    ranking = rank([], topology, Context(onset=ONSET, alerts=fired))
    assert len(independent_causes(ranking, topology, probabilities(ranking), 0.1, {}, ONSET)) == 1


def test_a_host_and_a_service_elsewhere_are_both_named():
    system = BRANCHES + "; search on node-1; index on node-1; host node-1"
    moved = BANK + "node-1 cpu 2.0 7.9\n search latency/mean 0.05 0.15\n index latency/mean 0.05 0.15"
    assert set(causes(system, moved, threshold=0.5)) == {"bank", "node-1"}


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_names_and_the_order_of_series_do_not_matter(seed):
    draw = random.Random(seed)
    names = {name: "".join(draw.choices(string.ascii_lowercase, k=12)) for name in graph(BRANCHES).components}
    lines = (CART_DB + BANK).strip().splitlines()
    draw.shuffle(lines)
    renamed = causes(BRANCHES, "\n".join(lines), rename=names.__getitem__)
    assert set(renamed) == {names["cart-db"], names["bank"]}


@settings(max_examples=60)
@given(
    moved=st.lists(st.sampled_from((CART_DB + BANK + SEARCH + OVERLOAD).strip().splitlines()), unique=True),
    threshold=st.floats(0.05, 0.99),
)
def test_causes_are_suspects_that_together_reach_the_threshold(moved, threshold):
    topology = graph(BRANCHES + "; web -> shop; shop -> cache; shop -> shop-db")
    ranking = rank(table("\n".join(moved)), topology, Context(onset=ONSET))
    chances = probabilities(ranking)
    named = independent_causes(ranking, topology, chances, threshold, {}, ONSET)
    assert len(named) == len(set(named)) <= 3
    assert not named or (named[0] == ranking.scored[0].component and sum(chances[c] for c in named) >= threshold - 1e-9)
    scored = {s.component: s for s in ranking.scored}
    assert all(evidence_alone(scored[c], ranking) >= LEAST_EVIDENCE for c in named[1:])
