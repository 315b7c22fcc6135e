"""Local days: every time beside what Python's own clock says of it, and the days that are off or like no other."""

from __future__ import annotations

import math
import zoneinfo
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter.readers.days import read_days
from hypocenter_workers.detect.calendar import Calendar

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHRISTMAS = date(2026, 12, 25)
MONDAY, FRIDAY, SUNDAY = 0, 4, 6


def times_of(*texts):
    return np.array(texts, dtype="datetime64[ns]")


def naive_slots(seconds, zone, per_day):
    """One time after the other, by the standard library."""
    clocks = [(EPOCH + timedelta(seconds=each)).astimezone(zoneinfo.ZoneInfo(zone)) for each in seconds]
    into_day = [clock.hour * 3600 + clock.minute * 60 + clock.second for clock in clocks]
    return [clock.weekday() for clock in clocks], [each * per_day / 86400 for each in into_day]


@settings(max_examples=60)
@given(
    st.sampled_from(ZONES),
    st.integers(0, 2_000_000_000),
    st.sampled_from([1, 977, 3600, 86400, 40 * 86400]),
    st.sampled_from([1, 24, 288]),
)
def test_slots_are_those_of_the_wall_clock(zone, start, step, per_day):
    seconds = start + step * np.arange(50)
    found = Calendar(zone).slots(seconds.astype("datetime64[s]"), per_day)
    days, places = naive_slots(seconds.tolist(), zone, per_day)
    assert found.day.tolist() == days
    assert found.place.tolist() == places
    assert not found.special.any()


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_day_is_as_long_as_the_clock_makes_it(day, hours):
    begins = np.datetime64(day, "ns") - np.timedelta64(12, "h")
    times = begins + np.arange(48 * 4) * np.timedelta64(15, "m")
    found = Calendar("Europe/Berlin").slots(times, 24)
    kind = date.fromisoformat(day).weekday()
    places = found.place[found.day == kind]
    assert len(places) == hours * 4
    counts = np.bincount(places.astype(int), minlength=24)
    assert counts[2] == {23: 0, 24: 4, 25: 8}[hours]
    assert (np.delete(counts, 2) == 4).all()


def test_a_change_of_clocks_counts_from_its_very_nanosecond():
    change = np.datetime64("2026-03-29T01:00:00", "ns")
    before, after = Calendar("Europe/Berlin").slots(np.array([change - 1, change]), 24).place
    assert (math.floor(before), after) == (1, 3.0)


def test_a_place_never_reaches_the_end_of_the_day():
    last = np.datetime64("2026-03-03", "ns") - 1
    for per_day in (1, 7, 24, 288, 86400):
        assert Calendar().slots(np.array([last]), per_day).place[0] < per_day


def test_times_need_no_order_and_may_be_none():
    calendar = Calendar("Europe/Berlin")
    times = np.datetime64("2026-01-01", "ns") + np.arange(400) * np.timedelta64(1, "D")
    forward, backward = calendar.slots(times, 24), calendar.slots(times[::-1], 24)
    np.testing.assert_array_equal(forward.place, backward.place[::-1])
    assert [len(part) for part in calendar.slots(times[:0], 24)] == [0, 0, 0]


def test_a_block_gives_what_its_times_give_one_by_one():
    calendar = Calendar("America/New_York", holidays=frozenset({CHRISTMAS}))
    times = np.datetime64("2026-10-01", "ns") + np.arange(500) * np.timedelta64(7, "h")
    block = calendar.slots(times, 24)
    single = [calendar.slots(times[row : row + 1], 24) for row in range(len(times))]
    assert [one.day[0] for one in single] == block.day.tolist()
    assert [one.place[0] for one in single] == block.place.tolist()


def test_a_holiday_passes_like_a_sunday_in_local_time():
    calendar = Calendar("Europe/Berlin", holidays=frozenset({CHRISTMAS}))
    times = times_of("2026-12-24T22:59", "2026-12-24T23:00", "2026-12-25T22:59", "2026-12-25T23:00")
    assert calendar.slots(times, 24).day.tolist() == [3, SUNDAY, SUNDAY, 5]
    assert date(2026, 12, 24).weekday() == 3


def test_a_holiday_may_pass_like_another_kind_of_day():
    calendar = Calendar(holidays=frozenset({CHRISTMAS}), holiday_kind=MONDAY)
    assert calendar.slots(times_of("2026-12-25"), 24).day.tolist() == [MONDAY]


def test_a_special_day_is_marked_and_keeps_its_kind():
    calendar = Calendar(special=frozenset({date(2026, 11, 27)}), holidays=frozenset({CHRISTMAS}))
    found = calendar.slots(times_of("2026-11-26T23:59", "2026-11-27T00:00", "2026-11-27T23:59", "2026-11-28"), 24)
    assert found.special.tolist() == [False, True, True, False]
    assert found.day[1] == FRIDAY


@pytest.mark.parametrize("name", ["Europe/Berlinn", "", "../etc/passwd", "Europe"])
def test_an_unknown_zone_is_named(name):
    with pytest.raises(InputError, match="is not known; write an IANA name") as raised:
        Calendar(name)
    assert repr(name) in str(raised.value)


def test_a_kind_of_day_that_is_none_is_refused():
    with pytest.raises(InputError, match="holiday_kind=7"):
        Calendar(holiday_kind=7)


def test_days_are_read_one_a_line(tmp_path):
    path = tmp_path / "days.csv"
    path.write_text("\ufeffdate,name\n2026-12-25,Christmas, the first\n\n# moved\n 2027-01-01 \n", encoding="utf-8")
    assert read_days(path) == {CHRISTMAS, date(2027, 1, 1)}


def test_a_list_of_no_days_is_none(tmp_path):
    path = tmp_path / "days.txt"
    path.write_text("# none yet\n", encoding="utf-8")
    assert read_days(path) == frozenset()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"2026-12-25\n25.12.2026,Christmas\n", "line 2: '25.12.2026' is no date"),
        (b"2026-02-30\n", "line 1: '2026-02-30' is no date"),
        (b"2026-12-25\n\xff\n", "byte 11 is not UTF-8"),
    ],
)
def test_a_line_that_is_no_day_is_named(tmp_path, content, message):
    path = tmp_path / "days.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_days(path)


def test_a_missing_list_of_days_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        read_days(tmp_path / "none.csv")
