"""`hypocenter detect` from outside: what it finds, what it prints and writes, and what it says of wrong input."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

COMMAND = Path(sys.executable).with_name("hypocenter")
ROWS = 1200
TIMES = pd.date_range("2026-03-02", periods=ROWS, freq="5min", tz="UTC", name="time")
SPIKE = 1000
# Chance is to call once in twenty weeks: of what is found in a few days then, nothing is by chance.
RARELY = ("--alerts-per-week", 0.05)
FEW = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """A CPU with a spike and a gap, and a rate with none, four days of five minutes."""
    random = np.random.default_rng(2)
    frame = pd.DataFrame({"cpu": 40 + random.normal(size=ROWS), "rate": 900 + 30 * random.normal(size=ROWS)}, TIMES)
    frame.iloc[SPIKE, 0] = 90.0
    frame.iloc[500:520, 0] = math.nan
    return frame


def scores_of(path):
    return list(csv.DictReader(io.StringIO(Path(path).read_text(encoding="utf-8"))))


def test_events_are_printed_as_a_table(detect, table):
    table[["cpu"]].to_csv("cpu.csv")
    code, out, err = detect("cpu.csv", *RARELY)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert re.fullmatch(r"1 event · 1,200 rows · threshold \d\.\d\d", lines[0])
    assert lines[2].split("  ")[0] == "when (UTC)"
    event = lines[3].split()
    assert (event[:2], event[4]) == (["2026-03-05", "11:20:00"], "point")
    assert event[6] == "90"
    assert float(event[7]) == pytest.approx(40, abs=2)
    assert event[8] == "up"
    assert len(lines) == 4


def test_of_several_series_each_event_names_its_own(detect, table):
    table.to_csv("two.csv")
    _, out, _ = detect("two.csv", *RARELY)
    assert out.splitlines()[0].startswith("1 event in 1 of 2 series · ")
    assert out.splitlines()[3].startswith("cpu     2026-03-05 11:20:00")


def test_a_calm_table_is_said_to_be_calm(detect, table):
    table[["rate"]].to_csv("rate.csv")
    assert detect("rate.csv", "--threshold", 4) == (
        0,
        "Nothing unusual in the series · 1,200 rows · threshold 4.00\n",
        "",
    )


def test_json_says_all_of_it_and_nothing_else(detect, table):
    table.to_csv("two.csv")
    code, out, err = detect("two.csv", "--json", *RARELY)
    found = json.loads(out)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert (found["schema_version"], found["rows"], found["series"]) == (1, ROWS, ["cpu", "rate"])
    assert (found["from"], found["until"]) == ("2026-03-02T00:00:00Z", "2026-03-06T03:55:00Z")
    (event,) = found["events"]
    assert (event["series"], event["onset"], event["kind"], event["direction"]) == (
        "cpu",
        "2026-03-05T11:20:00Z",
        "point",
        "up",
    )
    assert event["low"] < event["expected"] < event["high"] < event["value"] == 90.0
    assert event["score"] > found["threshold"]


def test_scores_are_written_for_every_row_in_the_files_own_times(detect, table):
    stamps = TIMES.strftime("%Y-%m-%d %H:%M:%S")
    table[["cpu"]].set_axis(stamps).to_csv("cpu.csv", index_label="timestamp")
    code, _, err = detect("cpu.csv", "--scores", "scores.csv")
    assert (code, err) == (0, "hypocenter: note: cpu.csv: column 'timestamp': times without a zone were read as UTC\n")
    assert Path("scores.csv").read_text(encoding="utf-8").startswith("timestamp,value,anomaly_score\n2026-03-02 00:00:")
    rows = scores_of("scores.csv")
    assert [row["timestamp"] for row in rows] == list(stamps)
    np.testing.assert_array_equal([float(row["value"] or "nan") for row in rows], table["cpu"])
    assert [row["anomaly_score"] == "" for row in rows] == table["cpu"].isna().tolist()
    found = [float(row["anomaly_score"] or 0) for row in rows]
    assert int(np.argmax(found)) == SPIKE


def test_scores_have_every_digit(detect, table):
    from hypocenter_workers.detect.calendar import Calendar
    from hypocenter_workers.detect_table import default_detector

    table[["rate"]].to_csv("rate.csv")
    detect("rate.csv", "--raw", "--scores", "scores.csv")
    detector = default_detector(Calendar())
    times = TIMES.tz_localize(None).to_numpy("datetime64[ns]")
    wanted = detector.score_block(table[["rate"]].to_numpy(), times, detector.begin(1)).scores[:, 0]
    np.testing.assert_array_equal([float(row["anomaly_score"]) for row in scores_of("scores.csv")], wanted)


def test_rows_over_the_threshold_are_alerts_unless_all_are_wanted(detect, table):
    lasting = table[["cpu"]].copy()
    lasting.iloc[SPIKE : SPIKE + 30] += 60
    lasting.to_csv("long.csv")
    _, out, _ = detect("long.csv", "--json", "--scores", "alerts.csv")
    detect("long.csv", "--raw", "--scores", "rows.csv")
    said = json.loads(out)
    alerts, rows = (
        sum(float(row["anomaly_score"] or 0) >= said["threshold"] for row in scores_of(path))
        for path in ("alerts.csv", "rows.csv")
    )
    assert alerts == sum(1 + event["escalations"] for event in said["events"])
    assert rows > 2 * alerts


def test_scores_of_several_series_are_a_row_each(detect, table):
    table.to_csv("two.csv")
    detect("two.csv", "--scores", "scores.csv")
    rows = scores_of("scores.csv")
    assert list(rows[0]) == ["timestamp", "series", "value", "anomaly_score"]
    assert [row["series"] for row in rows[:4]] == ["cpu", "rate", "cpu", "rate"]
    assert len(rows) == 2 * ROWS


def test_a_series_has_the_same_scores_beside_another_one(detect, table):
    table.to_csv("two.csv")
    table[["cpu"]].to_csv("one.csv")
    detect("two.csv", "--scores", "two-scores.csv")
    detect("one.csv", "--scores", "one-scores.csv")
    beside = [row["anomaly_score"] for row in scores_of("two-scores.csv") if row["series"] == "cpu"]
    assert beside == [row["anomaly_score"] for row in scores_of("one-scores.csv")]


@FEW
@given(st.integers(1, ROWS - 1))
def test_a_score_does_not_depend_on_later_rows(detect, table, rows):
    table[["cpu"]].to_csv("whole.csv")
    table[["cpu"]][:rows].to_csv("cut.csv")
    detect("whole.csv", "--scores", "whole-scores.csv")
    detect("cut.csv", "--scores", "cut-scores.csv")
    assert scores_of("cut-scores.csv") == scores_of("whole-scores.csv")[:rows]


def test_the_same_table_gives_the_same_bytes(detect, table):
    table.to_csv("two.csv")
    made = [detect("two.csv", "--json", "--scores", f"{n}.csv", "--plot", f"{n}.html") for n in (1, 2)]
    assert made[0] == made[1]
    assert Path("1.csv").read_bytes() == Path("2.csv").read_bytes()
    assert Path("1.html").read_bytes() == Path("2.html").read_bytes()


NOTATIONS = {
    "epoch seconds": lambda t: t.set_axis(TIMES.astype("int64") // 10**9 if TIMES.unit == "ns" else seconds()),
    "epoch milliseconds": lambda t: t.set_axis(seconds() * 1000),
    "ISO with a zone": lambda t: t.set_axis(TIMES.tz_convert("Europe/Berlin").map(lambda time: time.isoformat())),
    "any header": lambda t: t.rename_axis("When it was"),
    "upside down": lambda t: t[::-1],
}


def seconds():
    return np.array([int(time.timestamp()) for time in TIMES])


@pytest.mark.parametrize("notation", NOTATIONS)
def test_times_are_read_in_many_notations(detect, table, notation):
    NOTATIONS[notation](table[["cpu"]]).to_csv("cpu.csv")
    _, out, _ = detect("cpu.csv", "--json", *RARELY)
    assert [event["onset"] for event in json.loads(out)["events"]] == ["2026-03-05T11:20:00Z"]


def test_parquet_is_read_as_csv_is(detect, table):
    table.to_parquet("two.parquet")
    table.to_csv("two.csv")
    events = [json.loads(detect(name, "--json")[1])["events"] for name in ("two.parquet", "two.csv")]
    assert events[0] == events[1] != []


def test_a_budget_moves_the_threshold(detect, table):
    table[["cpu"]].to_csv("cpu.csv")
    few, many = (json.loads(detect("cpu.csv", "--json", "--alerts-per-week", n)[1]) for n in (0.01, 4))
    usual = json.loads(detect("cpu.csv", "--json")[1])
    assert few["threshold"] == pytest.approx(usual["threshold"] + 2)
    assert many["threshold"] == pytest.approx(usual["threshold"] - math.log10(4))
    assert len(few["events"]) <= 1 < len(many["events"])


def test_a_threshold_can_be_given(detect, table):
    table[["cpu"]].to_csv("cpu.csv")
    found = json.loads(detect("cpu.csv", "--json", "--threshold", 200)[1])
    assert (found["threshold"], found["events"]) == (200.0, [])


def test_nothing_is_told_in_a_time_of_maintenance(detect, table):
    table[["cpu"]].to_csv("cpu.csv")
    spans = ("2026-03-05T11:00Z/2026-03-05T12:00Z", "2026-03-05T12:30+01:00/2026-03-05T13:30+01:00")
    before, during = (json.loads(detect("cpu.csv", "--json", *RARELY, "--mute", span)[1])["events"] for span in spans)
    assert (before, [event["onset"] for event in during]) == ([], ["2026-03-05T11:20:00Z"])
    detect("cpu.csv", "--scores", "scores.csv", *RARELY, "--mute", spans[0])
    detect("cpu.csv", "--scores", "raw.csv", "--raw", *RARELY, "--mute", spans[0])
    muted, scored = (float(scores_of(name)[SPIKE]["anomaly_score"]) for name in ("scores.csv", "raw.csv"))
    assert muted < 3 < scored


def test_sticking_to_a_stated_limit_is_told(detect):
    random = np.random.default_rng(5)
    values = random.uniform(40, 110, ROWS)
    values[SPIKE : SPIKE + 60] = random.uniform(99.1, 99.9, 60)
    pd.DataFrame({"cpu": values}, TIMES).to_csv("cpu.csv")
    told = [
        [event["kind"] for event in json.loads(detect("cpu.csv", "--json", *RARELY, *words)[1])["events"]]
        for words in ([], ["--limit", "100"], ["--limit", "200"])
    ]
    assert ["saturation" in kinds for kinds in told] == [False, True, False]


@pytest.fixture
def office() -> pd.DataFrame:
    """Six weeks by the hour of what is in use in Berlin's working hours; a Thursday of the last week is a holiday."""
    times = pd.date_range("2026-03-02", periods=42 * 24, freq="h", tz="UTC", name="time")
    local = times.tz_convert("Europe/Berlin")
    busy = (local.hour >= 8) & (local.hour < 18) & (local.day_of_week < 5) & (local.strftime("%Y-%m-%d") != HOLIDAY)
    noise = np.random.default_rng(3).normal(size=len(times))
    return pd.DataFrame({"value": np.where(busy, 100.0, 10.0) + noise}, times)


