"""Wide and long tables in CSV and Parquet: what they mean, what is mended with a note, what is refused."""

from __future__ import annotations

import gzip
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.case_writing import notation
from hypocenter.errors import InputError, LimitError
from hypocenter.readers import read_cases
from hypocenter.readers.columns import labels_of
from hypocenter.readers.grid import on_grid, sampling_interval
from hypocenter.readers.time_columns import to_times
from hypocenter.readers.times import to_datetime

if TYPE_CHECKING:
    from pathlib import Path

    from hypocenter.telemetry import Case

CPU = {"__name__": "cpu", "component": "web"}
MEMORY = {"__name__": "mem", "component": "db"}


@dataclass
class Tables:
    """Writes tables into a folder and reads them."""

    folder: Path

    def csv(self, text: str, name: str = "t.csv") -> Case:
        (self.folder / name).write_text(text, encoding="utf-8")
        return self.read(name)

    def parquet(self, frame: pd.DataFrame) -> Case:
        frame.to_parquet(self.folder / "t.parquet")
        return self.read("t.parquet")

    def read(self, name: str) -> Case:
        (case,) = read_cases(self.folder / name)
        return case

    def error(self, text: str) -> str:
        with pytest.raises(InputError) as caught:
            self.csv(text)
        message = str(caught.value)
        assert "\n" not in message
        assert str(self.folder / "t.csv") in message
        return message


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


def rows(case: Case) -> tuple[list[str], list[list[float]]]:
    assert case.metrics is not None
    times = [str(time.astype("datetime64[s]")) for time in case.metrics.times]
    return times, np.nan_to_num(case.metrics.values, nan=-1).tolist()


def test_a_wide_csv_is_a_case_named_after_its_file(tables: Tables) -> None:
    case = tables.csv("time,web|cpu,db|mem\n2026-01-31T12:00:00Z,1,2\n2026-01-31T12:01:00Z,3,\n", "shop.csv")
    assert case.case_id == "shop"
    assert case.metrics is not None
    assert case.metrics.labels == (CPU, MEMORY)
    assert case.metrics.times.dtype == np.dtype("datetime64[ns]")
    assert rows(case) == (["2026-01-31T12:00:00", "2026-01-31T12:01:00"], [[1, 2], [3, -1]])
    assert case.notes == ()


def test_a_packed_csv_and_a_parquet_file_read_the_same(tables: Tables) -> None:
    text = "time,web|cpu\n2026-01-31T12:00:00Z,1\n2026-01-31T12:01:00Z,3\n"
    (tables.folder / "p.csv.gz").write_bytes(gzip.compress(text.encode()))
    times = pd.to_datetime(["2026-01-31T12:00:00Z", "2026-01-31T12:01:00Z"])
    in_column = tables.parquet(pd.DataFrame({"time": times, "web|cpu": [1, 3]}))
    in_index = tables.parquet(pd.DataFrame({"web|cpu": [1, 3]}, index=times))
    assert rows(tables.read("p.csv.gz")) == rows(in_column) == rows(in_index) == rows(tables.csv(text))


@pytest.mark.parametrize(
    "time",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T13:00:00+01:00",
        "2026-01-31 12:00:00+00:00",
        "1769860800",
        "1769860800.0",
        "1769860800000",
        "1769860800000000",
        "1769860800000000000",
    ],
)
@pytest.mark.parametrize("name", ["time", "timestamp", "ts", "Timestamp"])
def test_a_time_may_be_written_in_any_usual_way(tables: Tables, name: str, time: str) -> None:
    assert rows(tables.csv(f"{name},web|cpu\n{time},1\n")) == (["2026-01-31T12:00:00"], [[1]])
    assert to_datetime(time, "here") == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_times_without_a_zone_are_utc_and_noted(tables: Tables) -> None:
    case = tables.csv("time,web|cpu\n2026-01-31 12:00:00,1\n2026-01-31 12:01:00,1\n")
    assert rows(case)[0][0] == "2026-01-31T12:00:00"
    assert case.notes == ("t.csv: times without a zone were read as UTC",)


def test_mixed_zones_are_one_time(tables: Tables) -> None:
    case = tables.csv("time,web|cpu\n2026-01-31T13:00:00+01:00,1\n2026-01-31T12:01:00Z,2\n2026-01-31T12:02:00,3\n")
    assert rows(case)[0] == ["2026-01-31T12:00:00", "2026-01-31T12:01:00", "2026-01-31T12:02:00"]


def test_rows_out_of_order_are_sorted_and_the_last_of_equal_times_is_kept(tables: Tables) -> None:
    case = tables.csv("time,web|cpu\n1769860920,3\n1769860800,1\n1769860800,2\n")
    assert rows(case) == (["2026-01-31T12:00:00", "2026-01-31T12:02:00"], [[2], [3]])
    assert case.notes == (
        "t.csv: rows were not in order of time and were sorted",
        "t.csv: 1 rows with a time that comes again were left out, the last kept",
    )


