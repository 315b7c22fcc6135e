"""OTLP requests of metrics, in protobuf and in JSON, and an index that numbers their series."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from hypocenter.batches import SeriesLimitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

    from hypocenter.batches import Labels, Samples

AT_NS = 1_700_000_000_000_000_000
AT_MS = 1_700_000_000_000


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
