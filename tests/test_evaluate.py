"""Evaluation from labelled files to a scoreboard, on small generated cases."""

from __future__ import annotations

import gzip
import json
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter_workers.baselines import robust_z
from hypocenter_workers.evaluate import ALWAYS, Condition, Outcome, evaluate, told
from hypocenter_workers.perturb import (
    with_start_off,
    without_far_ends,
    without_modality,
    without_series,
    without_topology,
)
from hypocenter_workers.scoreboard import evaluation_to_json, evaluation_to_text, rows

BASELINES = (*ALWAYS, "robust-z")


def write_case(folder, root, *, began="2026-03-01T12:00:00+00:00", **stated):
    """Write a labelled case in which `root` slows down tenfold at 12:00 and its callers by half."""
    folder.mkdir(parents=True)
    times = pd.date_range("2026-03-01T11:30", periods=40, freq="min", tz="UTC", name="time")
    random = np.random.default_rng(len(folder.name))
    late = np.arange(40) >= 30
    slower = {"web": 0.5, root: 9.0}
    columns = {
        f"{name}|latency_p95_s": 0.1 * (1 + 0.02 * random.standard_normal(40) + late * slower.get(name, 0.0))
        for name in ("web", "cart", "db", "ads")
    }
    pd.DataFrame(columns, index=times).to_parquet(folder / "metrics.parquet")
    case = {
        "case_id": folder.name,
        "started_at": began,
        "dependencies": [["web", "cart"], ["cart", "db"], ["web", "ads"]],
    }
    (folder / "case.json").write_text(json.dumps(case | stated))
    (folder / "truth.json").write_text(json.dumps({"root_component": root, "fault_type": "delay"}))
    return folder


@pytest.fixture
def shop(tmp_path):
    """A data set of three labelled cases, with a reference folder beside them."""
    for name, root in (("one", "db"), ("two", "cart"), ("three", "db")):
        write_case(tmp_path / "shop" / name, root)
    (tmp_path / "shop" / "_normal").mkdir()
    return tmp_path / "shop"


def write_incidents(path, *incidents):
    stated = {"nodes": ["web-0", "web-1", "db-0", "node-1"], "edges": [["web-0", "db-0"], ["web-1", "db-0"]]}
    lines = [json.dumps(stated | incident) for incident in incidents]
    with gzip.open(path, "wt") as file:
        file.write("\n".join([*lines, ""]))
    return path


def incident(number, root, alerting):
    events = [{"ts": None, "kind": "metric", "entity": name, "name": "latency", "state": "up"} for name in alerting]
    label = {"root_entity": root, "root_service": root.split("-")[0], "root_level": "instance", "fault_type": "cpu"}
    return {
        "case_id": f"made-{number}",
        "dataset": "made",
        "system": "shop",
        "inject_time": None,
        "events": events,
    } | label


def of(outcomes, method, level="component"):
    return [outcome for outcome in outcomes if (outcome.method, outcome.level) == (method, level)]


def test_case_folders_end_to_end(shop):
    outcomes = evaluate([shop], ["robust-z"])
    assert {outcome.method for outcome in outcomes} == set(BASELINES)
    assert {outcome.dataset for outcome in outcomes} == {"shop"}
    assert [outcome.rank for outcome in of(outcomes, "largest-z")] == [1.0, 1.0, 1.0]
    assert [outcome.rank for outcome in of(outcomes, "random")] == [2.5, 2.5, 2.5]
    assert {outcome.case_id: outcome.roots[0] for outcome in outcomes} == {"one": "db", "two": "cart", "three": "db"}


def test_the_trivial_baselines_are_always_there(shop):
    assert {outcome.method for outcome in evaluate([shop / "one"], ["random"])} == set(ALWAYS)


def alphabetical(situation):
    """Rank the components of a case by name: a method of somebody else's."""
    names = sorted({series.component for table in situation.signals.tables for series in table.series})
    return tuple((name, float(-place)) for place, name in enumerate(names))


