"""OTLP metrics become samples and increments of the series that Prometheus would name, from protobuf as from JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from hypocenter.batches import STALE_BITS
from hypocenter.errors import InputError
from hypocenter.ingest.otlp_metrics import OtlpWritten, decode_metrics
from hypocenter.ingest.otlp_status import Encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.batches import Labels, Samples

AT_NS = 1_700_000_000_000_000_000
AT_MS = 1_700_000_000_000
CUMULATIVE = pb.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = pb.AGGREGATION_TEMPORALITY_DELTA


class Numbered:
    """Numbers series as they come and remembers what they are."""

    def __init__(self) -> None:
        self.known: dict[Labels, int] = {}

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        return np.array([self.known.setdefault(one, len(self.known)) for one in labels], np.int64)

    def named(self, samples: Samples) -> dict[str, float]:
        """Values by `name{own labels}`."""
        by_number = {number: labels for labels, number in self.known.items()}
        assert (samples.at_ms == AT_MS).all()
        return {_shown(by_number[int(n)]): float(v) for n, v in zip(samples.series, samples.values, strict=True)}


def _shown(labels: Labels) -> str:
    assert list(labels) == sorted(set(labels))
    rest = {name: value for name, value in labels if name not in ("__name__", "job", "service_name")}
    own = ",".join(f"{name}={value}" for name, value in rest.items())
    return f"{dict(labels)['__name__']}{{{own}}}"


def request_of(*metrics: pb.Metric, **resource: str) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    each = request.resource_metrics.add()
    for key, value in {"service.name": "cart", **resource}.items():
        each.resource.attributes.add(key=key).value.string_value = value
    each.scope_metrics.add().metrics.extend(metrics)
    return request


def json_of(request: ExportMetricsServiceRequest) -> bytes:
    """The JSON that the official library writes, but ids in hexadecimal and enumerations as numbers."""
    return json.dumps(json_format.MessageToDict(request, use_integers_for_enums=True)).encode()


def decoded(request: ExportMetricsServiceRequest, encoding: Encoding) -> tuple[OtlpWritten, Numbered]:
    body = request.SerializeToString() if encoding is Encoding.PROTOBUF else json_of(request)
    index = Numbered()
    return decode_metrics(body, encoding, index), index


@pytest.fixture(params=list(Encoding))
def encoding(request: pytest.FixtureRequest) -> Encoding:
    found: Encoding = request.param
    return found


def _point(kind: Any, **fields: Any) -> Any:
    point = kind(time_unix_nano=AT_NS, **fields)
    point.attributes.add(key="http.route").value.string_value = "/"
    return point


def _sum(name: str, value: float, temporality: int = CUMULATIVE, *, monotonic: bool = True) -> pb.Metric:
    metric = pb.Metric(name=name, unit="By")
    metric.sum.data_points.append(_point(pb.NumberDataPoint, as_double=value))
    metric.sum.aggregation_temporality = temporality  # type: ignore[assignment]
    metric.sum.is_monotonic = monotonic
    return metric


def test_gauges_and_sums_are_samples_under_the_names_of_prometheus(encoding):
    gauge = pb.Metric(name="queue.fill", unit="1")
    gauge.gauge.data_points.append(_point(pb.NumberDataPoint, as_int=7))
    request = request_of(gauge, _sum("net.io", 5.5), _sum("queue.size", -2.0, monotonic=False))
    written, index = decoded(request, encoding)
    assert index.named(written.batch.samples) == {
        "queue_fill_ratio{http_route=/}": 7.0,
        "net_io_bytes_total{http_route=/}": 5.5,
        "queue_size_bytes{http_route=/}": -2.0,
    }
    assert not len(written.batch.increments)
    assert written.batch.receipt == b""
    assert written.rejected.number == 0


def test_deltas_are_increments_with_a_receipt_of_the_body(encoding):
    request = request_of(_sum("net.io", 5.5, DELTA), _sum("queue.size", -2.0, DELTA, monotonic=False))
    written, index = decoded(request, encoding)
    assert index.named(written.batch.increments) == {
        "net_io_bytes_total{http_route=/}": 5.5,
        "queue_size_bytes{http_route=/}": -2.0,
    }
    assert not len(written.batch.samples)
    assert written.batch.receipt
    assert written.batch.receipt == decoded(request, encoding)[0].batch.receipt
    other = decoded(request_of(_sum("net.io", 5.0, DELTA)), encoding)[0]
    assert written.batch.receipt != other.batch.receipt


def test_a_body_that_is_none_is_bad_input():
    for encoding, body in (
        (Encoding.PROTOBUF, b"\xff"),
        (Encoding.JSON, b"{"),
        (Encoding.JSON, b'{"resourceMetrics":1}'),
    ):
        with pytest.raises(InputError):
            decode_metrics(body, encoding, Numbered())


def test_a_point_without_a_recorded_value_is_a_stale_marker(encoding):
    metric = pb.Metric(name="temperature")
    metric.gauge.data_points.append(_point(pb.NumberDataPoint, flags=1))
    written, _ = decoded(request_of(metric), encoding)
    assert written.batch.samples.values.view(np.uint64).tolist() == [STALE_BITS]
    assert math.isnan(written.batch.samples.values[0])
