"""OTLP metrics become samples and increments of the series that Prometheus would name, from protobuf as from JSON."""

from __future__ import annotations

import math

import numpy as np
import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from otlp_metric_bodies import (
    AT_MS,
    AT_NS,
    CUMULATIVE,
    DELTA,
    ROUTE,
    Numbered,
    body_of,
    decoded,
    exponential,
    gauge,
    histogram,
    json_gauge,
    point_of,
    request_of,
    sum_of,
    wrapped,
)

from hypocenter.batches import STALE_BITS
from hypocenter.ingest.otlp_metrics import MetricsDecoder, OtlpWritten, decode_metrics
from hypocenter.ingest.otlp_status import Encoding


@pytest.fixture(params=list(Encoding))
def encoding(request: pytest.FixtureRequest) -> Encoding:
    found: Encoding = request.param
    return found


def test_gauges_and_sums_are_samples_under_the_names_of_prometheus(encoding):
    gauge = pb.Metric(name="queue.fill", unit="1")
    gauge.gauge.data_points.append(point_of(pb.NumberDataPoint, as_int=7))
    request = request_of(gauge, sum_of("net.io", 5.5), sum_of("queue.size", -2.0, monotonic=False))
    written, index = decoded(request, encoding)
    assert index.named(written.batch.samples) == {
        f"queue_fill_ratio{ROUTE}": 7.0,
        f"net_io_bytes_total{ROUTE}": 5.5,
        f"queue_size_bytes{ROUTE}": -2.0,
    }
    assert not len(written.batch.increments)
    assert written.batch.receipt == b""
    assert written.rejected.number == 0


def test_deltas_are_increments_with_a_receipt_of_the_body(encoding):
    request = request_of(sum_of("net.io", 5.5, DELTA), sum_of("queue.size", -2.0, DELTA, monotonic=False))
    written, index = decoded(request, encoding)
    assert index.named(written.batch.increments) == {
        f"net_io_bytes_total{ROUTE}": 5.5,
        f"queue_size_bytes{ROUTE}": -2.0,
    }
    assert not len(written.batch.samples)
    assert written.batch.receipt
    assert written.batch.receipt == decoded(request, encoding)[0].batch.receipt
    other = decoded(request_of(sum_of("net.io", 5.0, DELTA)), encoding)[0]
    assert written.batch.receipt != other.batch.receipt


@pytest.mark.parametrize("temporality", [CUMULATIVE, DELTA])
def test_a_histogram_is_a_count_a_sum_and_buckets_from_below(encoding, temporality):
    written, index = decoded(request_of(histogram(temporality)), encoding)
    batch = written.batch
    kept, none = (batch.samples, batch.increments) if temporality == CUMULATIVE else (batch.increments, batch.samples)
    assert index.named(kept) == {
        f"wait_seconds_count{ROUTE}": 6.0,
        f"wait_seconds_sum{ROUTE}": 1.5,
        "wait_seconds_bucket{http_route=/,le=0.1}": 1.0,
        "wait_seconds_bucket{http_route=/,le=2.5}": 3.0,
        "wait_seconds_bucket{http_route=/,le=+Inf}": 6.0,
    }
    assert not len(none)


def test_a_histogram_may_come_without_sum_or_buckets(encoding):
    metric = histogram(explicit_bounds=[], bucket_counts=[])
    metric.histogram.data_points[0].ClearField("sum")
    written, index = decoded(request_of(metric), encoding)
    assert index.named(written.batch.samples) == {f"wait_seconds_count{ROUTE}": 6.0}


def _buckets(written: OtlpWritten, index: Numbered, *, delta: bool = False) -> dict[float, float]:
    found = index.named(written.batch.increments if delta else written.batch.samples)
    marked = {name.partition("le=")[2].rstrip("}"): value for name, value in found.items() if "_bucket" in name}
    return {float(bound): value for bound, value in marked.items()}