@pytest.mark.parametrize(
    "text",
    [
        "time;web|cpu;db|mem\n2026-01-31T12:00:00Z;1.5;2\n2026-01-31T12:01:00Z;0.25;3\n",
        "time;web|cpu;db|mem\n2026-01-31T12:00:00Z;1,5;2\n2026-01-31T12:01:00Z;0,25;3\n",
        "time\tweb|cpu\tdb|mem\n1769860800\t1.5\t2\n1769860860\t0.25\t3\n",
        "\ufefftime,web|cpu,db|mem\n1769860800,1.5,2\n1769860860,0.25,3\n",
        "\n\ntime;web|cpu;db|mem\n1769860800,0;1,5;2\n1769860860,0;0,25;3\n",
        "time;component;metric;value\n0;web;cpu;1,5\n60;web;cpu;0,25\n0;db;mem;2\n60;db;mem;3\n",
        "time;component;metric;value\n0;web;cpu;1.5\n60;web;cpu;0.25\n0;db;mem;2\n60;db;mem;3\n",
    ],
)
def test_other_separators_and_decimal_commas_are_understood(tables: Tables, text: str) -> None:
    case = tables.csv(text)
    assert case.metrics is not None
    assert [dict(each)["__name__"] for each in case.metrics.labels] == ["cpu", "mem"]
    assert rows(case)[1] == [[1.5, 2], [0.25, 3]]
    assert case.notes == ()


def test_numbers_that_nothing_measures_are_left_out_like_infinities(tables: Tables) -> None:
    samples = "".join(f"{1769860800 + 60 * i},{'-' * (i % 2)}1e308,{'-' * (i % 2)}9e99,1e101\n" for i in range(9))
    case = tables.csv(f"time,web|cpu,db|mem,db|cpu\n{samples}")
    assert case.metrics is not None
    assert np.nanmax(np.abs(case.metrics.values)) == 9e99
    assert case.notes == ("t.csv: 18 values that are infinite or beyond 1e+100 were left out",)


@pytest.mark.parametrize("cell", ["", "nan", "inf", "-1e308", "n/a?"])
@pytest.mark.parametrize("text", ["time,web|cpu,db|mem\n0,{0},{0}\n60,{0},{0}\n", "time,series,value\n0,web|cpu,{0}\n"])
def test_a_table_without_one_number_is_refused(tables: Tables, text: str, cell: str) -> None:
    with pytest.raises(InputError, match="not one cell of"):
        tables.csv(text.format(cell))


def test_cells_that_are_no_numbers_are_left_out_and_counted(tables: Tables) -> None:
    case = tables.csv("time,web|cpu,db|mem\n1769860800,1,inf\n1769860860,n/a?,-inf\n1769860920,x,3\n,4,4\n")
    assert rows(case)[1] == [[1, -1], [-1, -1], [-1, 3]]
    assert case.notes == (
        "t.csv: 2 values that are infinite or beyond 1e+100 were left out",
        "t.csv: 2 cells are no numbers and were left out, most of them in 'web|cpu'",
        "t.csv: 1 rows without a time were left out",
    )


def test_numbers_kept_as_text_booleans_and_constants_are_numbers(tables: Tables) -> None:
    times = pd.to_datetime(["2026-01-31T12:00Z", "2026-01-31T12:01Z"])
    frame = pd.DataFrame({"a|x": ["1", " 2 "], "a|y": [True, False], "a|z": [5, 5], "a|t": times}, index=times)
    case = tables.parquet(frame)
    assert rows(case)[1] == [[1, 1, 5, -1], [2, 0, 5, -1]]


