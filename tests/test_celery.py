"""The demo incident through a real Redis and a real worker process, and the same Verdict at the other end."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from worker_process import PATIENCE_S, running

from hypocenter.errors import InputError
from hypocenter.model import Dependency, DependencyType, Target
from hypocenter.readers import read_cases
from hypocenter.simulator import read_scenario, simulate, write_case
from hypocenter.verdict_json import investigation_from_json
from hypocenter_graph.claims import DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.neo4j import Connection, Neo4jStore
from hypocenter_workers.app import create_app
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.learn.serving import chosen
from hypocenter_workers.messages import options_from_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from celery import Celery

CALLS = DependencyType.CALLS
TASK = "hypocenter.investigate"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "shop"
    scenario = read_scenario(pytestconfig.rootpath / "fixtures" / "scenarios" / "shop.scenario")
    write_case(simulate(scenario, 0), folder)
    return folder


@pytest.fixture(scope="module")
def worker(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Celery]:
    with running(redis_server, tmp_path_factory.mktemp("worker")) as app:
        yield app


@pytest.mark.redis
@pytest.mark.neo4j
def test_a_worker_asks_the_graph_that_its_settings_name(
    redis_server: str, neo4j_server: Any, tenant: str, demo: Path, tmp_path: Path
) -> None:
    server = Connection(neo4j_server.url, neo4j_server.user, neo4j_server.password)
    caller = next(read_cases(demo)).dependencies[0].caller
    seen = (Interval(datetime(2000, 1, 1, tzinfo=UTC), None),)
    with closing(Neo4jStore(server, tenant)) as store:
        store.upsert(Discovered(dependencies=(DependencyClaim(caller, "vault", CALLS, "declared", seen),)))
    settings = {
        "HYPOCENTER_GRAPH": neo4j_server.url,
        "HYPOCENTER_NEO4J_USER": neo4j_server.user,
        "HYPOCENTER_NEO4J_PASSWORD_FILE": str(neo4j_server.password_file),
        "HYPOCENTER_TENANT": tenant,
    }
    with running(redis_server, tmp_path, **settings) as app:
        told = investigation_from_json(app.send_task(TASK, [str(demo)]).get(timeout=PATIENCE_S))
    assert (caller, "vault") in {(edge.caller, edge.callee) for edge in told.verdict.graph.edges}


@pytest.mark.redis
def test_a_worker_gives_the_verdict_of_this_process(worker: Celery, demo: Path) -> None:
    sent = worker.send_task(TASK, [str(demo), {"precision": 0.4}])
    here = investigate(next(read_cases(demo)), Options(precision=0.4), learned=chosen())
    there = investigation_from_json(sent.get(timeout=PATIENCE_S))
    assert there == here
    assert there.verdict.suspects
    assert there.verdict.learned is not None
    assert there.verdict.learned.model.endswith("simulated incidents")


@pytest.mark.redis
def test_bad_input_travels_back_as_its_one_line(worker: Celery, tmp_path: Path) -> None:
    sent = worker.send_task(TASK, [str(tmp_path / "absent")])
    with pytest.raises(InputError, match="absent"):
        sent.get(timeout=PATIENCE_S)


def test_an_app_connects_to_nothing_until_asked() -> None:
    app = create_app("redis://127.0.0.1:1/0")
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_acks_late
    assert app.conf.broker_transport_options["visibility_timeout"] > app.conf.task_time_limit


def test_options_are_read_from_json() -> None:
    message = {
        "at": "2026-03-01T11:00:00+01:00",
        "dependencies": [["web", "db"], ["db", "host-1", "RUNS_ON"]],
        "target": ["web", "latency"],
        "precision": 0.9,
        "component_labels": ["team"],
    }
    options = options_from_json(message)
    assert str(options.at) == "2026-03-01 10:00:00+00:00"
    assert options.target == Target("web", "latency")
    assert options.dependencies is not None
    assert Dependency("db", "host-1", DependencyType.RUNS_ON, options.dependencies[1].source) in options.dependencies
    assert (options.precision, options.component_labels) == (0.9, ("team",))


def test_options_left_out_keep_their_default() -> None:
    assert options_from_json({}) == options_from_json({"at": None}) == Options()


@pytest.mark.parametrize(
    "message",
    [
        {"at": "yesterday"},
        {"at": 7},
        {"dependencies": [["web"]]},
        {"dependencies": "web"},
        {"target": []},
        {"target": ["web", "latency", "p95"]},
        {"target": "web"},
        {"precision": "high"},
        {"component_labels": 7},
        {"component_labels": "team"},
        {"nonsense": 1},
    ],
    ids=str,
)
def test_options_that_cannot_be_read_name_themselves(message: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(message))):
        options_from_json(message)
