"""Fixtures: real servers on free ports, started for a test and stopped after it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypocenter_server import HypocenterServer
from native_neo4j import Neo4j, UnavailableError
from native_postgres import Postgres
from official_sender import built
from prompb import Messages, messages
from server_process import ServerProcess, free_port
from victoria_metrics import VictoriaMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypocenter_graph.stores.neo4j import Connection

S = TypeVar("S")
PACKAGES = {"redis-server": "redis-server", "prometheus": "prometheus", "chromium": "chromium", "dot": "graphviz"}
PROMETHEUS_CONFIG = """\
global: {scrape_interval: 15s}
storage: {tsdb: {out_of_order_time_window: 30d}}
"""


def _require(binary: str) -> str:
    found = shutil.which(binary)
    if found:
        return found
    message = f"{binary} is not installed (Debian: apt-get install {PACKAGES.get(binary, binary)})"
    if os.environ.get("CI"):
        pytest.fail(f"{message}; with CI set nothing is skipped")
    pytest.skip(message)


@pytest.fixture(scope="session")
def require() -> Callable[[str], str]:
    """`require("chromium")` is the path of a program; without it the test is skipped, or fails where CI is set."""
    return _require


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an empty Redis server."""
    port = free_port()
    command = [_require("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with ServerProcess(command, "eady to accept connections", tmp_path_factory.mktemp("redis")):
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="module")
def prometheus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an empty Prometheus server that takes remote write, also of samples up to 30 days out of order."""
    port, folder = free_port(), tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(PROMETHEUS_CONFIG, encoding="utf-8")
    command = [
        _require("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    ]
    with ServerProcess(command, "Server is ready to receive web requests", folder):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def hypocenter_server(tmp_path: Path) -> Iterator[HypocenterServer]:
    """`hypocenter serve` on a free port and fresh data: `url`, `data_dir`, `stop()`, `kill()`, `start()` again."""
    server = HypocenterServer(tmp_path / "data")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def victoria_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    """An empty VictoriaMetrics server: its `url`; `flush()` shows what it took a moment ago."""
    with VictoriaMetrics(_require("victoria-metrics"), tmp_path_factory.mktemp("victoria")) as server:
        yield server


def _had(server: Callable[[Path], S], folder: Path) -> S:
    """Return a server; where what it takes is not installed skip, or fail where CI is set."""
    try:
        return server(folder)
    except UnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error}; with CI set nothing is skipped")
        pytest.skip(str(error))


def _neo4j(folder: Path) -> Neo4j:
    """Return a server that is not started yet."""
    return _had(Neo4j, folder)


@pytest.fixture(scope="session")
def prompb() -> Messages:
    """The messages of Prometheus remote write: the classes `write_request` (1.0) and `request` (2.0)."""
    return _had(lambda _: messages(), Path())


@pytest.fixture(scope="session")
def official_sender() -> Path:
    """The program that sends remote write 2.0 with the official client library."""
    return _had(lambda _: built(), Path())


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for all tests: its `url()`, `user`, `password_file`; tests keep apart by database or tenant."""
    # The folders of tests are closed to the account that the server runs as where the tests run as root.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder, _had(Postgres, Path(folder)) as server:
        yield server


@pytest.fixture(scope="module")
def postgres_restartable() -> Iterator[Postgres]:
    """A running PostgreSQL of the test module alone, to `stop()` and `start()` again on the same port and data."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder, _had(Postgres, Path(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def neo4j_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4j]:
    """One Neo4j for all tests, never stopped: its `url`, `user`, `password`; tests keep apart by `tenant`."""
    with _neo4j(tmp_path_factory.mktemp("neo4j") / "server") as server:
        yield server


@pytest.fixture(scope="module")
def neo4j_of_the_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4j]:
    """A Neo4j of the test module alone, not started yet, to start, stop and kill on the same port and data."""
    server = _neo4j(tmp_path_factory.mktemp("neo4j") / "server")
    yield server
    server.kill()


@pytest.fixture
def neo4j_restartable(neo4j_of_the_module: Neo4j) -> Neo4j:
    """A running Neo4j of the test module alone, to `stop()`, `kill()` and `start()` again on the same port and data."""
    neo4j_of_the_module.start()
    return neo4j_of_the_module


@pytest.fixture(scope="session")
def neo4j_connection(neo4j_server: Neo4j) -> Connection:
    """How a graph store reaches the Neo4j of all tests; patient, for the machine may have much to do."""
    from hypocenter_graph.stores.neo4j import Connection

    return Connection(neo4j_server.url, neo4j_server.user, neo4j_server.password, timeout_s=60)
