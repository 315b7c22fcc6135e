"""Changes of what is known: the same seed gives the same change, shares hold, and the original stays what it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import Alert, Dependency, DependencyType
from hypocenter.signals import resolve
from hypocenter.telemetry import Case, RawTable
from hypocenter_workers import perturb
from hypocenter_workers.wrong_edges import with_wrong_edges

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
METRICS = ("cpu_usage", "memory_bytes", "latency_p95_s", "request_rate")
MODALITIES = ("metrics", "resources", "traces", "logs")


def table(rows=20, services=("web", "cart", "db"), step_s=60):
    labels = tuple({"component": name, "__name__": metric} for name in services for metric in METRICS)
    times = np.datetime64("2026-03-01T11:50", "ns") + np.arange(rows) * np.timedelta64(step_s, "s")
    return RawTable(labels, times, np.arange(rows * len(labels), dtype=float).reshape(rows, -1))


def spans():
    """Forty traces of web calling cart."""
    at = pd.date_range("2026-03-01T11:50", periods=40, freq="20s", tz="UTC")
    caller = pd.DataFrame({"time": at, "trace": range(40), "span": 1, "parent": -1, "service": "web"})
    callee = caller.assign(span=2, parent=1, service="cart")
    return pd.concat([caller, callee], ignore_index=True).assign(operation="get", duration_us=1000.0)


def lines():
    at = pd.date_range("2026-03-01T11:50", periods=40, freq="20s", tz="UTC")
    return pd.DataFrame({"time": at, "service": "db", "severity": "info", "message": "ready"})


@pytest.fixture
def case():
    """A case with everything: metrics and a reference of them, spans, log lines, alerts and a declared edge."""
    alerts = (Alert("web", "slow", NOON, "metric"), Alert("web", "slow", NOON, "trace", peer="cart", host="node-1"))
    return Case(
        "one",
        metrics=table(),
        reference=(table(30),),
        spans=spans(),
        log_lines=lines(),
        alerts=alerts,
        dependencies=(Dependency("cart", "db"),),
        started_at=NOON,
    )


def modalities(case):
    return {series_table.modality for series_table in resolve(case).tables if series_table.series}


def metrics_of(case):
    return {(labels["component"], labels["__name__"]) for labels in case.metrics.labels}


def ends(dependencies):
    return {(edge.caller, edge.callee) for edge in dependencies}


@pytest.mark.parametrize(
    ("modality", "left"),
    [("metrics", {"traces", "logs"}), ("traces", {"metrics", "logs"}), ("logs", {"metrics", "traces"})],
)
def test_a_modality_goes_and_the_others_stay(case, modality, left):
    assert modalities(case) == {"metrics", "traces", "logs"}
    assert modalities(perturb.without_modality(case, modality)) == left
    assert modalities(case) == {"metrics", "traces", "logs"}


def test_a_modality_takes_its_references_alerts_and_edges_along(case):
    assert resolve(perturb.without_modality(case, "metrics")).reference == ()
    bare = perturb.without_modality(case, "traces")
    assert [alert.modality for alert in bare.alerts] == ["metric"]
    assert ends(resolve(case).dependencies) == {("cart", "db"), ("web", "cart")}
    assert ends(resolve(bare).dependencies) == {("cart", "db")}


def test_spans_that_were_counted_already_are_traces_too(case):
    minutes = pd.DataFrame({"time": [NOON], "service": ["web"], "spans": [3]})
    edges = pd.DataFrame({"time": [NOON], "caller": ["web"], "callee": ["cart"], "calls": [3]})
    counted = replace(case, spans=None, service_minutes=minutes, edge_minutes=edges)
    assert modalities(perturb.without_modality(counted, "traces")) == {"metrics", "logs"}


def test_resources_are_some_of_the_metrics(case):
    less = perturb.without_modality(case, "resources")
    assert {metric for _, metric in metrics_of(less)} == {"latency_p95_s", "request_rate"}
    assert less.reference[0].labels == less.metrics.labels
    assert less.metrics.values.tolist() == case.metrics.values[:, [2, 3, 6, 7, 10, 11]].tolist()


@pytest.mark.parametrize("modality", MODALITIES)
def test_what_is_not_there_cannot_go(modality):
    bare = Case("bare", alerts=(Alert("web", "odd", modality="other"),))
    assert perturb.without_modality(bare, modality) is bare


def test_nothing_else_can_go_from_a_case_without_it():
    bare = Case("bare")
    for unchanged in (
        perturb.without_declared_graph(bare),
        perturb.without_far_ends(bare),
        perturb.without_series(bare, 0.5, 0),
        perturb.with_start_off(bare, 60),
    ):
        assert unchanged is bare
    signals = resolve(bare)
    assert perturb.without_topology(signals) is signals
    assert perturb.with_wrong_graph(signals, 0.2, 0) is signals


def test_without_the_declared_graph_what_spans_show_stays(case):
    assert ends(resolve(perturb.without_declared_graph(case)).dependencies) == {("web", "cart")}


def test_without_topology_nothing_names_two_components(case):
    signals = perturb.without_topology(resolve(case))
    assert signals.dependencies == ()
    series = [one for series_table in (*signals.tables, *signals.reference) for one in series_table.series]
    assert not [one for one in series if one.peer]
    assert {"self_time_mean", "cpu_usage"} <= {one.metric for one in series}
    assert all(series_table.values.shape[1] == len(series_table.series) for series_table in signals.tables)
    assert [(alert.peer, alert.host) for alert in perturb.without_far_ends(case).alerts] == [(None, None)] * 2


@pytest.mark.parametrize(("share", "left"), [(0.0, 12), (0.1, 11), (0.3, 8), (0.5, 6), (1.0, 0)])
def test_a_share_of_the_series_goes_everywhere(case, share, left):
    less = perturb.without_series(case, share, seed=7)
    assert len(less.metrics.labels) == left == less.metrics.values.shape[1]
    assert less.reference[0].labels == less.metrics.labels
    assert metrics_of(less) == metrics_of(perturb.without_series(case, share, seed=7)) <= metrics_of(case)
    assert len(case.metrics.labels) == 12


def test_which_series_go_depends_on_seed_and_case_and_not_on_the_order_of_columns(case):
    chosen = metrics_of(perturb.without_series(case, 0.5, seed=7))
    assert any(metrics_of(perturb.without_series(case, 0.5, seed)) != chosen for seed in range(3))
    others = [replace(case, case_id=name) for name in ("two", "three", "four")]
    assert any(metrics_of(perturb.without_series(other, 0.5, seed=7)) != chosen for other in others)
    turned = replace(case.metrics, labels=case.metrics.labels[::-1], values=case.metrics.values[:, ::-1])
    assert metrics_of(perturb.without_series(replace(case, metrics=turned), 0.5, seed=7)) == chosen


def test_a_start_is_off_by_minutes_and_by_a_row_at_least(case):
    assert perturb.with_start_off(case, -90).started_at == NOON - timedelta(seconds=90)
    assert perturb.with_start_off_minutes(case, 2).started_at == NOON + timedelta(minutes=2)
    coarse, fine = (replace(case, metrics=table(step_s=step)) for step in (300, 1))
    assert perturb.with_start_off_minutes(coarse, -2).started_at == NOON - timedelta(minutes=5)
    assert perturb.with_start_off_minutes(fine, 1).started_at == NOON + timedelta(minutes=1)


SERVICES = [f"service-{number}" for number in range(8)]
HOSTS = ["host-1", "host-2", "host-3"]
CALLS = st.builds(Dependency, st.sampled_from(SERVICES), st.sampled_from(SERVICES))
PLACED = st.builds(Dependency, st.sampled_from(SERVICES), st.sampled_from(HOSTS), st.just(DependencyType.RUNS_ON))


@st.composite
def graphs(draw):
    edges = {
        (e.caller, e.callee, e.type): e for e in draw(st.lists(CALLS | PLACED, max_size=25)) if e.caller != e.callee
    }
    return tuple(edges.values())


@given(graphs(), st.floats(0, 1), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_share_of_the_edges_is_wrong_and_the_others_are_right(edges, share, seed):
    wrong = with_wrong_edges(edges, share, seed)
    assert len(set(edges) - set(wrong)) == round(share * len(edges))
    assert len(wrong) <= len(edges)
    assert all(edge.caller != edge.callee for edge in wrong)
    assert len(set(wrong)) == len(wrong)
    assert all(edge.callee in HOSTS for edge in wrong if edge.type is DependencyType.RUNS_ON)
    assert not any({edge.caller, edge.callee} & set(HOSTS) for edge in wrong if edge.type is DependencyType.CALLS)


@given(graphs(), st.floats(0, 1), st.integers(0, 5), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_same_seed_gives_the_same_edges_in_whatever_order_they_come(edges, share, seed, random):
    turned = list(edges)
    random.shuffle(turned)
    assert set(with_wrong_edges(turned, share, seed)) == set(with_wrong_edges(edges, share, seed))


def renamed(edges, names):
    return {replace(edge, caller=names[edge.caller], callee=names[edge.callee]) for edge in edges}


@given(graphs(), st.floats(0, 1), st.integers(0, 5), st.permutations(range(11)))
@settings(max_examples=60, deadline=None)
def test_other_names_get_the_same_edges_wrong(edges, share, seed, order):
    """Where something is known that tells every component from the others, names decide nothing."""
    known = {name: float(place) for place, name in enumerate([*SERVICES, *HOSTS])}
    names = {name: f"other-{order[place]}" for place, name in enumerate([*SERVICES, *HOSTS])}
    there = with_wrong_edges(
        tuple(renamed(edges, names)), share, seed, {names[name]: figure for name, figure in known.items()}
    )
    assert set(there) == renamed(with_wrong_edges(edges, share, seed, known), names)


def test_the_shape_of_a_graph_alone_tells_its_components_apart():
    chain = [Dependency(f"c{place}", f"c{place + 1}") for place in range(7)]
    names = {f"c{place}": f"c{7 - place}" for place in range(8)}
    for seed in range(5):
        there = with_wrong_edges(tuple(renamed(chain, names)), 0.3, seed)
        assert set(there) == renamed(with_wrong_edges(chain, 0.3, seed), names)


def test_another_seed_gets_other_edges_wrong():
    chain = [Dependency(f"c{place}", f"c{place + 1}") for place in range(20)]
    assert len({with_wrong_edges(chain, 0.2, seed) for seed in range(5)}) == 5


def test_where_every_other_edge_exists_a_wrong_one_is_left_out():
    both = [Dependency("web", "cart"), Dependency("cart", "web")]
    assert len(with_wrong_edges(both, 0.5, seed=0)) == 1


def test_a_graph_with_wrong_edges_keeps_its_series(case):
    signals = resolve(case)
    wrong = perturb.with_wrong_graph(signals, 0.5, seed=0)
    assert wrong.tables == signals.tables
    assert len(ends(wrong.dependencies) - ends(signals.dependencies)) == 1
