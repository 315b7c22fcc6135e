"""RCAEval's layout: the verdict of the same case folder, the label nowhere in the case, one line for what is odd."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypocenter.errors import HypocenterError, InputError, LimitError
from hypocenter.readers import read_cases
from hypocenter.readers.folders import case_folders
from hypocenter.readers.limits import Limits
from hypocenter.readers.rcaeval import METRICS, blind_id, read_rcaeval_case, series_names
from hypocenter_workers.evaluate import evaluate
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.truth import Truth, sources, truths

if TYPE_CHECKING:
    from pathlib import Path

    from hypocenter.model import Verdict
    from hypocenter.telemetry import Case

START = 1_769_860_800
TELEMETRY = ("web_cpu", "web_latency-90", "cart-db_cpu", "cart-db_mem", "user_cpu", "user_lat_90")


def metrics(rows: int = 240, root: str = "cart-db") -> pd.DataFrame:
    """Seconds of quiet telemetry in which the root's processor is busy from the middle on, and web slower."""
    noise = np.random.default_rng(3)
    frame = pd.DataFrame({name: 1 + 0.02 * noise.standard_normal(rows) for name in TELEMETRY})
    frame.loc[rows // 2 :, f"{root}_cpu"] += 30
    frame.loc[rows // 2 :, "web_latency-90"] += 1
    frame.insert(0, "time", START + np.arange(rows))
    return frame


def write(folder: Path, frame: pd.DataFrame, name: str = "data.csv", inject: str = f"{START + 120}\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / name, index=False)
    (folder / "inject_time.txt").write_text(inject)
    return folder


def read(folder: Path) -> Case:
    (case,) = read_cases(folder)
    return case


def as_case_folder(folder: Path, frame: pd.DataFrame) -> Path:
    folder.mkdir(parents=True)
    frame.rename(columns=series_names(frame.columns)).to_csv(folder / "metrics.csv", index=False)
    stated = {"case_id": "c", "started_at": datetime.fromtimestamp(START + 120, UTC).isoformat()}
    (folder / "case.json").write_text(json.dumps(stated))
    return folder


def verdict(case: Case) -> Verdict:
    nameless = dataclasses.replace(case, case_id="c", dataset="", system="", dependencies=None, target=None)
    return investigate(nameless, Options(at=case.started_at)).verdict


def test_the_verdict_is_that_of_the_same_case_as_a_case_folder(tmp_path: Path) -> None:
    original = read(write(tmp_path / "cart-db_cpu" / "1", metrics()))
    converted = read(as_case_folder(tmp_path / "converted", metrics()))
    assert verdict(original) == verdict(converted)
    assert verdict(original).suspects[0].component == "cart-db"


def test_a_recorded_case_gives_the_same_verdict_in_either_layout(data_folder: Path, tmp_path: Path) -> None:
    folder = sorted((data_folder / "cases" / "rcd_sockshop").glob("*/case.json"))[0].parent
    converted = read(folder)
    assert converted.started_at is not None
    frame = pd.read_parquet(folder / "metrics.parquet")
    frame = frame.rename(columns=lambda name: name.replace("|", "_"))
    frame.insert(0, "time", (frame.index - pd.Timestamp(0, tz="UTC")) // pd.Timedelta("1s"))
    root = json.loads((folder / "truth.json").read_text())
    place = tmp_path / f"{root['root_component']}_{root['fault_type']}" / "3"
    original = read(write(place, frame, inject=str(converted.started_at.timestamp())))
    assert verdict(original) == verdict(converted)
    (source,) = sources(place)
    assert next(truths(source)) == Truth((root["root_component"],), root["fault_type"])


def test_nothing_of_the_folders_name_is_in_the_case(tmp_path: Path) -> None:
    frame = metrics().assign(web_error="x")
    one = read(write(tmp_path / "cart-db_mem" / "7", frame))
    other = read(write(tmp_path / "user_delay" / "7", frame))
    assert one.notes == other.notes != ()
    assert one.case_id != other.case_id
    assert "cart-db_mem" not in repr(dataclasses.replace(one, metrics=None))
    assert len(blind_id(tmp_path / "user_delay" / "7")) == 10


@pytest.mark.parametrize(
    ("place", "truth"),
    [
        ("ts-auth-service_delay/2", Truth(("ts-auth-service",), "delay")),
        ("my_db_f3/1", Truth(("my_db",), "f3")),
        ("re1ob_cart_db_cpu_12", Truth(("cart_db",), "cpu")),
    ],
)
def test_the_label_is_in_the_name_of_the_folder(tmp_path: Path, place: str, truth: Truth) -> None:
    folder = write(tmp_path / "RE1" / place, metrics(20))
    (source,) = sources(tmp_path)
    assert (source.path, list(truths(source))) == (folder, [truth])
    assert source.dataset == ("re1ob" if place.startswith("re1ob") else "RE1")


def test_a_label_of_our_own_beside_it_counts_before_the_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "user_cpu" / "1", metrics(20))
    (folder / "truth.json").write_text('{"root_component": "web"}')
    (source,) = sources(tmp_path)
    assert list(truths(source)) == [Truth(("web",))]


@pytest.mark.parametrize("place", ["cartcpu/1", "_cpu/1", "cart_/1", "lonely"])
def test_a_name_that_states_no_label_is_refused_by_the_evaluator_alone(tmp_path: Path, place: str) -> None:
    folder = write(tmp_path / place, metrics(20))
    assert read(folder).metrics is not None
    (source,) = sources(folder)
    with pytest.raises(InputError, match=r"name it `<service>_<fault>/<number>`"):
        list(truths(source))


def test_cases_are_found_at_any_depth_and_evaluated(tmp_path: Path) -> None:
    for root in ("cart-db", "user"):
        write(tmp_path / "set" / "RE1-X" / f"{root}_cpu" / "1", metrics(root=root))
    assert [folder.parent.name for folder in case_folders(tmp_path)] == ["cart-db_cpu", "user_cpu"]
    assert len(list(read_cases(tmp_path))) == 2
    ours = [outcome for outcome in evaluate([tmp_path]) if outcome.method == "hypocenter"]
    assert [(outcome.dataset, outcome.roots, outcome.hits[0]) for outcome in ours] == [
        ("RE1-X", ("cart-db",), 1.0),
        ("RE1-X", ("user",), 1.0),
    ]


def test_the_first_of_its_tables_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "user_cpu" / "1"
    for name in reversed([name for name in METRICS if name.endswith(".csv")]):
        write(folder, metrics(20).rename(columns={"web_cpu": f"{name.partition('.')[0].replace('_', '-')}_cpu"}), name)
        table = read(folder).metrics
        assert table is not None
        assert table.labels[0]["component"] == name.partition(".")[0].replace("_", "-")


def test_metrics_as_json_are_read_as_the_table_is(tmp_path: Path) -> None:
    frame = metrics(30)
    frame.loc[4, "web_cpu"] = np.nan
    table = read(write(tmp_path / "user_cpu" / "1", frame)).metrics
    folder = tmp_path / "re1_user_cpu_1"
    folder.mkdir()
    (folder / "inject_time.txt").write_text(str(START))
    pairs = {name: frame[["time", name]].dropna().to_numpy().tolist() for name in TELEMETRY}
    (folder / "metrics.json").write_text(json.dumps({**pairs, "user_error": []}))
    again = read(folder).metrics
    assert table is not None
    assert again is not None
    assert again.labels == table.labels
    np.testing.assert_array_equal(again.times, table.times)
    np.testing.assert_array_equal(again.values, table.values)


def test_times_that_are_there_twice_and_cells_that_are_infinite_are_no_series(tmp_path: Path) -> None:
    frame = metrics(20)
    frame.loc[3, "web_cpu"], frame.loc[4, "web_cpu"] = np.inf, np.nan
    folder = write(tmp_path / "user_cpu" / "1", pd.concat([frame, frame["time"]], axis=1))
    case = read(folder)
    assert case.metrics is not None
    assert len(case.metrics.labels) == len(TELEMETRY)
    assert np.isnan(case.metrics.values[3:5, 0]).all()
    assert case.notes == ("data.csv: 1 values that are infinite or beyond 1e+100 were left out",)
    write(folder, pd.concat([frame, frame["time"].rename("time.1")], axis=1))
    assert read(folder).metrics is not None
    assert len(read(folder).metrics.labels) == len(TELEMETRY)


def test_rows_out_of_order_or_twice_are_read_as_in_any_table(tmp_path: Path) -> None:
    frame = metrics(20)
    mixed = pd.concat([frame.iloc[::-1], frame.assign(web_cpu=5.0).iloc[:1]])
    case = read(write(tmp_path / "user_cpu" / "1", mixed))
    assert case.metrics is not None
    assert case.metrics.values.shape == (20, len(TELEMETRY))
    assert case.metrics.values[0, 0] == 5.0
    assert [note.split(": ")[1].split(" ")[0] for note in case.notes] == ["rows", "1"]


@pytest.mark.parametrize(
    ("text", "second"), [("1769860810", 10), (" 1769860810.5 \r\nmore", 10), ("1769860810000", 10)]
)
def test_the_time_of_injection_may_be_written_in_several_ways(tmp_path: Path, text: str, second: int) -> None:
    case = read(write(tmp_path / "user_cpu" / "1", metrics(20), inject=text))
    assert case.started_at is not None
    assert int(case.started_at.timestamp()) == START + second


@pytest.mark.parametrize("text", ["", "soon", "nan", "\x00", "[1]"])
def test_a_time_of_injection_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"inject_time\.txt: line 1: .* is no time .*; write ISO 8601"):
        read(write(tmp_path / "user_cpu" / "1", metrics(20), inject=text))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("time,cpu,mem", r"no column is named `<service>_<metric>`; name one so"),
        ("when,web_cpu,web_mem", r"no time column; name one of its columns `time`"),
        ("time,web_cpu,web_cpu", r"column 'web_cpu' is there 2 times; keep one of them"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, header: str, message: str) -> None:
    folder = write(tmp_path / "user_cpu" / "1", metrics(20))
    (folder / "data.csv").write_text(f"{header}\n1769860800,1,2\n")
    with pytest.raises(InputError, match=rf"data\.csv: {message}"):
        read(folder)


@pytest.mark.parametrize("stated", [[], {"web_cpu": 1}, {"web_cpu": [[1]]}, {"web_cpu": [["a", 1]]}, {}])
def test_metrics_in_json_that_are_none_are_refused(tmp_path: Path, stated: object) -> None:
    (tmp_path / "inject_time.txt").write_text(str(START))
    (tmp_path / "metrics.json").write_text(json.dumps(stated))
    with pytest.raises(InputError, match=r"metrics\.json: "):
        read(tmp_path)


def test_what_is_too_large_is_refused_with_the_limit_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "user_cpu" / "1", metrics(20))
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_CELLS"):
        read_rcaeval_case(folder, Limits(cells=50))
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_FILE_BYTES"):
        read_rcaeval_case(folder, Limits(file_bytes=50))


def test_spans_and_log_lines_are_read_where_they_lie_beside_the_metrics(tmp_path: Path) -> None:
    folder = write(tmp_path / "user_f1" / "1", metrics(20))
    spans = pd.DataFrame(
        {
            "traceID": ["1a", "1a"],
            "spanID": ["01", "02"],
            "parentSpanID": [None, "01"],
            "serviceName": ["web", "user"],
            "methodName": ["GET", None],
            "operationName": ["other", "find"],
            "startTime": [START * 1_000_000 + 5, START * 1_000_000],
            "duration": [900, 400],
        }
    )
    spans.to_csv(folder / "traces.csv", index=False)
    lines = {"time": ["10:00", "10:01"], "timestamp": [START * 10**9, (START + 1) * 10**9], "message": ["hello", "7"]}
    pd.DataFrame({**lines, "container_name": ["web", "user"]}).to_csv(folder / "logs.csv", index=False)
    case = read(folder)
    assert case.spans is not None
    assert case.spans.drop(columns="time").to_dict("records") == [
        {"trace": "1a", "span": "02", "parent": "01", "service": "user", "operation": "find", "duration_us": 400},
        {"trace": "1a", "span": "01", "parent": "-1", "service": "web", "operation": "GET", "duration_us": 900},
    ]
    assert case.log_lines is not None
    assert case.log_lines["time"].tolist() == [pd.Timestamp(START + at, unit="s", tz="UTC") for at in (0, 1)]
    assert case.log_lines[["service", "severity", "message"]].to_numpy().tolist() == [
        ["web", "", "hello"],
        ["user", "", "7"],
    ]
    found = investigate(case, Options(at=case.started_at)).verdict
    assert found.graph.edges


def test_spans_whose_columns_are_others_are_left_out_with_a_note(tmp_path: Path) -> None:
    folder = write(tmp_path / "user_f1" / "1", metrics(20))
    (folder / "traces.csv").write_text("trace,took\n1,2\n")
    (folder / "logs.csv").write_text("timestamp,container_name,message\n")
    case = read(folder)
    assert (case.spans, case.log_lines) == (None, None)
    assert case.notes == (
        "traces.csv: left out, for it has no column startTime",
        "logs.csv: left out, for it has no rows",
    )


_NAMES = st.lists(st.text(alphabet="abu_-9|:", min_size=1, max_size=9), max_size=8, unique=True)


@given(_NAMES)
def test_a_name_that_was_cut_is_its_two_halves(names: list[str]) -> None:
    for name, column in series_names(names).items():
        service, pipe, metric = column.partition("|")
        assert pipe
        assert service
        assert metric
        assert f"{service}_{metric}" == name


@given(_NAMES)
def test_names_are_cut_alike_in_any_order(names: list[str]) -> None:
    assert series_names(names) == series_names(names[::-1])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.floats(0, 1),
    piece=st.binary(max_size=6),
    name=st.sampled_from(["data.csv", "inject_time.txt", "logs.csv"]),
)
def test_bent_bytes_bring_no_other_error(tmp_path: Path, place: float, piece: bytes, name: str) -> None:
    folder = write(tmp_path / "user_cpu" / "1", metrics(6))
    (folder / "logs.csv").write_text(f"timestamp,container_name,message\n{START},web,hello\n")
    whole = (folder / name).read_bytes()
    at = int(place * len(whole))
    (folder / name).write_bytes(whole[:at] + piece + whole[at + 2 :])
    assert "\n" not in said_of(folder)


def said_of(folder: Path) -> str:
    """Read `folder` and return the error's text, "" when there is none."""
    try:
        table = read(folder).metrics
    except HypocenterError as error:
        return str(error)
    assert table is not None
    assert not np.isinf(table.values).any()
    return ""
