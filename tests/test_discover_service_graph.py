"""Service-graph metrics to claims: when counters rise, how fast, and what the other end is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import ComponentType, DependencyType
from hypocenter.telemetry import RawTable
from hypocenter_graph.discover.service_graph import discover_service_graph

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
METRIC = "traces_service_graph_request_total"
GAP = float("nan")


def table(*counters: tuple[dict[str, str], list[float]], step_s: int = 15) -> RawTable:
    """Counters with their labels on one grid from noon."""
    rows = max((len(values) for _, values in counters), default=0)
    moments = [
        np.datetime64(START.replace(tzinfo=None), "ns") + np.timedelta64(step_s * row, "s") for row in range(rows)
    ]
    values = np.array([values for _, values in counters], dtype=float).T.reshape(rows, len(counters))
    labels = tuple({"__name__": METRIC} | found for found, _ in counters)
    return RawTable(labels, np.array(moments, dtype="datetime64[ns]"), values)


def link(client: str, server: str, kind: str = "") -> dict[str, str]:
    return {"client": client, "server": server, "connection_type": kind}


def at(row: int, step_s: int = 15) -> datetime:
    return START + timedelta(seconds=row * step_s)


def test_a_link_is_there_while_its_counter_rises() -> None:
    found = discover_service_graph(table((link("web", "cart"), [3, 3, 18, 33, 33])), "sg")
    (call,) = found.dependencies
    assert (call.caller, call.callee, call.type, call.source) == ("web", "cart", DependencyType.CALLS, "service_graph")
    assert [(each.first, each.last) for each in call.seen] == [(at(1), at(3))]
    assert call.calls_per_s == 1.0
    assert [component.name for component in found.components] == ["cart", "web"]
    assert found.notes == ()


def test_a_counter_that_never_rises_shows_nothing() -> None:
    assert discover_service_graph(table((link("web", "cart"), [7, 7, 7])), "sg").dependencies == ()


def test_one_scrape_shows_a_link_at_an_unknown_rate() -> None:
    (call,) = discover_service_graph(table((link("web", "cart"), [7]), (link("web", "ads"), [0])), "sg").dependencies
    assert (call.callee, call.calls_per_s) == ("cart", None)
    assert [(each.first, each.last) for each in call.seen] == [(START, START)]


def test_a_reset_is_a_rise_from_zero() -> None:
    (call,) = discover_service_graph(table((link("web", "cart"), [90, 90, 30, 30])), "sg").dependencies
    assert [(each.first, each.last) for each in call.seen] == [(at(1), at(2))]
    assert call.calls_per_s == 2.0


def test_a_counter_that_appears_has_risen_from_zero() -> None:
    (call,) = discover_service_graph(table((link("web", "cart"), [GAP, GAP, 4, 4])), "sg").dependencies
    assert [(each.first, each.last) for each in call.seen] == [(at(1), at(2))]
    assert call.calls_per_s is None


def test_a_long_rest_splits_the_interval_and_a_short_one_does_not() -> None:
    short = [0.0, 1, *[1.0] * 10, 2]
    long = [0.0, 1, *[1.0] * 12, 2]
    (call,) = discover_service_graph(table((link("web", "cart"), short)), "sg").dependencies
    assert [(each.first, each.last) for each in call.seen] == [(at(0), at(12))]
    (call,) = discover_service_graph(table((link("web", "cart"), long)), "sg").dependencies
    assert [(each.first, each.last) for each in call.seen] == [(at(0), at(1)), (at(13), at(14))]


def test_counters_of_one_link_are_summed() -> None:
    one, other = ({**link("web", "cart"), "instance": name} for name in ("a", "b"))
    (call,) = discover_service_graph(table((one, [0, 15, 30]), (other, [5, 20, 65])), "sg").dependencies
    assert call.calls_per_s == 4.0


def test_nobody_is_no_component() -> None:
    counters = [(link(*ends), [0.0, 1]) for ends in (("user", "web"), ("", "web"), ("web", "unknown"), ("web", ""))]
    found = discover_service_graph(table(*counters), "sg")
    assert (found.components, found.dependencies) == ((), ())
    assert found.notes == ("sg: 4 series name `user` or nobody at one end and show no link",)


def test_the_connection_type_tells_what_is_asked() -> None:
    found = discover_service_graph(
        table(
            (link("cart", "orders-db", "database"), [0, 1]),
            (link("cart", "redis", "database"), [0, 1]),
            (link("cart", "api.pay.example.com", "virtual_node"), [0, 1]),
            (link("cart", "mail", "messaging_system"), [0, 1]),
            ({**link("phone", "cart", "virtual_node"), "virtual_node": "client"}, [0, 1]),
        ),
        "sg",
    )
    assert {claim.name: claim.type for claim in found.components} == {
        "api.pay.example.com": ComponentType.EXTERNAL,
        "cart": None,
        "mail": None,
        "orders-db": ComponentType.DATABASE,
        "phone": ComponentType.EXTERNAL,
        "redis": ComponentType.CACHE,
    }
    assert [claim.callee for claim in found.dependencies if claim.type is DependencyType.DEPENDS_ON] == ["mail"]
    assert {claim.callee: claim.confidence for claim in found.dependencies} == {
        "api.pay.example.com": 0.9, "cart": 0.9, "mail": 0.95, "orders-db": 0.9, "redis": 0.9,
    }  # fmt: skip
    assert found.notes == ("sg: 1 links pass messages through a queue that the metric does not name",)


def test_who_records_spans_is_not_external() -> None:
    counters = ((link("web", "cart", "virtual_node"), [0.0, 1]), (link("cart", "ads"), [0.0, 1]))
    types = {claim.name: claim.type for claim in discover_service_graph(table(*counters), "sg").components}
    assert types["cart"] is None


def test_other_metrics_are_passed_over_and_aggregates_without_a_name_are_not() -> None:
    other = {**link("web", "cart"), "__name__": "traces_service_graph_request_failed_total"}
    assert discover_service_graph(table((other, [0, 1])), "sg").dependencies == ()
    nameless = {**link("web", "cart"), "__name__": ""}
    assert len(discover_service_graph(table((nameless, [0, 1])), "sg").dependencies) == 1


def test_hostile_names_are_data_and_impossible_ones_are_noted() -> None:
    name = "'}) MATCH (n) DETACH DELETE n // \u2603"
    found = discover_service_graph(table((link("web", name), [0, 1]), (link("web", "x" * 600), [0, 1])), "sg")
    assert [claim.callee for claim in found.dependencies] == [name]
    assert found.notes[0].startswith("sg: 1 names cannot be a component's")


def test_an_empty_table_shows_nothing() -> None:
    assert discover_service_graph(table(), "sg").dependencies == ()


SAMPLES = st.lists(st.one_of(st.just(GAP), st.integers(0, 5).map(float)), min_size=4, max_size=4)


@settings(max_examples=60)
@given(st.lists(SAMPLES, min_size=1, max_size=4))
def test_intervals_lie_apart_in_order_and_within_the_table(columns: list[list[float]]) -> None:
    found = discover_service_graph(table(*((link("web", "cart"), values) for values in columns)), "sg")
    for claim in (*found.dependencies, *found.components):
        moments = [moment for each in claim.seen for moment in (each.first, each.last)]
        assert moments == sorted(moments)
        assert START <= moments[0] <= moments[-1] <= at(3)
    assert all(claim.calls_per_s is None or claim.calls_per_s > 0 for claim in found.dependencies)
