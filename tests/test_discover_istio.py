"""Istio's metrics to claims: one reporter, workloads under one name, what lies outside."""

from __future__ import annotations

import numpy as np

from hypocenter.model import ComponentType
from hypocenter.telemetry import RawTable
from hypocenter_graph.discover.istio import discover_istio


def table(*counters: tuple[dict[str, str], list[float]]) -> RawTable:
    rows = len(counters[0][1])
    times = np.datetime64("2026-03-01T12:00:00", "ns") + np.arange(rows) * np.timedelta64(15, "s")
    return RawTable(tuple(labels for labels, _ in counters), times, np.array([values for _, values in counters]).T)


def asks(source: str, destination: str, reporter: str = "destination", **more: str) -> dict[str, str]:
    """Labels of requests between workloads, written `workload.namespace`; the service is called as the workload is."""
    source_name, _, source_namespace = source.partition(".")
    name, _, namespace = destination.partition(".")
    return {
        "__name__": "istio_requests_total",
        "reporter": reporter,
        "source_workload": source_name,
        "source_workload_namespace": source_namespace,
        "destination_workload": name,
        "destination_workload_namespace": namespace,
        "destination_service_name": name,
        "destination_service_namespace": namespace,
        "destination_service": f"{name}.{namespace}.svc.cluster.local",
        "response_code": "200",
    } | more


def test_each_request_is_counted_at_one_end() -> None:
    ends = ("web.shop", "cart.shop")
    counters = [(asks(*ends, reporter), [0.0, 30.0]) for reporter in ("source", "destination")]
    (call,) = discover_istio(table(*counters), "istio").dependencies
    assert (call.caller, call.callee, call.source, call.confidence) == ("shop/web", "shop/cart", "istio", 0.95)
    assert call.calls_per_s == 2.0


def test_response_codes_of_one_reporter_are_summed() -> None:
    counters = [(asks("web.shop", "cart.shop", response_code=code), [0.0, 15.0]) for code in ("200", "503")]
    (call,) = discover_istio(table(*counters), "istio").dependencies
    assert call.calls_per_s == 2.0


def test_what_leaves_the_mesh_is_seen_by_its_source_alone() -> None:
    labels = asks(
        "web.shop", "unknown.unknown", "source",
        destination_service_name="api.pay.example.com", destination_service_namespace="unknown",
        destination_service="api.pay.example.com",
    )  # fmt: skip
    found = discover_istio(table((labels, [0.0, 1.0])), "istio")
    assert [(call.callee, call.confidence) for call in found.dependencies] == [("api.pay.example.com", 0.9)]
    assert {claim.name: claim.type for claim in found.components}["api.pay.example.com"] is ComponentType.EXTERNAL


def test_what_has_no_sidecar_goes_by_its_service() -> None:
    labels = asks(
        "web.shop", "unknown.unknown", "source", destination_service_name="legacy", destination_service_namespace="shop"
    )
    found = discover_istio(table((labels, [0.0, 1.0])), "istio")
    assert {claim.name: claim.type for claim in found.components} == {"shop/legacy": None, "shop/web": None}


def test_a_source_that_knows_only_the_service_means_the_workload_behind_it() -> None:
    known = asks("web.shop", "cart-v1.shop", destination_service_name="cart", destination_service="cart.shop.svc")
    vague = asks("web.shop", "unknown.unknown", "source", destination_service_name="cart")
    vague |= {"destination_service_namespace": "shop", "destination_service": "cart.shop.svc"}
    found = discover_istio(table((known, [0.0, 15.0]), (vague, [0.0, 15.0])), "istio")
    assert [(call.callee, call.calls_per_s) for call in found.dependencies] == [("shop/cart-v1", 1.0)]
    assert {c.name: c.aliases for c in found.components}["shop/cart-v1"] == (
        "cart", "cart-v1", "cart.shop.svc", "shop/cart",
    )  # fmt: skip


def test_a_service_of_several_workloads_is_no_name_of_one() -> None:
    counters = [
        (
            asks("web.shop", f"{name}.shop", destination_service_name="cart", destination_service="cart.shop.svc"),
            [0.0, 1],
        )
        for name in ("cart-v1", "cart-v2")
    ]
    found = discover_istio(table(*counters), "istio")
    assert {c.name: c.aliases for c in found.components}["shop/cart-v1"] == ("cart-v1",)


def test_workloads_of_one_name_are_told_apart_by_namespace() -> None:
    counters = [(asks("web.default", "cart.shop"), [0.0, 1]), (asks("web.default", "cart.test"), [0.0, 1])]
    found = discover_istio(table(*counters), "istio")
    assert [call.callee for call in found.dependencies] == ["shop/cart", "test/cart"]
    assert [claim.name for claim in found.components] == ["shop/cart", "test/cart", "web"]


def test_unknown_ends_are_noted_and_not_invented() -> None:
    left = asks("web.shop", "unknown.unknown", "source", destination_service_name="PassthroughCluster")
    counters = [(asks("unknown.unknown", "web.shop"), [0.0, 1]), (left, [0.0, 1])]
    found = discover_istio(table(*counters), "istio")
    assert (found.components, found.dependencies) == ((), ())
    assert found.notes == ("istio: 2 series do not know their source or destination and show no link",)


def test_connections_show_a_link_without_a_rate_of_calls() -> None:
    labels = asks("cart.shop", "db.shop") | {"__name__": "istio_tcp_connections_opened_total"}
    (call,) = discover_istio(table((labels, [0.0, 15.0])), "istio").dependencies
    assert (call.callee, call.calls_per_s) == ("shop/db", None)
    both = discover_istio(table((labels, [0.0, 15.0]), (asks("cart.shop", "db.shop", "source"), [0.0, 15.0])), "istio")
    assert [call.calls_per_s for call in both.dependencies] == [1.0]


def test_other_metrics_and_callers_of_themselves_show_nothing() -> None:
    other = asks("web.shop", "cart.shop") | {"__name__": "istio_request_bytes_count"}
    found = discover_istio(table((other, [0.0, 1]), (asks("web.shop", "web.shop"), [0.0, 1])), "istio")
    assert found.dependencies == ()


def test_what_a_workload_is_called_does_not_hang_on_what_else_is_seen() -> None:
    cart, test = (asks("web.shop", "cart.shop"), [0.0, 1]), (asks("web.test", "cart.test"), [0.0, 1])
    alone = [discover_istio(table(each), "istio").components for each in (cart, test)]
    together = discover_istio(table(cart, test), "istio").components
    assert [c.name for each in alone for c in each] == [c.name for c in together]
    assert [c.aliases for c in alone[0]] == [("cart", "cart.shop.svc.cluster.local"), ("web",)]
    assert "cart" not in {alias for claim in together for alias in claim.aliases}


def test_a_service_and_the_workload_of_its_name_are_one_beside_a_canary() -> None:
    behind = {"destination_service_name": "cart", "destination_service": "cart.shop.svc"}
    counters = [(asks("web.shop", f"{name}.shop", **behind), [0.0, 1]) for name in ("cart", "cart-canary")]
    found = discover_istio(table(*counters), "istio")
    assert {c.name: c.aliases for c in found.components}["shop/cart"] == ("cart",)