HOLIDAY = "2026-04-09"


def worst_of_day(path, day):
    return max(float(row["anomaly_score"]) for row in scores_of(path) if row["timestamp"].startswith(day))


@pytest.mark.parametrize("option", ["--holidays", "--special-days"])
def test_a_day_off_that_is_known_is_no_event(detect, office, option):
    office.to_csv("v.csv")
    Path("days.csv").write_text(f"date,name\n{HOLIDAY},Day off\n", encoding="utf-8")
    told = [
        [event["onset"][:10] for event in json.loads(detect("v.csv", "--json", "--threshold", 2, *words)[1])["events"]]
        for words in (["--timezone", "Europe/Berlin"], ["--timezone", "Europe/Berlin", option, "days.csv"])
    ]
    assert HOLIDAY in told[0]
    assert HOLIDAY not in told[1]


def test_the_time_zone_moves_the_habits_with_the_clocks(detect, office):
    office.to_csv("v.csv")
    detect("v.csv", "--scores", "utc.csv")
    detect("v.csv", "--timezone", "Europe/Berlin", "--scores", "berlin.csv")
    assert worst_of_day("utc.csv", "2026-03-30") > worst_of_day("berlin.csv", "2026-03-30")


def test_the_plot_is_one_page_with_every_name_escaped(detect, table):
    table.set_axis(["<script>alert(1)</script>", "rate"], axis=1).to_csv("two.csv")
    code, _, _ = detect("two.csv", "--plot", "plot.html", *RARELY)
    page = Path("plot.html").read_text(encoding="utf-8")
    assert (code, "1 event in 1 of 2 series" in page) == (0, True)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_number_without_bounds_is_helped_with_as_one(detect):
    code, out, _ = detect("--help")
    assert code == 0
    assert re.search(r"--limit FLOAT +What no series can exceed", out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.csv"], "none.csv: cannot be read"),
        (["two.txt"], "two.txt: not a .csv, .csv.gz or .parquet file"),
        (["two.csv", "--timezone", "Mars/Base"], "time zone 'Mars/Base' is not known"),
        (["two.csv", "--holidays", "two.csv"], "two.csv: line 1: 'time' is no date"),
        (["two.csv", "--special-days", "no.csv"], "no.csv: cannot be read"),
        (["two.csv", "--threshold", "3", "--alerts-per-week", "1"], "not both"),
        (["two.csv", "--alerts-per-week", "1e9"], "ask for fewer"),
        (["two.csv", "--threshold", "0"], "--threshold"),
        (["two.csv", "--limit", "nan"], "is not a finite number"),
        (["two.csv", "--mute", "2026-03-01"], "'' is not a time; write START/END, as 2026-03-01T22:00/"),
        (["two.csv", "--mute", "2026-03-02/2026-03-01"], "'2026-03-02/2026-03-01' ends before it begins"),
        (["two.csv", "--scores", "two.csv"], "--scores two.csv: is or lies in the input two.csv"),
        (["two.csv", "--plot", "."], "--plot .: this is a folder, and a file is needed"),
        (["two.csv", "--scores", "two.txt/s.csv"], "--scores two.txt/s.csv: cannot be written"),
        (["two.csv", "--plot", "a", "--scores", "./a"], "--scores and --plot need a file each"),
    ],
)
def test_what_is_wrong_with_the_options_is_one_line(detect, table, words, message):
    table.to_csv("two.csv")
    Path("two.txt").write_text("", encoding="utf-8")
    before = sorted(Path.cwd().iterdir())
    code, out, err = detect(*words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(Path.cwd().iterdir()) == before


def test_progress_is_shown_at_a_terminal(table, tmp_path):
    table.to_csv(tmp_path / "two.csv")
    ours, its = pty.openpty()
    shown = subprocess.run([COMMAND, "detect", tmp_path / "two.csv", "--json"], stdout=subprocess.PIPE, stderr=its)
    os.close(its)
    with os.fdopen(ours, "rb") as terminal:
        assert terminal.read1() == b"detecting in series 1 to 2 of 2\r\n"
    assert json.loads(shown.stdout)["rows"] == ROWS