def test_one_row_is_read_and_noted(tables: Tables) -> None:
    case = tables.csv("time,web|cpu\n1769860800,1\n")
    assert case.notes == ("t.csv: only one row, too little to know what is normal",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write a header"),
        ("time,web|cpu\n", "no rows"),
        ("web|cpu\n1\n", "no time column; name one of its columns `time`"),
        ("time\n1769860800\n", "no series beside the time"),
        ("time,web|cpu\nnoon,1\n", "no cell is a time"),
        ("time,web|cpu\n9999-12-31T00:00:00Z,1\n", "outside the years 1677 to 2262"),
        ("time,web|cpu\n1769860800,x\n", "not one cell"),
        ("time,web|cpu,web|cpu\n1769860800,1,2\n", "column 'web|cpu' is there 2 times"),
        ("time,cpu\n1769860800,1\n", "no column names a component"),
        ('time,web|cpu\n1769860800,1\n"1769860801,2\n', "not a CSV table"),
        ('time,"up{job=a}"\n1769860800,1\n', 'write labels as name="value"'),
        ("time,component,metric,value\n1769860800,web,cpu,x\n", "not one cell of 'value'"),
        ("time,component,metric,value\n", "no rows"),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_do(tables: Tables, text: str, words: str) -> None:
    assert words in tables.error(text)


def test_a_file_in_another_encoding_is_refused(tables: Tables) -> None:
    (tables.folder / "t.csv").write_bytes("time,w\u00e9b|cpu\n1769860800,1\n".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        tables.read("t.csv")


def test_a_truncated_parquet_or_gzip_file_is_refused(tables: Tables) -> None:
    tables.parquet(pd.DataFrame({"web|cpu": [1.0]}, index=pd.to_datetime(["2026-01-31T12:00Z"])))
    whole = (tables.folder / "t.parquet").read_bytes()
    (tables.folder / "t.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"t\.parquet: not a whole Parquet file"):
        tables.read("t.parquet")
    (tables.folder / "t.csv.gz").write_bytes(gzip.compress(b"time,web|cpu\n1769860800,1\n" * 100)[:20])
    with pytest.raises(InputError, match=r"t\.csv\.gz: not a CSV table"):
        tables.read("t.csv.gz")


def test_what_is_larger_than_a_limit_is_refused_with_the_setting_named(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "time,web|cpu\n1769860800,1\n1769860801,1\n"
    times = pd.to_datetime(["2026-01-31T12:00Z", "2026-01-31T12:01Z"])
    monkeypatch.setenv("HYPOCENTER_MAX_CELLS", "3")
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_CELLS"):
        tables.csv(text)
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_CELLS"):
        tables.parquet(pd.DataFrame({"web|cpu": [1, 3]}, index=times))
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_CELLS"):
        tables.csv("ts,series,value\n1,a|x,1\n2,b|x,2\n1,b|x,2\n2,a|x,2\n")
    monkeypatch.setenv("HYPOCENTER_MAX_FILE_BYTES", "10")
    with pytest.raises(LimitError, match="HYPOCENTER_MAX_FILE_BYTES"):
        tables.csv(text)


@pytest.mark.parametrize(
    "text",
    [
        "time,component,metric,value\n1769860800,web,cpu,1\n1769860800,db,mem,2\n1769860860,web,cpu,3\n",
        "timestamp,service,metric_name,value\n1769860860,web,cpu,3\n1769860800,web,cpu,1\n1769860800,db,mem,2\n",
        "ts,series,value\n1769860800,web|cpu,1\n1769860800,db|mem,2\n1769860860,web|cpu,3\n",
        "value,__name__,component,time\n1,cpu,web,1769860800\n2,mem,db,1769860800\n3,cpu,web,1769860860\n",
    ],
)
def test_long_tables_mean_the_same_as_the_wide_one(tables: Tables, text: str) -> None:
    case = tables.csv(text)
    assert case.metrics is not None
    assert {tuple(sorted(labels.items())) for labels in case.metrics.labels} == {
        tuple(sorted(CPU.items())),
        tuple(sorted(MEMORY.items())),
    }
    order = [case.metrics.labels.index(CPU), case.metrics.labels.index(MEMORY)]
    assert np.nan_to_num(case.metrics.values[:, order], nan=-1).tolist() == [[1, 2], [3, -1]]


def test_further_columns_of_a_long_table_are_labels(tables: Tables) -> None:
    case = tables.csv('time,series,code,value\n1769860800,"up{job=""a""}",200,1\n1769860800,"up{job=""a""}",,2\n')
    assert case.metrics is not None
    assert case.metrics.labels == ({"__name__": "up", "job": "a", "code": "200"}, {"__name__": "up", "job": "a"})


def test_component_labels_name_the_component_of_a_long_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("time,team,service,metric,value\n1769860800,red,web,cpu,1\n")
    (case,) = read_cases(path, component_labels=("team",))
    assert case.metrics is not None
    assert case.metrics.labels == ({"__name__": "cpu", "component": "red", "service": "web"},)


def test_a_time_that_comes_again_in_one_series_is_noted(tables: Tables) -> None:
    case = tables.csv("time,series,value\n1769860860,a|x,2\n1769860800,a|x,1\n1769860860,a|x,3\n")
    assert rows(case)[1] == [[1], [3]]
    assert len([note for note in case.notes if "sorted" in note or "comes again" in note]) == 2


def test_series_sampled_at_their_own_moments_share_a_grid(tables: Tables) -> None:
    lines = [f"{1769860800 + 30 * at + 7 * phase},s{phase}|x,{at}" for at in range(20) for phase in range(4)]
    case = tables.csv("\n".join(["time,series,value", *lines]))
    assert case.metrics is not None
    assert case.metrics.values.shape[1] == 4
    assert np.isnan(case.metrics.values).sum() <= 4
    assert set(np.diff(case.metrics.times)) == {np.timedelta64(30, "s")}


def test_no_such_file_or_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    for name, words in (("absent.csv", "no such file"), ("notes.txt", "not a case folder"), (".", "no case here")):
        with pytest.raises(InputError, match=words):
            list(read_cases(tmp_path / name))


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        ("a|cpu", {"__name__": "cpu", "component": "a"}),
        ("x y/z:1@w|AWS::Lambda|lat_Average", {"__name__": "lat_Average", "component": "x y/z:1@w|AWS::Lambda"}),
        ("b|p50:a", {"__name__": "p50", "component": "b", "peer": "a"}),
        ("b|p50:x y/z:1@w|AWS::Lambda", {"__name__": "AWS::Lambda", "component": "b|p50:x y/z:1@w"}),
        ("b|p50:ns::svc", {"__name__": "p50", "component": "b", "peer": "ns::svc"}),
        ("b|job:rate:sum", {"__name__": "job:rate:sum", "component": "b"}),
        ("up", {"__name__": "up"}),
        ("job:up:sum", {"__name__": "job:up:sum"}),
        ("up{}", {"__name__": "up"}),
        ('up{a="b|c", d="e\\"f\\\\g\\nh",}', {"__name__": "up", "a": "b|c", "d": 'e"f\\g\nh'}),
        ('{a="b"}', {"a": "b"}),
        ("w{1}|cpu", {"__name__": "cpu", "component": "w{1}"}),
    ],
)
def test_what_a_column_name_says(column: str, labels: dict[str, str]) -> None:
    assert labels_of([column, "a|cpu", "ns::svc|cpu"])[0] == labels


_NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)


@given(st.dictionaries(_NAMES, st.text(max_size=20), max_size=5), st.from_regex(r"[a-z_:][a-z0-9_:]*", fullmatch=True))
def test_prometheus_notation_comes_back(labels: dict[str, str], name: str) -> None:
    labels = {**labels, "__name__": name}
    assert labels_of([notation(labels)]) == (labels,)


@given(st.text(min_size=1).filter(lambda text: "{" not in text), _NAMES)
def test_component_and_metric_come_back(component: str, metric: str) -> None:
    assert labels_of([f"{component}|{metric}"]) == ({"__name__": metric, "component": component},)


_MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.lists(_MOMENTS, min_size=1, max_size=5), st.sampled_from(["iso", "ns"]))
def test_times_come_back_to_the_microsecond(moments: list[datetime], notation: str) -> None:
    exact = [np.datetime64(moment.replace(tzinfo=None), "us") for moment in moments]
    written = (
        [moment.isoformat() for moment in moments]
        if notation == "iso"
        else [int(each.astype("datetime64[ns]").astype("int64")) for each in exact]
    )
    if notation == "ns" and np.median(written) < 1e17:
        return
    times, notes = to_times(pd.Series(written), "here")
    assert times.tolist() == [each.astype("datetime64[ns]").tolist() for each in exact]
    assert notes == ()


