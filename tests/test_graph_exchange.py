"""The graph written for other tools: JSON and CSV that are read back as they were, DOT and GraphML that others read."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import networkx as nx
import pytest
from claim_strategies import component_claims, dependency_claims, intervals
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph import exchange
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.discover.declared import CSV_COLUMNS, discover_declared, read_declared
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
HOSTILE = (
    '"',
    "\\",
    "a\nb",
    "<a&b>",
    "']->()",
    "\x1b[31m",
    "\u202e",
    "日本",
    "{{7*7}}",
    "\x00",
    "x]]>y",
    "\\N",
    "&amp;",
)

TIMES = st.integers(0, 10**14).map(lambda micros: NOON + timedelta(microseconds=micros))
SEEN = intervals(TIMES, st.timedeltas(timedelta(0), timedelta(days=9)), 1, 3)
NAMES = st.sampled_from(["web", "cart", "cart-db", *HOSTILE])
COMPONENTS, DEPENDENCIES = component_claims(NAMES, SEEN), dependency_claims(NAMES, SEEN)
GRAPHS = st.builds(
    Discovered, st.lists(COMPONENTS, max_size=5).map(tuple), st.lists(DEPENDENCIES, max_size=8).map(tuple)
)
SVG = "{http://www.w3.org/2000/svg}"
GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"
every_name = pytest.mark.parametrize("name", HOSTILE)


def kept(found: Discovered) -> Discovered:
    """What a store makes of claims."""
    store = MemoryStore()
    store.upsert(found)
    return store.claims()


def call(caller: str, callee: str, type_: DependencyType = DependencyType.CALLS) -> DependencyClaim:
    return DependencyClaim(caller, callee, type_, "declared", (Interval(NOON, None),))


@given(GRAPHS)
@settings(max_examples=100)
def test_json_is_read_back_as_the_identical_graph(found: Discovered) -> None:
    claims = kept(found)
    again = discover_declared(json.loads(exchange.to_json(claims)), "graph.json", LATER)
    assert again.notes == ()
    assert kept(again) == claims


ODD_IN_TABLES = (
    "NA", "nan", "null", "None", "#N/A", "a\rb", " lead", "trail ", "=1+1", "@x", "007", "1e5", "true", ",", ";",
    "\ufeffx", "a\tb",
)  # fmt: skip


@pytest.mark.parametrize("name", [*HOSTILE, *ODD_IN_TABLES])
def test_csv_gives_every_name_back(tmp_path: Path, name: str) -> None:
    claims = kept(Discovered(dependencies=(call(name, "db"), call("web", name))))
    path = tmp_path / "graph.csv"
    path.write_text(exchange.to_csv(claims), encoding="utf-8", newline="")
    assert kept(read_declared(path, LATER)).dependencies == claims.dependencies


@given(st.lists(DEPENDENCIES, max_size=6).map(tuple))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv_is_read_back_as_the_same_dependencies(tmp_path: Path, dependencies: tuple[DependencyClaim, ...]) -> None:
    claims = kept(Discovered(dependencies=dependencies))
    path = tmp_path / "graph.csv"
    path.write_text(exchange.to_csv(claims), encoding="utf-8", newline="")
    assert kept(read_declared(path, LATER)).dependencies == claims.dependencies


@every_name
def test_graphml_is_read_by_networkx(name: str) -> None:
    claims = kept(
        Discovered(
            (ComponentClaim(name, "backstage", (Interval(NOON, None),), ComponentType.QUEUE, "a & b"),),
            (call(name, "db"), call(name, "db", DependencyType.DEPENDS_ON)),
        )
    )
    graph = nx.parse_graphml(exchange.to_graphml(claims), force_multigraph=True)
    nodes = {data["name"]: data for _, data in graph.nodes(data=True)}
    assert len(nodes) == 2
    assert nodes["db"]["type"] == "database"
    (other,) = nodes.keys() - {"db"}
    assert nodes[other]["owner"] == "a & b"
    assert sorted(data["type"] for *_, data in graph.edges(data=True)) == ["CALLS"]


def test_graphml_gives_no_id_twice() -> None:
    claims = kept(
        Discovered(dependencies=(call("web", "db"), call("cart", "db"), call("web", "mq", DependencyType.PUBLISHES)))
    )
    root = ElementTree.fromstring(exchange.to_graphml(claims))
    for kind in ("key", "node", "edge"):
        ids = [element.get("id") for element in root.iter(f"{GRAPHML}{kind}")]
        assert len(ids) == len(set(ids)) > 2
    keys = {key.get("id"): (key.get("for"), key.get("attr.name")) for key in root.iter(f"{GRAPHML}key")}
    assert {("node", "type"), ("edge", "type")} <= set(keys.values())
    assert {keys[data.get("key")][0] for data in root.iterfind(f".//{GRAPHML}edge/{GRAPHML}data")} == {"edge"}


def test_graphviz_reads_every_name_as_a_label(require: Callable[[str], str]) -> None:
    text = exchange.to_dot(kept(Discovered(dependencies=tuple(call(name, "db") for name in HOSTILE))))
    shown = subprocess.run([require("dot"), "-Tsvg"], input=text, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    drawing = ElementTree.fromstring(shown.stdout)
    groups = [group.get("class") for group in drawing.iter(f"{SVG}g")]
    assert (groups.count("node"), groups.count("edge")) == (len(HOSTILE) + 1, len(HOSTILE))
    labels = {"".join(text.itertext()) for text in drawing.iter(f"{SVG}text")}
    plain = {name for name in HOSTILE if name.isprintable()}
    assert labels == {"CALLS", "db", *plain, "a", "b", "\ufffd[31m", "\ufffd"}


def test_several_sources_are_one_record_with_all_that_they_say() -> None:
    hour = timedelta(hours=1)
    seen = (Interval(NOON, NOON + hour), Interval(NOON + 9 * hour, NOON + 10 * hour))
    claims = kept(
        Discovered(
            (
                ComponentClaim("cart", "spans", seen, aliases=("cart-svc",)),
                ComponentClaim("cart", "backstage", seen, owner="shop", links=("https://run.example.com",)),
            ),
            (
                DependencyClaim("web", "cart", DependencyType.CALLS, "jaeger", seen[:1], 0.9, 7.0),
                DependencyClaim("web", "cart", DependencyType.CALLS, "spans", seen, 0.8, 12.0),
            ),
        )
    )
    cart, web = exchange.component_records(claims)
    assert (cart["owner"], cart["aliases"], cart["sources"]) == ("shop", ["cart-svc"], ["spans", "backstage"])
    assert (web["name"], web["sources"]) == ("web", [])
    (edge,) = exchange.dependency_records(claims.dependencies, hour)
    assert (edge["sources"], edge["confidence"], edge["calls_per_s"]) == (["spans", "jaeger"], 0.9, 12.0)
    assert [first for first, _ in edge["seen"]] == [each.first.isoformat() for each in claims.dependencies[1].seen]


def test_an_empty_graph_is_written_in_every_form() -> None:
    empty = Discovered()
    assert discover_declared(json.loads(exchange.to_json(empty)), "graph.json", NOON) == empty
    assert exchange.to_csv(empty) == ",".join(f'"{name}"' for name in CSV_COLUMNS) + "\n"
    assert exchange.to_dot(empty).startswith("digraph hypocenter {")
    assert not nx.parse_graphml(exchange.to_graphml(empty))
