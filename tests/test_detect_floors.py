"""The least scales of series, against naive twins."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.model import MetricKind, Series
from hypocenter_workers.detect.floors import LEAST_SHARE, PEER_FLOOR, UNIT_FLOORS, floors, group_medians

LEVELS = st.floats(-1e9, 1e9, width=32) | st.just(math.nan)


@given(st.lists(st.tuples(st.integers(0, 4), LEVELS), max_size=30))
def test_medians_of_groups_match_the_naive_twin(placed):
    groups = sorted({group for group, _ in placed})
    known = {g: [level for group, level in placed if group == g and not math.isnan(level)] for g in groups}
    found = group_medians(
        np.array([level for _, level in placed]), np.array([groups.index(group) for group, _ in placed], dtype=int)
    )
    assert found.tolist() == [statistics.median(known[g]) if known[g] else 0.0 for g in groups]


def latency(component, metric="latency"):
    return Series(component, metric, MetricKind.LATENCY, "s", "p50")


def test_what_a_metric_is_elsewhere_sets_the_least_of_a_series_near_zero():
    before = np.array([[0.0, 10.0, 10.0, 0.0]])
    series = [latency("a"), latency("b"), latency("c"), latency("d", "other")]
    assert floors(series, before, before[:0]).tolist()[::3] == [PEER_FLOOR * 10.0, UNIT_FLOORS["s"]]


def test_the_level_of_a_calm_day_counts_where_nothing_is_known_before():
    nothing, calm = np.empty((0, 1)), np.full((5, 1), 10.0)
    assert floors([latency("a")], nothing, calm) == floors([latency("a")], calm, nothing)


def test_a_share_of_errors_has_a_least_of_its_own():
    series = [Series("a", "errors", MetricKind.ERRORS, "share")]
    assert floors(series, np.array([[0.9]]), np.empty((0, 1))).tolist() == pytest.approx([LEAST_SHARE])


def test_no_series_has_no_floor():
    assert floors([], np.empty((3, 0)), np.empty((0, 0))).shape == (0,)
