"""What events of whole tables are called: silences among other series, shifts with when they began, ramps."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from hypocenter.readers.series_tables import series_of
from hypocenter_workers.detect.ensemble import Ensemble
from hypocenter_workers.detect.events import Kind
from hypocenter_workers.detect_table import detect
from hypocenter_workers.detection_outputs import to_csv, to_json, to_text

ROWS = 1200
LONG = 2880
TIMES = pd.date_range("2026-03-02", periods=LONG, freq="5min", tz="UTC")
AT = TIMES.tz_localize(None).to_numpy("datetime64[ns]")
LATE = 1000
MOVED = 2500
# Chance reaches it once in a hundred thousand rows.
RARE = 5.0


def noise(*levels, seed=1):
    return np.array(levels) + np.random.default_rng(seed).standard_normal((ROWS, len(levels)))


def detected(values, score=RARE):
    names = [f"s{column}" for column in range(values.shape[1])]
    frame = pd.DataFrame(values, columns=names)
    frame.insert(0, "time", TIMES[: len(values)])
    return detect(series_of(frame, "t"), Ensemble(shapes=False), score=score)


def test_a_series_that_stops_while_others_go_on_is_an_event_from_its_first_missing_sample():
    values = noise(50.0, 9.0, 300.0)
    values[LATE:, 1] = math.nan
    (event,) = detected(values).events
    assert (event.kind, event.series, event.end) == (Kind.SILENCE, 1, None)
    assert event.onset == AT[LATE]
    assert AT[LATE] < event.alert <= AT[LATE + 30]
    assert math.isnan(event.value)


def test_a_silence_ends_with_the_last_sample_that_did_not_come():
    values = noise(50.0, 9.0)
    values[LATE : LATE + 100, 1] = math.nan
    (event,) = detected(values).events
    assert (event.kind, event.onset, event.end) == (Kind.SILENCE, AT[LATE], AT[LATE + 99])


@pytest.mark.parametrize("columns", [[0], [0, 1]], ids=["alone", "all"])
def test_when_nobody_reports_no_series_is_silent(columns):
    values = noise(50.0, 9.0)[:, columns]
    values[LATE : LATE + 100] = math.nan
    assert detected(values).events == ()


def test_a_silence_has_no_scores_of_rows_and_changes_no_others():
    values = noise(50.0, 9.0)
    values[LATE : LATE + 100, 1] = math.nan
    found, alone = detected(values), detected(values[:, 1:])
    np.testing.assert_array_equal(found.scores[:, 1], alone.scores[:, 0])
    np.testing.assert_array_equal(np.isnan(found.alert_scores), np.isnan(values))
    assert f"{AT[LATE]!s}"[:16].replace("T", " ") in to_text(found)
    assert ",s1,,\n" in to_csv(found)
    (event,) = json.loads(json.dumps(to_json(found), allow_nan=False))["events"]
    assert (event["kind"], event["value"], event["direction"]) == ("silence", None, "down")


def test_two_series_that_report_in_turns_are_not_silent():
    values = noise(50.0, 9.0)
    values[::2, 0] = values[1::2, 1] = math.nan
    assert detected(values).events == ()


def first_of_kinds(values, *kinds):
    return next(event for event in detected(values, score=3.5).events if event.kind in kinds)


def wave(seed):
    """Ten days, of which all but two are known when something happens."""
    rows = np.arange(LONG)
    return 50 + 20 * np.sin(rows / 288 * 2 * np.pi) + np.random.default_rng(seed).standard_normal(LONG)


def since(row):
    return np.maximum(np.arange(LONG) - row, 0)


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_a_shift_tells_when_it_began(seed):
    values = wave(seed) + 5.0 * (since(MOVED - 1) > 0)
    event = first_of_kinds(values[:, None], Kind.SHIFT, Kind.RAMP)
    assert event.kind is Kind.SHIFT
    assert event.began == (AT[MOVED], AT[MOVED])


@pytest.mark.parametrize(("seed", "slope"), [(0, 0.1), (1, 0.1), (1, -0.1)])
def test_a_ramp_is_told_from_a_shift(seed, slope):
    values = np.sign(slope) * wave(seed) + np.clip(slope * since(MOVED), -10, 10)
    event = first_of_kinds(values[:, None], Kind.SHIFT, Kind.RAMP)
    assert event.kind is Kind.RAMP
    earliest, latest = event.began
    assert AT[MOVED - 15] <= earliest <= AT[MOVED] <= latest <= AT[MOVED + 15] < event.alert


def test_the_interval_is_in_the_json_and_that_of_no_other_kind():
    values = np.column_stack([wave(5) + 5.0 * (since(MOVED - 1) > 0), wave(1)])
    values[MOVED, 1] += 40.0
    events = {event["kind"]: event for event in to_json(detected(values))["events"]}
    assert events["point"]["began"] is None
    began = f"{AT[MOVED]!s}"[:19] + "Z"
    assert events["shift"]["began"] == [began, began]
