"""The OpenTelemetry SDK exports metrics to a real server; they are there, in our terms, after it has stopped."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypocenter_server import HypocenterServer
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from hypocenter.readers.selectors import parse_selector
from hypocenter.signals.histograms import quantile_of
from hypocenter.stores.opening_metrics import open_metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from opentelemetry.sdk.metrics.export import MetricsData

DELTA, CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
INSTRUMENTS = (Counter, Histogram, ObservableCounter, UpDownCounter, ObservableUpDownCounter)
ROUTE = {"http.route": "/pay", "http.response.status_code": 200}
SECONDS = (0.02, 0.03, 0.3, 4.0)


class Watched(OTLPMetricExporter):
    """An exporter that remembers how its exports ended."""

    def __init__(self, endpoint: str, temporality: AggregationTemporality, compression: Compression) -> None:
        preferred = dict.fromkeys(INSTRUMENTS, temporality)
        super().__init__(endpoint, compression=compression, preferred_temporality=preferred)
        self.results: list[MetricExportResult] = []

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: object
    ) -> MetricExportResult:
        self.results.append(super().export(metrics_data, timeout_millis, **kwargs))
        return self.results[-1]


def _provider(exporter: Watched) -> MeterProvider:
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=float("inf"))
    attributes = {"service.name": "pay", "service.namespace": "shop", "service.instance.id": "pay-1", "host.name": "n1"}
    fine = View(instrument_name="db.client.operation.duration", aggregation=ExponentialBucketHistogramAggregation())
    return MeterProvider([reader], resource=Resource(attributes), views=[fine])


def _work(provider: MeterProvider) -> None:
    """Use every kind of instrument in two rounds, each of which is exported."""
    meter = provider.get_meter("shop.pay")
    served = meter.create_histogram("http.server.request.duration", unit="s")
    asked = meter.create_histogram("db.client.operation.duration", unit="s")
    sent = meter.create_counter("messaging.client.sent.messages", unit="{message}")
    open_now = meter.create_up_down_counter("http.server.active_requests", unit="{request}")
    level = meter.create_gauge("queue.fill", unit="1")
    meter.create_observable_counter("process.cpu.time", [_cpu_seconds], unit="s")
    meter.create_observable_gauge("process.cpu.utilization", [lambda _: [Observation(0.5)]], unit="1")
    meter.create_observable_up_down_counter("process.memory.usage", [lambda _: [Observation(2**20)]], unit="By")
    for turn in (1, 2):
        for seconds in SECONDS:
            served.record(seconds, ROUTE)
            asked.record(seconds, {"server.address": "orders-db"})
        sent.add(3 * turn)
        open_now.add(5 - 2 * turn)
        level.set(turn / 10)
        assert provider.force_flush()


def _cpu_seconds(_: CallbackOptions) -> Iterable[Observation]:
    return [Observation(1.5)]


class Kept:
    """What a stopped server keeps."""

    def __init__(self, data_dir: Path) -> None:
        self._store = open_metrics(data_dir)

    def close(self) -> None:
        self._store.close()

    def values(self, selector: str) -> list[float]:
        """The samples of the one series that matches, which is one of the service."""
        (one,) = self._store.series([parse_selector(selector)], 0, sys.maxsize)
        assert one.component == "pay"
        labels = dict(one.labels)
        assert (labels["job"], labels["instance"], labels["otel_scope_name"]) == ("shop/pay", "pay-1", "shop.pay")
        (found,) = self._store.read([one.number], 0, sys.maxsize)
        return [float(value) for value in found.values]

    def buckets(self, name: str) -> dict[float, float]:
        """The last cumulative count by upper bound."""
        series = self._store.series([parse_selector(f"{name}_bucket")], 0, sys.maxsize)
        bounds = {one.number: float(dict(one.labels)["le"]) for one in series}
        read = self._store.read(list(bounds), 0, sys.maxsize)
        return {bounds[found.series]: float(found.values[-1]) for found in read}


@pytest.fixture(scope="module", params=[CUMULATIVE, DELTA], ids=["cumulative", "delta"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """What a server keeps that has stopped after exports of cumulative points, in gzip, or of deltas, as they are."""
    compression = Compression.Gzip if request.param is CUMULATIVE else Compression.NoCompression
    with HypocenterServer(tmp_path_factory.mktemp("data")) as server:
        exporter = Watched(f"{server.url}/v1/metrics", request.param, compression)
        provider = _provider(exporter)
        _work(provider)
        provider.shutdown()
        assert set(exporter.results) == {MetricExportResult.SUCCESS}
        assert server.stop() == 0
    with closing(Kept(server.data_dir)) as found:
        yield found


def test_what_the_sdk_exports_is_kept(kept: Kept) -> None:
    assert kept.values("messaging_client_sent_messages_total") == [3.0, 9.0]
    assert kept.values("http_server_active_requests") == [3.0, 4.0]
    assert kept.values("queue_fill_ratio") == [0.1, 0.2]
    assert kept.values("process_cpu_time_seconds_total")[-1] == 1.5
    assert kept.values("process_cpu_utilization_ratio") == [0.5, 0.5]
    assert kept.values("process_memory_usage_bytes")[-1] == 2**20
    requests = "http_server_request_duration_seconds"
    assert kept.values(f'{requests}_count{{http_route="/pay",http_response_status_code="200"}}') == [4.0, 8.0]
    assert kept.values(f"{requests}_sum") == pytest.approx([4.35, 8.7])
    assert kept.values(f'{requests}_bucket{{le="5"}}') == [4.0, 8.0]
    assert kept.values(f'{requests}_bucket{{le="0"}}') == [0.0, 0.0]


def test_an_exponential_histogram_tells_its_quantiles(kept: Kept) -> None:
    name = "db_client_operation_duration_seconds"
    assert kept.values(f'{name}_count{{server_address="orders-db"}}') == [4.0, 8.0]
    buckets = kept.buckets(name)
    bounds = np.array(sorted(buckets))
    counts = np.array([[buckets[bound]] for bound in bounds])
    assert counts[-1] == 8
    for share, exact in ((0.4, 0.03), (0.7, 0.3), (0.99, 4.0)):
        assert exact / 2 <= quantile_of(bounds, counts, share)[0] <= exact * 2
