"""PetShop's layout: the verdict of the same case folder, the label nowhere in the case, one line for what is odd."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypocenter.errors import HypocenterError, InputError, LimitError
from hypocenter.model import Dependency, Target
from hypocenter.readers import read_cases
from hypocenter.readers.folders import case_folders
from hypocenter.readers.limits import Limits
from hypocenter.readers.petshop import read_petshop_case
from hypocenter_workers.evaluate import evaluate
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.truth import Truth, sources, truths

if TYPE_CHECKING:
    from pathlib import Path

    from hypocenter.model import Verdict
    from hypocenter.telemetry import Case

NOON = pd.Timestamp("2026-01-31T12:00:00Z")
SITE, SEARCH, TABLE = "Site", "Search_AWS::ECS::Fargate", "https://x.com/q_AWS::DynamoDB::Table"
CALLS = [(SITE, SEARCH), (SEARCH, TABLE), (SITE, "never seen")]
METRICS = [("latency", "Average"), ("latency", "p95"), ("requests", "Sum"), ("availability", "Average")]
TRUTH = {"node": TABLE, "metric": "latency"}


def metrics(rows: int, start: pd.Timestamp, root: str | None = None) -> pd.DataFrame:
    """Telemetry at five minutes a row, in which the root and all that call it are slow from the third row on."""
    noise = np.random.default_rng(rows)
    names = [(component, *metric) for metric in METRICS for component in (SITE, SEARCH, TABLE)]
    level = {"latency": 0.1, "requests": 100.0, "availability": 100.0}
    frame = pd.DataFrame(
        {name: level[name[1]] * (1 + 0.01 * noise.standard_normal(rows)) for name in names},
        index=pd.date_range(start, periods=rows, freq="300s"),
    )
    slow = {TABLE: (TABLE, SEARCH, SITE), SEARCH: (SEARCH, SITE)}.get(root or "", ())
    frame.loc[frame.index[2:], [name for name in names if name[0] in slow and name[1] == "latency"]] += 1
    return frame


def write_metrics(folder: Path, frame: pd.DataFrame, named: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("microservice", "metric", "statistic") if named else (None, None, None)
    frame.columns = pd.MultiIndex.from_tuples(list(frame.columns), names=names)
    frame.to_csv(folder / "metrics.csv")
    return folder


def write_graph(folder: Path, calls: list[tuple[str, str]]) -> None:
    nodes = sorted({end for call in calls for end in call})
    graph = pd.DataFrame(0, index=nodes, columns=nodes)
    for caller, callee in calls:
        graph.loc[caller, callee] = 1
    folder.mkdir(parents=True, exist_ok=True)
    graph.to_csv(folder / "graph.csv")


def write_issue(folder: Path, frame: pd.DataFrame, target: dict[str, Any] | None = None, truth: object = TRUTH) -> Path:
    write_metrics(folder, frame)
    noticed = {"node": SITE, "metric": "latency", "agg": "Average", "timestamp": int(NOON.timestamp()) + 600}
    (folder / "target.json").write_text(json.dumps({"target": noticed | (target or {}), "root_cause": truth}))
    return folder


def write_scenario(folder: Path, root: str = TABLE) -> Path:
    """One issue of a scenario, its graph and a recording without faults beside it; returned is the issue."""
    write_graph(folder, CALLS)
    write_metrics(folder / "noissue", metrics(200, NOON - pd.Timedelta("3D")))
    return write_issue(folder / "train" / "issue0", metrics(5, NOON, root), truth={"node": root})


def read(folder: Path) -> Case:
    (case,) = read_cases(folder)
    return case


def as_case_folder(folder: Path) -> Path:
    stated = {
        "case_id": "c",
        "started_at": "2026-01-31T12:10:00Z",
        "dependencies": CALLS,
        "extras": {"target": {"node": SITE, "metric": "latency", "agg": "Average"}, "normal": "n.csv"},
    }
    (folder / "_normal").mkdir(parents=True)
    (folder / "case").mkdir()
    (folder / "case" / "case.json").write_text(json.dumps(stated))
    for path, frame in (
        (folder / "case" / "metrics.csv", metrics(5, NOON, TABLE)),
        (folder / "_normal" / "n.csv", metrics(200, NOON - pd.Timedelta("3D"))),
    ):
        frame.columns = [f"{component}|{metric}_{statistic}" for component, metric, statistic in frame.columns]
        frame.rename_axis("time").to_csv(path)
    return folder / "case"


def verdict(case: Case) -> Verdict:
    return investigate(
        dataclasses.replace(case, case_id="c", dataset="", system=""), Options(at=case.started_at)
    ).verdict


def test_the_verdict_is_that_of_the_same_case_as_a_case_folder(tmp_path: Path) -> None:
    original, converted = read(write_scenario(tmp_path / "low")), read(as_case_folder(tmp_path / "converted"))
    assert len(original.reference) == len(converted.reference) == 1
    assert verdict(original) == verdict(converted)
    assert verdict(original).suspects[0].component == TABLE


@pytest.mark.parametrize("traffic", ["low_traffic", "high_traffic", "temporal_traffic1"])
def test_a_recorded_case_gives_the_same_verdict_in_either_layout(
    data_folder: Path, tmp_path: Path, traffic: str
) -> None:
    recorded = sorted((data_folder / "cases" / "petshop").glob("*/case.json"))
    stated = next(case for path in recorded if (case := json.loads(path.read_text()))["extras"]["traffic"] == traffic)
    folder = data_folder / "cases" / "petshop" / stated["case_id"]
    write_graph(tmp_path, [tuple(call) for call in stated["dependencies"]])
    if stated["extras"]["normal"]:
        write_metrics(tmp_path / "noissue", with_three_headers(folder.parent / "_normal" / stated["extras"]["normal"]))
    issue = write_issue(tmp_path / "issue0", with_three_headers(folder / "metrics.parquet"), stated["extras"]["target"])
    original, converted = read(issue), read(folder)
    ours, theirs = verdict(original), verdict(converted)
    assert original.target == converted.target
    assert original.started_at == converted.started_at
    assert set(original.dependencies or ()) == set(converted.dependencies or ())
    assert [(s.component, s.probability) for s in ours.suspects] == [
        (s.component, s.probability) for s in theirs.suspects
    ]
    assert ours == theirs


def with_three_headers(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    parts = [(component, *metric.split("_")) for component, _, metric in (name.rpartition("|") for name in frame)]
    return frame.set_axis(pd.MultiIndex.from_tuples(parts), axis=1).rename_axis(None)


def test_a_case_is_all_that_its_folder_and_scenario_state_but_the_answer(tmp_path: Path) -> None:
    case = read(write_scenario(tmp_path / "low"))
    assert case.case_id == "low-train-issue0"
    assert case.target == Target(SITE, "latency_Average")
    assert case.started_at == NOON + pd.Timedelta("10min")
    assert set(case.dependencies or ()) == {Dependency(*call) for call in CALLS}
    assert case.metrics is not None
    assert case.metrics.labels[0] == {"__name__": "latency_Average", "component": SITE}
    assert case.metrics.values.shape == (5, 12)
    assert case.notes == ()
    before = case
    write_issue(tmp_path / "low" / "train" / "issue0", metrics(5, NOON, TABLE), truth={"node": "someone else"})
    after = read(tmp_path / "low" / "train" / "issue0")
    assert repr(after) == repr(before)


def test_headers_may_bear_no_names(tmp_path: Path) -> None:
    issue = write_scenario(tmp_path / "low")
    named = read(issue)
    write_metrics(issue, metrics(5, NOON, TABLE), named=False)
    assert repr(read(issue)) == repr(named)
    frame = metrics(5, NOON, TABLE)
    frame.index = frame.index.tz_localize(None)
    write_metrics(issue, frame.rename_axis("timestamp"))
    assert read(issue).notes == ("metrics.csv: times without a zone were read as UTC",)


def test_issues_are_found_at_any_depth_and_recordings_without_faults_are_none(tmp_path: Path) -> None:
    write_scenario(tmp_path / "pets" / "low", TABLE)
    write_scenario(tmp_path / "pets" / "high", SEARCH)
    assert [folder.parent.parent.name for folder in case_folders(tmp_path)] == ["high", "low"]
    ours = [outcome for outcome in evaluate([tmp_path]) if outcome.method == "hypocenter"]
    assert [(outcome.dataset, outcome.roots, outcome.hits[0]) for outcome in ours] == [
        ("high", (SEARCH,), 1.0),
        ("low", (TABLE,), 1.0),
    ]
    with pytest.raises(InputError, match="no case here"):
        list(read_cases(tmp_path / "pets" / "low" / "noissue"))


def test_a_scenario_borrows_no_recording_from_another(tmp_path: Path) -> None:
    write_scenario(tmp_path / "low")
    write_graph(tmp_path / "temporal", CALLS)
    assert read(write_issue(tmp_path / "temporal" / "train" / "issue0", metrics(5, NOON, TABLE))).reference == ()


def test_without_a_graph_who_calls_whom_is_unknown(tmp_path: Path) -> None:
    issue = write_scenario(tmp_path / "low")
    (tmp_path / "low" / "graph.csv").unlink()
    case = read(issue)
    assert case.dependencies is None
    assert case.case_id == "issue0"
    assert case.notes == ("graph.csv: neither here nor in the 3 folders above; who calls whom is unknown",)


def test_a_graph_of_effects_is_turned_round(tmp_path: Path) -> None:
    issue = write_scenario(tmp_path / "low")
    write_graph(tmp_path / "low", [(callee, caller) for caller, callee in CALLS])
    case = read(issue)
    assert set(case.dependencies or ()) == {Dependency(*call) for call in CALLS}
    assert case.notes == (
        "graph.csv: 'Site', where the trouble was noticed, would call nobody; read as columns that call rows",
    )


def test_a_target_that_no_metric_bears_is_left_out(tmp_path: Path) -> None:
    write_scenario(tmp_path / "low")
    issue = write_issue(tmp_path / "low" / "train" / "issue0", metrics(5, NOON), {"node": "gone"})
    case = read(issue)
    assert case.target is None
    assert case.notes == ("target.json: field 'target': no metric bears 'gone'; left out",)


def test_rows_out_of_order_or_twice_are_read_as_in_any_table(tmp_path: Path) -> None:
    issue = write_scenario(tmp_path / "low")
    frame = metrics(5, NOON, TABLE)
    write_metrics(issue, pd.concat([frame.iloc[::-1], frame.iloc[:1] * 2]))
    case = read(issue)
    assert case.metrics is not None
    assert case.metrics.values[0, 0] == pytest.approx(frame.iloc[0, 0] * 2)
    assert case.notes == (
        "metrics.csv: rows were not in order of time and were sorted",
        "metrics.csv: 1 rows with a time that comes again were left out, the last kept",
    )


@pytest.mark.parametrize(
    ("truth", "roots"),
    [(TRUTH, (TABLE,)), (TABLE, (TABLE,)), ([TRUTH, {"node": SEARCH}, TABLE], (TABLE, SEARCH))],
)
def test_the_label_is_in_the_target(tmp_path: Path, truth: object, roots: tuple[str, ...]) -> None:
    (source,) = sources(write_issue(tmp_path / "issue0", metrics(5, NOON), truth=truth))
    assert list(truths(source)) == [Truth(roots)]


@pytest.mark.parametrize("truth", [None, 3, {}, {"node": ""}, [], [None]])
def test_a_label_that_names_nothing_is_refused_by_the_evaluator_alone(tmp_path: Path, truth: object) -> None:
    issue = write_issue(tmp_path / "issue0", metrics(5, NOON), truth=truth)
    assert read(issue).target is not None
    (source,) = sources(issue)
    with pytest.raises(InputError, match=r"target\.json: field 'root_cause'"):
        list(truths(source))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", r"target\.json: must be a JSON object, not list"),
        ("{}", r"target\.json: field 'target': field 'node' must be text"),
        ('{"target": "Site"}', r"target\.json: field 'target': must be a JSON object, not str"),
        ('{"target": {"node": "Site", "timestamp": "soon"}}', r"target\.json: .*'timestamp': 'soon' is no time"),
        ("{", r"target\.json: not JSON in UTF-8"),
    ],
)
def test_a_target_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    issue = write_scenario(tmp_path / "low")
    (issue / "target.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read(issue)


@pytest.mark.parametrize(
    "text", ["", "a\n", ",a,b\na,0,0\nb,0,0\n", ",a,a\na,1,0\n", ",a,b\n,1,0\n", ",a,\na,0,1\n", "caller,callee\na,b\n"]
)
def test_a_graph_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    issue = write_scenario(tmp_path / "low")
    (tmp_path / "low" / "graph.csv").write_text(text)
    with pytest.raises(InputError, match=r"graph\.csv: .*; "):
        read(issue)


HEAD = "microservice,a,b\nmetric,latency,latency\nstatistic,p50,p50\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD, "no rows below its three header rows; give at least one sample"),
        (HEAD.replace(",b", ",a") + "2026-01-31,1,2\n", r"column 'a\|latency_p50' is there 2 times; keep one of them"),
        (HEAD.replace(",b", "") + "2026-01-31,1,2\n", "its three header rows differ in length"),
        (HEAD + "2026-01-31,x,y\n", "not one cell of 'a.latency_p50' or its neighbours is a number"),
        (HEAD + "someday,1,2\n", "no cell is a time; write ISO 8601"),
        (HEAD + "2026-01-31,1,2,3\n", "not a CSV table"),
    ],
)
def test_metrics_that_are_none_are_refused(tmp_path: Path, text: str, message: str) -> None:
    issue = write_scenario(tmp_path / "low")
    (issue / "metrics.csv").write_text(text)
    with pytest.raises(InputError, match=rf"metrics\.csv: {message}"):
        read_petshop_case(issue)


def test_what_is_too_large_is_refused_with_the_limit_named(tmp_path: Path) -> None:
    issue = write_scenario(tmp_path / "low")
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_CELLS"):
        read_petshop_case(issue, Limits(cells=20))
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_FILE_BYTES"):
        read_petshop_case(issue, Limits(file_bytes=500))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.floats(0, 1),
    piece=st.binary(max_size=6),
    name=st.sampled_from(["train/issue0/metrics.csv", "train/issue0/target.json", "graph.csv", "noissue/metrics.csv"]),
)
def test_bent_bytes_bring_no_other_error(tmp_path: Path, place: float, piece: bytes, name: str) -> None:
    issue = write_scenario(tmp_path / "low")
    path = tmp_path / "low" / name
    whole = path.read_bytes()
    at = int(place * len(whole))
    path.write_bytes(whole[:at] + piece + whole[at + 2 :])
    assert "\n" not in said_of(issue)


def said_of(folder: Path) -> str:
    """Read `folder` as a case and return the error's text, "" when there is none."""
    try:
        table = read_petshop_case(folder).metrics
    except HypocenterError as error:
        return str(error)
    assert table is not None
    assert not np.isinf(table.values).any()
    return ""
