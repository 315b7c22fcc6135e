"""What of an OTLP request of metrics cannot be kept is turned down; so is what is no such request, or asks too much."""

from __future__ import annotations

import math

import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from otlp_metric_bodies import (
    DELTA,
    ROUTE,
    Numbered,
    body_of,
    decoded,
    exponential,
    field_of,
    gauge,
    histogram,
    json_gauge,
    request_of,
    sum_of,
    wrapped,
)

from hypocenter.errors import InputError, LimitError
from hypocenter.ingest.budget import MOST_STEPS
from hypocenter.ingest.otlp_metrics import MetricsDecoder, decode_metrics
from hypocenter.ingest.otlp_metrics_limits import MOST_ATTRIBUTES, MOST_BYTES
from hypocenter.ingest.otlp_status import Encoding


@pytest.fixture(params=list(Encoding))
def encoding(request: pytest.FixtureRequest) -> Encoding:
    found: Encoding = request.param
    return found


FAULTS = [
    (gauge(), "without a value"),
    (gauge("...", as_int=1), "no name"),
    (sum_of("jobs", 1.0, pb.AGGREGATION_TEMPORALITY_UNSPECIFIED), "temporality"),
    (sum_of("jobs", 1.0, 7), "temporality"),
    (sum_of("jobs", -1.0, DELTA), "negative"),
    (sum_of("jobs", math.nan, DELTA), "finite"),
    (histogram(DELTA, sum=math.inf), "finite"),
    (histogram(bucket_counts=[1, 2]), "one bucket more"),
    (histogram(explicit_bounds=[1.0, 1.0]), "rise"),
    (histogram(explicit_bounds=[math.nan, 1.0]), "rise"),
    (exponential(31, 0, [1]), "scale"),
    (exponential(-12, 0, [1]), "scale"),
]


@pytest.mark.parametrize(("metric", "reason"), FAULTS)
def test_a_point_that_cannot_be_kept_is_turned_down_alone(encoding, metric, reason):
    request = request_of(gauge("before", as_int=1), metric, metric, gauge("after", as_int=1))
    written, index = decoded(request, encoding)
    assert written.rejected.number == 2
    assert reason in written.rejected.message
    assert "2 points turned down" in written.rejected.message
    assert index.named(written.batch.samples) == {f"before{ROUTE}": 1.0, f"after{ROUTE}": 1.0}


@pytest.mark.parametrize("time_ns", [0, 2**63, 2**64 - 1])
def test_a_point_without_a_usable_time_is_turned_down(encoding, time_ns):
    metric = gauge(as_int=1)
    metric.gauge.data_points[0].time_unix_nano = time_ns
    written, _ = decoded(request_of(metric), encoding)
    assert (written.rejected.number, len(written.batch)) == (1, 0)


def test_a_point_with_too_many_or_too_long_labels_is_turned_down(encoding):
    many, long = gauge("many", as_int=1), gauge("long", as_int=1)
    for number in range(70):
        many.gauge.data_points[0].attributes.add(key=f"a{number}").value.int_value = number
    long.gauge.data_points[0].attributes.add(key="a").value.string_value = "x" * 5000
    written, _ = decoded(request_of(many, long, gauge(as_int=1)), encoding)
    assert (written.rejected.number, len(written.batch)) == (2, 1)


def test_points_beyond_the_limit_of_series_are_turned_down_and_known_ones_are_kept(encoding):
    index = Numbered(most=3)
    decoder = MetricsDecoder(index)
    first = request_of(gauge("a", as_int=1), gauge("b", as_int=1))
    assert len(decoder.decode(body_of(first, encoding), encoding).batch) == 2
    second = request_of(gauge("a", as_int=2), histogram(), gauge("b", as_int=2))
    written = decoder.decode(body_of(second, encoding), encoding)
    assert index.named(written.batch.samples) == {f"a{ROUTE}": 2.0, f"b{ROUTE}": 2.0}
    assert written.rejected.number == 1
    assert "more series than the limit" in written.rejected.message


@pytest.mark.parametrize(
    "body", [b"\xff", b"\x0a\x05", b"\x0a\x02\x0a\xff", b"not protobuf at all", wrapped(b"\x0a\x01\xff")]
)
def test_a_body_that_is_no_protobuf_is_bad_input(body):
    with pytest.raises(InputError):
        decode_metrics(body, Encoding.PROTOBUF, Numbered())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff",
        b'{"resourceMetrics": 1}',
        b'{"resourceMetrics": [1]}',
        b'{"resourceMetrics": [{"scopeMetrics": {}}]}',
        b'{"resourceMetrics": [{"resource": {"attributes": [{"key": 1}]}}]}',
        b"[" * 100_000,
        json_gauge(timeUnixNano="-1"),
        json_gauge(timeUnixNano="1.5"),
        json_gauge(timeUnixNano=2**64),
        json_gauge(timeUnixNano=True),
        json_gauge(asDouble="much"),
        json_gauge(asDouble=None, asInt="1e3"),
        json_gauge(asDouble=None, asInt="-"),
        json_gauge(attributes=[{"key": "a", "value": {"stringValue": 1}}]),
        json_gauge(attributes=[{"key": "a", "value": {"boolValue": "true"}}]),
        json_gauge(attributes=[{"key": "a", "value": {"bytesValue": 1}}]),
        json_gauge(attributes=[{"key": "a", "value": []}]),
    ],
)
def test_a_body_that_is_no_such_json_is_bad_input(body):
    with pytest.raises(InputError):
        decode_metrics(body, Encoding.JSON, Numbered())


@pytest.mark.parametrize(
    "body",
    [
        wrapped(field_of(5, b"\x0a\x00" * (MOST_STEPS + 1))),
        wrapped(b"\x2a\x00" * (MOST_STEPS + 1)),
        b"\x0a\x00" * (MOST_STEPS + 1),
        wrapped(field_of(5, field_of(1, field_of(7, b"x" * MOST_BYTES)))),
        wrapped(field_of(5, field_of(1, field_of(7, b"") * (MOST_ATTRIBUTES + 1)))),
        field_of(1, field_of(1, field_of(1, b"") * (MOST_ATTRIBUTES + 1))),
    ],
    ids=["points", "data", "resources", "bytes", "attributes", "resource attributes"],
)
def test_a_request_that_would_take_too_much_is_refused(body):
    with pytest.raises(LimitError):
        decode_metrics(body, Encoding.PROTOBUF, Numbered())


def test_attributes_nested_too_deep_are_bad_input(encoding):
    metric = gauge(as_int=1)
    value = metric.gauge.data_points[0].attributes.add(key="deep").value
    for _ in range(20):
        value = value.array_value.values.add()
    with pytest.raises(InputError, match="nested"):
        decoded(request_of(metric), encoding)
