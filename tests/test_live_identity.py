"""The same telemetry, watched by one process or by workers apart: the same anomalies, incidents and verdicts."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack, closing
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import clocked_worker
import identity_day
import live_day
import numpy as np
import pytest
from live_platform import IdleBoard
from redis import Redis
from server_process import ServerProcess
from waiting import awaited

from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.opening import open_records
from hypocenter.stores.opening_metrics import open_metrics
from hypocenter.stores.redis_board import open_board
from hypocenter_graph.stores.opening import open_graph
from hypocenter_workers.app import create_app
from hypocenter_workers.embedded import crews
from hypocenter_workers.live_stores import GivenStores, known
from hypocenter_workers.live_work import LiveWork
from hypocenter_workers.ticks.states import FileStates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from native_postgres import Postgres
    from victoria_metrics import VictoriaMetrics

    from hypocenter.simulator.simulation import Simulation
    from hypocenter.stores.records import Records

START = datetime(2026, 3, 3, tzinfo=UTC)
EPOCH, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# VictoriaMetrics keeps about 15 digits of a value, and what a counter gained is a small difference of large ones.
DIGITS = 1e-6


@pytest.fixture(scope="module")
def simulation(pytestconfig: pytest.Config) -> Simulation:
    folder = pytestconfig.rootpath / "fixtures" / "scenarios"
    return identity_day.simulated(folder / "error_burst.scenario", START)


@pytest.fixture
def graph(tmp_path: Path, simulation: Simulation) -> Path:
    """The system as somebody declared it, in a file for each way."""
    with closing(open_graph(str(tmp_path / "declared.db"))) as store:
        store.upsert(live_day.discovered(simulation))
    return tmp_path / "declared.db"


def told(records: Records) -> dict[str, list[Any]]:
    """Return all that is to be the same; incidents are named by when they began."""
    incidents = sorted(records.incidents.incidents(), key=lambda each: (each.onset, each.components))
    return {
        "anomalies": [(each.anomaly, each.ended_at) for each in records.detections.anomalies(EPOCH, END)],
        "incidents": incidents,
        "verdicts": [each for one in incidents for each in records.incidents.revisions(one.incident_id)],
    }


def embedded(folder: Path, simulation: Simulation, graph: Path) -> dict[str, list[Any]]:
    clock, board = identity_day.Clock(START), IdleBoard()
    with ExitStack() as stack:
        metrics = stack.enter_context(closing(DuckDbMetrics(folder / "metrics", lambda: clock.now)))
        records = stack.enter_context(closing(open_records(str(folder / "records.db"))))
        kept = known(stack.enter_context(closing(open_graph(str(graph)))))
        stores = GivenStores(metrics, records, kept, FileStates(folder / "states"), board)
        app = stack.enter_context(crews(LiveWork(stores, lambda: clock.now)))
        identity_day.live(identity_day.Platform(metrics, records, board, app, clock, board.wait), simulation)
        return told(records)


def apart(folder: Path, simulation: Simulation, victoria: VictoriaMetrics) -> dict[str, list[Any]]:
    """What the servers of the settings are used for, with a worker that is a process of its own."""
    file = folder / "clock"
    clock = identity_day.Clock(START, tell=partial(clocked_worker.move, file))
    clock.move(START)
    with ExitStack() as stack:
        metrics = stack.enter_context(closing(open_metrics(folder / "api", now=lambda: clock.now)))
        records = stack.enter_context(closing(open_records()))
        board = stack.enter_context(closing(open_board()))
        command = [sys.executable, clocked_worker.__file__, str(file)]
        stack.enter_context(ServerProcess(command, "ready", folder))
        app = stack.enter_context(create_app(os.environ["HYPOCENTER_REDIS_URL"]))
        redis = stack.enter_context(closing(Redis.from_url(os.environ["HYPOCENTER_REDIS_URL"])))

        def wait() -> None:
            awaited(partial(is_idle, redis))

        def forward() -> None:
            metrics.forwarder.turn()
            victoria.flush()

        platform = identity_day.Platform(metrics, records, board, app, clock, wait, forward)
        identity_day.live(platform, simulation)
        return told(records)


def is_idle(redis: Redis) -> bool:
    """Whether nothing is held that was sent."""
    return all(name.endswith(b":beat") for name in redis.scan_iter("hypocenter:*:hold:*"))


def parts_of(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all single values of what was told, and where they stand."""
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, dict):
        yield place, tuple(value)
        for name, each in value.items():
            yield from parts_of(each, f"{place}.{name}")
    elif isinstance(value, (list, tuple)):
        yield place, len(value)
        for number, each in enumerate(value):
            yield from parts_of(each, f"{place}[{number}]")
    else:
        yield place, value


def exact(told: list[Any]) -> list[tuple[str, Any]]:
    return [(place, value) for place, value in parts_of(told) if not isinstance(value, float)]


def numbers(told: list[Any]) -> list[float]:
    return [value for _, value in parts_of(told) if isinstance(value, float)]


def test_one_process_and_workers_apart_say_the_same(
    tmp_path: Path,
    simulation: Simulation,
    graph: Path,
    redis_server: str,
    postgres_server: Postgres,
    victoria_metrics: VictoriaMetrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in identity_day.RHYTHM.items():
        monkeypatch.setenv(f"HYPOCENTER_{name}", value)
    one = embedded(tmp_path, simulation, graph)
    servers = {
        "REDIS_URL": redis_server,
        "RECORDS": postgres_server.url(),
        "RECORDS_PASSWORD_FILE": str(postgres_server.password_file),
        "METRICS": victoria_metrics.url,
        "GRAPH": str(shutil.copy(graph, tmp_path / "worker.db")),
    }
    for name, value in servers.items():
        monkeypatch.setenv(f"HYPOCENTER_{name}", value)
    many = apart(tmp_path, simulation, victoria_metrics)
    assert all(one.values())
    for what in one:
        assert exact(one[what]) == exact(many[what])
        np.testing.assert_allclose(numbers(one[what]), numbers(many[what]), rtol=DIGITS, atol=DIGITS)
