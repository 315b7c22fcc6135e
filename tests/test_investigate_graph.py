"""An investigation with a kept graph: the same verdict from every store, as of its onset, and what was lost is said."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hypocenter import signals
from hypocenter.cli import main
from hypocenter.model import DependencyType
from hypocenter.readers import read_cases
from hypocenter.simulator import read_scenario, simulate, write_case
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.contract import View
from hypocenter_graph.stores.file import FileStore
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_graph.stores.neo4j import Connection, Neo4jStore
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.known_graph import KnownGraph, opened, topology_around

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
SCENARIOS = Path(__file__).parents[1] / "fixtures" / "scenarios"
CHOSEN = ("shop", "slow_query", "noisy_neighbour", "consumer_stall")


def simulated(name, folder):
    write_case(simulate(read_scenario(SCENARIOS / f"{name}.scenario"), 0), folder)
    return next(read_cases(folder))


@pytest.fixture(scope="module", params=CHOSEN)
def case(request, tmp_path_factory):
    return simulated(request.param, tmp_path_factory.mktemp("cases") / request.param)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return simulated("shop", tmp_path_factory.mktemp("cases") / "shop")


def claims_of(case, since=LONG_AGO):
    """What a case knows of its graph, as one declaration."""
    resolved = signals.resolve(case)
    seen = (Interval(since, None),)
    return Discovered(
        tuple(ComponentClaim(c.name, "declared", seen, c.type) for c in resolved.components),
        tuple(DependencyClaim(d.caller, d.callee, d.type, "declared", seen) for d in resolved.dependencies),
    )


def without_graph(case):
    return replace(case, dependencies=(), components=())


def in_memory(claims):
    store = MemoryStore()
    store.upsert(claims)
    return KnownGraph(store, View())


@contextmanager
def in_neo4j(claims, server, tenant, timeout_s=15.0):
    connection = Connection(server.url, server.user, server.password, timeout_s=timeout_s)
    with closing(Neo4jStore(connection, tenant)) as store:
        store.upsert(claims)
        yield KnownGraph(store, View())


def told(investigation):
    """A verdict but for its blind spots, which also tell what a case states itself."""
    return replace(investigation.verdict, blind_spots=())


@pytest.mark.neo4j
def test_every_store_gives_the_verdict_of_the_graph_in_the_case(case, neo4j_server, tenant, tmp_path):
    options, known, bare = Options(at=case.started_at), claims_of(case), without_graph(case)
    own = investigate(case, options)
    with closing(FileStore(tmp_path / "graph.db")) as file, in_neo4j(known, neo4j_server, tenant) as server:
        file.upsert(known)
        graphs = [in_memory(known), KnownGraph(file, View()), server]
        verdicts = [investigate(bare, options, graph) for graph in graphs]
    assert verdicts[0] == verdicts[1] == verdicts[2]
    assert told(verdicts[0]) == told(own)
    assert told(investigate(bare, options)) != told(own)


@pytest.mark.data
@pytest.mark.neo4j
def test_every_labelled_case_has_one_verdict_whatever_the_store(data_folder, neo4j_server, new_tenant):
    cases = [path for kind in ("cases", "events") for path in sorted((data_folder / kind).iterdir())]
    count = 0
    for case in (case for path in cases for case in read_cases(path)):
        known, bare, options = claims_of(case), without_graph(case), Options(at=case.started_at, ladder=False)
        found = investigate(bare, options, in_memory(known))
        with in_neo4j(known, neo4j_server, new_tenant()) as server:
            assert investigate(bare, options, server) == found, case.case_id
        count += 1
    assert count >= 700


def test_the_graph_is_the_one_of_the_onset(shop):
    began, bare, options = shop.started_at, without_graph(shop), Options(at=shop.started_at)
    known = claims_of(shop, since=began - timedelta(days=1))
    gone = (Interval(LONG_AGO, began - timedelta(days=2)),)
    later = (Interval(began + timedelta(days=1), None),)
    caller = shop.dependencies[0].caller
    others = tuple(
        DependencyClaim(caller, name, DependencyType.CALLS, "declared", seen)
        for name, seen in (("retracted", gone), ("future", later))
    )
    graph = in_memory(Discovered(known.components, (*known.dependencies, *others)))
    assert told(investigate(bare, options, graph)) == told(investigate(bare, options, in_memory(known)))


def test_a_graph_of_other_times_is_used_where_none_was_known_then_and_that_is_told(shop):
    bare, options = without_graph(shop), Options(at=shop.started_at)
    known = claims_of(shop, since=shop.started_at + timedelta(days=1))
    found = investigate(bare, options, in_memory(known))
    assert any("knew nothing of this when it began" in spot for spot in found.verdict.blind_spots)
    assert told(found) == told(investigate(bare, options, in_memory(claims_of(shop))))


def test_a_graph_that_is_empty_is_said_to_be_and_changes_nothing(shop):
    bare, options = without_graph(shop), Options(at=shop.started_at)
    found = investigate(bare, options, in_memory(Discovered((), ())))
    (spot,) = (spot for spot in found.verdict.blind_spots if "kept graph" in spot)
    assert spot == "the kept graph knows nothing of this; only what the telemetry shows is used"
    assert told(found) == told(investigate(bare, options))


def test_a_graph_file_that_cannot_be_opened_costs_the_kept_graph_and_not_the_verdict(shop, tmp_path):
    FileStore(tmp_path / "graph.db").close()
    with closing(sqlite3.connect(tmp_path / "graph.db")) as other:
        other.execute("UPDATE components SET claim = ''")
        other.execute("INSERT INTO components VALUES ('default', 'cart', 'declared', '{}')")
        other.commit()
    with opened(str(tmp_path / "graph.db")) as graph:
        verdict = investigate(shop, Options(at=shop.started_at), graph).verdict
    assert any(spot.startswith("the kept graph could not be asked") for spot in verdict.blind_spots)
    assert verdict.suspects[0].score > 0


def test_an_owner_is_kept_where_only_the_telemetry_knows_the_type(shop):
    resolved = signals.resolve(shop)
    seen = (Interval(LONG_AGO, None),)
    graph = in_memory(Discovered((ComponentClaim("account", "declared", seen, owner="team-a"),)))
    topology, _ = topology_around(resolved, ["account"], shop.started_at, graph)
    known = next(component for component in resolved.components if component.name == "account")
    assert (topology.components["account"].owner, topology.components["account"].type) == ("team-a", known.type)


def test_two_names_of_one_component_are_told_and_the_first_stands_for_it(shop):
    resolved = signals.resolve(shop)
    seen = (Interval(LONG_AGO, None),)
    canon = ComponentClaim("canon", "declared", seen, aliases=("account", "cart"))
    vault = DependencyClaim("canon", "vault", DependencyType.CALLS, "declared", seen)
    graph = in_memory(Discovered((canon,), (vault,)))
    topology, spots = topology_around(resolved, ["cart", "account"], shop.started_at, graph)
    assert "vault" in topology.callees["cart"]
    assert "canon" not in topology.components
    assert spots == ("the kept graph knows these by other names that are in the telemetry too: account",)


def test_what_the_kept_graph_knows_is_joined_with_what_the_telemetry_shows(shop):
    seen = (Interval(LONG_AGO, None),)
    claim = DependencyClaim("front", "license-server", DependencyType.DEPENDS_ON, "backstage", seen, 0.7)
    caller = shop.dependencies[0].caller
    graph = in_memory(Discovered(dependencies=(replace(claim, caller=caller),)))
    verdict = investigate(shop, Options(at=shop.started_at), graph).verdict
    edge = next(edge for edge in verdict.graph.edges if edge.callee == "license-server")
    assert (edge.source, edge.confidence) == ("backstage", 0.7)
    assert set(investigate(shop, Options(at=shop.started_at)).verdict.graph.edges) < set(verdict.graph.edges)


def test_learned_dependencies_count_only_when_they_are_wanted_and_are_told(shop):
    seen = (Interval(shop.started_at - timedelta(hours=1), shop.started_at + timedelta(hours=1)),)
    caller = shop.dependencies[0].caller
    learned = DependencyClaim(caller, "ghost", DependencyType.CALLS, "learned", seen, 0.3)
    graph = in_memory(Discovered(dependencies=(learned,)))
    plain = investigate(shop, Options(at=shop.started_at), graph).verdict
    assert "ghost" not in {suspect.component for suspect in plain.suspects}
    wanted = investigate(shop, Options(at=shop.started_at), replace(graph, view=View(learned=True))).verdict
    assert "ghost" in {suspect.component for suspect in wanted.suspects}
    assert any("1 of the dependencies are suggestions learned from metrics" in spot for spot in wanted.blind_spots)


def test_a_cut_graph_and_components_that_it_does_not_know_are_told(shop):
    caller = shop.dependencies[0].caller
    seen = (Interval(LONG_AGO, None),)
    fan = [DependencyClaim(caller, f"leaf-{n:03}", DependencyType.CALLS, "declared", seen) for n in range(600)]
    verdict = investigate(shop, Options(at=shop.started_at), in_memory(Discovered(dependencies=tuple(fan)))).verdict
    assert any("was cut at" in spot and "more lie as near" in spot for spot in verdict.blind_spots)
    assert any(spot.startswith("the kept graph does not know: ") for spot in verdict.blind_spots)
    assert verdict.suspects[0].score > 0


@pytest.mark.neo4j
def test_a_server_that_is_lost_costs_the_kept_graph_and_not_the_verdict(shop, neo4j_restartable, tenant):
    bare, options = without_graph(shop), Options(at=shop.started_at)
    # A server that has just started takes its time; one that is gone is waited for no longer than is said.
    with in_neo4j(claims_of(shop), neo4j_restartable, tenant, timeout_s=90.0) as graph:
        whole = investigate(bare, options, graph)
        neo4j_restartable.kill()
        impatient = Connection(neo4j_restartable.url, neo4j_restartable.user, neo4j_restartable.password, timeout_s=3.0)
        with closing(Neo4jStore(impatient, tenant)) as store:
            lost = investigate(bare, options, replace(graph, store=store))
        neo4j_restartable.start()
        assert investigate(bare, options, graph) == whole
    assert any(spot.startswith("the kept graph could not be asked") for spot in lost.verdict.blind_spots)
    assert lost.verdict.suspects
    assert told(lost) == told(investigate(bare, options))


def ran(capsys, *words):
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    shown = capsys.readouterr()
    return ended.value.code, shown.out, shown.err


def test_the_command_reads_the_graph_that_an_option_or_a_setting_names(shop, tmp_path, capsys, monkeypatch):
    write_case(simulate(read_scenario(SCENARIOS / "shop.scenario"), 0), tmp_path / "shop")
    vault = DependencyClaim(
        shop.dependencies[0].caller, "vault", DependencyType.CALLS, "declared", (Interval(LONG_AGO, None),)
    )
    with closing(FileStore(tmp_path / "kept.db")) as store:
        store.upsert(Discovered(dependencies=(vault,)))
    code, out, _ = ran(capsys, "investigate", tmp_path / "shop", "--json", "--graph", tmp_path / "kept.db")
    assert code == 0
    assert "vault" in {node["component"] for node in json.loads(out)["graph"]["nodes"]}
    monkeypatch.setenv("HYPOCENTER_GRAPH", str(tmp_path / "kept.db"))
    assert ran(capsys, "investigate", tmp_path / "shop", "--json")[1] == out
    code, out, err = ran(capsys, "investigate", tmp_path / "shop", "--json", "--graph", tmp_path / "absent.db")
    assert (code, out) == (2, "")
    assert "absent.db: there is no graph" in err
    assert not (tmp_path / "absent.db").exists()


@pytest.mark.neo4j
def test_a_component_that_the_graph_calls_otherwise_keeps_the_name_of_the_telemetry(shop, neo4j_server, tenant):
    known = claims_of(shop)
    renamed = Discovered(
        tuple(replace(c, name=f"ns/{c.name}", aliases=(c.name,)) for c in known.components),
        tuple(replace(d, caller=f"ns/{d.caller}", callee=f"ns/{d.callee}") for d in known.dependencies),
    )
    bare, options = without_graph(shop), Options(at=shop.started_at)
    wanted = investigate(bare, options, in_memory(known))
    assert investigate(bare, options, in_memory(renamed)) == wanted
    with in_neo4j(renamed, neo4j_server, tenant) as graph:
        assert investigate(bare, options, graph) == wanted
        asked = ["frontend", "ns/frontend", "nobody"]
        assert graph.store.named(asked) == in_memory(renamed).store.named(asked) == {"frontend": "ns/frontend"}
