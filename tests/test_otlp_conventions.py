"""What services instrumented with OpenTelemetry report, by its semantic conventions, is read as it is meant."""

from __future__ import annotations

import numpy as np
import pytest

from hypocenter.catalog import measure
from hypocenter.ingest.otlp_names import label_name, metric_name
from hypocenter.model import MetricKind
from hypocenter.signals import DEFAULT_COMPONENT_LABELS
from hypocenter.signals.identify import identify, owner_of
from hypocenter.signals.resolve import resolve
from hypocenter.telemetry import Case, RawTable

K = MetricKind

# Names, units and instruments as in the semantic conventions, and of the Collector's receivers where there are none.
GAUGES = [
    ("http.server.active_requests", "{request}", K.SATURATION, "count"),
    ("db.client.connection.count", "{connection}", K.SATURATION, "count"),
    ("db.client.connection.pending_requests", "{request}", K.SATURATION, "count"),
    ("db.client.connection.max", "{connection}", K.OTHER, ""),
    ("process.memory.usage", "By", K.MEMORY, "bytes"),
    ("process.thread.count", "{thread}", K.SATURATION, "count"),
    ("process.open_file_descriptor.count", "{file_descriptor}", K.SATURATION, "count"),
    ("process.cpu.utilization", "1", K.CPU, "share"),
    ("system.cpu.utilization", "1", K.CPU, "share"),
    ("system.cpu.load_average.1m", "{thread}", K.SATURATION, "count"),
    ("system.cpu.logical.count", "{cpu}", K.OTHER, ""),
    ("system.memory.usage", "By", K.MEMORY, "bytes"),
    ("system.paging.utilization", "1", K.MEMORY, "share"),
    ("system.filesystem.usage", "By", K.DISK, "bytes"),
    ("jvm.memory.used", "By", K.MEMORY, "bytes"),
    ("jvm.memory.limit", "By", K.OTHER, "bytes"),
    ("jvm.thread.count", "{thread}", K.SATURATION, "count"),
    ("jvm.cpu.recent_utilization", "1", K.CPU, "share"),
    ("jvm.cpu.count", "{cpu}", K.OTHER, ""),
    ("jvm.system.cpu.load_1m", "{run_queue_item}", K.SATURATION, "count"),
    ("go.goroutine.count", "{goroutine}", K.SATURATION, "count"),
    ("nodejs.eventloop.delay.p99", "s", K.LATENCY, "s"),
    ("v8js.memory.heap.used", "By", K.MEMORY, "bytes"),
    ("dotnet.thread_pool.queue.length", "{work_item}", K.SATURATION, "count"),
    ("kestrel.queued_requests", "{request}", K.SATURATION, "count"),
    ("container.cpu.usage", "{cpu}", K.CPU, "cores"),
    ("container.memory.working_set", "By", K.MEMORY, "bytes"),
    ("k8s.pod.cpu.usage", "{cpu}", K.CPU, "cores"),
    ("k8s.pod.memory_limit_utilization", "1", K.MEMORY, "share"),
    ("k8s.container.restarts", "{restart}", K.RESTARTS, "count"),
    ("k8s.container.ready", "", K.UP, "count"),
    ("k8s.deployment.available", "{pod}", K.UP, "count"),
    ("k8s.node.condition_ready", "", K.UP, "count"),
]
COUNTERS = [
    ("db.client.connection.timeouts", "{timeout}", K.ERRORS, "1/s"),
    ("messaging.client.consumed.messages", "{message}", K.TRAFFIC, "1/s"),
    ("process.cpu.time", "s", K.CPU, "cores"),
    ("process.disk.io", "By", K.DISK, "bytes/s"),
    ("process.network.io", "By", K.NETWORK, "bytes/s"),
    ("process.paging.faults", "{fault}", K.MEMORY, "1/s"),
    ("cpython.gc.collections", "{collection}", K.MEMORY, "1/s"),
    ("system.cpu.time", "s", K.CPU, "cores"),
    ("system.disk.io_time", "s", K.DISK, "share"),
    ("system.network.io", "By", K.NETWORK, "bytes/s"),
    ("system.network.errors", "{error}", K.NETWORK, "1/s"),
    ("jvm.cpu.time", "s", K.CPU, "cores"),
    ("go.memory.allocated", "By", K.MEMORY, "bytes/s"),
    ("dotnet.exceptions", "{exception}", K.ERRORS, "1/s"),
    ("k8s.pod.network.io", "By", K.NETWORK, "bytes/s"),
    ("faas.invocations", "{invocation}", K.TRAFFIC, "1/s"),
]
HISTOGRAMS = [
    ("http.server.request.duration", "s", K.LATENCY, 1.0, "server"),
    ("http.client.request.duration", "s", K.LATENCY, 1.0, "client"),
    ("http.server.duration", "ms", K.LATENCY, 1e-3, "server"),
    ("rpc.server.call.duration", "s", K.LATENCY, 1.0, "server"),
    ("rpc.client.duration", "ms", K.LATENCY, 1e-3, "client"),
    ("db.client.operation.duration", "s", K.LATENCY, 1.0, "client"),
    ("db.client.connection.wait_time", "s", K.SATURATION, 1.0, "client"),
    ("messaging.process.duration", "s", K.LATENCY, 1.0, None),
    ("jvm.gc.duration", "s", K.MEMORY, 1.0, None),
    ("gen_ai.client.operation.duration", "s", K.LATENCY, 1.0, "client"),
    ("traces.span.metrics.duration", "ms", K.LATENCY, 1e-3, None),
]


