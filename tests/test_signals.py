"""A case's metrics, spans and log lines come out as series of one vocabulary, with the same series in its reference."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import Component, ComponentType, Dependency, MetricKind, Series
from hypocenter.signals import resolve
from hypocenter.telemetry import Case, RawTable

START = pd.Timestamp("2026-01-01T00:00", tz="UTC")


def table(columns, step_s=60):
    """A raw table from {"component|metric[:peer]": samples}."""
    labels = []
    for name in columns:
        component, _, metric = name.rpartition("|")
        metric, _, peer = metric.partition(":")
        labels.append({"component": component, "__name__": metric, **({"peer": peer} if peer else {})})
    values = np.array(list(columns.values()), dtype=float).T
    times = np.datetime64("2026-01-01", "ns") + (np.arange(len(values)) * step_s).astype("timedelta64[s]")
    return RawTable(tuple(labels), times, values)


def column(found, name, modality="metrics"):
    one = next(one for one in found.tables if one.modality == modality)
    place = [series.name for series in one.series].index(name)
    return one.series[place], one.values[:, place]


def resolved(columns, **more):
    return resolve(Case("c", metrics=table(columns)), **more)


def test_named_columns_keep_their_name_and_get_kind_and_canonical_unit():
    found = resolved({"cart|mem_usage_mi": [1, 2], "cart|edge_dst_p50_s:web": [0.1, 0.2], "cart|node_cpu_pct": [5, 50]})
    assert found.tables[0].series == (
        Series("cart", "mem_usage_mi", MetricKind.MEMORY, "bytes"),
        Series("cart", "edge_dst_p50_s", MetricKind.LATENCY, "s", "p50", "server", "web"),
        Series("cart", "node_cpu_pct", MetricKind.CPU, "share", host=True),
    )
    np.testing.assert_allclose(found.tables[0].values, [[2**20, 0.1, 0.05], [2**21, 0.2, 0.5]])


def test_a_hosts_own_figures_are_not_those_of_a_host_below_it():
    case = Case("c", metrics=table({"n1|node_cpu_pct": [1, 2]}), components=(Component("n1", ComponentType.HOST),))
    assert not resolve(case).tables[0].series[0].host


@pytest.mark.parametrize(
    ("name", "samples", "unit", "want"),
    [
        ("availability_Average", [100, 50], "share", [1.0, 0.5]),
        ("availability", [1, 0.5], "share", [1.0, 0.5]),
        ("disk_used_pct", [0.2, 0.9], "share", [0.2, 0.9]),
        ("disk_used_pct", [20, 90], "share", [0.2, 0.9]),
        ("CPUUtilization", [20, 90], "share", [0.2, 0.9]),
        ("cpu_utilization", [0.2, 0.9], "share", [0.2, 0.9]),
        ("http_5xx_rate", [0.0, 0.4], "share", [0.0, 0.4]),
        ("http_5xx_rate", [0.0, 40.0], "1/s", [0.0, 40.0]),
        ("requests_Sum", [60, 120], "1/s", [1.0, 2.0]),
        ("mem", [7e6, 1e9], "bytes", [7e6, 1e9]),
        ("lookups_failed_total", [0, 60], "1/s", [math.nan, 1.0]),
        ("rows_read_total", [60, 120], "1/s", [math.nan, 1.0]),
        ("pod_restart_total", [2, 4], "count", [math.nan, 2.0]),
    ],
)
def test_what_a_name_leaves_open_the_values_decide(name, samples, unit, want):
    found = resolved({f"cart|{name}": samples})
    assert found.tables[0].series[0].unit == unit
    np.testing.assert_allclose(found.tables[0].values[:, 0], want)


def test_a_total_that_falls_as_often_as_it_rises_is_no_counter():
    found = resolved({"cart|errors_total": [3, 1, 4, 1, 5, 2]})
    np.testing.assert_allclose(found.tables[0].values[:, 0], [3, 1, 4, 1, 5, 2])


def test_a_name_for_the_whole_system_has_series_but_is_no_component():
    found = resolved({"__entry__|latency_p95_s": [1, 2], "redis|cpu": [1, 2], "orders-db|cpu": [1, 1]})
    assert [series.component for series in found.tables[0].series] == ["__entry__", "redis", "orders-db"]
    assert found.components == (
        Component("orders-db", ComponentType.DATABASE),
        Component("redis", ComponentType.CACHE),
    )


def test_the_reference_is_read_as_the_case_is_and_holds_only_its_series():
    case = Case(
        "c",
        metrics=table({"cart|availability": [100.0, 90.0], "cart|cpu": [1, 2]}),
        reference=(table({"web|cpu": [1, 1], "cart|availability": [1.0, 1.0]}),),
    )
    found = resolve(case)
    assert found.reference[0].series == (found.tables[0].series[0],)
    np.testing.assert_allclose(found.reference[0].values, 0.01)


@settings(max_examples=30)
@given(st.permutations(["a|cpu", "b|cpu", "a|mem_usage_mi", "b|latency_ms", "a|errors_total"]))
def test_the_order_of_named_columns_does_not_matter(order):
    samples = dict(zip(sorted(order), np.arange(15.0).reshape(5, 3), strict=True))
    got, want = resolved({name: samples[name] for name in order}), resolved(samples)
    for place, series in enumerate(got.tables[0].series):
        at = want.tables[0].series.index(series)
        np.testing.assert_array_equal(got.tables[0].values[:, place], want.tables[0].values[:, at])


# Spans ---------------------------------------------------------------------------------------------------------------


def request(trace, at_s, lost_ms=2, inner_ms=10):
    """A request to web, whose client span to cart lasts `lost_ms` longer than what cart says of itself."""
    at = START + pd.Timedelta(seconds=at_s)
    client_ms = inner_ms + lost_ms
    return [
        (at, trace, 0, -1, "web", "GET /", (client_ms + 5) * 1000, False),
        (at, trace, 1, 0, "web", "call cart", client_ms * 1000, False),
        (at, trace, 2, 1, "cart", "serve", inner_ms * 1000, trace % 2 == 0),
        (at, trace, 3, 2, "cart", "SELECT", 4000, False),
    ]


def spans_of(rows):
    return pd.DataFrame(
        rows, columns=["time", "trace", "span", "parent", "service", "operation", "duration_us", "error"]
    ).astype({"time": "datetime64[us, UTC]"})


def test_spans_tell_rates_durations_own_time_failures_and_the_gap_of_each_edge():
    frame = spans_of([row for at_s in range(100) for row in request(at_s, at_s, lost_ms=2 if at_s < 50 else 100)])
    found = resolve(Case("c", spans=frame))
    calls = {
        "web|traced_request_rate": (1.0, 1.0),
        "web|duration_mean": (0.017, 0.115),
        "web|self_time_mean": (0.005, 0.005),
        "cart|self_time_mean": (0.005, 0.005),
        "cart|traced_error_share": (0.4, 0.6),
        "cart|call_rate:web": (1.0, 1.0),
        "cart|call_duration_p95:web": (0.010, 0.010),
        "cart|gap_min:web": (0.002, 0.100),
        "cart|gap_p50:web": (0.002, 0.100),
    }
    for name, (before, after) in calls.items():
        _, values = column(found, name, "traces")
        assert len(values) == 20
        assert sorted({round(values[0], 4), round(values[-1], 4)}) == sorted({before, after}), name
    assert found.dependencies == (Dependency("web", "cart", source="spans"),)


def test_failures_are_counted_among_the_spans_that_say_whether_they_failed():
    frame = spans_of([row for at_s in range(4) for row in request(0, at_s)]).astype({"error": object})
    frame.loc[frame["operation"] == "serve", "error"] = [True, None, False, None]
    _, values = column(resolve(Case("c", spans=frame)), "cart|traced_error_share", "traces")
    np.testing.assert_allclose(values, [0.5])


def test_operations_are_counted_apart_up_to_the_most_frequent():
    names = ["".join(chr(103 + (number // 20**place) % 20) for place in range(2)) for number in range(150)]
    rows = [(START, at, 0, -1, "web", name, 1000, False) for at, name in enumerate([*names, "user 17", "user 4711"])]
    found = resolve(Case("c", spans=spans_of(rows))).tables[0]
    operations = [series.metric for series in found.series if series.kind is MetricKind.OPERATION]
    assert len(operations) == 100
    assert "operation:user <*>" in operations


def test_without_a_clients_end_there_is_no_gap():
    rows = [(START, 1, 0, -1, "web", "GET /", 9000, False), (START, 1, 1, 0, "cart", "serve", 4000, False)]
    found = resolve(Case("c", spans=spans_of(rows)))
    assert not [series for series in found.tables[0].series if series.kind is MetricKind.EDGE_GAP]
    assert found.dependencies == (Dependency("web", "cart", source="spans"),)


@pytest.mark.parametrize(
    "renamed",
    [
        lambda ids: ids.map(lambda number: -1 if number < 0 else 2**62 + number),
        lambda ids: ids.map(lambda number: "" if number < 0 else f"{number:016x}"),
        lambda ids: ids.where(ids >= 0).astype("Int64"),
    ],
    ids=["64 bit", "text", "none for a root"],
)
def test_how_ids_are_written_does_not_matter(renamed):
    frame = spans_of([row for at_s in range(20) for row in request(at_s, at_s)])
    again = frame.assign(span=renamed(frame["span"]), parent=renamed(frame["parent"]), trace=frame["trace"].map(str))
    want, got = resolve(Case("c", spans=frame)).tables[0], resolve(Case("c", spans=again)).tables[0]
    assert got.series == want.series
    np.testing.assert_array_equal(got.values, want.values)


@pytest.mark.parametrize("bad", [{"service": None}, {"duration_us": math.nan}, {"duration_us": -1.0}, {"time": pd.NaT}])
def test_a_span_that_lacks_what_matters_is_left_out_and_counted(bad):
    frame = spans_of(request(0, 0)).astype({"duration_us": float})
    frame = pd.concat([frame, frame.tail(1).assign(span=9, **bad)], ignore_index=True)
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    found = resolve(Case("c", spans=frame))
    assert found.notes == ("1 spans bear no usable time, component or duration and are left out",)
    np.testing.assert_array_equal(
        found.tables[0].values, resolve(Case("c", spans=spans_of(request(0, 0)))).tables[0].values
    )


def test_a_reference_of_spans_has_the_bins_of_the_case_and_rates_per_second():
    frame = spans_of([row for at_s in range(0, 3000, 5) for row in request(at_s, at_s)])
    calm = spans_of([row for at_s in range(60) for row in request(at_s, at_s)])
    found = resolve(Case("c", spans=frame, reference_spans=calm))
    assert set(found.reference[0].series) == set(found.tables[0].series)
    place = [series.name for series in found.reference[0].series].index("web|traced_request_rate")
    step = np.diff(found.tables[0].times)[0]
    assert np.median(found.tables[0].values[:, place]) == pytest.approx(0.2)
    assert np.nansum(found.reference[0].values[:, place]) * (step / np.timedelta64(1, "s")) == pytest.approx(60)


def test_minutes_that_a_source_counted_are_taken_over():
    services = pd.DataFrame({"time": [START], "service": ["web"], "spans": [120], "dur_mean_us": [2000.0]})
    edges = pd.DataFrame(
        {"time": [START + pd.Timedelta(minutes=1)], "caller": ["web"], "callee": ["cart"], "calls": [60]}
    )
    found = resolve(Case("c", service_minutes=services, edge_minutes=edges))
    np.testing.assert_allclose(column(found, "web|span_rate", "traces")[1], [2.0, math.nan])
    np.testing.assert_allclose(column(found, "web|span_duration_mean", "traces")[1], [0.002, math.nan])
    np.testing.assert_allclose(column(found, "cart|call_rate:web", "traces")[1], [math.nan, 1.0])
    assert found.dependencies == (Dependency("web", "cart", source="spans"),)


# Log lines -----------------------------------------------------------------------------------------------------------


def lines_of(rows):
    frame = pd.DataFrame(rows, columns=["time", "service", "severity", "message"])
    return frame.astype({"time": "datetime64[ns, UTC]"})


def line(at_s, message, severity="INFO", service="cart"):
    return START + pd.Timedelta(seconds=at_s), service, severity, message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("took 13 ms", "took 2048 ms"),
        ("user 4d2a46c7-71cb-4cf1-b5bb-b68406d9da6f found", "user 639e2e34-2c67-4657-b98f-5c435cbd74b8 found"),
        ("connect 10.0.0.1:8080 refused", "connect 192.168.7.44:80 refused"),
        ('open "/var/a" failed', 'open "/tmp/b c" failed'),
        ("[names: [paris, rome]]", "[names: [oslo]]"),
        ("Seat(type=window, no=a)", "Seat(type=aisle, no=b)"),
        ("at Sat May 04 15:00:52 CST 2013 done", "at Tue Jan 14 02:10:05 CST 2025 done"),
        ("train G1237 left", "train Z9 left"),
        ("hash deadbeefdeadbeefdead ok", "hash cafebabecafebabecafe ok"),
    ],
)
def test_lines_that_differ_in_what_varies_share_a_template(one, other):
    found = resolve(Case("c", log_lines=lines_of([line(0, one), line(1, other)])))
    templates = [series for series in found.tables[0].series if series.kind is MetricKind.LOG_LINES]
    assert len(templates) == 1
    assert "<*>" in templates[0].metric


def test_lines_that_say_different_things_do_not():
    rows = [line(0, "[create][Success]"), line(1, "[create][No content]"), line(2, "[create][Success]", service="web")]
    found = resolve(Case("c", log_lines=lines_of(rows)))
    assert len([series for series in found.tables[0].series if series.kind is MetricKind.LOG_LINES]) == 3


def test_a_template_that_is_gone_is_zero_in_the_case_and_a_rate_in_the_reference():
    case = lines_of([line(at_s, "tick") for at_s in range(100)])
    calm = lines_of([line(at_s, text) for at_s in range(60) for text in ("tick", "order 17 paid")])
    found = resolve(Case("c", log_lines=case, reference_log_lines=calm))
    assert found.reference[0].series == found.tables[0].series
    place = [series.metric for series in found.tables[0].series].index("template:order <*> paid")
    np.testing.assert_allclose(found.tables[0].values[:, place], 0)
    np.testing.assert_allclose(found.reference[0].values[:, place], 1)


def test_errors_are_told_by_severity_and_without_it_by_words():
    by_severity = [line(0, "failed", "INFO"), line(1, "all well", "ERROR")]
    by_words = [line(0, "request failed", ""), line(1, "all well", "")]
    for rows in (by_severity, by_words):
        found = resolve(Case("c", log_lines=lines_of(rows)))
        _, values = column(found, "cart|error_lines", "logs")
        np.testing.assert_allclose(values, [1 / 5])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA], ids=["None", "nan", "NA"])
@pytest.mark.parametrize("dtype", ["object", "string"])
def test_a_severity_that_is_missing_is_told_by_words_line_by_line(missing, dtype):
    frame = lines_of([line(0, "request failed", missing), line(1, "all well", missing)])
    some = lines_of([line(0, "request failed", missing), line(1, "all well", missing), line(2, "all well", "ERROR")])
    for rows, errors in ((frame, 1), (some, 2)):
        found = resolve(Case("c", log_lines=rows.astype({"severity": dtype})))
        np.testing.assert_allclose(column(found, "cart|error_lines", "logs")[1], [errors / 5])


@pytest.mark.parametrize("dtype", ["object", "string", "float64"])
def test_lines_without_any_words_are_still_lines(dtype):
    frame = lines_of([line(0, None, None), line(1, None, None)]).astype({"message": dtype, "severity": dtype})
    found = resolve(Case("c", log_lines=frame))
    assert {series.metric for series in found.tables[0].series} == {"template:", "error_lines"}
    np.testing.assert_allclose(column(found, "cart|error_lines", "logs")[1], [0])


def test_templates_beyond_the_most_frequent_share_one():
    words = ["".join(chr(97 + (number // 26**place) % 26) for place in range(3)) for number in range(300)]
    found = resolve(Case("c", log_lines=lines_of([line(0, f"event {word} seen") for word in words])))
    one = found.tables[0]
    rest = [series.metric for series in one.series].index("template:(other)")
    assert len(one.series) == 202
    assert one.values[0, rest] == pytest.approx(100 / 5)


def test_lines_and_spans_without_a_usable_time_are_left_out_and_counted():
    rows = [line(0, "tick"), (pd.Timestamp("1754-08-30", tz="UTC"), "cart", "INFO", "tick"), (pd.NaT, "cart", "", "x")]
    found = resolve(Case("c", log_lines=lines_of(rows)))
    assert found.notes == ("2 log lines bear no usable time, component or duration and are left out",)
    assert len(found.tables[0].times) == 1


@settings(max_examples=60)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=6))
def test_any_message_has_a_template_and_the_same_one_twice(messages):
    frame = lines_of([line(at_s, message) for at_s, message in enumerate(messages)])
    assert resolve(Case("c", log_lines=frame)).tables[0].series == resolve(Case("c", log_lines=frame)).tables[0].series


# Nothing, and everything ---------------------------------------------------------------------------------------------


def test_an_empty_case_resolves_to_nothing():
    empty = RawTable((), np.array([], dtype="datetime64[ns]"), np.empty((0, 0)))
    assert resolve(Case("c")).tables == ()
    assert resolve(Case("c", metrics=empty, spans=spans_of([]), log_lines=lines_of([]))).tables == ()


def test_declared_dependencies_win_over_found_ones_and_a_call_to_oneself_is_none():
    declared = (Dependency("web", "cart"), Dependency("web", "web"))
    found = resolve(Case("c", dependencies=declared, spans=spans_of(request(0, 0))))
    assert found.dependencies == (Dependency("web", "cart"),)


DATA = os.environ.get("HYPOCENTER_DATA")


@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="HYPOCENTER_DATA names no folder with the labelled data")
@pytest.mark.parametrize(
    "dataset", ["petshop", "nezha_onlineboutique", "nezha_trainticket", "rcd_sockshop", "rootcausebench"]
)
def test_real_cases_resolve_quickly_with_finite_values_in_canonical_units(dataset):
    from hypocenter.readers import read_cases

    folder = next(
        path for path in sorted((Path(str(DATA)) / "cases" / dataset).iterdir()) if (path / "case.json").exists()
    )
    case = next(iter(read_cases(folder)))
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        found = resolve(case)
        took.append(time.perf_counter() - begun)
    for one in (*found.tables, *found.reference):
        assert not np.isinf(one.values).any()
        assert {series.unit for series in one.series} <= {"s", "share", "1/s", "cores", "bytes", "bytes/s", "count", ""}
        assert (np.diff(one.times) > np.timedelta64(0)).all()
    assert min(took) < 1.0  # measured: at most 0.1 s; the rest is for slow and busy machines
