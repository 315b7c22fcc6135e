"""Labelled raw series come out as one set of signals per component and per edge, whatever shape they came in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import Component, ComponentType, Dependency, DependencyType, MetricKind
from hypocenter.signals import resolve
from hypocenter.telemetry import Case, RawTable

STEP_S = 15


def times(rows):
    return np.datetime64("2026-01-01T00:00", "ns") + (np.arange(rows) * STEP_S).astype("timedelta64[s]")


def table(*columns):
    """A raw table from (name, labels, samples)."""
    labels = tuple({"__name__": name, **labels} for name, labels, _ in columns)
    values = np.array([samples for *_, samples in columns], dtype=float).T
    return RawTable(labels, times(len(values)), values)


def signals(*columns, **more):
    return resolve(Case("c", metrics=table(*columns)), **more)


def named(found, name):
    """The samples of the series `component|metric[:peer]`."""
    for one in found.tables:
        for place, series in enumerate(one.series):
            if series.name == name:
                return one.values[:, place]
    raise AssertionError(f"no {name} among {sorted(series.name for one in found.tables for series in one.series)}")


def names(found):
    return {series.name for one in found.tables for series in one.series}


def counter(rate, rows=5):
    return [rate * STEP_S * row for row in range(rows)]


def test_requests_failures_and_latency_come_from_counters_and_histograms():
    labels = {"service": "cart", "instance": "10.0.0.1:80"}
    found = signals(
        ("http_requests_total", {**labels, "code": "200", "path": "/a"}, counter(6)),
        ("http_requests_total", {**labels, "code": "200", "path": "/b"}, counter(2)),
        ("http_requests_total", {**labels, "code": "503", "path": "/a"}, counter(2)),
        ("http_request_duration_seconds_sum", labels, counter(0.5)),
        ("http_request_duration_seconds_count", labels, counter(10)),
        ("http_request_duration_seconds_bucket", {**labels, "le": "0.1"}, counter(5)),
        ("http_request_duration_seconds_bucket", {**labels, "le": "0.3"}, counter(10)),
        ("http_request_duration_seconds_bucket", {**labels, "le": "+Inf"}, counter(10)),
    )
    assert names(found) == {
        f"cart|{name}" for name in ("request_rate", "error_share", "latency_mean", "latency_p50", "latency_p95")
    }
    np.testing.assert_allclose(named(found, "cart|request_rate")[1:], 10)
    np.testing.assert_allclose(named(found, "cart|error_share")[1:], 0.2)
    np.testing.assert_allclose(named(found, "cart|latency_mean")[1:], 0.05)
    np.testing.assert_allclose(named(found, "cart|latency_p50")[1:], 0.1)
    np.testing.assert_allclose(named(found, "cart|latency_p95")[1:], 0.28)


@pytest.mark.parametrize(
    ("label", "fine", "fault"),
    [
        ("code", "200", "500"),
        ("status", "ok", "error"),
        ("status_code", "404", "502"),
        ("http_response_status_code", "302", "504"),
        ("response_code", "201", "599"),
        ("grpc_code", "NotFound", "DeadlineExceeded"),
        ("grpc_code", "5", "14"),
    ],
)
def test_status_labels_tell_a_servers_faults_from_answers(label, fine, fault):
    found = signals(
        ("requests_total", {"service": "cart", label: fine}, counter(3)),
        ("requests_total", {"service": "cart", label: fault}, counter(1)),
    )
    np.testing.assert_allclose(named(found, "cart|error_share")[1:], 0.25)


def test_a_counter_of_failures_beside_a_counter_of_requests_gives_their_share():
    found = signals(
        ("requests_total", {"service": "cart", "zone": "a"}, counter(4)),
        ("requests_failed_total", {"service": "cart", "zone": "a"}, counter(1)),
        ("jobs_failed_total", {"service": "batch", "zone": "a"}, counter(2)),
    )
    np.testing.assert_allclose(named(found, "cart|error_share")[1:], 0.25)
    np.testing.assert_allclose(named(found, "batch|jobs_error_rate")[1:], 2)


def test_labels_of_both_ends_make_signals_per_edge_and_the_user_is_nobody():
    edge = {"client": "web", "server": "cart"}
    found = signals(
        ("traces_service_graph_request_total", edge, counter(4)),
        ("traces_service_graph_request_failed_total", edge, counter(1)),
        ("traces_service_graph_request_server_seconds_sum", edge, counter(0.4)),
        ("traces_service_graph_request_server_seconds_count", edge, counter(4)),
        ("traces_service_graph_request_client_seconds_sum", edge, counter(0.8)),
        ("traces_service_graph_request_client_seconds_count", edge, counter(4)),
        ("traces_service_graph_request_total", {"client": "user", "server": "web"}, counter(4)),
    )
    np.testing.assert_allclose(named(found, "cart|error_share:web")[1:], 0.25)
    np.testing.assert_allclose(named(found, "cart|latency_mean:web")[1:], 0.1)
    np.testing.assert_allclose(named(found, "web|client_latency_mean:cart")[1:], 0.2)
    np.testing.assert_allclose(named(found, "web|request_rate")[1:], 4)
    assert found.dependencies == (Dependency("web", "cart", source="labels"),)
    assert "user" not in {component.name for component in found.components}


def test_of_two_mesh_proxies_that_report_a_call_each_view_takes_its_own():
    ends = {"source_workload": "web", "destination_workload": "cart", "response_code": "200"}
    found = signals(
        ("istio_requests_total", {**ends, "reporter": "destination"}, counter(5)),
        ("istio_requests_total", {**ends, "reporter": "source"}, counter(7)),
    )
    np.testing.assert_allclose(named(found, "cart|request_rate:web")[1:], 5)
    np.testing.assert_allclose(named(found, "web|client_request_rate:cart")[1:], 7)


def test_a_client_that_labels_whom_it_calls_gives_an_edge():
    found = signals(
        ("http_client_requests_total", {"service": "web", "peer": "cart", "code": "200"}, counter(3)),
        ("http_client_requests_total", {"service": "web", "peer": "cart", "code": "504"}, counter(1)),
    )
    np.testing.assert_allclose(named(found, "web|client_error_share:cart")[1:], 0.25)
    assert Dependency("web", "cart", source="labels") in found.dependencies


def test_resources_add_up_over_containers_and_stay_apart_per_pod():
    def pod(name, **more):
        return {"pod": name, "container": "app", "namespace": "shop", "node": "n1", **more}

    first, second = "cart-7d4b9c6f5d-x2x7k", "cart-7d4b9c6f5d-zz9zz"
    found = signals(
        ("container_cpu_usage_seconds_total", pod(first), counter(0.5)),
        ("container_cpu_usage_seconds_total", pod(second), counter(0.25)),
        ("container_cpu_usage_seconds_total", pod(second, container="POD"), counter(9)),
        ("container_memory_working_set_bytes", pod(first), [100.0] * 5),
        ("container_memory_working_set_bytes", pod(second), [300.0] * 5),
        ("container_spec_memory_limit_bytes", pod(first), [400.0] * 5),
        ("container_spec_memory_limit_bytes", pod(second), [400.0] * 5),
        ("kube_pod_container_status_restarts_total", pod(first), [0, 0, 1, 1, 1]),
    )
    np.testing.assert_allclose(named(found, "cart|cpu")[1:], 0.75)
    np.testing.assert_allclose(named(found, f"{second}|cpu")[1:], 0.25)
    np.testing.assert_allclose(named(found, "cart|memory"), 400)
    np.testing.assert_allclose(named(found, "cart|container_memory_share"), 0.75)
    np.testing.assert_allclose(named(found, "cart|restarts")[1:], [0, 1, 0, 0])
    assert Component(first, ComponentType.POD) in found.components
    assert Component("n1", ComponentType.HOST) in found.components
    kinds = {(edge.caller, edge.callee): edge.type for edge in found.dependencies}
    assert kinds == {
        ("cart", "n1"): DependencyType.RUNS_ON,
        (first, "cart"): DependencyType.INSTANCE_OF,
        (second, "cart"): DependencyType.INSTANCE_OF,
    }


def test_a_restart_is_told_by_a_count_or_by_a_new_start_time():
    found = signals(
        ("k8s_container_restarts", {"service": "cart", "zone": "a"}, [3.0, 3.0, 4.0, np.nan, 4.0]),
        ("process_start_time_seconds", {"service": "web", "zone": "a"}, [7e8, 7e8, 7e8, np.nan, 8e8]),
    )
    np.testing.assert_allclose(named(found, "cart|restarts"), [np.nan, 0, 1, np.nan, 0])
    np.testing.assert_allclose(named(found, "web|restarts"), [np.nan, 0, 0, np.nan, 1])


def test_an_exporter_that_speaks_of_others_is_neither_component_nor_instance():
    exporter = {"job": "kube-state-metrics", "service": "kube-state-metrics", "instance": "10.1.1.1:8080"}
    pod = "cart-7d4b9c6f5d-x2x7k"
    found = signals(
        ("kube_deployment_status_replicas_available", {**exporter, "deployment": "cart", "pod": "ksm-0"}, [2.0, 1.0]),
        ("kube_pod_container_status_restarts_total", {**exporter, "pod": pod}, [0.0, 1.0]),
        ("up", {"service": "cart", "pod": pod}, [1.0, 1.0]),
    )
    assert names(found) == {"cart|kube_deployment_status_replicas_available", "cart|restarts", "cart|up"}
    assert found.components == (Component("cart"),)


def test_an_error_type_without_a_status_tells_of_a_failure():
    labels = {"service": "web", "server_address": "cart.shop.svc.cluster.local"}
    found = signals(
        ("http_client_request_duration_seconds_count", labels, counter(3)),
        ("http_client_request_duration_seconds_count", {**labels, "error_type": "timeout"}, counter(1)),
    )
    np.testing.assert_allclose(named(found, "web|client_error_share:cart")[1:], 0.25)


def test_a_node_exporter_speaks_of_its_machine():
    node = {"job": "node-exporter", "instance": "node-1:9100"}
    found = signals(
        ("node_cpu_seconds_total", {**node, "cpu": "0", "mode": "idle"}, counter(0.75)),
        ("node_cpu_seconds_total", {**node, "cpu": "0", "mode": "user"}, counter(0.25)),
        ("node_memory_MemAvailable_bytes", node, [25.0] * 5),
        ("node_memory_MemTotal_bytes", node, [100.0] * 5),
    )
    assert found.components == (Component("node-1", ComponentType.HOST),)
    np.testing.assert_allclose(named(found, "node-1|cpu")[1:], 0.25)
    np.testing.assert_allclose(named(found, "node-1|node_memory_share"), 0.75)


def test_a_pool_is_as_full_as_its_fullest_part():
    found = signals(
        ("db_pool_in_use", {"service": "cart", "pool": "a"}, [9.0] * 3),
        ("db_pool_max_conns", {"service": "cart", "pool": "a"}, [10.0] * 3),
        ("db_pool_in_use", {"service": "cart", "pool": "b"}, [1.0] * 3),
        ("db_pool_max_conns", {"service": "cart", "pool": "b"}, [100.0] * 3),
    )
    np.testing.assert_allclose(named(found, "cart|db_pool_share"), 0.9)


def test_hits_and_misses_of_a_cache_become_a_share():
    found = signals(
        ("redis_keyspace_hits_total", {"service": "cache", "db": "0"}, counter(9)),
        ("redis_keyspace_misses_total", {"service": "cache", "db": "0"}, counter(1)),
    )
    np.testing.assert_allclose(named(found, "cache|redis_keyspace_hit_share")[1:], 0.9)
    assert found.components == (Component("cache", ComponentType.CACHE),)


def test_which_label_names_the_component_has_an_order_that_can_be_overridden():
    labels = {"service": "cart", "app": "shop", "job": "scrape", "team": "blue"}
    column = ("queue_depth", labels, [1.0, 2.0])
    assert names(signals(column)) == {"cart|queue_depth"}
    assert names(signals(column, component_labels=("team", "service"))) == {"blue|queue_depth"}


def test_what_no_label_attributes_is_noted_and_not_guessed():
    found = signals(("queue_depth", {"colour": "red"}, [1.0]), ("up", {"job": "cart"}, [1.0]))
    assert names(found) == {"cart|up"}
    assert found.notes == ("no label names the component of queue_depth; name the label with --component-label",)


def test_an_override_reaches_labelled_series():
    column = ("lod", {"service": "cart", "zone": "a"}, [100.0, 200.0])
    found = signals(column, overrides={"lod": {"kind": "latency", "unit": "ms"}})
    np.testing.assert_allclose(named(found, "cart|lod"), [0.1, 0.2])


def test_the_reference_holds_the_same_series_though_its_columns_differ():
    case = table(
        ("requests_total", {"service": "cart", "code": "200", "pod": "a"}, counter(1)),
        ("requests_total", {"service": "cart", "code": "500", "pod": "a"}, counter(1)),
    )
    calm = table(("requests_total", {"service": "cart", "code": "200", "pod": "b"}, counter(2)))
    found = resolve(Case("c", metrics=case, reference=(calm,)))
    assert found.reference[0].series == found.tables[0].series
    shares = dict(zip((s.metric for s in found.tables[0].series), found.reference[0].values.T, strict=True))
    np.testing.assert_allclose(shares["error_share"][1:], 0)
    np.testing.assert_allclose(shares["request_rate"][1:], 2)


def test_a_column_that_never_had_a_sample_does_no_harm():
    found = signals(
        ("requests_total", {"service": "cart", "code": "200"}, [np.nan] * 4),
        ("cpu", {"service": "cart", "zone": "a"}, [np.nan] * 4),
    )
    assert np.isnan(found.tables[0].values).all()


# Laws ----------------------------------------------------------------------------------------------------------------

paths = st.lists(st.integers(1, 40), min_size=1, max_size=8)


@settings(max_examples=40)
@given(paths)
def test_a_component_does_not_depend_on_the_cardinality_of_other_labels(rates):
    split = [
        ("requests_total", {"service": "cart", "path": f"/{place}", "code": "200"}, counter(rate))
        for place, rate in enumerate(rates)
    ]
    one = [("requests_total", {"service": "cart", "code": "200"}, counter(sum(rates)))]
    np.testing.assert_allclose(
        named(signals(*split), "cart|request_rate"), named(signals(*one), "cart|request_rate"), rtol=1e-9
    )


UNITS = [
    ("http_request_duration_{}_sum", "seconds", "milliseconds", 1e3),
    ("heap_used_{}", "bytes", "mib", 1 / 2**20),
    ("heap_used_{}", "bytes", "kb", 1e-3),
    ("disk_used_{}", "ratio", "percent", 100),
]


@settings(max_examples=30)
@given(st.sampled_from(UNITS), st.lists(st.integers(0, 99), min_size=4, max_size=4))
def test_a_unit_changes_no_series(unit, steps):
    name, plain, other, factor = unit
    samples = np.cumsum(steps) / (500.0 if plain == "ratio" else 1.0) + 0.5
    count = ("http_request_duration_{}_count", {"service": "cart", "zone": "a"}, counter(2, 4))

    def columns(unit, scale):
        labels = {"service": "cart", "zone": "a"}
        return (name.format(unit), labels, samples * scale), (count[0].format(unit), *count[1:])

    in_plain, in_other = signals(*columns(plain, 1)), signals(*columns(other, factor))
    assert in_plain.tables[0].series == in_other.tables[0].series
    np.testing.assert_allclose(in_plain.tables[0].values, in_other.tables[0].values, rtol=1e-9)


ZOO = [
    ("requests_total", {"service": "cart", "code": "200"}, counter(6)),
    ("requests_total", {"service": "cart", "code": "500"}, counter(1)),
    ("requests_total", {"service": "web", "code": "200"}, counter(3)),
    ("traces_service_graph_request_total", {"client": "web", "server": "cart"}, counter(3)),
    ("memory_used_bytes", {"service": "web", "instance": "a"}, [1.0, 2.0, 3.0, 4.0, 5.0]),
    ("memory_used_bytes", {"service": "web", "instance": "b"}, [1.0, 2.0, 3.0, 4.0, 5.0]),
    ("memory_limit_bytes", {"service": "web", "instance": "b"}, [9.0] * 5),
    ("cpu_seconds_total", {"service": "web", "instance": "b"}, counter(0.1)),
    ("http_request_duration_seconds_bucket", {"service": "web", "le": "0.1"}, counter(1)),
    ("http_request_duration_seconds_bucket", {"service": "web", "le": "+Inf"}, counter(4)),
]


@settings(max_examples=40)
@given(st.permutations(ZOO))
def test_the_order_of_columns_does_not_matter(columns):
    got, want = signals(*columns), signals(*ZOO)
    assert got.tables[0].series == want.tables[0].series
    np.testing.assert_array_equal(got.tables[0].values, want.tables[0].values)
    assert got.dependencies == want.dependencies


label_values = st.text(alphabet="ab0:/-_.", max_size=6)
label_sets = st.dictionaries(
    st.sampled_from(
        ["service", "pod", "instance", "code", "le", "client", "server", "peer", "mode", "reporter", "job"]
    ),
    label_values,
    max_size=5,
)
metric_names = st.sampled_from(
    [
        "requests_total",
        "x_seconds_bucket",
        "x_seconds_sum",
        "cpu_seconds_total",
        "mem_used",
        "mem_max",
        "up",
        "",
        "hits_total",
    ]
)


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(metric_names, label_sets, st.lists(st.floats(width=32), min_size=3, max_size=3)),
        min_size=1,
        max_size=8,
    )
)
def test_no_labels_and_no_samples_break_it(columns):
    found = signals(*columns)
    for one in found.tables:
        assert one.values.shape == (len(one.times), len(one.series))
        assert len(set(one.series)) == len(one.series)
        assert all(series.kind in MetricKind for series in one.series)