def test_an_exponential_histogram_is_counted_at_the_powers_of_two(encoding):
    # Scale 1: bounds are powers of the square root of 2; index 0 holds (1, 1.41], 1 holds (1.41, 2], 2 (2, 2.83].
    request = request_of(exponential(1, 0, [10, 5, 3], count=20, sum=30.0, zero_count=1, negative=[1]))
    written, index = decoded(request, encoding)
    found = _buckets(written, index)
    assert (found[1.0], found[2.0], found[4.0], found[math.inf]) == (2.0, 17.0, 20.0, 20.0)
    assert len(found) == 26
    assert index.named(written.batch.samples)[f"wait_seconds_sum{ROUTE}"] == 30.0


@pytest.mark.parametrize("scale", [-11, -2, 0, 3, 20])
def test_the_bounds_do_not_change_with_the_scale(scale):
    request = request_of(exponential(scale, -1, [4, 2], DELTA, count=6))
    found = _buckets(*decoded(request, Encoding.PROTOBUF), delta=True)
    expected = _buckets(*decoded(request_of(exponential(0, 0, [], DELTA)), Encoding.PROTOBUF), delta=True)
    assert found.keys() == expected.keys()
    assert found[math.inf] == 6.0
    # The second bucket is (1, base]; the first ends at 1 at every scale.
    assert found[1.0] == 4.0
    assert list(found.values()) == sorted(found.values())


def test_a_summary_is_its_quantiles_a_count_and_a_sum(encoding):
    metric = pb.Metric(name="wait", unit="s")
    quantile = pb.SummaryDataPoint.ValueAtQuantile
    quantiles = [quantile(quantile=0.5, value=0.1), quantile(quantile=0.99, value=0.7)]
    metric.summary.data_points.append(point_of(pb.SummaryDataPoint, count=3, sum=1.0, quantile_values=quantiles))
    written, index = decoded(request_of(metric), encoding)
    assert index.named(written.batch.samples) == {
        f"wait_seconds_count{ROUTE}": 3.0,
        f"wait_seconds_sum{ROUTE}": 1.0,
        "wait_seconds{http_route=/,quantile=0.5}": 0.1,
        "wait_seconds{http_route=/,quantile=0.99}": 0.7,
    }


@pytest.mark.parametrize("metric", [gauge(flags=1), sum_of("jobs", 1.0), histogram(), exponential(0, 0, [1])])
def test_a_point_without_a_recorded_value_is_a_stale_marker(encoding, metric):
    kept = pb.Metric.FromString(metric.SerializeToString())
    data = getattr(kept, str(kept.WhichOneof("data")))
    data.data_points[0].flags = 1
    written, _ = decoded(request_of(kept), encoding)
    assert len(written.batch.samples)
    assert set(written.batch.samples.values.view(np.uint64).tolist()) == {STALE_BITS}
    if hasattr(data, "aggregation_temporality"):
        data.aggregation_temporality = DELTA
        assert not len(decoded(request_of(kept), encoding)[0].batch)


def test_labels_are_those_of_the_point_then_of_the_resource(encoding):
    metric = gauge(as_int=1)
    attributes = metric.gauge.data_points[0].attributes
    attributes.add(key="http_route").value.string_value = "2"
    attributes.add(key="service.version").value.string_value = "own"
    attributes.add(key="empty").value.string_value = ""
    attributes.add(key="__name__").value.string_value = "other"
    attributes.add(key="job").value.string_value = "other"
    for name, value in (("a.int", 5), ("a.double", 0.5), ("a.bool", True), ("a.text", "é"), ("a.bytes", b"hi")):
        setattr(attributes.add(key=name).value, f"{name[2:].replace('text', 'string')}_value", value)
    attributes.add(key="a.list").value.array_value.values.add().int_value = 1
    attributes.add(key="a.map").value.kvlist_value.values.add(key="k").value.bool_value = False
    resource = {"service.version": "1", "service.namespace": "shop", "service.instance.id": "i-1", "os.type": "linux"}
    written, index = decoded(request_of(metric, **resource), encoding)
    assert not written.rejected.number
    (labels,) = index.known
    assert dict(labels) == {
        "__name__": "level",
        "a_bool": "true",
        "a_bytes": "aGk=",
        "a_double": "0.5",
        "a_int": "5",
        "a_list": "[1]",
        "a_map": '{"k":false}',
        "a_text": "é",
        "http_route": "/;2",
        "instance": "i-1",
        "job": "shop/cart",
        "key_name_": "other",
        "service_instance_id": "i-1",
        "service_name": "cart",
        "service_namespace": "shop",
        "service_version": "own",
    }


