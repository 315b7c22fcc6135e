"""What a simulation shows: series as exporters tell them, traces, log lines, the case folder, systems of any size."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hypocenter.case_writing import notation
from hypocenter.errors import InputError
from hypocenter.model import ComponentType, DependencyType
from hypocenter.readers import read_cases
from hypocenter.simulator import generate_scenario, read_scenario, simulate, write_case
from hypocenter.simulator.faults import FAULTS

SCENARIOS = Path(__file__).parent.parent / "fixtures" / "scenarios"
TRUTH_FILES = {"truth.json", "truth_metrics.parquet"}


@pytest.fixture(scope="module")
def shop():
    return simulate(read_scenario(SCENARIOS / "shop.scenario"))


@pytest.fixture(scope="module")
def case(shop, tmp_path_factory):
    return write_case(shop, tmp_path_factory.mktemp("cases") / "shop")


@pytest.fixture(scope="module")
def frame(case):
    return pd.read_parquet(case / "metrics.parquet")


def short(*lines, seed=1):
    text = "length 1h\nservice web cpu=4ms\nservice back cpu=4ms\nweb -> back timeout=1s retries=1\nload web 20/s\n"
    return simulate(read_scenario(text + "\n".join(lines)), seed)


def column(simulation, name):
    return simulation.metrics.values[:, [notation(labels) for labels in simulation.metrics.labels].index(name)]


def test_series_stand_in_prometheus_notation_with_sorted_labels(frame):
    assert frame.index.name == "time"
    assert str(frame.index.tz) == "UTC"
    assert (np.diff(frame.index.to_numpy()) == np.timedelta64(15, "s")).all()
    assert len(frame) == 6 * 240
    assert frame.columns.is_unique
    for name in frame.columns:
        match = re.fullmatch(r'[a-z_0-9A-Z]+\{((?:\w+="[^"]*",?)+)\}', name)
        keys = re.findall(r'(\w+)="', match[1])
        assert keys == sorted(keys)
    assert (frame.dtypes == np.float64).all()


def test_counters_only_fall_when_a_process_starts(shop, frame):
    deployed = {change.component for change in shop.changes}
    fell = set()
    for name in frame.columns:
        if re.search(r"_(total|bucket|count|sum)(\{|$)", name):
            values = frame[name].dropna()
            assert (values >= 0).all()
            fell |= {name} if (values.diff() < 0).any() else set()
    assert {re.search(r'service="(.*?)"', name)[1] for name in fell} == deployed


def test_histograms_are_cumulative_and_end_in_their_count(frame):
    for total in (name for name in frame.columns if "_count{" in name):
        buckets = [name for name in frame.columns if name.startswith(total.partition("_count{")[0] + "_bucket{")]
        rest = total.partition("{")[2]
        mine = sorted(
            (
                name
                for name in buckets
                if re.sub(r'le="[^"]*",?', "", name.partition("{")[2]).replace(",}", "}") == rest
            ),
            key=lambda name: float(re.search(r'le="([^"]*)"', name)[1]),
        )
        steps = frame[mine].diff().dropna()
        grown = steps[(steps >= 0).all(axis=1)]
        assert (np.diff(grown.to_numpy(), axis=1) >= 0).all()
        count = frame[total].diff().loc[grown.index]
        np.testing.assert_array_equal(grown[mine[-1]], count)


def test_one_component_never_reports_and_one_scrape_target_was_away(shop, frame):
    reporting = {re.search(r'service="(.*?)"', name)[1] for name in frame.columns if 'service="' in name}
    services = {c.name for c in shop.components if c.type is ComponentType.SERVICE}
    assert services - reporting == {"tax"}
    assert any('server="tax"' in name for name in frame.columns)
    away = frame.loc["2026-03-03T06:55:15Z":"2026-03-03T06:58:00Z"]
    assert away.filter(like='service="email"').isna().all(axis=None)
    assert away.filter(like='service="cart"').notna().any(axis=None)


def test_a_failed_scrape_leaves_up_at_zero_and_nothing_else():
    simulation = short("telemetry missed=0.05")
    up = column(simulation, 'up{instance="web:9100",job="scenario",service="web"}')
    requests = column(simulation, 'http_server_requests_total{code="200",service="web"}')
    assert set(up) == {0.0, 1.0}
    np.testing.assert_array_equal(np.isnan(requests), up == 0)


def test_a_dead_exporter_is_silent_while_its_callers_still_see_the_component():
    simulation = short("fault dead_exporter back at=30m")
    assert np.isnan(column(simulation, 'http_server_requests_total{code="200",service="back"}')[120:]).all()
    assert (column(simulation, 'up{instance="back:9100",job="scenario",service="back"}')[120:] == 0).all()
    assert np.isfinite(column(simulation, 'traces_service_graph_request_total{client="web",server="back"}')[120:]).all()
    assert not simulation.alerts


def test_requests_are_the_load_with_its_daily_pattern(shop):
    requests = np.diff(column(shop, 'http_server_requests_total{code="200",service="frontend"}')) / 15
    morning, noon = np.nanmean(requests[:240]), np.nanmean(requests[960:1200])
    # 60/s with a share of 0.25 around a peak at 19:00: 45/s at 7:00, and more towards the evening.
    assert morning == pytest.approx(45.2, rel=0.06)
    assert noon > 1.1 * morning


def test_weekends_are_quieter():
    monday, sunday = (short(f"start 2026-03-0{day}T12:00:00Z") for day in (2, 8))
    name = 'http_server_requests_total{code="200",service="web"}'
    assert np.ptp(column(sunday, name)) == pytest.approx(0.8 * np.ptp(column(monday, name)), rel=0.05)


def test_edges_can_be_told_by_the_clients_or_by_nobody():
    client = short("telemetry edges=client detail=compact")
    names = {labels["__name__"] for labels in client.metrics.labels}
    assert "http_client_request_duration_seconds_sum" in names
    assert not any(name.endswith("_bucket") or name.startswith("traces_") for name in names)
    seconds, count = (
        np.diff(column(client, f'http_client_request_duration_seconds_{part}{{peer="back",service="web"}}'))
        for part in ("sum", "count")
    )
    assert np.nanmean(seconds) / np.nanmean(count) == pytest.approx(0.0046, rel=0.1)
    none = {labels["__name__"] for labels in short("telemetry edges=none").metrics.labels}
    assert not any(name.startswith(("http_client", "traces_")) for name in none)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    def digest(folder, seed):
        write_case(short("fault cpu_hog back at=40m", "decoy noisy web at=10m", seed=seed), tmp_path / folder / "case")
        files = sorted((tmp_path / folder / "case").iterdir())
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    first, again, other = digest("a", 3), digest("b", 3), digest("c", 4)
    assert first == again
    assert first["metrics.parquet"] != other["metrics.parquet"]


def test_the_case_folder_holds_what_is_known_and_hides_the_answer(shop, case):
    assert {path.name for path in case.iterdir()} == {
        "case.json", "metrics.parquet", "spans.parquet", "log_lines.parquet", *TRUTH_FILES}  # fmt: skip
    document = json.loads((case / "case.json").read_text(encoding="utf-8"))
    assert document["case_id"] == "shop"
    assert ["orders", "orders-db"] in document["dependencies"]
    assert ["shipping", "order-events"] in document["dependencies"]
    assert ["orders-db", "db-1", str(DependencyType.RUNS_ON)] in document["dependencies"]
    assert {"name": "orders-db", "type": "database"} in document["components"]
    assert document["extras"]["step_s"] == 15
    assert document["extras"]["target"]["node"] == "frontend"
    assert document["extras"]["alerts"][0]["component"] != "orders-db"
    assert "slow_query" not in (case / "case.json").read_text(encoding="utf-8")
    truth = json.loads((case / "truth.json").read_text(encoding="utf-8"))
    assert truth == {
        "root_component": "orders-db",
        "root_components": ["orders-db"],
        "root_metric": "latency",
        "fault_type": "slow_query",
        "started_at": "2026-03-03T11:35:00+00:00",
    }
    twin = pd.read_parquet(case / "truth_metrics.parquet")
    assert list(twin.columns) == [notation(labels) for labels in shop.metrics.labels]


def test_the_demo_ends_half_an_hour_after_its_fault(shop):
    left = shop.scenario.length - shop.scenario.faults[0].at
    assert 20 * 60 <= left <= 30 * 60
    loud = {alert.component for alert in shop.alerts}
    assert {"frontend", "checkout"} <= loud
    assert "orders-db" not in loud
    assert shop.truth.started_at < shop.noticed_at


def test_a_folder_that_cannot_be_written_is_one_clear_error(shop, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(InputError, match="cannot write case folder"):
        write_case(shop, tmp_path / "file" / "case")


@pytest.mark.parametrize("name", ["case.json", "thesis.tex", "metrics.parquet"])
def test_a_folder_of_something_else_is_left_alone(shop, tmp_path, name):
    (tmp_path / name).write_text('{"dataset": "own"}', encoding="utf-8")
    with pytest.raises(InputError, match="holds something other than a simulated case"):
        write_case(shop, tmp_path)
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [
        (name, '{"dataset": "own"}')
    ]


def test_a_simulated_case_is_written_over_and_what_lies_beside_it_stays(shop, tmp_path):
    write_case(shop, tmp_path / "case")
    (tmp_path / "case" / "metrics.parquet").write_bytes(b"broken")
    (tmp_path / "case" / "note.txt").write_text("mine", encoding="utf-8")
    [again] = read_cases(write_case(shop, tmp_path / "case"))
    assert again.metrics is not None
    assert (tmp_path / "case" / "note.txt").read_text(encoding="utf-8") == "mine"


def test_spans_form_trees_and_leave_the_network_between_caller_and_callee():
    spans = short("fault network_delay back at=40m severity=1", "telemetry traces=200").spans
    assert list(spans.columns) == ["time", "trace", "span", "parent", "service", "operation", "duration_us", "error"]
    assert spans["span"].is_unique
    assert set(spans.loc[spans["parent"] >= 0, "parent"]) <= set(spans["span"])
    child = spans[spans["operation"] == "back/handle"]
    both = child.merge(spans, left_on="parent", right_on="span", suffixes=("", "_caller"))
    assert (both["trace"] == both["trace_caller"]).all()
    assert (both["operation_caller"] == "call back").all()
    fine = both[~both["error_caller"]]
    gap = (fine["duration_us_caller"] - fine["duration_us"]) / 1e6
    late = fine["time"] >= pd.Timestamp("2026-03-02T06:40:00Z")
    assert gap[~late].median() == pytest.approx(0.0005, rel=0.5)
    assert gap[late].median() == pytest.approx(0.5, rel=0.2)


def test_spans_agree_with_the_metrics():
    simulation = short("telemetry traces=600")
    spans = simulation.spans[simulation.spans["operation"] == "web/handle"]
    total, count = (
        column(simulation, f'http_server_request_duration_seconds_{part}{{service="web"}}') for part in ("sum", "count")
    )
    mean = np.nanmean(np.diff(total)) / np.nanmean(np.diff(count))
    assert spans["duration_us"].mean() / 1e6 == pytest.approx(mean, rel=0.1)


def test_lines_of_business_go_missing_when_requests_fail():
    lines = short("fault error_burst back at=40m severity=1").log_lines
    assert list(lines.columns) == ["time", "service", "severity", "message"]
    assert lines["time"].is_monotonic_increasing
    late = lines["time"] >= pd.Timestamp("2026-03-02T06:40:00Z")
    back = lines["service"] == "back"
    done = lines["message"].str.contains("completed")
    received = lines["message"].str.contains("received")
    assert (done & back & ~late).sum() == pytest.approx((received & back & ~late).sum(), rel=0.2)
    assert (done & back & late).sum() < 0.4 * (received & back & late).sum()
    assert (lines["severity"][back & late] == "ERROR").mean() > 0.2
    assert lines["message"][~back & late].str.contains("call to back failed").any()


def test_a_killed_process_says_that_it_started():
    lines = short("fault crash_loop back at=40m").log_lines
    assert (lines.loc[lines["service"] == "back", "message"] == "back: process started").any()


@pytest.mark.parametrize("shape", ["chain", "fan", "mesh", "shared_hosts"])
@pytest.mark.parametrize("services", [5, 60, 500])
def test_generated_systems_have_their_size_and_run_calmly(shape, services):
    scenario = replace(generate_scenario(shape, services, seed=2, fault="none"), length=300.0)
    assert sum(c.type is ComponentType.SERVICE for c in scenario.components) == services
    reached = {load.entry for load in scenario.loads} | {consume.consumer for consume in scenario.consumes}
    for call in scenario.calls:
        reached |= {call.callee} if call.caller in reached else set()
    assert reached == {component.name for component in scenario.components}
    simulation = simulate(scenario)
    assert not simulation.alerts
    assert not np.isinf(simulation.metrics.values).any()


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_every_fault_finds_a_place_in_a_generated_system(fault):
    scenario = generate_scenario("mesh", 30, seed=4, fault=fault)
    assert [spec.type for spec in scenario.faults] == [fault]
    assert generate_scenario("mesh", 30, seed=4, fault=fault) == scenario
    struck = scenario.faults[0].component
    assert struck not in {decoy.component for decoy in scenario.decoys}


def test_shared_hosts_are_shared_by_more():
    few, many = (generate_scenario(shape, 60, fault="none") for shape in ("shared_hosts", "mesh"))
    assert len(few.hosts) * 2 < len(many.hosts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": "ring"}, "shape 'ring' is not known; choose one of chain, fan"),
        ({"services": 4}, "services must lie between 5 and 500, found 4"),
        ({"fault": "meteor"}, "no fault type is called 'meteor'"),
        ({"seed": -1}, "seed must be zero or more, found -1"),
    ],
)
def test_a_system_that_cannot_be_generated_is_one_clear_error(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        generate_scenario(**arguments)


def test_a_scenario_built_in_code_is_checked_too():
    scenario = generate_scenario("fan", 8)
    with pytest.raises(InputError, match="seed must be zero or more, found -3"):
        simulate(scenario, seed=-3)
    with pytest.raises(InputError, match="'service-000' is defined twice"):
        simulate(replace(scenario, components=(*scenario.components, scenario.components[0])))


def test_names_may_hold_signs_that_mean_something_elsewhere(tmp_path):
    text = "length 30m\nservice 'we{b}\"/@ä'\nload 'we{b}\"/@ä' 2/s\n"
    folder = write_case(simulate(read_scenario(text)), tmp_path / "odd")
    columns = pd.read_parquet(folder / "metrics.parquet").columns
    assert 'http_server_active_requests{service="we{b}\\"/@ä"}' in columns
    assert pd.read_parquet(folder / "log_lines.parquet")["message"].str.startswith('we{b}"/@ä: request').any()