def test_an_extra_method_runs_beside_the_baselines(shop):
    outcomes = evaluate([shop], ["random"], extra={"by-name": alphabetical})
    assert {outcome.method for outcome in outcomes} == {*ALWAYS, "by-name"}
    assert [outcome.rank for outcome in of(outcomes, "by-name")] == [3.0, 3.0, 2.0]


def test_a_single_case_folder_and_a_folder_of_data_sets_are_the_same_cases(shop):
    one_by_one = evaluate([shop / name for name in ("one", "three", "two")], ["random"])
    together = evaluate([shop.parent], ["random"])
    assert [outcome.hits for outcome in one_by_one] == [outcome.hits for outcome in together]


def test_a_case_that_names_its_data_set_keeps_the_name(tmp_path):
    folder = write_case(tmp_path / "somewhere" / "one", "db", dataset="named")
    assert {outcome.dataset for outcome in evaluate([folder], ["random"])} == {"named"}


def test_incidents_end_to_end_by_component_and_by_service(tmp_path):
    found = [incident(1, "db-0", ["db-0", "web-0"]), incident(2, "web-1", ["web-0", "web-0"])]
    outcomes = evaluate([write_incidents(tmp_path / "made.jsonl.gz", *found)], ["random"])
    assert [outcome.hits[0] for outcome in of(outcomes, "random")] == [0.25, 0.25]
    assert [outcome.hits[0] for outcome in of(outcomes, "most-anomalous")] == [0.5, 0.0]
    assert [outcome.hits[0] for outcome in of(outcomes, "most-anomalous", "service")] == [0.5, 1.0]
    assert [outcome.roots for outcome in of(outcomes, "random", "service")] == [("db",), ("web",)]


def test_a_folder_of_incident_files_is_each_file(tmp_path):
    write_incidents(tmp_path / "a.jsonl.gz", incident(1, "db-0", ["db-0"]))
    (tmp_path / "b.jsonl").write_bytes(gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()))
    assert len(of(evaluate([tmp_path], ["random"]), "random")) == 2


def test_a_start_far_off_loses_the_root(shop):
    early = evaluate([shop], ["largest-z"], conditions=[told(offset_s=-1200)])
    assert [outcome.hits[0] for outcome in of(early, "largest-z")] == [1.0, 1.0, 1.0]
    late = evaluate([shop], ["largest-z"], conditions=[told(offset_s=86400)])
    assert [outcome.hits[0] for outcome in of(late, "largest-z")] == [0.25, 0.25, 0.25]


def test_a_condition_changes_what_every_method_sees(shop):
    blind = Condition("the start is a day late", case=(partial(with_start_off, seconds=86400),))
    late = evaluate([shop], ["largest-z"], conditions=[blind])
    assert [outcome.hits[0] for outcome in of(late, "largest-z")] == [0.25, 0.25, 0.25]
    flat = evaluate([shop], conditions=[Condition("no topology", signals=(without_topology,))])
    assert len(of(flat, "hypocenter")) == 3
    assert [outcome.rank for outcome in of(flat, "deepest-anomalous")] == [1.0, 1.0, 1.0]


def test_conditions_in_one_run_are_those_of_a_run_each(shop):
    conditions = [
        Condition("as it is"),
        Condition("late", case=(partial(with_start_off, seconds=300),), extra=False),
        Condition("found", start="detected"),
        Condition("half", case=(partial(without_series, share=0.5, seed=1),)),
    ]

    def figures(outcomes):
        return sorted((o.condition, o.method, o.case_id, o.hits) for o in outcomes)

    together = evaluate([shop], extra={"by-name": alphabetical}, conditions=conditions)
    alone = [evaluate([shop], extra={"by-name": alphabetical}, conditions=[one]) for one in conditions]
    assert figures(together) == figures(outcome for outcomes in alone for outcome in outcomes)
    assert {o.condition for o in of(together, "by-name")} == {"as it is", "found", "half"}
    late = of(evaluate([shop], conditions=[told(offset_s=300)]), "hypocenter")
    assert [o.hits for o in of(together, "hypocenter") if o.condition == "late"] == [o.hits for o in late]


