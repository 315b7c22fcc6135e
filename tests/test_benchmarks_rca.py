"""The benchmark of root causes: its conditions, and tables that compare case by case."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypocenter_workers.evaluate import OURS, Outcome

ROOT = Path(__file__).parents[1]


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import bench_rca

    return bench_rca


def outcome(condition, case_id, hit, method=OURS, dataset="shop"):
    hits = (float(hit),) * 5
    known = {"level": "component", "fault_type": "cpu", "roots": ("db",), "rank": 1.0, "top": "db", "ms": 1.0}
    said = {"probability": 0.5, "abstained": False, "cause_hit": bool(hit)}
    return Outcome(dataset, case_id, method, hits=hits, condition=condition, **known, **said)


@pytest.fixture
def outcomes():
    """Two data sets; without logs one case is lost and one was left out."""
    told = [outcome("start told", name, 1) for name in ("a", "b", "c")] + [outcome("start told", "a", 0, dataset="bar")]
    less = [outcome("without log lines", "a", 0), outcome("without log lines", "b", 1)]
    return [
        *told,
        *less,
        outcome("start told", "a", 0, method="random"),
        outcome("without log lines", "a", 1, "random"),
    ]


def test_every_condition_has_a_name_of_its_own(bench):
    conditions = (bench.rca_conditions.TRUE, *bench.rca_conditions.starts(), *bench.rca_conditions.losses())
    names = [condition.name for condition in conditions]
    assert len(set(names)) == len(names) == 18
    assert {"start told 5 min early", "start told 1 min late", "start found", "without traces"} <= set(names)


def test_a_loss_is_counted_on_the_cases_that_a_condition_left(bench, outcomes):
    rows = bench.tables(outcomes, [])
    assert len({tuple(row) for row in rows}) == 1
    tables = {row["data set"]: [r for r in rows if r["data set"] == row["data set"]] for row in rows}
    told, less = tables[f"shop, {OURS} by condition"]
    assert (told["cases"], told["AC@1"], told["against start told"]) == (3, 1.0, None)
    assert (less["cases"], less["AC@1"], less["against start told"]) == (2, 0.5, "-0.500")
    assert less["against 95 %"] == "-1.00 to +0.00"


def test_pooled_cases_of_one_name_stay_two(bench, outcomes):
    rows = bench.tables(outcomes, [])
    told, less = (row for row in rows if row["data set"] == f"{bench.POOLED}, {OURS} by condition")
    assert (told["cases"], told["AC@1"]) == (4, 0.75)
    assert less["against start told"] == "-0.500"


def test_methods_stand_side_by_side(bench, outcomes):
    rows = [row for row in bench.tables(outcomes, []) if row["data set"].endswith("AC@1 of every method by condition")]
    assert [(row["condition"], row[OURS], row["random"]) for row in rows] == [
        ("start told", 0.75, 0.0),
        ("without log lines", 0.5, 1.0),
    ]


def test_alerts_alone_have_tables_of_their_own(bench, outcomes):
    rows = bench.tables([], outcomes)
    assert {row["data set"].partition(",")[0] for row in rows} == {"shop", "bar"}
    assert bench.tables([], []) == []
