"""Detectors by the sample and on pandas' tables: the same scores whichever way, and clear words for wrong input."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from hypocenter.errors import InputError
from hypocenter_workers.detect.seasonal import Seasonal
from hypocenter_workers.detect.stream import Stream

ROWS = 600
INDEX = pd.date_range("2026-03-02", periods=ROWS, freq="5min", tz="UTC")
SEASONAL = Seasonal()


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(4)
    frame = pd.DataFrame({"cpu": 50 + random.normal(size=ROWS), "rps": 900 + 30 * random.normal(size=ROWS)}, INDEX)
    frame.iloc[300:310, 0] = math.nan
    frame.iloc[-1, 1] = 2000.0
    return frame


def direct(frame):
    times = frame.index.tz_localize(None).to_numpy(dtype="datetime64[ns]")
    return SEASONAL.score_block(frame.to_numpy(), times, SEASONAL.begin(frame.shape[1])).scores


def test_a_table_has_the_scores_of_the_detector(table):
    scores = Stream(SEASONAL).score(table)
    pd.testing.assert_frame_equal(scores, pd.DataFrame(direct(table), table.index, table.columns))
    assert scores["rps"].iloc[-1] > 5
    assert scores["cpu"].isna().sum() == 10


def test_one_sample_at_a_time_gives_the_same_as_a_table(table):
    cpu = table["cpu"]
    stream, found = Stream(SEASONAL), []
    for time, value in cpu.items():
        found.append(stream.score_one(value, time))
        stream.learn_one(value, time)
    np.testing.assert_array_equal(found, Stream(SEASONAL).score(cpu))


def test_history_and_the_rest_give_the_same_as_all_at_once(table):
    whole = Stream(SEASONAL).score(table)
    stream = Stream(SEASONAL).fit(table[:400])
    pd.testing.assert_frame_equal(stream.score(table[400:]), whole[400:])
    later = stream.learn(table[400:500]).score(table[500:])
    pd.testing.assert_frame_equal(later, whole[500:])


def test_scoring_changes_nothing(table):
    stream = Stream(SEASONAL).fit(table[:400])
    before = stream.to_bytes()
    first = stream.score(table[400:])
    assert stream.to_bytes() == before
    pd.testing.assert_frame_equal(stream.score(table[400:]), first)


def test_fitting_again_forgets(table):
    again = Stream(SEASONAL).fit(table[300:500]).fit(table[:400])
    pd.testing.assert_frame_equal(again.score(table[400:]), Stream(SEASONAL).fit(table[:400]).score(table[400:]))


def test_a_stream_survives_the_way_through_bytes(table):
    stream = Stream(SEASONAL).fit(table[:400])
    back = Stream.from_bytes(stream.to_bytes(), SEASONAL)
    pd.testing.assert_frame_equal(back.score(table[400:]), stream.score(table[400:]))
    with pytest.raises(InputError, match="is not after"):
        back.learn(table[:400])


def test_columns_are_known_by_name_and_not_by_place(table):
    stream = Stream(SEASONAL).fit(table[:400])
    turned = stream.score(table[400:][["rps", "cpu"]])
    assert list(turned.columns) == ["rps", "cpu"]
    pd.testing.assert_frame_equal(turned[["cpu", "rps"]], stream.score(table[400:]))


def test_an_empty_table_has_no_scores(table):
    assert Stream(SEASONAL).score(table[:0]).shape == (0, 2)


BERLIN = timezone(timedelta(hours=1))
SAME = [
    datetime(2026, 3, 9, 12, tzinfo=UTC),
    datetime(2026, 3, 9, 13, tzinfo=BERLIN),
    datetime(2026, 3, 9, 12),  # noqa: DTZ001
    np.datetime64("2026-03-09T12:00"),
    pd.Timestamp("2026-03-09T13:00+01:00"),
]


def test_a_time_is_the_same_in_every_notation(table):
    stream = Stream(SEASONAL).fit(table["cpu"])
    assert len({stream.score_one(58.0, time) for time in SAME}) == 1


def test_zones_of_an_index_do_not_matter(table):
    berlin = table.tz_convert("Europe/Berlin")
    scores = Stream(SEASONAL).score(berlin)
    pd.testing.assert_index_equal(scores.index, berlin.index)
    np.testing.assert_array_equal(scores, Stream(SEASONAL).score(table.tz_localize(None)))


def test_nullable_numbers_are_numbers(table):
    cpu = table["cpu"].round()
    np.testing.assert_array_equal(Stream(SEASONAL).score(cpu.astype("Int64")), Stream(SEASONAL).score(cpu))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.reset_index(drop=True), "no times; give a DatetimeIndex"),
        (lambda t: t[::-1], "row 1, 2026-03-03T09:10.*sort the index"),
        (lambda t: pd.concat([t[:2], t[1:3]]), "row 2, .*drop doubles"),
        (lambda t: t.set_axis([pd.NaT, *t.index[1:]]), r"row 0 has no time \(NaT\)"),
        (lambda t: t.assign(cpu="high"), "column 'cpu' is not one of numbers"),
        (lambda t: t.assign(rps=math.inf), "column 'rps' has an infinite value"),
        (lambda t: t.set_axis(["cpu", "cpu"], axis=1), "column 'cpu' is there more than once"),
        (lambda t: t["cpu"].tolist(), "a list is no series or table"),
    ],
)
@pytest.mark.parametrize("way", ["fit", "score"])
def test_what_is_wrong_is_named(table, spoil, message, way):
    with pytest.raises(InputError, match=message):
        getattr(Stream(SEASONAL), way)(spoil(table[:400]))


def test_later_rows_must_be_later_and_of_the_same_columns(table):
    stream = Stream(SEASONAL).fit(table[:400])
    with pytest.raises(InputError, match=r"2026-03-03T09:15.* is not after 2026-03-03T09:15"):
        stream.learn(table[399:])
    with pytest.raises(InputError, match=r"no column 'rps'; give the columns that were learned: cpu, rps"):
        stream.score(table[["cpu"]][400:])
    with pytest.raises(InputError, match="3 columns"):
        stream.score(table[400:].assign(more=1.0))
    with pytest.raises(InputError, match="the stream has 2 series"):
        stream.score_one(1.0, SAME[0])


@pytest.mark.parametrize("time", ["2026-03-09", 1772359200, None, np.datetime64("NaT")])
def test_what_is_no_time_is_named(time):
    with pytest.raises(InputError, match="is no time"):
        Stream(SEASONAL).score_one(1.0, time)


@pytest.mark.parametrize("value", ["many", [1.0, 2.0], {}])
def test_what_is_no_number_is_named(value):
    with pytest.raises(InputError, match="is no number; give a number"):
        Stream(SEASONAL).score_one(value, SAME[0])


def test_an_infinite_sample_is_refused():
    with pytest.raises(InputError, match="infinite"):
        Stream(SEASONAL).learn_one(math.inf, SAME[0])


def test_bytes_of_something_else_are_refused():
    with pytest.raises(InputError, match="not a detector state"):
        Stream.from_bytes(b"", SEASONAL)
    with pytest.raises(InputError, match=r"no stream's"):
        Stream.from_bytes(SEASONAL.begin(1).to_bytes(), SEASONAL)
