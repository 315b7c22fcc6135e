"""What tables `hypocenter detect` reads, what it says of those it bends, and which it refuses in a line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def column_of(path, name):
    with Path(path).open(encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a CSV table"),
        ("timestamp,value\n", "no rows"),
        ("timestamp\n2026-03-01\n", "1 columns; give a column of times and one of numbers"),
        ("timestamp,value\nyesterday,1\ntoday,2\n", "column 'timestamp': no cell is a time; write ISO 8601"),
        ("timestamp,host\n2026-03-01,web\n", "no column of numbers beside the time; column 'host' holds none"),
        ("2014-02-14 14:30:00,5\n2014-02-14 14:35:00,6\n", "the first line, '2014-02-14 14:30:00', is no header"),
        ("a,a\n1,2\n", "column 'a' is there 2 times"),
        (
            "time,host,value\n" + "".join(f"2026-03-0{day},{host},1\n" for day in (1, 2) for host in "abcde"),
            "most times come again; write one row per time and one column per series",
        ),
        (
            "time,host,value\n" + "".join(f"2026-03-0{day},{host},1\n" for day in (1, 2) for host in "ab"),
            "most times come again; write one row per time and one column per series",
        ),
        ("time,value\n2026-03-01,1e300\n", "not one cell of 'value' is a number of at most 1e+100; use a larger unit"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_line(detect, text, message):
    Path("t.csv").write_text(text, encoding="utf-8")
    code, out, err = detect("t.csv", "--scores", "s.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("hypocenter: error: t.csv: ")
    assert message in err
    assert not Path("s.csv").exists()


def test_what_was_bent_is_noted(detect):
    Path("t.csv").write_text(
        "time,host,a\n2026-03-02T00:00:00Z,x,1\n2026-03-01T00:00:00Z,y,2\n2026-03-01T00:00:00Z,y,high\n,z,4\n",
        encoding="utf-8",
    )
    _, out, err = detect("t.csv", "--scores", "s.csv")
    notes = [line.removeprefix("hypocenter: note: t.csv: ") for line in err.splitlines()]
    assert notes == [
        "column 'host' left out: not one number",
        "1 cells are no numbers and were left out, most of them in 'a'",
        "1 rows without a time were left out",
        "rows were not in order of time and were sorted",
        "1 rows with a time that comes again were left out, the last kept",
    ]
    assert column_of("s.csv", "timestamp") == ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"]
    assert out.startswith("Nothing unusual")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("time;v\n2026-03-01T00:00:00Z;1,5\n2026-03-01T00:01:00Z;-2,25\n", ["1.5", "-2.25"]),
        ("time,v\n2026-03-01T00:00:00Z,True\n2026-03-01T00:01:00Z,False\n", ["1.0", "0.0"]),
        ("v\ttime\n1e3\t2026-03-01T00:00:00Z\n\t2026-03-01T00:01:00Z\n", ["1000.0", ""]),
        ("\ufefftime,v\n2026-03-01T00:00:00Z,0.1\n2026-03-01T00:01:00Z, 7 \n", ["0.1", "7.0"]),
    ],
)
def test_numbers_are_read_in_many_notations(detect, text, values):
    Path("t.csv").write_text(text, encoding="utf-8")
    detect("t.csv", "--scores", "s.csv")
    assert column_of("s.csv", "value") == values


TIMES_AS_TYPED = ["2026-03-01", "2026-03-01T10:00:00+05:30", "1772359200", "1772359200000", "now", "1500-01-01"]
NUMBERS_AS_TYPED = ["0", "-1.5", "1e308", "-inf", "nan", "True", "9" * 30, "0x10", "1_000", " 7 "]
CELL = st.sampled_from([*TIMES_AS_TYPED, *NUMBERS_AS_TYPED, "", "high", '"a,b"', "'", "\x00", "ä"])
NAME = st.sampled_from(["time", "timestamp", "value", "v", "", "1", "date", "<b>", "\x1b[2J", "a|b", 'up{job=""x""}'])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NAME, min_size=1, max_size=4), st.lists(st.lists(CELL, min_size=1, max_size=5), max_size=6))
def test_any_table_is_read_or_refused_in_a_line(detect, names, rows):
    Path("t.csv").write_text("\n".join(",".join(cells) for cells in [names, *rows]), encoding="utf-8")
    code, out, err = detect("t.csv", "--scores", "s.csv", "--plot", "p.html")
    assert code in (0, 2)
    if code == 2:
        assert (out, err.count("\n")) == ("", 1)
    assert "\x1b" not in out + err


def test_one_row_is_no_error(detect):
    Path("t.csv").write_text("time,a\n2026-03-02T00:00:00Z,1\n", encoding="utf-8")
    code, out, _ = detect("t.csv", "--plot", "p.html", "--scores", "s.csv")
    assert (code, out.splitlines()[0][:15]) == (0, "Nothing unusual")
