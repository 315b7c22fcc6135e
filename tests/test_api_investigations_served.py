"""A question asked of real processes: one that does everything, and api and worker apart, met at Redis."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypocenter_server import HypocenterServer
from server_process import ServerProcess, free_port

from hypocenter.simulator import read_scenario, simulate
from hypocenter.simulator.send import send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.simulator.simulation import Simulation

READY = "OTEL_EXPORTER_OTLP_ENDPOINT"
END = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2)
FIRST = ["samples", "signals", "graph", "ranking", "anomalies"]


@pytest.fixture(scope="module")
def shop(pytestconfig: pytest.Config) -> Simulation:
    """The last hours of the shop, a sample a minute: an incident that is told by little."""
    whole = simulate(read_scenario(pytestconfig.rootpath / "fixtures" / "scenarios" / "shop.scenario"), 0)
    times, values = (rows[-720:][::-4][::-1] for rows in (whole.metrics.times, whole.metrics.values))
    return replace(whole, metrics=replace(whole.metrics, times=times, values=values))


@contextmanager
def in_one_process(folder: Path, _: pytest.FixtureRequest) -> Iterator[str]:
    with HypocenterServer(folder, "--detection") as server:
        yield server.url


@contextmanager
def apart(folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    metrics = request.getfixturevalue("victoria_metrics").url
    places = {"REDIS_URL": request.getfixturevalue("redis_server"), "RECORDS": f"{folder}.db", "METRICS": metrics}
    environment = {**os.environ, **{f"HYPOCENTER_{name}": value for name, value in places.items()}}
    program, port = str(Path(sys.executable).with_name("hypocenter")), free_port()
    api = [program, "api", "--data-dir", str(folder), "--listen", f"127.0.0.1:{port}", "--metrics", metrics]
    with ExitStack() as stack:
        stack.enter_context(ServerProcess(api, READY, environment=environment))
        worker = [program, "worker", "--jobs", "1"]
        stack.enter_context(ServerProcess(worker, "ready ", environment=environment))
        yield f"http://127.0.0.1:{port}"


def heard(client: httpx.Client, path: str) -> list[tuple[str, Any]]:
    """Return the events that a path tells until it ends: name and data."""
    with client.stream("GET", path) as answer:
        lines = [line.partition(": ") for line in answer.iter_lines() if line and not line.startswith(":")]
    said = [(name, value) for name, _, value in lines if name in ("event", "data")]
    return [(said[at][1], json.loads(said[at + 1][1])) for at in range(0, len(said), 2)]


@pytest.mark.parametrize(
    "serving", [in_one_process, pytest.param(apart, marks=pytest.mark.redis)], ids=lambda way: way.__name__
)
def test_a_question_is_answered_by_events_and_its_report(
    serving: Any, shop: Simulation, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert shop.truth.started_at is not None
    onset = shop.truth.started_at + (
        END - shop.metrics.times[-1].astype("datetime64[us]").astype(datetime).replace(tzinfo=UTC)
    )
    with serving(tmp_path / "data", request) as url, httpx.Client(base_url=url, timeout=60) as client:
        send(shop, f"{url}/api/v1/write", ending_at=END)
        if serving is apart:
            request.getfixturevalue("victoria_metrics").flush()
        asked = client.post("/api/v1/investigations", json={"at": onset.isoformat()})
        place = asked.headers["Location"]
        events = heard(client, f"{place}/events")
        told = client.get(place).json()
        assert [name for name, _ in events] == ["progress"] * len(told["steps"]) + ["done"]
        assert [data["step"] for _, data in events[:5]] == FIRST
        assert told["verdict"]["cause"] == "orders-db"
        assert "orders-db" in client.get(f"{place}/report").text
        nothing = client.post("/api/v1/investigations", json={"at": "2020-01-01T00:00:00Z"}).headers["Location"]
        assert heard(client, f"{nothing}/events")[-1][0] == "failed"
        assert "nothing that matches was kept" in client.get(nothing).json()["error"]
