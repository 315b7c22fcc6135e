"""The catalog covers every kind, and names are read as their sources mean them."""

from __future__ import annotations

import math
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.catalog import FAULT_TYPES, KINDS, describe, format_value, measure, phrase
from hypocenter.model import MetricKind, Series
from hypocenter.signals import DEFAULT_COMPONENT_LABELS
from hypocenter.signals.edges import CALLEE_LABELS, CALLER_LABELS

K = MetricKind


def test_every_kind_has_an_entry_whose_parts_are_of_the_known_words():
    assert set(KINDS) == set(MetricKind)
    for entry in KINDS.values():
        assert entry.group in {"traffic", "errors", "latency", "saturation", "resource"}
        assert entry.hurts in {"up", "down", "either"}
        assert 0 <= entry.floor < 1
        assert entry.fault_type in FAULT_TYPES
        fields = {field for _, field, _, _ in Formatter().parse(entry.sentence) if field}
        assert fields <= {"component", "measure", "moved", "before", "after"}


# name, kind, canonical unit, what one unit of the raw sample is in it
NAMES = [
    # Prometheus, kube-state-metrics, cAdvisor, node exporter
    ("http_requests_total", K.TRAFFIC, "1/s", 1),
    ("container_cpu_usage_seconds_total", K.CPU, "cores", 1),
    ("container_memory_working_set_bytes", K.MEMORY, "bytes", 1),
    ("container_network_receive_bytes_total", K.NETWORK, "bytes/s", 1),
    ("container_cpu_cfs_throttled_periods_total", K.SATURATION, "1/s", 1),
    ("kube_pod_container_status_restarts_total", K.RESTARTS, "count", 1),
    ("kube_deployment_status_replicas_available", K.UP, "count", 1),
    ("kube_pod_container_resource_requests", K.OTHER, "", 1),
    ("node_filesystem_avail_bytes", K.OTHER, "bytes", 1),
    ("node_network_receive_errs_total", K.NETWORK, "1/s", 1),
    ("process_open_fds", K.SATURATION, "count", 1),
    ("up", K.UP, "count", 1),
    ("job:http_requests:rate5m", K.TRAFFIC, "1/s", 1),
    # OpenTelemetry
    ("http.server.request.duration", K.LATENCY, "s", 1),
    ("rpc_server_duration_milliseconds", K.LATENCY, "s", 1e-3),
    ("db.client.connections.usage", K.SATURATION, "count", 1),
    ("k8s.container.restarts", K.RESTARTS, "count", 1),
    # meshes and service graphs
    ("istio_request_duration_milliseconds", K.LATENCY, "s", 1e-3),
    ("traces_service_graph_request_failed_total", K.ERRORS, "1/s", 1),
    ("traces_service_graph_request_client_seconds", K.LATENCY, "s", 1),
    # AWS
    ("Latency", K.LATENCY, "s", 1),
    ("TargetResponseTime", K.LATENCY, "s", 1),
    ("HTTPCode_Target_5XX_Count", K.ERRORS, "", 1),
    ("CPUUtilization", K.CPU, "share", 1),
    ("availability_Average", K.AVAILABILITY, "share", 1),
    ("requests_Sum", K.TRAFFIC, "1/s", 1),
    # agents and hand-made names
    ("docker_cpu_core_7_norm_pct", K.CPU, "share", 0.01),
    ("docker_diskio_write_bytes", K.DISK, "bytes", 1),
    ("cpu_usage_m", K.CPU, "cores", 1e-3),
    ("mem_usage_mi", K.MEMORY, "bytes", 2.0**20),
    ("container_memory_usage_MB", K.MEMORY, "bytes", 1e6),
    ("net_receive", K.NETWORK, "", 1),
    ("system.io.w_s", K.DISK, "1/s", 1),
    ("grpc-mrt", K.LATENCY, "s", 1),
    ("grpc-sr", K.AVAILABILITY, "share", 1),
    ("dest_p50", K.LATENCY, "s", 1),
    ("lat_99", K.LATENCY, "s", 1),
    ("success_rate_pct", K.AVAILABILITY, "share", 0.01),
    ("error_rate_5xx_ratio", K.ERRORS, "share", 1),
    ("token_validation_errors_per_sec", K.ERRORS, "1/s", 1),
    ("records_enriched_per_min", K.TRAFFIC, "1/s", 1 / 60),
    ("queue_oldest_message_age_seconds", K.SATURATION, "s", 1),
    ("memory_persist_error_ratio", K.ERRORS, "share", 1),
    ("tls_cert_seconds_until_expiry", K.OTHER, "s", 1),
    ("cache_hit_ratio", K.OTHER, "share", 1),
    ("threads", K.SATURATION, "count", 1),
    ("colour_of_the_sky", K.OTHER, "", 1),
]


