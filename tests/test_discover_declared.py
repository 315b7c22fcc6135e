"""Graphs that people write."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from claim_strategies import TEXT, component_claims, dependency_claims, intervals
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hypocenter.errors import HypocenterError, InputError
from hypocenter.model import Component, ComponentType, Dependency, DependencyType
from hypocenter_graph.claims import SOURCES, ComponentClaim, DependencyClaim, Interval
from hypocenter_graph.discover.declared import declared_by_case, discover_declared, read_declared

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOLDS = (Interval(NOON, None),)
CALLS, RUNS_ON = DependencyType.CALLS, DependencyType.RUNS_ON

YAML = """\
components:
  - name: cart
    type: Service
    owner: shop team
    links: [https://run.example.com/cart]
    aliases: [cart-svc, basket]
  - "007"
  - {name: orders, type: queue, first: 2026-02-01, last: 2026-02-02T00:00:00+01:00}
dependencies:
  - [web, cart]
  - [cart, node-1, runs_on]
  - caller: cart
    callee: orders
    type: PUBLISHES
    confidence: 0.5
    calls_per_s: 12
    seen: [[2026-02-01T00:00:00Z, 2026-02-02T00:00:00Z], [2026-02-03T00:00:00Z, null]]
"""


def day(number: int, hour: int = 0) -> datetime:
    return datetime(2026, 2, number, hour, tzinfo=UTC)


def test_components_and_dependencies_are_read_with_all_that_is_said_of_them(tmp_path: Path) -> None:
    path = tmp_path / "graph.yaml"
    path.write_text(YAML)
    found = read_declared(path, NOON)
    assert found.components == (
        ComponentClaim(
            "cart",
            "declared",
            HOLDS,
            ComponentType.SERVICE,
            "shop team",
            ("https://run.example.com/cart",),
            ("basket", "cart-svc"),
        ),
        ComponentClaim("007", "declared", HOLDS),
        ComponentClaim("orders", "declared", (Interval(day(1), day(1, 23)),), ComponentType.QUEUE),
    )
    seen = (Interval(day(1), day(2)), Interval(day(3), None))
    assert found.dependencies == (
        DependencyClaim("web", "cart", CALLS, "declared", HOLDS),
        DependencyClaim("cart", "node-1", RUNS_ON, "declared", HOLDS),
        DependencyClaim("cart", "orders", DependencyType.PUBLISHES, "declared", seen, 0.5, 12.0),
    )
    assert found.notes == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "caller,callee,type\nweb,cart,\nweb,node-1,runs_on\n"),
        ("t.csv", "from;to;type\nweb;cart;CALLS\nweb;node-1;RUNS_ON\n"),
        ("t.json", '[["web", "cart"], ["web", "node-1", "RUNS_ON"]]'),
        ("t.yaml", "- [web, cart]\n- {caller: web, callee: node-1, type: RUNS_ON}\n"),
        ("t.yaml", "dependencies: [[web, cart]]\n---\ndependencies: [[web, node-1, RUNS_ON]]\n"),
    ],
)
def test_pairs_are_read_from_every_format(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_declared(tmp_path / name, NOON).dependencies == (
        DependencyClaim("web", "cart", CALLS, "declared", HOLDS),
        DependencyClaim("web", "node-1", RUNS_ON, "declared", HOLDS),
    )


def test_two_columns_need_no_header(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("web,cart\ncart,db\n")
    found = read_declared(tmp_path / "t.csv", NOON).dependencies
    assert [(claim.caller, claim.callee) for claim in found] == [("web", "cart"), ("cart", "db")]


@pytest.mark.parametrize(
    ("name", "text", "noted"),
    [
        ("a.csv", "upstream,downstream\nweb,cart\ncart,db\n", True),
        ("a.tsv", "Service\tDepends On\nweb\tcart\n", True),
        ("a.csv", "web,cart\ncart,db\n", False),
        ("a.csv", "web,cart\n", False),
        ("a.tsv", "client\tserver\nweb\tcart\nx\ty\n", False),
    ],
)
def test_a_first_row_that_may_be_a_header_is_noted(tmp_path: Path, name: str, text: str, noted: bool) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    notes = read_declared(path, NOON).notes
    assert ["was read as a dependency; if it is a header" in note for note in notes] == [True] * noted


def test_tables_hold_the_fields_of_dependencies(tmp_path: Path) -> None:
    header = "caller,callee,type,confidence,calls_per_s,first,last,source"
    (tmp_path / "t.csv").write_text(f"{header}\nweb,cart,CALLS,0.5,2.5,2026-02-01,2026-02-02,jaeger\nweb,007,,,,,,\n")
    assert read_declared(tmp_path / "t.csv", NOON).dependencies == (
        DependencyClaim("web", "cart", CALLS, "jaeger", (Interval(day(1), day(2)),), 0.5, 2.5),
        DependencyClaim("web", "007", CALLS, "declared", HOLDS),
    )


def test_tables_hold_the_fields_of_components(tmp_path: Path) -> None:
    text = (
        "Name,type,owner,links,aliases\ncart,cache,shop,https://a.example.com | https://b.example.com,basket\ndb,,,,\n"
    )
    (tmp_path / "t.csv").write_text(text)
    links = ("https://a.example.com", "https://b.example.com")
    assert read_declared(tmp_path / "t.csv", NOON).components == (
        ComponentClaim("cart", "declared", HOLDS, ComponentType.CACHE, "shop", links, ("basket",)),
        ComponentClaim("db", "declared", HOLDS),
    )


def test_a_type_that_nobody_knows_is_left_out_with_a_note() -> None:
    found = discover_declared({"components": [{"name": "x", "type": "gizmo"}]}, "g.yaml", NOON)
    assert found.components == (ComponentClaim("x", "declared", HOLDS),)
    assert found.notes[0].startswith("g.yaml: 'gizmo' is no type of a component (service, host")


def test_without_a_confidence_a_claim_is_as_sure_as_its_source() -> None:
    value = [{"caller": "a", "callee": "b", "source": source} for source in SOURCES]
    found = discover_declared(value, "g.yaml", NOON)
    assert [claim.confidence for claim in found.dependencies] == [source.confidence for source in SOURCES.values()]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("text", "must be a JSON object"),
        ({}, "neither components nor dependencies in it"),
        ({"components": "cart"}, "components: must be a JSON list"),
        ({"components": [7]}, "components[0]: must be a JSON object"),
        ({"components": [{"name": 7}]}, "components[0]: a component's name must be text that is not empty, not 7"),
        ({"components": ["a", ""]}, "components[1]: a component's name"),
        ({"components": [{"name": "a", "owner": 7}]}, "owner must be text"),
        ({"components": [{"name": "a", "links": [7]}]}, "links must be a list of text"),
        ({"components": [{"name": "a", "links": "x"}]}, "links: must be a JSON list"),
        ({"components": [{"name": "a", "aliases": [" "]}]}, "aliases: a component's name"),
        ([["a"]], "dependencies[0]: must be [caller, callee] or [caller, callee, type], not 1"),
        ([["a", None]], "dependencies[0]: callee: a component's name"),
        ([["a", "b", "LIKES"]], "type 'LIKES' is none of CALLS"),
        ([{"caller": "a"}], "dependencies[0]: callee"),
        ([{"caller": "a", "callee": "b", "source": "rumour"}], "source 'rumour' is none of declared"),
        ([{"caller": "a", "callee": "b", "confidence": 2}], "confidence 2 must be a number from 0 to 1"),
        ([{"caller": "a", "callee": "b", "confidence": "high"}], "confidence 'high' must be a number"),
        ([{"caller": "a", "callee": "b", "calls_per_s": float("nan")}], "calls_per_s 'nan'"),
        ([{"caller": "a", "callee": "b", "calls_per_s": -1}], "calls_per_s '-1'"),
        ([{"caller": "a", "callee": "b", "calls_per_s": True}], "calls_per_s 'True'"),
        ([{"caller": "a", "callee": "b", "last": "2026-01-01"}], "last without first; say when it began"),
        ([{"caller": "a", "callee": "b", "first": "2026-01-02", "last": "2026-01-01"}], "is before"),
        ([{"caller": "a", "callee": "b", "first": "soon"}], "'first': 'soon' is no time"),
        ([{"caller": "a", "callee": "b", "seen": [["2026-01-01"]]}], "seen[0]: must be [first, last]"),
        ([{"caller": "a", "callee": "b", "seen": [[None, None]]}], "seen[0]: None is no time"),
    ],
)
def test_what_is_wrong_is_named(value: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        discover_declared(value, "g.yaml", NOON)
    assert str(caught.value).startswith("g.yaml")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.csv", "caller,callee\nweb,cart\nweb,\n", "row 3: callee"),
        ("t.csv", "name,type\n,host\n", "row 2: a component's name"),
        ("t.csv", "a,b,c\n1,2,3\n", "no column caller, callee"),
        ("t.csv", "caller,Caller,callee\n1,2,3\n", "column 'caller' is there 2 times"),
        ("t.yaml", "", "empty; write components and dependencies"),
        ("t.yaml", "- [a, b]\n---\n- [a]\n", "document 2: dependencies[0]"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_declared(tmp_path / name, NOON)
    assert name in str(caught.value)
    assert words in str(caught.value)


def test_a_case_declares_its_graph() -> None:
    found = declared_by_case(
        [Component("db", ComponentType.DATABASE, "dba", ("https://example.com",))],
        [
            Dependency("web", "db"),
            Dependency("web", "x", RUNS_ON, "labels", 0.5, 2.0),
            Dependency("a", "b", source="?"),
        ],
        NOON,
    )
    assert found.components == (
        ComponentClaim("db", "declared", HOLDS, ComponentType.DATABASE, "dba", ("https://example.com",)),
    )
    assert found.dependencies == (
        DependencyClaim("web", "db", CALLS, "declared", HOLDS),
        DependencyClaim("web", "x", RUNS_ON, "labels", (Interval(NOON, NOON),), 0.5, 2.0),
        DependencyClaim("a", "b", CALLS, "declared", HOLDS),
    )


TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zones follow
SEEN = intervals(TIMES, st.timedeltas(timedelta(0), timedelta(days=9)), 0, 2)
NAMES = TEXT.filter(str.strip)
COMPONENTS, DEPENDENCIES = component_claims(NAMES, SEEN), dependency_claims(NAMES, SEEN)


def written(claim: ComponentClaim | DependencyClaim) -> dict[str, Any]:
    record = {name: getattr(claim, name) for name in claim.__slots__}
    seen = [[i.first.isoformat(), i.last.isoformat() if i.last else None] for i in claim.seen]
    return {**record, "seen": seen}


@given(st.lists(COMPONENTS, max_size=3), st.lists(DEPENDENCIES, max_size=3))
@hypothesis_settings(max_examples=100)
def test_what_is_exported_is_read_back_as_it_was(
    components: list[ComponentClaim], dependencies: list[DependencyClaim]
) -> None:
    exported = {"components": [*map(written, components)], "dependencies": [*map(written, dependencies)]}
    found = discover_declared(json.loads(json.dumps(exported)), "g.json", NOON)
    assert found.components == tuple(components)
    assert found.dependencies == tuple(dependencies)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["components", "dependencies", "name", "caller", "callee", "type", "seen", "first", "links"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
@hypothesis_settings(max_examples=200)
def test_nothing_else_than_our_errors_comes_of_any_value(value: object) -> None:
    try:
        discover_declared(value, "g.json", NOON)
    except HypocenterError as error:
        assert "\n" not in str(error)  # noqa: PT017 - any error is fine as long as it is one line
