"""OTLP requests of metrics, in protobuf and in JSON, and an index that numbers their series."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from hypocenter.batches import SeriesLimitError
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
ROUTE = "{http_route=/}"


class Numbered:
    """Numbers series as they come, up to `most`, and remembers what they are."""

    def __init__(self, most: int = 1_000_000) -> None:
        self.known: dict[Labels, int] = {}
        self._most = most

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        """Return the numbers of series."""
        if len(self.known.keys() | set(labels)) > self._most:
            raise SeriesLimitError
        return np.array([self.known.setdefault(one, len(self.known)) for one in labels], np.int64)

    def named(self, samples: Samples) -> dict[str, float]:
        """Return values by `name{own labels}`; all must be of `AT_MS`."""
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
    """Return the JSON that the official library writes, but ids in hexadecimal and enumerations as numbers."""
    return json.dumps(_with_hex(json_format.MessageToDict(request, use_integers_for_enums=True))).encode()


def _with_hex(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex(each) for each in value]
    if isinstance(value, dict):
        ids = {name: base64.b64decode(value[name]).hex() for name in ("traceId", "spanId") if name in value}
        return {**{name: _with_hex(each) for name, each in value.items()}, **ids}
    return value


def body_of(request: ExportMetricsServiceRequest, encoding: Encoding) -> bytes:
    """Return a request as it is sent."""
    return request.SerializeToString() if encoding is Encoding.PROTOBUF else json_of(request)


def decoded(request: ExportMetricsServiceRequest, encoding: Encoding) -> tuple[OtlpWritten, Numbered]:
    """Return what a request comes to, and the index that numbered its series."""
    index = Numbered()
    return decode_metrics(body_of(request, encoding), encoding, index), index


def point_of(kind: Any, **fields: Any) -> Any:
    """Return a point of `AT_NS` with one attribute."""
    point = kind(time_unix_nano=AT_NS, **fields)
    point.attributes.add(key="http.route").value.string_value = "/"
    return point


def gauge(name: str = "level", **fields: Any) -> pb.Metric:
    """Return a gauge of one point."""
    metric = pb.Metric(name=name)
    metric.gauge.data_points.append(point_of(pb.NumberDataPoint, **fields))
    return metric


def sum_of(name: str, value: float, temporality: int = CUMULATIVE, *, monotonic: bool = True) -> pb.Metric:
    """Return a sum of one point, in bytes."""
    metric = pb.Metric(name=name, unit="By")
    metric.sum.data_points.append(point_of(pb.NumberDataPoint, as_double=value))
    metric.sum.aggregation_temporality = temporality  # type: ignore[assignment]
    metric.sum.is_monotonic = monotonic
    return metric


def histogram(temporality: int = CUMULATIVE, **fields: Any) -> pb.Metric:
    """Return a histogram of one point, in seconds."""
    given = {"count": 6, "sum": 1.5, "explicit_bounds": [0.1, 2.5], "bucket_counts": [1, 2, 3], **fields}
    metric = pb.Metric(name="wait", unit="s")
    metric.histogram.data_points.append(point_of(pb.HistogramDataPoint, **given))
    metric.histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    return metric


def exponential(scale: int, offset: int, counts: list[int], temporality: int = CUMULATIVE, **more: Any) -> pb.Metric:
    """Return an exponential histogram of one point, in seconds."""
    buckets = pb.ExponentialHistogramDataPoint.Buckets
    point = point_of(
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


def wrapped(metric: bytes) -> bytes:
    """A request with one metric, given as bytes."""
    return field_of(1, field_of(2, field_of(2, metric)))


def field_of(number: int, inner: bytes) -> bytes:
    """Return a field of a message, written by hand."""
    size, length = len(inner), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + inner


def json_gauge(**point: Any) -> bytes:
    """Return a request of a gauge of one point, with its fields as given."""
    given = {"timeUnixNano": str(AT_NS), "asDouble": 1.5, **point}
    metrics = [{"name": "level", "gauge": {"dataPoints": [given]}}]
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}).encode()
