"""The command line from outside: what is printed where, exit codes, and one line for everything that goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hypocenter.arguments import parse_duration, parse_time
from hypocenter.cli import main
from hypocenter.readers.times import to_datetime

if TYPE_CHECKING:
    from collections.abc import Callable

HEAVY = {"celery", "httpx", "jinja2", "networkx", "numpy", "pandas", "pyarrow", "statsmodels"}
COMMAND = Path(sys.executable).with_name("hypocenter")
ONSET = pd.Timestamp("2026-03-01T02:30:00Z")
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Shown:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]

    def is_one_line_error(self, code: int) -> bool:
        return self.code == code and self.out == "" and _is_error_line(self.err)


def _is_error_line(text: str) -> bool:
    return text.startswith("hypocenter: error: ") and text.count("\n") == 1 and "Traceback" not in text


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Shown]:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Shown:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return Shown(int(ended.value.code or 0), shown.out, shown.err)

    return call


def _write_case(folder: Path) -> Path:
    """Write three hours of a frontend, its cart and the cart's database, whose CPU and latency rise at the end."""
    folder.mkdir(parents=True)
    times = pd.date_range("2026-03-01", periods=180, freq="min", tz="UTC", name="time")
    noise = np.random.default_rng(7).normal(1.0, 0.02, (len(times), 6))
    ill = (times >= ONSET).astype(float)
    columns = {
        "db|cpu_usage": 0.2 * noise[:, 0] + 0.7 * ill,
        "db|latency_p95_ms": 5 * noise[:, 1] + 80 * ill,
        "cart|latency_p95_ms": 20 * noise[:, 2] + 80 * ill,
        "cart|cpu_usage": 0.3 * noise[:, 3],
        "frontend|latency_p95_ms": 50 * noise[:, 4] + 80 * ill,
        "frontend|cpu_usage": 0.4 * noise[:, 5],
    }
    pd.DataFrame(columns, index=times).to_parquet(folder / "metrics.parquet")
    stated = {
        "case_id": folder.name,
        "dataset": "small",
        "system": "shop",
        "started_at": ONSET.isoformat(),
        "dependencies": [["frontend", "cart"], ["cart", "db"]],
        "extras": {},
    }
    (folder / "case.json").write_text(json.dumps(stated), encoding="utf-8")
    truth = {"root_component": "db", "root_metric": None, "fault_type": "cpu"}
    (folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write_case(tmp_path_factory.mktemp("cases") / "one")


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from hypocenter.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    for arguments in (["--help"], ["investigate", "--help"], ["evaluate", "--help"], ["simulate", "--help"]):
        command = [sys.executable, "-c", program, *arguments]
        shown = subprocess.run(command, capture_output=True, text=True, check=True)
        assert shown.stdout.startswith("Usage: ")
        assert HEAVY.isdisjoint(shown.stderr.split())


def test_the_installed_command_answers() -> None:
    shown = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("hypocenter, version ")


@pytest.mark.parametrize("group", [[], ["graph"], ["history"], ["models"], ["token"]], ids=" ".join)
def test_no_summary_of_a_command_is_cut(run: Callable[..., Shown], group: list[str]) -> None:
    summaries = run(*group, "--help").out.partition("Commands:\n")[2].splitlines()
    assert len(summaries) > 2
    assert [line for line in summaries if line.endswith("...") or len(line) > 80 or not line[2:3].strip()] == []


def test_one_case_gives_a_summary_and_a_report(run: Callable[..., Shown], case: Path) -> None:
    shown = run("investigate", case)
    assert shown.code == 0
    assert "db" in shown.out
    assert "2026-03-01 02:" in shown.out
    report = Path("report.html")
    assert str(report.resolve()) in shown.out
    assert report.read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


def test_json_is_one_line_and_nothing_else(run: Callable[..., Shown], case: Path) -> None:
    shown = run("investigate", case, "--json")
    [verdict] = shown.lines
    assert shown.code == 0
    assert shown.err == ""
    assert verdict["schema_version"] == 1
    assert verdict["suspects"][0]["component"] == "db"  # type: ignore[index]
    assert list(Path().iterdir()) == []


def test_json_with_out_writes_the_report_too(run: Callable[..., Shown], case: Path) -> None:
    shown = run("investigate", case, "--json", "--out", "deep/place.html")
    assert len(shown.lines) == 1
    assert "place.html" in shown.err
    assert Path("deep/place.html").stat().st_size > 1000
    assert [path.name for path in Path("deep").iterdir()] == ["place.html"]


def test_several_cases_give_lines_in_order_and_the_bad_one_says_why(
    run: Callable[..., Shown], case: Path, tmp_path: Path
) -> None:
    other = _write_case(tmp_path / "two")
    shown = run("investigate", other, tmp_path / "absent", case, "--json", "--out", "reports")
    assert [line.get("case_id", line.get("case")) for line in shown.lines] == ["two", "absent", "one"]
    assert set(shown.lines[1]) == {"schema_version", "case", "error"}
    assert shown.code == 2
    errors = [line for line in shown.err.splitlines() if "error" in line]
    assert errors == [f"hypocenter: error: {tmp_path / 'absent'}: no such file or folder"]
    assert sorted(path.name for path in Path("reports").iterdir()) == ["001-two.html", "003-one.html"]


def test_a_bad_case_in_a_folder_of_cases_does_not_hide_the_others(run: Callable[..., Shown], tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        _write_case(tmp_path / "set" / name)
    (tmp_path / "set" / "b" / "metrics.parquet").write_bytes(b"PAR1 and no more")
    shown = run("investigate", tmp_path / "set", "--json")
    assert [("error" in line, line.get("case_id", line.get("case"))) for line in shown.lines] == [
        (False, "a"),
        (True, "b"),
        (False, "c"),
    ]
    assert shown.code == 2


def test_a_broken_line_among_incidents_does_not_hide_the_others(run: Callable[..., Shown], tmp_path: Path) -> None:
    incident = {"nodes": ["web", "db"], "edges": [["web", "db"]], "events": [{"entity": "db", "name": "slow"}]}
    lines = [json.dumps({**incident, "case_id": "first"}), "{broken", json.dumps({**incident, "case_id": "last"})]
    (tmp_path / "many.jsonl").write_text("\n".join(lines))
    shown = run("investigate", "many.jsonl", "--json")
    assert [line.get("case_id", line.get("case")) for line in shown.lines] == ["first", "many.jsonl:2", "last"]
    assert shown.err.count("many.jsonl") == 1
    assert "error" in shown.lines[1]
    assert shown.code == 2


def test_several_cases_without_json_write_no_report_unless_told(
    run: Callable[..., Shown], case: Path, tmp_path: Path
) -> None:
    _write_case(tmp_path / "set" / "two")
    _write_case(tmp_path / "set" / "three")
    shown = run("investigate", tmp_path / "set")
    assert shown.code == 0
    assert shown.out.count("\ncause ") == 2
    assert not Path("report.html").exists()


def test_the_same_case_gives_the_same_bytes(run: Callable[..., Shown], case: Path) -> None:
    assert run("investigate", case, "--json").out == run("investigate", case, "--json").out


def test_what_is_known_of_the_incident_reaches_the_verdict(
    run: Callable[..., Shown], case: Path, tmp_path: Path
) -> None:
    (tmp_path / "calls.csv").write_text("caller,callee\nfrontend,cart\ncart,db\n", encoding="utf-8")
    shown = run(
        *("investigate", case, "--json", "--at", "2026-03-01T03:30:00+01:00", "--topology", tmp_path / "calls.csv"),
        *("--target", "frontend|latency_p95_ms", "--precision", "1"),
    )
    [verdict] = shown.lines
    assert verdict["target"] == {"component": "frontend", "metric": "latency_p95_ms"}
    assert (verdict["cause"], verdict["abstained"]) == (None, True)


def test_a_time_outside_the_telemetry_is_a_blind_spot(run: Callable[..., Shown], case: Path) -> None:
    [verdict] = run("investigate", case, "--json", "--at", "2031-03-01").lines
    assert verdict["abstained"] is True
    assert "no metrics after the onset" in verdict["blind_spots"]  # type: ignore[operator]


@pytest.mark.parametrize(
    "arguments",
    [
        ["investigate"],
        ["investigate", "absent"],
        ["investigate", "."],
        ["investigate", "CASE", "--prometheus", "http://127.0.0.1:1"],
        ["investigate", "--prometheus", "file:///etc/passwd", "--at", "2026-03-01"],
        ["investigate", "CASE", "--at", "yesterday"],
        ["investigate", "CASE", "--at", "99999999999999999999"],
        ["investigate", "CASE", "--at", "1969-12-31"],
        ["investigate", "CASE", "--at", "2201-01-01"],
        ["investigate", "CASE", "--at", "0001-01-01T00:00+14:00"],
        ["investigate", "--prometheus", "http://127.0.0.1:1", "--at", "2026-03-01", "--lookback", "9999999d"],
        ["investigate", "CASE", "--precision", "2"],
        ["investigate", "CASE", "--precision", "nan"],
        ["evaluate", "CASE", "--offset", "inf"],
        ["simulate", "CASE", "--to", "http://127.0.0.1:1", "--speed", "nan"],
        ["investigate", "CASE", "--topology", "absent.csv"],
        ["investigate", "CASE", "--target", "nobody"],
        ["investigate", "CASE", "--lookback", "0h"],
        ["investigate", "CASE", "--lookback", "6h"],
        ["investigate", "CASE", "--match", "up"],
        ["investigate", "CASE", "--insecure"],
        ["investigate", "CASE", "--traceback"],
        ["investigate", "CASE", "--nonsense"],
        ["investigate", "CASE", "--out", "."],
        ["investigate", "CASE", "--out", "CASE"],
        ["evaluate"],
        ["evaluate", "absent"],
        ["evaluate", "CASE", "--method", "nonsense"],
        ["simulate", "absent.scenario", "--out", "made"],
        ["simulate", "CASE"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_bad_usage_and_bad_input_are_one_line(run: Callable[..., Shown], case: Path, arguments: list[str]) -> None:
    shown = run(*[str(case) if word == "CASE" else word for word in arguments])
    assert shown.is_one_line_error(2), shown
    assert list(Path().iterdir()) == []


def test_a_server_that_is_down_is_one_line(run: Callable[..., Shown]) -> None:
    shown = run("investigate", "--prometheus", "http://127.0.0.1:1", "--at", "2026-03-01T10:00:00Z")
    assert shown.is_one_line_error(3), shown


def test_nothing_in_a_name_steers_the_terminal(run: Callable[..., Shown], tmp_path: Path) -> None:
    folder = _write_case(tmp_path / "bad")
    stated = json.loads((folder / "case.json").read_text(encoding="utf-8")) | {"case_id": "a\x1b[2J\nb\x07"}
    (folder / "case.json").write_text(json.dumps(stated), encoding="utf-8")
    shown = run("investigate", folder)
    assert shown.out.startswith("incident     a\\x1b[2J\\nb\\x07 ")
    error = run("investigate", folder, "--target", "\x1b]0;x\x07")
    assert error.is_one_line_error(2)
    assert error.err.rstrip("\n").isprintable()


def test_a_secret_comes_from_a_file_and_is_never_shown(run: Callable[..., Shown], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n", encoding="utf-8")
    server = ["investigate", "--prometheus", "http://127.0.0.1:1", "--at", "2026-03-01"]
    shown = run(*server, "--bearer-token-file", tmp_path / "token")
    assert shown.is_one_line_error(3), shown
    assert "s3cret" not in shown.err
    assert run(*server, "--bearer-token-file", tmp_path / "absent").is_one_line_error(2)


def test_a_setting_of_the_wrong_type_is_one_line(
    run: Callable[..., Shown], case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPOCENTER_PRECISION", "high")
    shown = run("investigate", case)
    assert shown.is_one_line_error(2)
    assert "HYPOCENTER_PRECISION" in shown.err


def test_a_reader_that_goes_away_is_no_failure_worth_words(case: Path) -> None:
    command = [COMMAND, "investigate", *[case] * 3, "--json"]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    program.stdout.close()
    assert program.stderr is not None
    with program.stderr:
        assert program.stderr.read() == ""
    assert program.wait() == 1


def test_evaluate_prints_a_table_and_json(run: Callable[..., Shown], case: Path) -> None:
    table = run("evaluate", case)
    assert table.code == 0
    assert {"hypocenter", "random", "AC@1", "Avg@5"} <= set(table.out.split())
    found = json.loads(run("evaluate", case, "--json").out)
    assert {row["method"] for row in found["rows"]} >= {"hypocenter", "random"}


def test_simulate_makes_a_case_that_can_be_investigated(run: Callable[..., Shown], pytestconfig: pytest.Config) -> None:
    scenario = pytestconfig.rootpath / "fixtures" / "scenarios" / "shop.scenario"
    assert run("simulate", scenario, "--out", "made", "--seed", "3").code == 0
    assert {"case.json", "truth.json", "metrics.parquet"} <= {path.name for path in Path("made").iterdir()}
    assert run("investigate", "made", "--json").code == 0


WORDS = st.one_of(
    st.sampled_from(["investigate", "--json", "--at", "--out", "-h"]),
    st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=8),
)


@FEW
@given(st.lists(WORDS, max_size=5))
@example(["investigate", "\udcff"])
def test_any_words_are_usage_input_or_help(run: Callable[..., Shown], words: list[str]) -> None:
    shown = run(*words)
    assert shown.code in {0, 2}
    assert "Traceback" not in shown.err


@FEW
@given(st.datetimes(datetime(1974, 1, 1), datetime(2200, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_are_read_as_they_are_written(time: datetime) -> None:
    assert parse_time(time.isoformat()) == time
    assert parse_time(time.replace(tzinfo=None).isoformat(sep=" ")) == time
    whole = time.replace(microsecond=0)
    seconds = int(whole.timestamp())
    for text in (f"{seconds}", f"{seconds}000", f"{seconds}000000", f"{seconds}.0"):
        assert parse_time(text) == whole == to_datetime(text, "here")


def test_eight_digits_are_a_date_and_nine_a_unix_time() -> None:
    assert parse_time("20260301") == datetime(2026, 3, 1, tzinfo=UTC)
    assert parse_time("202603010") == datetime.fromtimestamp(202603010, UTC)


@FEW
@given(st.integers(1, 10_000), st.sampled_from("smhdw"))
def test_durations_are_read_as_they_are_written(amount: int, unit: str) -> None:
    names = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    assert parse_duration(f"{amount}{unit}") == timedelta(**{names[unit]: amount})


@FEW
@given(st.text(alphabet="0123456789.-+:TZsmhdw ", max_size=24))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    for parse in (parse_time, parse_duration):
        with suppress(ValueError):
            assert parse(text)
