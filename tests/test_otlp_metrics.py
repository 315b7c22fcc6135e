"""OTLP metrics become samples and increments of the series that Prometheus would name, from protobuf as from JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from otlp_metric_bodies import AT_MS, AT_NS, Numbered, json_of, request_of

from hypocenter.batches import STALE_BITS
from hypocenter.errors import InputError, LimitError
from hypocenter.ingest.otlp_metrics import MetricsDecoder, OtlpWritten, decode_metrics
from hypocenter.ingest.otlp_metrics_limits import MOST_ATTRIBUTES, MOST_BYTES, MOST_STEPS
from hypocenter.ingest.otlp_status import Encoding

if TYPE_CHECKING:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

CUMULATIVE = pb.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = pb.AGGREGATION_TEMPORALITY_DELTA
ROUTE = "{http_route=/}"


def body_of(request: ExportMetricsServiceRequest, encoding: Encoding) -> bytes:
    return request.SerializeToString() if encoding is Encoding.PROTOBUF else json_of(request)


def decoded(request: ExportMetricsServiceRequest, encoding: Encoding) -> tuple[OtlpWritten, Numbered]:
    index = Numbered()
    return decode_metrics(body_of(request, encoding), encoding, index), index


@pytest.fixture(params=list(Encoding))
def encoding(request: pytest.FixtureRequest) -> Encoding:
    found: Encoding = request.param
    return found


def _point(kind: Any, **fields: Any) -> Any:
    point = kind(time_unix_nano=AT_NS, **fields)
    point.attributes.add(key="http.route").value.string_value = "/"
    return point


def _gauge(name: str = "level", **fields: Any) -> pb.Metric:
    metric = pb.Metric(name=name)
    metric.gauge.data_points.append(_point(pb.NumberDataPoint, **fields))
    return metric


def _sum(name: str, value: float, temporality: int = CUMULATIVE, *, monotonic: bool = True) -> pb.Metric:
    metric = pb.Metric(name=name, unit="By")
    metric.sum.data_points.append(_point(pb.NumberDataPoint, as_double=value))
    metric.sum.aggregation_temporality = temporality  # type: ignore[assignment]
    metric.sum.is_monotonic = monotonic
    return metric


def _histogram(temporality: int = CUMULATIVE, **fields: Any) -> pb.Metric:
    given = {"count": 6, "sum": 1.5, "explicit_bounds": [0.1, 2.5], "bucket_counts": [1, 2, 3], **fields}
    metric = pb.Metric(name="wait", unit="s")
    metric.histogram.data_points.append(_point(pb.HistogramDataPoint, **given))
    metric.histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    return metric


def _exponential(scale: int, offset: int, counts: list[int], temporality: int = CUMULATIVE, **more: Any) -> pb.Metric:
    buckets = pb.ExponentialHistogramDataPoint.Buckets
    point = _point(
        pb.ExponentialHistogramDataPoint,
        scale=scale,
        positive=buckets(offset=offset, bucket_counts=counts),
        negative=buckets(offset=0, bucket_counts=more.pop("negative", [])),
        **more,
    )
    metric = pb.Metric(name="wait", unit="s")
    metric.exponential_histogram.data_points.append(point)
    metric.exponential_histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    return metric


def _rewrapped(metric: bytes) -> bytes:
    """A request with one metric, given as bytes."""
    return _field(1, _field(2, _field(2, metric)))


def _field(number: int, inner: bytes) -> bytes:
    size, length = len(inner), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + inner


def test_gauges_and_sums_are_samples_under_the_names_of_prometheus(encoding):
    gauge = pb.Metric(name="queue.fill", unit="1")
    gauge.gauge.data_points.append(_point(pb.NumberDataPoint, as_int=7))
    request = request_of(gauge, _sum("net.io", 5.5), _sum("queue.size", -2.0, monotonic=False))
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
    request = request_of(_sum("net.io", 5.5, DELTA), _sum("queue.size", -2.0, DELTA, monotonic=False))
    written, index = decoded(request, encoding)
    assert index.named(written.batch.increments) == {
        f"net_io_bytes_total{ROUTE}": 5.5,
        f"queue_size_bytes{ROUTE}": -2.0,
    }
    assert not len(written.batch.samples)
    assert written.batch.receipt
    assert written.batch.receipt == decoded(request, encoding)[0].batch.receipt
    other = decoded(request_of(_sum("net.io", 5.0, DELTA)), encoding)[0]
    assert written.batch.receipt != other.batch.receipt


@pytest.mark.parametrize("temporality", [CUMULATIVE, DELTA])
def test_a_histogram_is_a_count_a_sum_and_buckets_from_below(encoding, temporality):
    written, index = decoded(request_of(_histogram(temporality)), encoding)
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
    metric = _histogram(explicit_bounds=[], bucket_counts=[])
    metric.histogram.data_points[0].ClearField("sum")
    written, index = decoded(request_of(metric), encoding)
    assert index.named(written.batch.samples) == {f"wait_seconds_count{ROUTE}": 6.0}


def _buckets(written: OtlpWritten, index: Numbered, *, delta: bool = False) -> dict[float, float]:
    found = index.named(written.batch.increments if delta else written.batch.samples)
    marked = {name.partition("le=")[2].rstrip("}"): value for name, value in found.items() if "_bucket" in name}
    return {float(bound): value for bound, value in marked.items()}


def test_an_exponential_histogram_is_counted_at_the_powers_of_two(encoding):
    # Scale 1: bounds are powers of the square root of 2; index 0 holds (1, 1.41], 1 holds (1.41, 2], 2 (2, 2.83].
    request = request_of(_exponential(1, 0, [10, 5, 3], count=20, sum=30.0, zero_count=1, negative=[1]))
    written, index = decoded(request, encoding)
    found = _buckets(written, index)
    assert (found[1.0], found[2.0], found[4.0], found[math.inf]) == (2.0, 17.0, 20.0, 20.0)
    assert len(found) == 26
    assert index.named(written.batch.samples)[f"wait_seconds_sum{ROUTE}"] == 30.0


@pytest.mark.parametrize("scale", [-11, -2, 0, 3, 20])
def test_the_bounds_do_not_change_with_the_scale(scale):
    request = request_of(_exponential(scale, -1, [4, 2], DELTA, count=6))
    found = _buckets(*decoded(request, Encoding.PROTOBUF), delta=True)
    expected = _buckets(*decoded(request_of(_exponential(0, 0, [], DELTA)), Encoding.PROTOBUF), delta=True)
    assert found.keys() == expected.keys()
    assert found[math.inf] == 6.0
    # The second bucket is (1, base]; the first ends at 1 at every scale.
    assert found[1.0] == 4.0
    assert list(found.values()) == sorted(found.values())


def test_a_summary_is_its_quantiles_a_count_and_a_sum(encoding):
    metric = pb.Metric(name="wait", unit="s")
    quantile = pb.SummaryDataPoint.ValueAtQuantile
    quantiles = [quantile(quantile=0.5, value=0.1), quantile(quantile=0.99, value=0.7)]
    metric.summary.data_points.append(_point(pb.SummaryDataPoint, count=3, sum=1.0, quantile_values=quantiles))
    written, index = decoded(request_of(metric), encoding)
    assert index.named(written.batch.samples) == {
        f"wait_seconds_count{ROUTE}": 3.0,
        f"wait_seconds_sum{ROUTE}": 1.0,
        "wait_seconds{http_route=/,quantile=0.5}": 0.1,
        "wait_seconds{http_route=/,quantile=0.99}": 0.7,
    }


@pytest.mark.parametrize("metric", [_gauge(flags=1), _sum("jobs", 1.0), _histogram(), _exponential(0, 0, [1])])
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
    gauge = _gauge(as_int=1)
    attributes = gauge.gauge.data_points[0].attributes
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
    written, index = decoded(request_of(gauge, **resource), encoding)
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
    metric = _histogram()
    metric.histogram.data_points[0].attributes.add(key="le").value.string_value = "7"
    written, index = decoded(request_of(metric), encoding)
    assert _buckets(written, index) == {0.1: 1.0, 2.5: 3.0, math.inf: 6.0}


FAULTS = [
    (_gauge(), "without a value"),
    (_gauge("...", as_int=1), "no name"),
    (_sum("jobs", 1.0, pb.AGGREGATION_TEMPORALITY_UNSPECIFIED), "temporality"),
    (_sum("jobs", 1.0, 7), "temporality"),
    (_sum("jobs", -1.0, DELTA), "negative"),
    (_sum("jobs", math.nan, DELTA), "finite"),
    (_histogram(DELTA, sum=math.inf), "finite"),
    (_histogram(bucket_counts=[1, 2]), "one bucket more"),
    (_histogram(explicit_bounds=[1.0, 1.0]), "rise"),
    (_histogram(explicit_bounds=[math.nan, 1.0]), "rise"),
    (_exponential(31, 0, [1]), "scale"),
    (_exponential(-12, 0, [1]), "scale"),
]


@pytest.mark.parametrize(("metric", "reason"), FAULTS)
def test_a_point_that_cannot_be_kept_is_turned_down_alone(encoding, metric, reason):
    request = request_of(_gauge("before", as_int=1), metric, metric, _gauge("after", as_int=1))
    written, index = decoded(request, encoding)
    assert written.rejected.number == 2
    assert reason in written.rejected.message
    assert "2 points turned down" in written.rejected.message
    assert index.named(written.batch.samples) == {f"before{ROUTE}": 1.0, f"after{ROUTE}": 1.0}


@pytest.mark.parametrize("time_ns", [0, 2**63, 2**64 - 1])
def test_a_point_without_a_usable_time_is_turned_down(encoding, time_ns):
    metric = _gauge(as_int=1)
    metric.gauge.data_points[0].time_unix_nano = time_ns
    written, _ = decoded(request_of(metric), encoding)
    assert (written.rejected.number, len(written.batch)) == (1, 0)


def test_a_point_with_too_many_or_too_long_labels_is_turned_down(encoding):
    many, long = _gauge("many", as_int=1), _gauge("long", as_int=1)
    for number in range(70):
        many.gauge.data_points[0].attributes.add(key=f"a{number}").value.int_value = number
    long.gauge.data_points[0].attributes.add(key="a").value.string_value = "x" * 5000
    written, _ = decoded(request_of(many, long, _gauge(as_int=1)), encoding)
    assert (written.rejected.number, len(written.batch)) == (2, 1)


def test_points_beyond_the_limit_of_series_are_turned_down_and_known_ones_are_kept(encoding):
    index = Numbered(most=3)
    decoder = MetricsDecoder(index)
    first = request_of(_gauge("a", as_int=1), _gauge("b", as_int=1))
    assert len(decoder.decode(body_of(first, encoding), encoding).batch) == 2
    second = request_of(_gauge("a", as_int=2), _histogram(), _gauge("b", as_int=2))
    written = decoder.decode(body_of(second, encoding), encoding)
    assert index.named(written.batch.samples) == {f"a{ROUTE}": 2.0, f"b{ROUTE}": 2.0}
    assert written.rejected.number == 1
    assert "more series than the limit" in written.rejected.message


def test_what_is_remembered_between_requests_changes_nothing(encoding):
    index = Numbered()
    decoder = MetricsDecoder(index)
    for value in (1, 2, 3):
        request = request_of(_gauge(as_int=value), _sum("a", value, DELTA), _sum("a", value), _histogram())
        other = request_of(_gauge(as_int=value), **{"service.name": "other"})
        remembered = decoder.decode(body_of(request, encoding), encoding)
        fresh = decode_metrics(body_of(request, encoding), encoding, index)
        for kind in ("samples", "increments"):
            kept, expected = getattr(remembered.batch, kind), getattr(fresh.batch, kind)
            assert (kept.series == expected.series).all()
            assert (kept.values == expected.values).all()
        (series,) = decoder.decode(body_of(other, encoding), encoding).batch.samples.series
        assert dict(list(index.known)[series])["service_name"] == "other"


@pytest.mark.parametrize(
    "body", [b"\xff", b"\x0a\x05", b"\x0a\x02\x0a\xff", b"not protobuf at all", _rewrapped(b"\x0a\x01\xff")]
)
def test_a_body_that_is_no_protobuf_is_bad_input(body):
    with pytest.raises(InputError):
        decode_metrics(body, Encoding.PROTOBUF, Numbered())


def _json_point(**point: Any) -> bytes:
    given = {"timeUnixNano": str(AT_NS), "asDouble": 1.5, **point}
    metrics = [{"name": "level", "gauge": {"dataPoints": [given]}}]
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}).encode()


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
        _json_point(timeUnixNano="-1"),
        _json_point(timeUnixNano="1.5"),
        _json_point(timeUnixNano=2**64),
        _json_point(timeUnixNano=True),
        _json_point(asDouble="much"),
        _json_point(asDouble=None, asInt="1e3"),
        _json_point(asDouble=None, asInt="-"),
        _json_point(attributes=[{"key": "a", "value": {"stringValue": 1}}]),
        _json_point(attributes=[{"key": "a", "value": {"boolValue": "true"}}]),
        _json_point(attributes=[{"key": "a", "value": {"bytesValue": 1}}]),
        _json_point(attributes=[{"key": "a", "value": []}]),
    ],
)
def test_a_body_that_is_no_such_json_is_bad_input(body):
    with pytest.raises(InputError):
        decode_metrics(body, Encoding.JSON, Numbered())


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
    written = decode_metrics(_json_point(**point), Encoding.JSON, index)
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
    first, second = request_of(_gauge("a", as_int=1)), request_of(_gauge("b", as_int=1))
    body = first.SerializeToString() + second.SerializeToString()
    index = Numbered()
    assert len(decode_metrics(body, Encoding.PROTOBUF, index).batch) == 2
    # The data of a metric in two parts, after that of another kind, which they overrule.
    more = _sum("", 2.0)
    more.sum.data_points[0].attributes[0].value.string_value = "/more"
    parts = b"".join(metric.SerializeToString() for metric in (_histogram(), _sum("jobs", 1.0), more))
    index = Numbered()
    written = decode_metrics(_rewrapped(parts), Encoding.PROTOBUF, index)
    assert index.named(written.batch.samples) == {
        f"jobs_bytes_total{ROUTE}": 1.0,
        "jobs_bytes_total{http_route=/more}": 2.0,
    }


@pytest.mark.parametrize(
    "body",
    [
        _rewrapped(_field(5, b"\x0a\x00" * (MOST_STEPS + 1))),
        _rewrapped(b"\x2a\x00" * (MOST_STEPS + 1)),
        b"\x0a\x00" * (MOST_STEPS + 1),
        _rewrapped(_field(5, _field(1, _field(7, b"x" * MOST_BYTES)))),
        _rewrapped(_field(5, _field(1, _field(7, b"") * (MOST_ATTRIBUTES + 1)))),
        _field(1, _field(1, _field(1, b"") * (MOST_ATTRIBUTES + 1))),
    ],
    ids=["points", "data", "resources", "bytes", "attributes", "resource attributes"],
)
def test_a_request_that_would_take_too_much_is_refused(body):
    with pytest.raises(LimitError):
        decode_metrics(body, Encoding.PROTOBUF, Numbered())


def test_attributes_nested_too_deep_are_bad_input(encoding):
    gauge = _gauge(as_int=1)
    value = gauge.gauge.data_points[0].attributes.add(key="deep").value
    for _ in range(20):
        value = value.array_value.values.add()
    with pytest.raises(InputError, match="nested"):
        decoded(request_of(gauge), encoding)


def test_times_are_milliseconds(encoding):
    written, _ = decoded(request_of(_gauge(as_int=1)), encoding)
    assert written.batch.samples.at_ms.tolist() == [AT_MS]