@pytest.mark.parametrize(("name", "unit", "kind", "canonical"), GAUGES)
def test_gauges_and_levels_have_their_kind_and_unit(name, unit, kind, canonical):
    found = measure(metric_name(name, unit, is_gauge=True))
    assert (found.kind, found.unit, found.counter) == (kind, canonical, False)


@pytest.mark.parametrize(("name", "unit", "kind", "canonical"), COUNTERS)
def test_sums_that_only_grow_are_rates(name, unit, kind, canonical):
    found = measure(metric_name(name, unit, is_counter=True))
    assert (found.kind, found.unit, found.counter) == (kind, canonical, True)


@pytest.mark.parametrize(("name", "unit", "kind", "scale", "side"), HISTOGRAMS)
def test_histograms_are_taken_apart(name, unit, kind, scale, side):
    stem = metric_name(name, unit)
    for part in ("bucket", "sum", "count"):
        found = measure(f"{stem}_{part}", {"le": "1"} if part == "bucket" else {})
        assert (found.kind, found.scale, found.side, found.part) == (kind, scale, side, part)


def test_a_histogram_without_a_unit_is_known_by_its_buckets():
    labels = [{"__name__": f"batch_rows_{part}", "service_name": "cart"} for part in ("bucket", "sum", "count")]
    labels[0]["le"] = "+Inf"
    assert [column.measure.part for column in identify(labels, DEFAULT_COMPONENT_LABELS, None)] == [
        "bucket",
        "sum",
        "count",
    ]
    assert [column.measure.part for column in identify(labels[1:], DEFAULT_COMPONENT_LABELS, None)] == ["", ""]


