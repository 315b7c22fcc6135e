"""The run of peers: who is asked under which condition, what a stopped run keeps, and which rows stand together."""

from __future__ import annotations

import json
from pathlib import Path

import bench_rca_peers
import numpy as np
import pandas as pd
import pytest
import rca_answers
import rca_child
import rca_conditions
import rca_frames
import rca_peers
import render
import results
from rca_peer_tables import tables

from hypocenter_workers.evaluate import OURS, Outcome, evaluate
from hypocenter_workers.scoring import ranking_of

ALL_PEERS = [*rca_peers.PACKAGED, *rca_peers.PEERS]
QUICK = [name for name in ALL_PEERS if name not in rca_peers.SLOW]
CONDITIONS = (rca_conditions.TRUE, *rca_conditions.starts(), *rca_conditions.losses())
CASES = [Path("shop") / str(number) for number in range(13)]


def write_case(folder):
    """Write a labelled case with metrics of every group, spans, log lines, a declared graph and one seen in spans."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(folder.name))
    times = pd.date_range("2026-03-01T11:30", periods=40, freq="min", tz="UTC", name="time")
    late = np.arange(40) >= 30
    series = {
        f"{name}|{metric}": level * (1 + 0.02 * rng.standard_normal(40) + (name == "db") * 4 * late)
        for name in ("web", "cart", "db", "ads")
        for metric, level in (("latency_p95_s", 0.1), ("cpu_usage_cores", 0.3))
    }
    calls = {f"web|edge_dst_p50_s:{name}": 0.1 + 0.01 * rng.standard_normal(40) for name in ("cart", "ads")}
    pd.DataFrame(series | calls, index=times).to_parquet(folder / "metrics.parquet")
    seen = pd.date_range("2026-03-01T11:59", periods=8, freq="15s", tz="UTC")
    spans = [
        (at, f"t{n}", f"{n}-{s}", "-1" if s == "web" else f"{n}-web", s)
        for n, at in enumerate(seen)
        for s in ("web", "cart")
    ]
    table = pd.DataFrame(spans, columns=["time", "trace", "span", "parent", "service"])
    table.assign(operation="get", duration_us=900).to_parquet(folder / "spans.parquet")
    logs = [(at, service, "INFO", "served") for at in seen for service in ("web", "db")]
    pd.DataFrame(logs, columns=["time", "service", "severity", "message"]).to_parquet(folder / "log_lines.parquet")
    edges = [["web", "cart"], ["cart", "db"], ["web", "ads"]]
    case = {"case_id": folder.name, "started_at": "2026-03-01T12:00:00+00:00", "dependencies": edges}
    (folder / "case.json").write_text(json.dumps(case))
    (folder / "truth.json").write_text(json.dumps({"root_component": "db", "fault_type": "delay"}))
    return folder


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("data") / "shop" / "one")


def frame_under(condition, case):
    """Return the frame that a peer is given of a case under a condition; None where it is not asked or has none."""
    frames = []

    def looks(situation):
        frames.append(rca_frames.frame_of(situation))
        return ranking_of({"db": 1.0})

    evaluate([case], (), conditions=(condition,), extra={"looks": looks})
    return frames[0] if frames else None


@pytest.fixture(scope="module")
def told(case):
    return frame_under(rca_conditions.TRUE, case)


@pytest.mark.parametrize("condition", CONDITIONS[1:], ids=lambda one: one.name)
def test_what_a_condition_is_said_to_change_is_what_it_changes(condition, case, told):
    frame = frame_under(condition, case)
    if frame is None:
        assert not rca_conditions.changed(condition)
        return
    changed = rca_conditions.changed(condition)
    metrics = {"metrics"} if frame.series != told.series else set()
    graph = {"graph"} if frame.edges != told.edges else set()
    assert metrics | graph == changed - {"start"}
    # The start that is found may be the true one.
    assert (frame.start != told.start) == ("start" in changed) or condition == rca_conditions.FOUND


def test_a_peer_is_asked_where_something_that_it_is_given_changes():
    asked = {
        (step.condition.name, name) for step in bench_rca_peers.steps(CASES, ALL_PEERS, 4) for name in step.methods
    }
    assert {("start told", name) for name in (OURS, *ALL_PEERS)} <= asked
    assert {("start found", name) for name in (OURS, *ALL_PEERS)} - asked == {("start found", *rca_peers.OWN_START)}
    wrong = {name for condition, name in asked if condition == "20 % of the edges wrong"}
    assert wrong == {OURS, *rca_peers.ON_GRAPH}
    assert not {condition for condition, _ in asked} & {"without metrics", "without traces", "without log lines"}


def test_in_the_end_slow_peers_are_asked_about_every_case_where_the_start_is_told_and_else_about_some():
    cases = {}
    for step in bench_rca_peers.steps(CASES, ALL_PEERS, 4):
        for name in step.methods:
            cases.setdefault((step.condition.name, name), set()).update(step.cases)
    assert {len(found) for (_, name), found in cases.items() if name not in rca_peers.SLOW} == {len(CASES)}
    slow = {
        condition: {len(cases[condition, name]) for name in rca_peers.SLOW if (condition, name) in cases}
        for condition, _ in cases
    }
    assert slow.pop("start told") == {len(CASES)}
    assert set().union(*slow.values()) == {4}


def test_a_run_that_was_stopped_goes_on_where_it_was(case, tmp_path):
    calls, tally = [], rca_child.Tally()

    def peer(situation):
        calls.append(situation.case.case_id)
        tally.cases["peer"] += 1
        tally.failures["peer", "of old age"] += 1
        return ranking_of({"db": 1.0, "web": 0.5})

    kept = tmp_path / "answers.jsonl"
    step = bench_rca_peers.Step(rca_conditions.TRUE, ("peer",), (case,))
    first = rca_answers.read(kept)
    assert bench_rca_peers.ask(step, {"peer": peer}, tally, first) == 1
    again = rca_answers.read(kept)
    assert bench_rca_peers.ask(step, {"peer": peer}, tally, again) == 0
    assert calls == ["one"]
    assert again.outcomes == first.outcomes
    assert [(one.method, one.hits[0], one.condition) for one in again.outcomes] == [("peer", 1.0, "start told")]
    assert again.tally.lines() == ("peer: no answer in 1 of 1 runs: of old age",)


def test_a_case_that_a_condition_leaves_out_is_not_asked_again(case, tmp_path):
    without_log = next(one for one in CONDITIONS if one.name == "without log lines")
    bare = tmp_path / "bare" / "two"
    write_case(bare)
    (bare / "log_lines.parquet").unlink()
    answers = rca_answers.read(tmp_path / "answers.jsonl")
    step = bench_rca_peers.Step(without_log, ("peer",), (bare,))
    asked = [bench_rca_peers.ask(step, {"peer": None}, rca_child.Tally(), answers) for _ in range(2)]
    assert (asked, answers.outcomes) == ([1, 0], [])


def outcome(method, case_id, hit, condition="start told", dataset="shop"):
    known = {"level": "component", "fault_type": "cpu", "roots": ("db",), "rank": 1.0, "top": "db", "ms": 1.0}
    said = {"probability": None, "abstained": None, "cause_hit": None}
    return Outcome(dataset, case_id, method, hits=(float(hit),) * 5, condition=condition, **known, **said)


def test_methods_asked_about_fewer_cases_stand_below_ours_on_the_same_cases():
    answers = [outcome(OURS, "a", 1), outcome(OURS, "b", 0), outcome("quick", "a", 0), outcome("quick", "b", 0)]
    found = tables([*answers, outcome("slow", "a", 1)], ["start told"])
    shop = [(row["method"], row["cases"], row["AC@1"]) for row in found if row["table"] == "shop, start told"]
    assert shop == [(OURS, 2, 0.5), ("quick", 2, 0.0), (OURS, 1, 1.0), ("slow", 1, 1.0)]


def test_pooled_cases_are_drawn_under_every_condition_and_data_sets_where_the_start_is_told():
    late = "start told 5 min late"
    answers = [
        outcome(method, "a", 1, condition, dataset)
        for condition in ("start told", late)
        for dataset in ("shop", "bar")
        for method in (OURS, "quick")
    ]
    found = tables(answers, ["start told", late])
    drawn = render.as_text(results.document("made", found))
    assert [
        title for title in ("shop, start told", f"shop, {late}", f"all cases with metrics, {late}") if title in drawn
    ] == [
        "shop, start told",
        f"all cases with metrics, {late}",
    ]
    assert [(row["data set"], row["cases"]) for row in found if row["condition"] == late] == [("shop", 1)] * 2 + [
        ("bar", 1)
    ] * 2
    assert {row["cases"] for row in found if row["table"] == f"all cases with metrics, {late}"} == {2}
