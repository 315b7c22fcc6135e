"""Answers of the Prometheus API decoded: numbers as they are, and another shape is one error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.errors import SourceError
from hypocenter.readers.prometheus_samples import (
    alerts_of,
    counted,
    decoded_count,
    decoded_labels,
    decoded_matrix,
    joined,
    key_of,
)

LABELS = {"__name__": "up", "job": "a"}
SECOND = 1_000_000_000


def matrix(*result: object) -> dict[str, object]:
    return {"resultType": "matrix", "result": list(result)}


def test_samples_are_nanoseconds_and_numbers() -> None:
    pairs = [[1769860800.123, "1.5"], [1769860801, "NaN"], [1769860802, "+Inf"], [1769860803, "-Inf"]]
    ((key, (moments, values)),), histograms = decoded_matrix(matrix({"metric": LABELS, "values": pairs}))
    assert key == key_of(LABELS)
    assert moments.tolist() == [1769860800_123000000, *(1769860800 * SECOND + at * SECOND for at in (1, 2, 3))]
    np.testing.assert_array_equal(values, [1.5, np.nan, np.inf, -np.inf])
    assert histograms == set()


def test_native_histograms_are_named_and_their_plain_samples_kept() -> None:
    native = {"metric": {"__name__": "latency"}, "histograms": [[1, {}]]}
    series, histograms = decoded_matrix(matrix(native, native | {"values": [[1, "1"]]}))
    assert histograms == {"latency"}
    assert len(series) == 1


def test_parts_of_a_series_are_one_series_with_each_time_once() -> None:
    parts, _ = decoded_matrix(
        matrix(
            {"metric": LABELS, "values": [[30, "3"], [45, "4"]]},
            {"metric": {"__name__": "down"}, "values": [[1, "1"]]},
            {"metric": LABELS, "values": [[15, "2"], [30, "3"]]},
        )
    )
    series = joined(parts)
    assert list(series) == [key_of({"__name__": "down"}), key_of(LABELS)]
    moments, values = series[key_of(LABELS)]
    assert (moments // SECOND).tolist() == [15, 30, 45]
    assert values.tolist() == [2, 3, 4]


@given(st.lists(st.floats(0, 1e6) | st.just(float("nan")), min_size=2, max_size=30))
def test_a_rate_as_a_counter_has_the_rate(rates: list[float]) -> None:
    moments = np.arange(len(rates), dtype=np.int64) * 30 * SECOND
    _, counter = counted((moments, np.array(rates)), 30)
    seen = np.flatnonzero(~np.isnan(rates))
    np.testing.assert_array_equal(np.isnan(counter), np.isnan(rates))
    np.testing.assert_allclose(np.diff(counter[seen]), np.array(rates)[seen][1:] * 30, rtol=1e-9, atol=1e-3)


def test_a_firing_alert_is_known_from_its_first_sample() -> None:
    def series(**labels: str) -> dict[str, object]:
        return {"metric": {"__name__": "ALERTS", **labels}, "values": [[60, "1"], [75, "1"]]}

    parts, _ = decoded_matrix(
        matrix(
            series(alertname="Late", alertstate="firing", job="j", service="web"),
            series(alertname="Soon", alertstate="pending", job="j"),
            series(alertname="Whose", alertstate="firing"),
            {"metric": {"__name__": "ALERTS", "alertstate": "firing", "job": "j"}, "values": []},
        )
    )
    assert [(alert.component, alert.name, alert.at and alert.at.timestamp()) for alert in alerts_of(joined(parts))] == [
        ("web", "Late", 60.0)
    ]


def test_a_count_of_nothing_is_nought() -> None:
    assert decoded_count({"resultType": "vector", "result": []}) == 0
    assert decoded_count({"resultType": "vector", "result": [{"metric": {}, "value": [1, "7"]}]}) == 7


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"resultType": "vector", "result": []},
        {"resultType": "matrix", "result": {}},
        matrix("text"),
        matrix({"metric": None}),
        matrix({"metric": {"job": 1}, "values": []}),
        *(
            matrix({"metric": LABELS, "values": values})
            for values in (
                None,
                "1",
                [[1]],
                [["x", "1"]],
                [[1e300, "1"]],
                [[float("nan"), "1"]],
                [[1, None]],
                [1],
                {"a": 1},
            )
        ),
    ],
)
def test_another_shape_is_an_error(data: object) -> None:
    with pytest.raises(SourceError, match="not shaped as the Prometheus API says"):
        decoded_matrix(data)


@pytest.mark.parametrize("data", [None, {}, {"result": [{}]}, {"result": [{"value": [1, "inf"]}]}, {"result": 1}])
def test_another_shape_of_a_count_is_an_error(data: object) -> None:
    with pytest.raises(SourceError, match="not shaped"):
        decoded_count(data)


_KEYS = st.sampled_from(["result", "resultType", "metric", "values", "value", "histograms"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from([LABELS, "matrix"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(data=_JSON, wrapped=st.sampled_from(["not", "matrix", "series"]))
def test_any_json_is_decoded_or_an_error_of_ours(data: Any, wrapped: str) -> None:
    whole = {"not": data, "matrix": matrix(data), "series": matrix({"metric": LABELS, "values": data})}[wrapped]
    for decode in (decoded_matrix, decoded_labels, decoded_count):
        try:
            decode(whole)
        except SourceError as error:
            said = str(error)
            assert "not shaped" in said