@pytest.mark.parametrize(
    ("name", "attributes", "owner"),
    [
        ("http_server_request_duration_seconds_count", {"service.name": "cart", "host.name": "n1"}, "cart"),
        ("process_cpu_time_seconds_total", {"service.name": "cart", "host.name": "n1"}, "cart"),
        ("process_cpu_time_seconds_total", {"host.name": "n1", "process.pid": "7"}, "n1"),
        ("system_cpu_time_seconds_total", {"host.name": "n1"}, "n1"),
        ("system_cpu_time_seconds_total", {"host.name": "n1", "service.name": "agent"}, "n1"),
        ("system_cpu_time_seconds_total", {"service.name": "cart", "instance": "0a1b"}, "cart"),
        ("k8s_pod_cpu_usage", {"k8s.pod.name": "cart-7d4b9c6f5d-x2x7k", "k8s.node.name": "n1"}, "cart"),
        ("k8s_container_restarts", {"k8s.deployment.name": "cart", "k8s.pod.name": "cart-0"}, "cart"),
        ("k8s_node_memory_working_set_bytes", {"k8s.node.name": "n1"}, "n1"),
        ("container_memory_usage_bytes", {"container.name": "redis"}, "redis"),
    ],
)
def test_resource_attributes_name_the_component(name, attributes, owner):
    labels = {"__name__": name, **{label_name(key): value for key, value in attributes.items()}}
    assert owner_of(labels, measure(name, labels), DEFAULT_COMPONENT_LABELS) == owner


def _grown(per_step: float, steps: int = 20) -> np.ndarray:
    return np.arange(steps) * per_step


def test_a_service_that_serves_http_and_calls_another_has_the_signals_of_both_sides():
    own = {"service_name": "cart", "job": "cart", "otel_scope_name": "http"}
    columns = []
    for status, rate in (("200", 90.0), ("500", 10.0)):
        served = {**own, "http_response_status_code": status, "server_address": "cart"}
        stem = "http_server_request_duration_seconds"
        columns += [({**served, "__name__": f"{stem}_count"}, rate), ({**served, "__name__": f"{stem}_sum"}, rate / 10)]
    asked = {**own, "server_address": "stock", "server_port": "8080"}
    columns += [
        ({**asked, "__name__": "http_client_request_duration_seconds_count"}, 60.0),
        ({**asked, "__name__": "http_client_request_duration_seconds_sum"}, 3.0),
    ]
    times = np.datetime64("2026-01-01T00:00", "ns") + np.arange(20) * np.timedelta64(60, "s")
    values = np.column_stack([_grown(rate * 60) for _, rate in columns])
    signals = resolve(Case("otlp", metrics=RawTable(tuple(labels for labels, _ in columns), times, values)))
    (table,) = signals.tables
    found = {(s.metric, s.side, s.peer): float(table.values[-1, at]) for at, s in enumerate(table.series)}
    assert found[("request_rate", "server", None)] == pytest.approx(100.0)
    assert found[("error_share", "server", None)] == pytest.approx(0.1)
    assert found[("latency_mean", "server", None)] == pytest.approx(0.1)
    assert found[("client_request_rate", "client", "stock")] == pytest.approx(60.0)
    assert found[("client_latency_mean", "client", "stock")] == pytest.approx(0.05)
    assert [(edge.caller, edge.callee) for edge in signals.dependencies] == [("cart", "stock")]


def test_time_of_a_processor_is_a_share_where_idle_is_told_and_cores_where_it_is_not():
    host = {"__name__": "system_cpu_time_seconds_total", "host_name": "n1"}
    process = {"__name__": "process_cpu_time_seconds_total", "service_name": "cart"}
    columns = [({**host, "state": state}, rate) for state, rate in (("idle", 3.0), ("user", 0.8), ("system", 0.2))]
    columns += [({**process, "cpu_mode": mode}, rate) for mode, rate in (("user", 0.3), ("system", 0.1))]
    times = np.datetime64("2026-01-01T00:00", "ns") + np.arange(20) * np.timedelta64(60, "s")
    values = np.column_stack([_grown(rate * 60) for _, rate in columns])
    (table,) = resolve(Case("otlp", metrics=RawTable(tuple(labels for labels, _ in columns), times, values))).tables
    found = {(s.component, s.metric, s.unit): float(table.values[-1, at]) for at, s in enumerate(table.series)}
    assert found[("n1", "cpu", "share")] == pytest.approx(0.25)
    assert found[("cart", "cpu", "cores")] == pytest.approx(0.4)
