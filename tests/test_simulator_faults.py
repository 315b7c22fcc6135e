"""Every fault type shows in the right series of the right component, and decoys never touch anything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hypocenter.case_writing import notation
from hypocenter.simulator import read_scenario, simulate
from hypocenter.simulator.faults import FAULTS

SCENARIOS = Path(__file__).parent.parent / "fixtures" / "scenarios"
GRAPH = "traces_service_graph_request_"
# fault type: the series that shows it, which way it moves, and at least by which factor
SHOWS = {
    "cpu_hog": ('container_cpu_usage_seconds_total{service="payment"}', "up", 5),
    "noisy_neighbour": ('node_cpu_seconds_total{instance="node-3",mode="user"}', "up", 5),
    "memory_leak": ('container_memory_working_set_bytes{service="cart"}', "up", 1.5),
    "disk_stall": ('node_disk_io_time_seconds_total{device="sda",instance="db-1"}', "up", 5),
    "disk_full": ('kubelet_volume_stats_available_bytes{service="orders-db"}', "down", 2),
    "network_delay": (GRAPH + 'client_seconds_sum{client="checkout",server="payment"}', "up", 4),
    "packet_loss": ('container_network_receive_packets_dropped_total{service="cart"}', "up", 50),
    "partition": ('http_server_requests_total{code="200",service="payment"}', "down", 5),
    "error_burst": ('http_server_requests_total{code="500",service="payment"}', "up", 20),
    "slow_query": ('db_query_duration_seconds_sum{service="catalog-db"}', "up", 5),
    "lock_contention": ('db_query_duration_seconds_sum{service="orders-db"}', "up", 5),
    "pool_exhaustion": ('db_client_connections_usage{pool="orders-db",service="orders"}', "up", 5),
    "cache_outage": ('redis_errors_total{service="catalog-cache"}', "up", 50),
    "traffic_surge": ('http_server_requests_total{code="200",service="frontend"}', "up", 3),
    "crash_loop": ('kube_pod_container_status_restarts_total{service="cart"}', "up", 3),
    "dead_exporter": ('up{instance="recommendation:9100",job="shop",service="recommendation"}', "down", 2),
    "bad_config": ('http_server_queued_requests{service="payment"}', "up", 50),
    "dependency_outage": (
        GRAPH + 'failed_total{client="payment",connection_type="virtual_node",server="card-network"}', "up", 50),
    "retry_storm": (GRAPH + 'failed_total{client="checkout",server="payment"}', "up", 50),
    "consumer_stall": ('rabbitmq_queue_messages_ready{service="order-events"}', "up", 50),
}  # fmt: skip


def movement(name, values):
    """A counter's increase over all its restarts, or a gauge's mean, since the first row."""
    if name.endswith(("_total", "_sum", "_count")) and "kube" not in name:
        steps = np.diff(values[~np.isnan(values)])
        return steps[steps > 0].sum() + 1.0
    return np.nanmean(values) + 1e-3


def factors(simulation, metric):
    """How much each series of a metric moved because of the fault, with all labels but the component's alike."""
    times = simulation.metrics.times
    began = np.datetime64(simulation.truth.started_at.replace(tzinfo=None))
    since = times > began + np.timedelta64(120, "s")
    found = {}
    for labels, real, twin in zip(
        simulation.metrics.labels,
        simulation.metrics.values[since].T,
        simulation.truth.metrics.values[since].T,
        strict=True,
    ):
        if labels["__name__"] == metric and not np.isnan(twin).all():
            found[notation(labels)] = movement(metric, real) / movement(metric, twin)
    return found


@pytest.fixture(scope="module", params=sorted(FAULTS))
def broken(request):
    return request.param, simulate(read_scenario(SCENARIOS / f"{request.param}.scenario"))


def test_a_fault_moves_its_series_at_its_component(broken):
    fault, simulation = broken
    series, direction, least = SHOWS[fault]
    factor = factors(simulation, series.partition("{")[0])[series]
    assert (factor if direction == "up" else 1 / factor) >= least


def test_no_other_component_shows_the_fault_as_much(broken):
    fault, simulation = broken
    series, direction, _ = SHOWS[fault]
    name, _, labels = series.partition("{")
    code = next((label for label in labels.split(",") if label.startswith("code=")), "")
    found = {each: factor for each, factor in factors(simulation, name).items() if code in each}
    strength = {each: factor if direction == "up" else 1 / factor for each, factor in found.items()}
    # More users are more requests everywhere below the entry, by nearly the same factor.
    slack = 0.8 if fault == "traffic_surge" else 1.0
    assert strength[series] >= slack * max(strength.values())