def test_an_attribute_cannot_take_the_place_of_a_bound(encoding):
    metric = histogram()
    metric.histogram.data_points[0].attributes.add(key="le").value.string_value = "7"
    written, index = decoded(request_of(metric), encoding)
    assert _buckets(written, index) == {0.1: 1.0, 2.5: 3.0, math.inf: 6.0}


def test_what_is_remembered_between_requests_changes_nothing(encoding):
    index = Numbered()
    decoder = MetricsDecoder(index)
    for value in (1, 2, 3):
        request = request_of(gauge(as_int=value), sum_of("a", value, DELTA), sum_of("a", value), histogram())
        other = request_of(gauge(as_int=value), **{"service.name": "other"})
        remembered = decoder.decode(body_of(request, encoding), encoding)
        fresh = decode_metrics(body_of(request, encoding), encoding, index)
        for kind in ("samples", "increments"):
            kept, expected = getattr(remembered.batch, kind), getattr(fresh.batch, kind)
            assert (kept.series == expected.series).all()
            assert (kept.values == expected.values).all()
        (series,) = decoder.decode(body_of(other, encoding), encoding).batch.samples.series
        assert dict(list(index.known)[series])["service_name"] == "other"


@pytest.mark.parametrize(
    ("point", "value"),
    [
        ({"timeUnixNano": AT_NS}, 1.5),
        ({"timeUnixNano": float(AT_NS)}, 1.5),
        ({"asDouble": None, "asInt": "-7"}, -7.0),
        ({"asDouble": None, "asInt": 7}, 7.0),
        ({"asDouble": "-Infinity"}, -math.inf),
        ({"asDouble": 3}, 3.0),
        ({"asDouble": None, "as_double": 2.5}, 2.5),
        ({"exemplars": [{"traceId": "0af7"}], "tomorrow": {"new": [1]}, "attributes": None}, 1.5),
    ],
)
def test_json_is_read_as_its_specification_allows(point, value):
    index = Numbered()
    written = decode_metrics(json_gauge(**point), Encoding.JSON, index)
    assert index.named(written.batch.samples) == {"level{}": value}


def test_an_empty_request_is_fine():
    for encoding, body in (
        (Encoding.PROTOBUF, b""),
        (Encoding.JSON, b"{}"),
        (Encoding.JSON, b'{"resourceMetrics":[]}'),
    ):
        written = decode_metrics(body, encoding, Numbered())
        assert (len(written.batch), written.rejected.number, written.rejected.message) == (0, 0, "")


def test_parts_of_a_protobuf_message_are_joined():
    first, second = request_of(gauge("a", as_int=1)), request_of(gauge("b", as_int=1))
    body = first.SerializeToString() + second.SerializeToString()
    index = Numbered()
    assert len(decode_metrics(body, Encoding.PROTOBUF, index).batch) == 2
    # The data of a metric in two parts, after that of another kind, which they overrule.
    more = sum_of("", 2.0)
    more.sum.data_points[0].attributes[0].value.string_value = "/more"
    parts = b"".join(metric.SerializeToString() for metric in (histogram(), sum_of("jobs", 1.0), more))
    index = Numbered()
    written = decode_metrics(wrapped(parts), Encoding.PROTOBUF, index)
    assert index.named(written.batch.samples) == {
        f"jobs_bytes_total{ROUTE}": 1.0,
        "jobs_bytes_total{http_route=/more}": 2.0,
    }


def test_times_are_milliseconds(encoding):
    written, _ = decoded(request_of(gauge(as_int=1)), encoding)
    assert written.batch.samples.at_ms.tolist() == [AT_MS]
