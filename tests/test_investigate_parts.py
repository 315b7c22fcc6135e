"""The parts between detection and verdict: one incident of many anomalies, its symptom, timeline and blind spots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.model import (
    Alert,
    Anomaly,
    ChangeEvent,
    Component,
    ComponentType,
    Dependency,
    DependencyType,
    Direction,
    Incident,
    MetricKind,
    Series,
    Target,
)
from hypocenter.telemetry import Case, SeriesTable, Signals
from hypocenter_graph.topology import build_topology
from hypocenter_workers.blind_spots import blind_spots
from hypocenter_workers.correlate import choose_target, correlate
from hypocenter_workers.detect.onset import Onset
from hypocenter_workers.timeline import MOST_ENTRIES, first_onsets, timeline

ONSET = datetime(2026, 3, 3, 7, 35, tzinfo=UTC)
SHOP = build_topology([], [Dependency("web", "cart"), Dependency("cart", "db"), Dependency("ads", "ads-db")])
NAMES = st.sampled_from(["web", "cart", "db", "ads", "ads-db", "stranger"])


def after(minutes):
    return ONSET + timedelta(minutes=minutes)


def anomaly(component, minutes=0.0, score=5.0, metric="latency"):
    series = Series(component, metric, MetricKind.LATENCY, "s", "mean")
    at = after(minutes)
    return Anomaly(series, at, at + timedelta(minutes=1), score, 0.5, 0.1, 0.05, 0.15, Direction.UP)


ANOMALIES = st.lists(st.builds(anomaly, NAMES, st.integers(0, 20), st.floats(3, 50)), max_size=8)
ALERTS = st.lists(st.builds(Alert, NAMES, st.just("slow"), st.none() | st.integers(-200, 200).map(after)), max_size=4)


@given(ANOMALIES, ALERTS)
def test_an_incident_is_one_story_in_order_of_time(anomalies, alerts):
    incident = correlate(anomalies, alerts, ONSET, SHOP)
    assert set(incident.anomalies) <= set(anomalies)
    assert set(incident.alerts) <= set(alerts)
    assert [a.onset for a in incident.anomalies] == sorted(a.onset for a in incident.anomalies)
    known = {a.series.component for a in incident.anomalies} - {"stranger"}
    assert known <= {"web", "cart", "db"} or known <= {"ads", "ads-db"}
    assert {a for a in anomalies if a.series.component == "stranger"} <= set(incident.anomalies)
    assert all(a.at is None or abs(a.at - ONSET) <= timedelta(hours=1) for a in incident.alerts)
    assert {a for a in alerts if a.at is None} <= set(incident.alerts)


def test_the_larger_part_of_the_graph_is_the_story():
    anomalies = [anomaly("ads", score=50.0), anomaly("web"), anomaly("db")]
    assert [a.series.component for a in correlate(anomalies, [], ONSET, SHOP).anomalies] == ["db", "web"]


def test_an_alert_counts_for_its_part_of_the_graph():
    alerts = [Alert("ads", "slow", ONSET), Alert("ads-db", "slow", ONSET)]
    incident = correlate([anomaly("ads"), anomaly("web")], alerts, ONSET, SHOP)
    assert [a.series.component for a in incident.anomalies] == ["ads"]


def test_nothing_correlates_to_nothing():
    assert correlate([], [], None, SHOP) == Incident(None)


@pytest.mark.parametrize("known", [SHOP, build_topology([], [])])
def test_a_stated_symptom_stands(known):
    assert choose_target(Target("db", "latency"), [Alert("web", "slow", ONSET)], known) == Target("db", "latency")


def test_else_the_first_dated_alert_on_the_graph_is_the_symptom():
    alerts = [
        Alert("web", "late", after(3)),
        Alert("cart", "slow", after(1)),
        Alert("db", "undated"),
        Alert("stranger", "first", after(0)),
    ]
    assert choose_target(None, alerts, SHOP) == Target("cart", "slow")
    assert choose_target(None, alerts[2:], SHOP) is None
    assert choose_target(None, alerts[::-1], SHOP) == Target("cart", "slow")


def test_a_component_left_its_normal_with_its_first_series():
    anomalies = (anomaly("web", 1), anomaly("web", 2, metric="errors"), anomaly("db", 0))
    by_series, by_component = first_onsets(Incident(ONSET, anomalies))
    assert by_component == {"web": after(1), "db": after(0)}
    assert by_series == {a.series: a.onset for a in anomalies}


CHANGES = (ChangeEvent("cart", after(-10), "deploy", "v2"), ChangeEvent("web", after(-600), "deploy", "v1"))


def test_the_timeline_tells_dated_facts_in_order():
    alerts = (Alert("web", "slow", after(4), summary="web is slow"), Alert("db", "undated"))
    told = timeline(Incident(ONSET, (anomaly("db", 1), anomaly("db", 3), anomaly("web", 2)), alerts), CHANGES)
    assert [(e.type, e.component) for e in told] == [
        ("change", "cart"), ("onset", ""), ("anomaly", "db"), ("anomaly", "web"), ("alert", "web")
    ]  # fmt: skip
    assert [e.text for e in told][::4] == ["deploy v2", "web is slow"]
    assert "db" in told[2].text
    assert "100 ms" in told[2].text


@given(ANOMALIES, ALERTS)
def test_the_timeline_is_sorted_and_short_whatever_happened(anomalies, alerts):
    told = timeline(correlate(anomalies * 20, alerts * 30, ONSET, SHOP), CHANGES * 30)
    assert [e.at for e in told] == sorted(e.at for e in told)
    assert len(told) <= MOST_ENTRIES
    assert len([e for e in told if e.type == "onset"]) <= 1


START = np.datetime64("2026-03-03T06:00:00", "ns")


def table(*names, rows=60, modality="metrics", level=1.0, start=START):
    series = tuple(Series(name, "cpu", MetricKind.CPU, "cores") for name in names)
    times = start + np.arange(rows) * np.timedelta64(60, "s")
    return SeriesTable(series, times, np.full((rows, len(names)), level), modality)


def spots(signals, *, case=None, topology=SHOP, minutes=30):
    start = None if minutes is None else Onset(START + np.timedelta64(minutes * 60, "s"), 60.0)
    return blind_spots(case or Case("made"), signals, topology, start)


EVERYBODY = ("web", "cart", "db", "ads", "ads-db")
ALL_SEEN = tuple(table(*EVERYBODY, modality=modality) for modality in ("metrics", "traces", "logs"))


def test_where_all_is_seen_nothing_is_blind():
    assert spots(Signals(ALL_SEEN)) == ()


@pytest.mark.parametrize(
    ("signals", "minutes", "said"),
    [
        (Signals(ALL_SEEN[:1]), 30, "no traces were given"),
        (Signals(ALL_SEEN[1:]), 30, "no metrics were given"),
        (Signals((table("web", "cart", "ads"), *ALL_SEEN[1:2])), 30, "no log lines were given"),
        (Signals(ALL_SEEN), 5, "only 5 rows of metrics before the onset"),
        (Signals(ALL_SEEN), 90, "no metrics after the onset"),
        (Signals(ALL_SEEN, (table("web", start=START + np.timedelta64(1, "D")),)), 30, "recorded after the incident"),
        (Signals(ALL_SEEN, notes=("names were cut",)), 30, "names were cut"),
        (Signals((table("web", "cart", "ads", "ads-db"),)), 30, "db"),
        (Signals((table("web", "cart", "ads", "ads-db"), table("db", level=np.nan))), 30, "db"),
    ],
)
def test_what_is_missing_is_said(signals, minutes, said):
    assert any(said in spot for spot in spots(signals, minutes=minutes))


def test_an_instance_whose_service_reports_is_not_blind():
    instances = [
        Dependency("web@1", "web", DependencyType.INSTANCE_OF),
        Dependency("x@1", "x", DependencyType.INSTANCE_OF),
    ]
    topology = build_topology([], [*SHOP.dependencies, *instances])
    assert spots(Signals(ALL_SEEN), topology=topology) == ("no telemetry at all: x, x@1",)


def test_notes_of_reading_come_through_once():
    case = Case("made", notes=("a file was empty", "a file was empty"))
    assert spots(Signals(ALL_SEEN), case=case) == ("a file was empty",)


def test_many_silent_components_are_counted_and_not_all_named():
    topology = build_topology([Component(f"s{i:02}", ComponentType.SERVICE) for i in range(40)], SHOP.dependencies)
    (found,) = spots(Signals(ALL_SEEN), topology=topology)
    assert "s00" in found
    assert "s39" not in found
    assert "35 more" in found


def test_without_an_onset_no_window_is_complained_of():
    assert not any("onset" in spot for spot in spots(Signals(ALL_SEEN), minutes=None))