def test_the_truth_names_what_broke(broken):
    fault, simulation = broken
    spec = simulation.scenario.faults[0]
    assert simulation.truth.fault_type == fault
    assert simulation.truth.root_components == (spec.component,)
    assert spec.component in {component.name for component in simulation.components}
    assert (simulation.truth.started_at - simulation.scenario.start).total_seconds() == spec.at


def test_until_the_fault_both_twins_are_one(broken):
    _, simulation = broken
    before = simulation.metrics.times <= np.datetime64(simulation.truth.started_at.replace(tzinfo=None))
    real, twin = simulation.metrics.values, simulation.truth.metrics.values
    assert simulation.metrics.labels == simulation.truth.metrics.labels
    np.testing.assert_array_equal(real[before], twin[before])
    assert not np.array_equal(real[~before], twin[~before], equal_nan=True)


def test_every_fault_type_has_a_scenario_and_a_series():
    assert set(SHOWS) == set(FAULTS)
    assert len(FAULTS) >= 15
    assert {path.stem for path in SCENARIOS.glob("*.scenario")} >= set(FAULTS)


BARE = (SCENARIOS / "calm.scenario").read_text(encoding="utf-8").split("decoy")[0]


def scenario_with(tmp_path, *lines):
    (tmp_path / "shop.base").write_text((SCENARIOS / "shop.base").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "case.scenario").write_text(BARE + "\n".join(lines), encoding="utf-8")
    return read_scenario(tmp_path / "case.scenario")


def latency(simulation, service):
    names = [notation(labels) for labels in simulation.metrics.labels]
    total, count = (f'http_server_request_duration_seconds_{part}{{service="{service}"}}' for part in ("sum", "count"))
    seconds, requests = (np.diff(simulation.metrics.values[:, names.index(name)]) for name in (total, count))
    return seconds / requests


def test_a_noisy_decoy_is_restless_alone_and_fails_nobody(tmp_path):
    calm = simulate(scenario_with(tmp_path))
    noisy = simulate(scenario_with(tmp_path, "decoy noisy recommendation at=1h severity=0.6"))
    assert np.nanstd(latency(noisy, "recommendation")[240:]) > 3 * np.nanstd(latency(calm, "recommendation")[240:])
    assert np.nanmedian(latency(noisy, "checkout")) == pytest.approx(np.nanmedian(latency(calm, "checkout")), rel=0.05)
    assert not noisy.alerts
    assert noisy.truth.root_components == ()
    np.testing.assert_array_equal(noisy.metrics.values, noisy.truth.metrics.values)


def test_a_deploy_decoy_is_a_change_and_a_counter_reset_and_nothing_else(tmp_path):
    calm = simulate(scenario_with(tmp_path))
    deployed = simulate(scenario_with(tmp_path, "decoy deploy catalog at=1h title='catalog 2'"))
    assert [(change.component, change.title) for change in deployed.changes] == [("catalog", "catalog 2")]
    for labels, before, after in zip(
        calm.metrics.labels, calm.metrics.values.T, deployed.metrics.values.T, strict=True
    ):
        if labels.get("service") != "catalog":
            np.testing.assert_array_equal(before, after)
        elif labels["__name__"] == "container_cpu_usage_seconds_total":
            assert (np.diff(after[~np.isnan(after)]) < 0).sum() == 1


def test_the_guilty_deploy_is_a_change_event_too():
    simulation = simulate(read_scenario(SCENARIOS / "error_burst.scenario"))
    assert [change.component for change in simulation.changes] == ["cart", "payment"]
    assert simulation.changes[1].at == simulation.truth.started_at


def test_severity_scales_the_damage(tmp_path):
    slow = [
        np.nanmean(
            latency(simulate(scenario_with(tmp_path, f"fault cpu_hog payment at=1h severity={s}")), "payment")[260:]
        )
        for s in (0.3, 0.6, 0.9)
    ]
    assert slow[0] < slow[1] < slow[2]


def test_a_fault_ramps_up_and_ends(tmp_path):
    fault = "fault network_delay payment at=30m ramp=20m for=40m severity=1"
    delay = latency(simulate(scenario_with(tmp_path, fault)), "checkout")
    early, late, after = (np.nanmean(delay[minute * 4 : minute * 4 + 12]) for minute in (35, 60, 90))
    assert after < early < late
