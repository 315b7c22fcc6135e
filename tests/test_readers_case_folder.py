"""Case folders: everything a case states arrives in the Case, and the truth never does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from hypocenter.errors import InputError
from hypocenter.model import Alert, ChangeEvent, Component, ComponentType, Dependency, DependencyType, Target
from hypocenter.readers import read_cases

if TYPE_CHECKING:
    from pathlib import Path

    from hypocenter.telemetry import Case

NOON = pd.Timestamp("2026-01-31T12:00:00Z")
STATED: dict[str, Any] = {
    "case_id": "c1",
    "dataset": "shop-set",
    "system": "shop",
    "started_at": "2026-01-31T12:02:00+00:00",
    "dependencies": [["web", "db"], ["web", "host-1", "RUNS_ON"], ["web", "db"]],
    "components": [{"name": "db", "type": "database"}, {"name": "web"}, {"name": "vm", "type": ""}, "queue"],
    "extras": {"step_s": 60},
}


def metrics(start: pd.Timestamp = NOON, rows: int = 5, value: float = 1.0) -> pd.DataFrame:
    times = pd.date_range(start, periods=rows, freq="60s", name="time")
    return pd.DataFrame({"web|latency_Average": value, "PG SQL/x:1@y::z|cpu": value}, index=times)


def write(folder: Path, stated: dict[str, Any] | None = None, **tables: pd.DataFrame) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if stated is not None:
        (folder / "case.json").write_text(json.dumps(stated))
    for stem, frame in (tables or {"metrics": metrics()}).items():
        frame.to_parquet(folder / f"{stem}.parquet")
    return folder


def read(folder: Path) -> Case:
    (case,) = read_cases(folder)
    return case


def with_extras(folder: Path, **extras: object) -> Case:
    return read(write(folder, STATED | {"extras": extras}))


def test_what_a_case_states_is_in_the_case(tmp_path: Path) -> None:
    case = read(write(tmp_path / "x", STATED))
    assert (case.case_id, case.dataset, case.system) == ("c1", "shop-set", "shop")
    assert case.started_at == datetime(2026, 1, 31, 12, 2, tzinfo=UTC)
    assert case.dependencies == (Dependency("web", "db"), Dependency("web", "host-1", DependencyType.RUNS_ON))
    assert case.components == (
        Component("db", ComponentType.DATABASE),
        Component("web"),
        Component("vm"),
        Component("queue"),
    )
    assert case.metrics is not None
    assert case.metrics.labels[1] == {"__name__": "cpu", "component": "PG SQL/x:1@y::z"}
    assert case.metrics.values.shape == (5, 2)
    assert (case.spans, case.log_lines, case.service_minutes, case.edge_minutes) == (None, None, None, None)
    assert case.notes == ()


def test_a_folder_with_metrics_alone_is_a_case(tmp_path: Path) -> None:
    case = read(write(tmp_path / "lonely"))
    assert (case.case_id, case.dependencies, case.started_at, case.target) == ("lonely", None, None, None)


def test_metrics_may_be_csv_wide_or_long(tmp_path: Path) -> None:
    for name, text in (
        ("wide", "time,web|cpu\n2026-01-31T12:00:00Z,1\n"),
        ("long", "time,component,metric,value\n2026-01-31T12:00:00Z,web,cpu,1\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").write_text(text)
    wide, long = read_cases(tmp_path / "wide"), read_cases(tmp_path / "long")
    for case in (*wide, *long):
        assert case.metrics is not None
        assert case.metrics.labels == ({"__name__": "cpu", "component": "web"},)


def test_a_folder_of_case_folders_is_read_in_order_of_name(tmp_path: Path) -> None:
    for name in ("b", "a", "_normal", ".hidden", "c"):
        write(tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert [case.case_id for case in read_cases(tmp_path)] == ["a", "b", "c"]


def test_spans_log_lines_and_minutes_have_utc_times_in_order(tmp_path: Path) -> None:
    times = [NOON + pd.Timedelta(seconds=1), NOON]
    spans = pd.DataFrame(
        {"time": times, "trace": 1, "span": [1, 0], "parent": [0, -1], "service": "web", "operation": "get"}
    ).assign(duration_us=["7", "x"])
    lines = pd.DataFrame({"time": ["2026-01-31T12:00:00", None], "service": "web", "severity": "INFO", "message": "m"})
    minutes = pd.DataFrame({"time": times, "service": "web", "spans": 3, "traces": 1})
    minutes = minutes.assign(dur_mean_us=1.0, dur_p50_us=1.0, dur_p95_us=1.0)
    edges = pd.DataFrame({"time": times, "caller": "web", "callee": "db", "calls": 2, "dur_mean_us": 1.0})
    case = read(
        write(
            tmp_path / "x",
            STATED,
            spans=spans,
            log_lines=lines,
            trace_min=minutes,
            edges_min=edges.assign(dur_p95_us=2.0),
        )
    )
    assert case.spans is not None
    assert case.spans["time"].dtype == "datetime64[ns, UTC]"
    assert case.spans["span"].tolist() == [0, 1]
    assert np.isnan(case.spans["duration_us"][0])
    assert case.log_lines is not None
    assert len(case.log_lines) == 1
    assert case.service_minutes is not None
    assert case.edge_minutes is not None
    assert case.edge_minutes["time"].is_monotonic_increasing
    assert case.notes == (
        "spans.parquet: 1 cells are no numbers and were left out, most of them in 'duration_us'",
        "log_lines.parquet: times without a zone were read as UTC",
        "log_lines.parquet: 1 rows without a time were left out",
    )


def test_reference_tables_that_end_before_the_case_come_first(tmp_path: Path) -> None:
    write(tmp_path / "_normal", late=metrics(NOON + pd.Timedelta(hours=3), value=1))
    write(tmp_path / "_normal", early=metrics(NOON - pd.Timedelta(days=2), value=2))
    write(tmp_path / "_normal", earlier=metrics(NOON - pd.Timedelta(days=9), value=3))
    case = with_extras(
        tmp_path / "x",
        normal="late.parquet",
        normal_warmup=["earlier.parquet", "early.parquet", "gone.parquet", "early.parquet"],
    )
    assert [table.values[0, 0] for table in case.reference] == [3, 2, 1]
    assert case.notes == ("_normal/gone.parquet: the case names this reference table and it is not there",)


def test_reference_spans_and_log_lines_of_the_day_are_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": [NOON], "service": "web", "severity": "INFO", "message": "m"})
    (tmp_path / "_normal").mkdir()
    frame.to_parquet(tmp_path / "_normal" / "2026-01-31.log_lines.parquet")
    case = with_extras(tmp_path / "x", day="2026-01-31")
    assert case.reference_log_lines is not None
    assert case.reference_log_lines["message"].tolist() == ["m"]
    assert case.reference_spans is None


def test_faults_of_the_neighbourhood_are_masked(tmp_path: Path) -> None:
    case = with_extras(tmp_path / "x", other_faults_in_window=["2026-01-31 11:53:54+00:00", 1769860800])
    assert case.masked == (datetime(2026, 1, 31, 11, 53, 54, tzinfo=UTC), datetime(2026, 1, 31, 12, tzinfo=UTC))


def test_an_alert_is_an_alert_and_the_target(tmp_path: Path) -> None:
    fired = {"service": "web", "metric": "errors", "fired_at": "2026-01-31T12:05:00Z", "severity": "critical"}
    case = with_extras(tmp_path / "x", alert=fired | {"monitor": "web-errors", "summary": "too many", "threshold": 1})
    at = datetime(2026, 1, 31, 12, 5, tzinfo=UTC)
    assert case.alerts == (Alert("web", "web-errors", at, severity="critical", summary="too many"),)
    assert case.target == Target("web", "errors")


def test_a_target_is_named_as_its_column_is(tmp_path: Path) -> None:
    node = {"node": "web", "metric": "latency", "agg": "Average", "timestamp": 1769860800}
    assert with_extras(tmp_path / "x", target=node).target == Target("web", "latency_Average")
    assert with_extras(tmp_path / "x", target=node | {"agg": "p99"}).target == Target("web", "latency")
    assert with_extras(tmp_path / "x", target={"node": "web"}).target == Target("web")
    assert with_extras(tmp_path / "x").target is None


def test_a_target_that_no_telemetry_bears_is_left_out_and_noted(tmp_path: Path) -> None:
    case = with_extras(tmp_path / "a", target={"node": "nobody", "metric": "cpu"})
    assert case.target is None
    assert "case.json: extras names 'nobody' as the target, which no telemetry bears; left out" in case.notes
    stated = with_extras(tmp_path / "b", target={"node": "host-1"})
    assert stated.target == Target("host-1")


def test_a_component_type_that_nobody_knows_is_noted(tmp_path: Path) -> None:
    case = read(write(tmp_path / "x", STATED | {"components": [{"name": "vm", "type": "mainframe"}]}))
    assert case.components == (Component("vm"),)
    assert case.notes == ("case.json: components: 'mainframe' is no known type and reads as a service",)


def test_a_statement_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    folder = write(tmp_path / "x", STATED)
    text = (folder / "case.json").read_text(encoding="utf-8")
    (folder / "case.json").write_text(text, encoding="utf-8-sig")
    assert read(folder).case_id == "c1"


def test_alerts_changes_and_deploys_are_read_in_order_of_time(tmp_path: Path) -> None:
    case = with_extras(
        tmp_path / "x",
        alerts=[{"at": "2026-01-31T12:05:00Z", "component": "web", "name": "slow", "severity": "page"}],
        changes=[{"at": "2026-01-31T12:01:00Z", "component": "db", "type": "config", "title": "t", "reference": "r"}],
        deploys=[
            {"timestamp": "2026-01-31T12:00:00Z", "service": "web", "version": "v2", "commit_sha": "abc"},
        ],
    )
    assert case.alerts == (Alert("web", "slow", datetime(2026, 1, 31, 12, 5, tzinfo=UTC), severity="page"),)
    assert case.changes == (
        ChangeEvent("web", datetime(2026, 1, 31, 12, 0, tzinfo=UTC), "deploy", "v2", "abc"),
        ChangeEvent("db", datetime(2026, 1, 31, 12, 1, tzinfo=UTC), "config", "t", "r"),
    )


def test_the_truth_is_not_opened(tmp_path: Path) -> None:
    """What is not there cannot be opened, and folders of these names fail whoever tries."""
    folder = write(tmp_path / "x", STATED)
    for name in ("truth.json", "truth.parquet", "truth.csv"):
        (folder / name).mkdir()
    case = read(folder)
    assert case.notes == ()
    write(tmp_path / "_normal", truth=metrics())
    for name in ("truth.parquet", "Truth.parquet", "../x/truth.json", "/etc/passwd", "..", ".secret.parquet"):
        with pytest.raises(InputError, match="must be a file of"):
            with_extras(tmp_path / "y", normal=name)
    assert with_extras(tmp_path / "z", day="../x/truth").reference_spans is None


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ([], "must be a JSON object"),
        ({"case_id": ["x"]}, "field 'case_id' must be text"),
        ({"dependencies": {"a": "b"}}, "dependencies: must be a JSON list"),
        ({"dependencies": [["a"]]}, "dependencies[0]: must be [caller, callee]"),
        ({"dependencies": [["a", "b"], ["a", 1]]}, "dependencies[1]: must be [caller, callee]"),
        ({"dependencies": [["a", "b", "LIKES"]]}, "'LIKES' is none of CALLS, RUNS_ON, INSTANCE_OF"),
        ({"components": [{"type": "host"}]}, "components[0]: field 'name' must be text"),
        ({"components": [{"name": "x", "type": 5}]}, "components[0]: field 'type' must be text"),
        ({"started_at": "0001-01-01"}, "field 'started_at': 0001-01-01 00:00:00 lies outside the years"),
        ({"started_at": "noon"}, "field 'started_at': 'noon' is no time"),
        ({"started_at": True}, "field 'started_at': True is no time"),
        ({"extras": 1}, "extras: must be a JSON object"),
        ({"extras": {"alerts": [{"name": "x"}]}}, "extras.alerts[0]: field 'component' must be text"),
        ({"extras": {"changes": [{"component": "x"}]}}, "extras.changes[0]: field 'at': None is no time"),
        ({"extras": {"deploys": ["x"]}}, "extras.deploys[0]: must be a JSON object"),
        ({"extras": {"target": {"metric": "x"}}}, "extras.target: field 'node' must be text"),
        ({"extras": {"other_faults_in_window": ["soon"]}}, "other_faults_in_window[0]: 'soon' is no time"),
    ],
)
def test_a_statement_of_another_shape_is_one_line(tmp_path: Path, stated: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read(write(tmp_path / "x", stated))
    assert words in str(caught.value)
    assert "case.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, b""])
def test_a_statement_that_is_no_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    folder = write(tmp_path / "x", {})
    (folder / "case.json").write_bytes(content)
    with pytest.raises(InputError, match=r"case\.json: not JSON in UTF-8"):
        read(folder)


def test_a_record_table_without_its_columns_is_one_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "x", STATED, spans=pd.DataFrame({"time": [NOON], "service": ["web"]}))
    with pytest.raises(
        InputError,
        match=r"spans\.parquet: no column trace, span, parent, operation, duration_us; it has 'time', 'service'",
    ):
        read(folder)


def test_a_case_without_telemetry_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "case.json").write_text("{}")
    with pytest.raises(InputError, match="no metrics, spans, log lines or alerts"):
        read(tmp_path / "x")