@pytest.mark.parametrize(("name", "kind", "unit", "scale"), NAMES, ids=[row[0] for row in NAMES])
def test_names_are_read_as_their_sources_mean_them(name, kind, unit, scale):
    found = measure(name)
    assert (found.kind, found.unit) == (kind, unit)
    assert found.scale == pytest.approx(scale)


def test_parts_of_a_histogram_are_told_apart():
    labels = {"__name__": "x", "le": "0.1"}
    assert measure("http_request_duration_seconds_bucket", labels).part == "bucket"
    assert measure("http_request_duration_seconds_sum").part == "sum"
    assert measure("http_request_duration_seconds_count").part == "count"
    assert measure("panic_count").part == ""
    assert measure("requests_Sum").part == ""


def test_statistic_side_and_host_are_in_the_name_or_the_labels():
    assert measure("client_latency_p95_s").stat == "p95"
    assert measure("client_latency_p95_s").side == "client"
    assert measure("edge_dst_p50_s").side == "server"
    assert measure("latency_Average").stat == "mean"
    assert measure("rpc_duration_seconds", {"quantile": "0.99"}).stat == "p99"
    assert measure("node_cpu_pct").host
    assert not measure("cpu_pct").host


def test_an_override_wins_over_the_name_and_may_be_a_pattern():
    overrides = {"lod": {"kind": "traffic"}, r"rt_.*": {"kind": "latency", "unit": "ms"}}
    assert measure("lod", overrides=overrides).kind is K.TRAFFIC
    assert measure("rt_checkout", overrides=overrides).kind is K.LATENCY
    assert measure("rt_checkout", overrides=overrides).scale == pytest.approx(1e-3)
    assert measure("rtx", overrides=overrides).kind is K.OTHER


@given(st.text(max_size=40))
def test_no_name_breaks_the_inference_and_it_answers_the_same_twice(name):
    assert measure(name) == measure(name)


VALUES = [
    (0.39, "s", "390 ms"),
    (0.0000042, "s", "4.2 µs"),
    (90.0, "s", "1.5 min"),
    (0.0, "s", "0 s"),
    (1.2 * 2**30, "bytes", "1.2 GiB"),
    (512.0, "bytes", "512 B"),
    (3.5 * 2**20, "bytes/s", "3.5 MiB/s"),
    (0.034, "share", "3.4 %"),
    (0.9997, "share", "99.97 %"),
    (0.99999, "share", "99.999 %"),
    (1.0, "share", "100 %"),
    (12.0, "1/s", "12/s"),
    (0.25, "cores", "0.25 cores"),
    (1234.0, "count", "1234"),
    (7.0, "", "7"),
    (math.nan, "s", "no data"),
    (-0.2, "s", "-200 ms"),
]


@pytest.mark.parametrize(("value", "unit", "text"), VALUES)
def test_values_are_written_for_people(value, unit, text):
    assert format_value(value, unit) == text


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(["s", "share", "bytes", "1/s", "count", ""]))
def test_any_value_can_be_written(value, unit):
    assert format_value(value, unit)


def test_findings_are_sentences():
    memory = Series("cart", "memory", K.MEMORY, "bytes")
    assert describe(memory, 2.0**30, 2.0**31) == "cart memory rose from 1 GiB to 2 GiB"
    errors = Series("cart", "error_share", K.ERRORS, "share", "mean", "server", "web")
    assert describe(errors, 0.0, 0.25) == "cart errors for web rose from 0 % to 25 %"
    assert phrase(Series("cart", "node_cpu_pct", K.CPU, "share", host=True)) == "host CPU"
    gap = Series("cart", "gap_p50", K.EDGE_GAP, "s", "p50", "server", "web")
    assert describe(gap, 0.001, 0.2) == "cart median network gap for web rose from 1 ms to 200 ms"
    pool = Series("orders", "db_pool_share", K.SATURATION, "share", "max")
    assert describe(pool, 0.1, 1.0) == "orders saturation (db_pool_share) rose from 10 % to 100 %"


def test_the_page_on_signals_names_every_kind_fault_type_and_label():
    page = (Path(__file__).parents[1] / "docs" / "signals.md").read_text(encoding="utf-8")
    words = [
        *(kind.value for kind in MetricKind),
        *FAULT_TYPES,
        *DEFAULT_COMPONENT_LABELS,
        *CALLER_LABELS,
        *CALLEE_LABELS,
    ]
    assert [word for word in words if f"`{word}`" not in page] == []
    for kind, entry in KINDS.items():
        assert f"| `{kind.value}` | {entry.title} | {entry.group} | {entry.unit or '-'} | {entry.hurts} |" in page
