"""Jaeger's dependencies to claims: three shapes, one meaning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refusal

from hypocenter.errors import InputError
from hypocenter_graph.claims import Interval
from hypocenter_graph.discover.jaeger import discover_jaeger

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EDGES = [{"parent": "web", "child": "cart", "callCount": 7200}, {"parent": "cart", "child": "db"}]


@pytest.mark.parametrize(
    "value",
    [
        EDGES,
        {"data": EDGES, "total": 0, "limit": 0, "offset": 0, "errors": None},
        {"dependencies": [{"parent": "web", "child": "cart", "call_count": "7200"}, EDGES[1]]},
    ],
)
def test_all_three_shapes_say_the_same(value: Any) -> None:
    found = discover_jaeger(value, "deps.json", AT, HOUR)
    rates = {(claim.caller, claim.callee): claim.calls_per_s for claim in found.dependencies}
    assert rates == {("web", "cart"): 2.0, ("cart", "db"): None}
    assert all(claim.seen == (Interval(AT - HOUR, AT),) for claim in (*found.dependencies, *found.components))
    assert {claim.source for claim in found.dependencies} == {"jaeger"}


def test_edges_that_are_said_twice_are_summed_and_those_without_a_call_are_not_seen() -> None:
    edges = [*EDGES, EDGES[0], {"parent": "web", "child": "ads", "callCount": 0}, {"parent": "db", "child": "db"}]
    found = discover_jaeger(edges, "deps.json", AT, HOUR)
    assert [(claim.callee, claim.calls_per_s) for claim in found.dependencies] == [("db", None), ("cart", 4.0)]


def test_nothing_is_nothing() -> None:
    for value in ([], {"data": []}, {"data": None}, {"dependencies": []}):
        assert discover_jaeger(value, "deps.json", AT, HOUR).dependencies == ()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("web", "must be a JSON object"),
        ({"edges": []}, "neither a list of edges"),
        ({"data": {}}, "data: must be a JSON list"),
        ({"data": None, "errors": [{"code": 500, "msg": "no storage"}]}, "no storage"),
        ([["web", "cart"]], "edge 1: must be a JSON object"),
        ([*EDGES, {"parent": "web"}], "edge 3: field 'child' must be text"),
        ([{"parent": " ", "child": "b"}], "field 'parent'"),
        ([{"parent": "a", "child": "b", "callCount": -1}], "whole number"),
        ([{"parent": "a", "child": "b", "callCount": 1.5}], "whole number"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        discover_jaeger(value, "deps.json", AT, HOUR)
    assert str(caught.value).startswith("deps.json: ")


@pytest.mark.parametrize("lookback", [timedelta(0), -HOUR, timedelta.max])
def test_a_look_back_is_a_time_that_there_was(lookback: timedelta) -> None:
    with pytest.raises(InputError, match="look-back"):
        discover_jaeger(EDGES, "deps.json", AT, lookback)


ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)


@settings(max_examples=100)
@given(st.lists(st.dictionaries(st.sampled_from(["parent", "child", "callCount"]), ANY) | ANY, max_size=3))
def test_any_list_is_read_or_refused(value: list[Any]) -> None:
    said = refusal(lambda: discover_jaeger(value, "x", AT, HOUR))
    assert said is None or said.startswith("x: edge ")