def naive_grid(series: list[list[int]], interval: int) -> int:
    """Most samples that a grid can hold: one for each sample of each series, when none are closer than jitter."""
    return sum(len({round((moment - each[0]) / interval) for moment in each}) for each in series)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 14_999), st.integers(0, 3), st.integers(2, 40)), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_a_grid_loses_no_sample_to_jitter(shapes: list[tuple[int, int, int]], random: object) -> None:
    """Series of any phase, each scraped every 15 s give or take 100 ms, keep every sample, and in order."""
    millisecond, interval = 1_000_000, 15_000_000_000
    moments = [
        [(begin * 15_000 + phase + step * 15_000 + random.randint(-100, 100)) * millisecond for step in range(count)]  # type: ignore[attr-defined]
        for phase, begin, count in ((phase, begin + 10, count) for phase, begin, count in shapes)
    ]
    series = [(np.array(each, dtype=np.int64), np.arange(len(each), dtype=float)) for each in moments]
    assert sampling_interval([each for each, _ in series]) == interval
    times, values = on_grid(series, interval, 10**6)
    assert np.isfinite(values).sum() == naive_grid(moments, interval)
    for column, (own, samples) in enumerate(series):
        held = np.flatnonzero(np.isfinite(values[:, column]))
        assert values[held, column].tolist() == samples.tolist()
        assert np.abs(times[held].astype(np.int64) - own).max() <= 0.55 * interval


def test_what_puts_a_server_together_loads_no_pandas() -> None:
    """Its store does when it is opened, and what writes cases."""
    code = (
        "import sys, hypocenter.api.composing; from hypocenter.readers.times import to_datetime;"
        "assert to_datetime('2026-01-31T12:00:00Z', 'at').year == 2026; assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