def test_a_method_of_ours_is_given_the_changed_graph(tmp_path):
    """Without edges nothing says that web is slow because of cart, so cart stands out less."""
    folder = write_case(tmp_path / "one", "cart", target={"component": "web"})
    usual, flat = (
        of(evaluate([folder], conditions=[condition]), "hypocenter")[0]
        for condition in (Condition(), Condition("no topology", signals=(without_topology,)))
    )
    assert usual.top == "cart"
    assert flat.probability < usual.probability


def test_a_case_that_a_condition_does_not_change_or_leaves_empty_is_left_out(shop):
    shorter = Condition("no log lines", case=(partial(without_modality, modality="logs"),))
    assert evaluate([shop], conditions=[shorter]) == ()
    nothing = Condition("no metrics", case=(partial(without_modality, modality="metrics"),))
    assert evaluate([shop], conditions=[nothing]) == ()


def test_services_are_told_from_instances_though_a_condition_takes_the_graph(tmp_path):
    alerting = incident(1, "pod-a", ["pod-a", "pod-b"])
    alerting |= {"root_service": "db", "instance_of": [["pod-a", "db"], ["pod-b", "web"]]}
    path = write_incidents(tmp_path / "made.jsonl.gz", alerting)
    condition = Condition("no topology", case=(without_far_ends,), signals=(without_topology,))
    (found,) = of(evaluate([path], ["random"], conditions=[condition]), "random", "service")
    assert found.roots == ("db",)
    assert found.rank is not None


def test_our_method_states_its_confidence(shop):
    ours = of(evaluate([shop]), "hypocenter")
    assert [found.case_id for found in ours] == ["one", "three", "two"]
    assert all(0 <= found.probability <= 1 and found.ms > 0 for found in ours)
    assert all((found.cause_hit is None) == found.abstained for found in ours)
    (everything, *_) = rows(ours)
    assert 0 <= everything.abstained <= 1
    assert 0 <= everything.brier <= 1


def test_a_start_that_is_not_told_is_found_for_the_baselines_too(shop):
    outcomes = evaluate([shop], ["robust-z"], conditions=[told("detected", 86400)])
    assert [outcome.hits[0] for outcome in of(outcomes, "largest-z")] == [1.0, 1.0, 1.0]
    assert of(outcomes, "hypocenter") == []


def test_more_processes_give_the_same_figures(shop):
    def figures(jobs):
        outcomes = evaluate([shop], ["random"], extra={"strongest": robust_z}, jobs=jobs)
        return [(outcome.case_id, outcome.method, outcome.hits) for outcome in outcomes]

    assert figures(2) == figures(1)


def test_progress_is_told_once_a_source(shop):
    told = []
    evaluate([shop], ["random"], progress=told.append)
    assert told == ["1/3 shop one", "2/3 shop three", "3/3 shop two"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[]", "expected a JSON object, found list"),
        (b"{}", "`root_component` must name"),
        (b'{"root_component": 7}', "`root_component` must name"),
        (b'{"root_component": "db", "root_components": "db"}', "`root_components` must be a list"),
    ],
)
def test_a_broken_label_is_named(shop, content, complaint):
    (shop / "one" / "truth.json").write_bytes(content)
    with pytest.raises(InputError, match=complaint) as caught:
        evaluate([shop], ["random"])
    assert str(shop / "one" / "truth.json") in str(caught.value)


def test_an_incident_without_a_label_is_named(tmp_path):
    unlabelled = incident(2, "db-0", ["db-0"])
    del unlabelled["root_entity"]
    path = write_incidents(tmp_path / "made.jsonl.gz", incident(1, "db-0", ["db-0"]), unlabelled)
    with pytest.raises(InputError, match="line 2: `root_entity` must name"):
        evaluate([path], ["random"])


def test_a_folder_without_labels_is_refused(shop):
    for folder in shop.iterdir():
        shutil.rmtree(folder)
    with pytest.raises(InputError, match="no labelled cases"):
        evaluate([shop])
    with pytest.raises(InputError, match="no labelled cases"):
        evaluate([shop / "missing"])


def test_an_unknown_method_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="unknown method oracle; choose from hypocenter, random"):
        evaluate([tmp_path / "missing"], ["oracle"])


@pytest.mark.parametrize("offset_s", [float("nan"), float("inf"), -1e12])
def test_an_offset_beyond_reason_is_refused(offset_s):
    with pytest.raises(InputError, match="can be shifted by"):
        told(offset_s=offset_s)


def outcome(hits, **stated):
    usual = {"dataset": "made", "case_id": "1", "method": "hypocenter", "level": "component", "fault_type": "cpu"}
    usual |= {"roots": ("db",), "rank": 1.0, "top": "db", "ms": 1.0}
    usual |= dict.fromkeys(("probability", "abstained", "cause_hit"))
    return Outcome(**(usual | stated), hits=tuple(hits))


def test_rows_average_over_all_and_over_each_fault_type():
    outcomes = [
        outcome([1, 1, 1, 1, 1], probability=0.8, abstained=False, cause_hit=True, ms=10.0),
        outcome([0, 0, 0.5, 1, 1], top="web", probability=0.6, abstained=True, ms=30.0, fault_type="memory"),
    ]
    everything, cpu, memory = rows(outcomes)
    assert (everything.fault_type, cpu.fault_type, memory.fault_type) == (None, "cpu", "memory")
    assert [everything.ac1.mean, everything.ac3.mean, everything.ac5.mean] == [0.5, 0.75, 1.0]
    assert everything.avg5.mean == pytest.approx((1 + 0.5) / 2)
    assert (everything.cases, everything.ms, everything.abstained, everything.precision) == (2, 20.0, 0.5, 1.0)
    assert everything.brier == pytest.approx((0.2**2 + 0.6**2) / 2)
    assert memory.precision is None


@given(st.lists(st.lists(st.floats(0, 1), min_size=5, max_size=5).map(sorted), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_scores_of_a_row_are_ordered(cases):
    for row in rows([outcome(hits) for hits in cases]):
        means = [row.ac1.mean, row.ac3.mean, row.ac5.mean]
        assert means == sorted(means)
        assert row.ac1.mean - 1e-9 <= row.avg5.mean <= row.ac5.mean + 1e-9


def test_the_scoreboard_as_text(shop):
    text = evaluation_to_text(evaluate([shop], ["random"]))
    assert text.splitlines()[0] == "shop, 3 cases"
    assert all(f"\n{method} " in text for method in ALWAYS)
    assert len({len(line) for line in text.splitlines()[1:]}) == 1


def test_fault_types_are_listed_for_our_method_where_they_repeat():
    text = evaluation_to_text([outcome([1] * 5), outcome([0] * 5), outcome([1] * 5, fault_type="disk")])
    assert "  cpu (2) " in text
    assert "disk" not in text


def test_the_scoreboard_as_json_holds_rows_and_cases(shop):
    found = json.loads(json.dumps(evaluation_to_json(evaluate([shop], ["random"]))))
    assert {row["method"] for row in found["rows"]} == set(ALWAYS)
    assert len(found["cases"]) == 3 * len(ALWAYS)
    assert {"mean", "low", "high"} == set(found["rows"][0]["ac1"])


def test_the_seed_decides_the_interval():
    outcomes = [outcome([n / 99] * 5) for n in range(99)]
    assert rows(outcomes, seed=1) == rows(outcomes, seed=1)
    assert rows(outcomes, seed=1) != rows(outcomes, seed=2)
