"""Real servers on free ports, started for a test and stopped after it; the labelled data; a command in a folder."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
import uuid
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypocenter_server import HypocenterServer
from hypothesis import settings
from in_process_queues import forget_messages
from native_neo4j import Neo4j, UnavailableError
from native_postgres import Postgres
from official_sender import built
from prompb import Messages, messages
from server_process import ServerProcess, free_port
from victoria_metrics import VictoriaMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pull_place import Place, Script
    from scripted_prometheus import Server as ScriptedServer

    from hypocenter.stores.duckdb_metrics import DuckDbMetrics
    from hypocenter.stores.memory_metrics import MemoryMetrics
    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.stores.opening import SqlRecords
    from hypocenter_graph.stores.contract import GraphStore
    from hypocenter_graph.stores.neo4j import Connection

S = TypeVar("S")
METRICS_NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PACKAGES = {"redis-server": "redis-server", "prometheus": "prometheus", "chromium": "chromium", "dot": "graphviz"}
GROW_TREES = (
    *("test_learn_", "test_train", "test_models_", "test_feedback", "test_history_evaluate", "test_benchmarks_learn"),
    "test_model_card",
)
PROMETHEUS_CONFIG = """\
global: {scrape_interval: 15s}
storage: {tsdb: {out_of_order_time_window: 30d}}
"""
# How long an example takes says more about the machine than about the code.
settings.register_profile("hypocenter", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.register_profile("soak", settings.get_profile("hypocenter"), derandomize=False, max_examples=2500)
settings.load_profile("hypocenter")


@pytest.fixture(scope="module", autouse=True)
def _no_messages_of_other_modules() -> None:
    """What another module's tests sent in this process would be done by the next module's workers."""
    forget_messages()


def _require(binary: str) -> str:
    found = shutil.which(binary)
    if found:
        return found
    message = f"{binary} is not installed (Debian: apt-get install {PACKAGES.get(binary, binary)})"
    if os.environ.get("CI"):
        pytest.fail(f"{message}; with CI set nothing is skipped")
    pytest.skip(message)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that grow trees where the system lacks the library that LightGBM's wheel leaves to it."""
    if os.environ.get("CI") or sys.platform != "linux" or _has_openmp():
        return
    skip = pytest.mark.skip(reason="libgomp.so.1 is missing, so LightGBM cannot be loaded (Debian: libgomp1)")
    for item in items:
        if item.path.name.startswith(GROW_TREES):
            item.add_marker(skip)


def _has_openmp() -> bool:
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def require() -> Callable[[str], str]:
    """`require("chromium")` is the path of a program; without it the test is skipped, or fails where CI is set."""
    return _require


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The labelled data set that HYPOCENTER_DATA names."""
    named = os.environ.get("HYPOCENTER_DATA")
    if not named:
        pytest.skip("HYPOCENTER_DATA does not name a folder of labelled data")
    folder = Path(named)
    assert folder.is_dir(), f"HYPOCENTER_DATA={named} is not a folder"
    return folder


@pytest.fixture
def graph_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """`graph_command(*words)` is exit code, output and errors of `hypocenter graph`; the folder is empty at first."""
    from hypocenter.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYPOCENTER_GRAPH", raising=False)

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["graph", *map(str, words)])
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


@pytest.fixture
def history_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """`history_command(*words)` is exit code, output and errors of `hypocenter history`, with records of its own."""
    from hypocenter.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYPOCENTER_RECORDS", str(tmp_path / "records.db"))
    monkeypatch.delenv("HYPOCENTER_GRAPH", raising=False)
    monkeypatch.delenv("HYPOCENTER_HISTORY_TOKEN_FILE", raising=False)

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["history", *map(str, words)])
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


@pytest.fixture
def detect(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """`detect(*words)` is exit code, standard output and standard error of `hypocenter detect` in an empty folder."""
    from hypocenter.cli import main

    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["detect", *map(str, words)])
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


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


@pytest.fixture(scope="module", params=["memory", "file", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def new_graph(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_tenant: Callable[[], str]
) -> Callable[[], GraphStore]:
    """`new_graph()` is an empty graph store of each kind in turn; two of a kind lie in one file or server."""
    from hypocenter_graph.stores.file import FileStore
    from hypocenter_graph.stores.memory import MemoryStore
    from hypocenter_graph.stores.neo4j import Neo4jStore

    if request.param == "memory":
        return MemoryStore
    if request.param == "file":
        path = tmp_path_factory.mktemp("graph") / "all.graph"
        return lambda: FileStore(path, new_tenant())
    connection = request.getfixturevalue("neo4j_connection")
    return lambda: Neo4jStore(connection, new_tenant())


@pytest.fixture
def graph(new_graph: Callable[[], GraphStore]) -> Iterator[GraphStore]:
    """An empty graph store of each kind in turn."""
    with closing(new_graph()) as store:
        yield store


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def records_place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A place of records of each kind in turn, as `open_records` takes it, also in a process of its own."""
    if request.param == "sqlite":
        yield str(tmp_path_factory.mktemp("records") / "all.db")
        return
    server = request.getfixturevalue("postgres_server")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HYPOCENTER_RECORDS_PASSWORD_FILE", str(server.password_file))
        yield server.url()


@pytest.fixture(scope="module")
def records_at(records_place: str) -> Iterator[Callable[[str], SqlRecords]]:
    """`records_at(tenant)` are the records of a tenant in one place of each kind in turn; closed after the module."""
    from hypocenter.stores.opening import open_records

    with ExitStack() as opened:
        yield lambda tenant: opened.enter_context(closing(open_records(records_place, tenant)))


@pytest.fixture
def records(records_at: Callable[[str], SqlRecords], tenant: str) -> SqlRecords:
    """The records, none so far, of a tenant in each kind of place in turn."""
    return records_at(tenant)


@pytest.fixture
def new_metrics(tmp_path: Path) -> Iterator[Callable[..., DuckDbMetrics | MemoryMetrics]]:
    """`new_metrics(kind, now, **limits)` is an empty store of metrics, "memory" or "duckdb"; closed after the test."""
    from hypocenter.stores.duckdb_metrics import DuckDbMetrics
    from hypocenter.stores.memory_metrics import MemoryMetrics
    from hypocenter.stores.retention import MetricsLimits

    with ExitStack() as opened:

        def new(kind: str, now: Callable[[], datetime], **limits: object) -> DuckDbMetrics | MemoryMetrics:
            if kind == "memory":
                return opened.enter_context(closing(MemoryMetrics(now, MetricsLimits(**limits))))
            folder = tmp_path / f"metrics-{uuid.uuid4().hex}"
            return opened.enter_context(closing(DuckDbMetrics(folder, now, MetricsLimits(**limits))))

        yield new


@pytest.fixture(
    params=["memory", "duckdb", pytest.param("prometheus", marks=pytest.mark.prometheus), "victoria"],
)
def metrics_store(
    request: pytest.FixtureRequest, new_metrics: Callable[..., DuckDbMetrics | MemoryMetrics]
) -> Iterator[MetricsStore]:
    """An empty store of metrics of each kind in turn, whose clock stands still at `METRICS_NOW`.

    Servers are shared by the tests of a module: tests keep apart by labels.
    """
    from hypocenter.readers.prometheus_options import PrometheusOptions
    from hypocenter.stores.opening_metrics import open_beside
    from hypocenter.stores.prometheus_metrics import PrometheusMetrics

    if request.param in {"memory", "duckdb"}:
        yield new_metrics(request.param, lambda: METRICS_NOW)
        return
    server = request.getfixturevalue(f"{request.param}_{'metrics' if request.param == 'victoria' else 'server'}")
    url = getattr(server, "url", server)
    remote = PrometheusMetrics(url, PrometheusOptions(timeout_s=20.0), now=lambda: METRICS_NOW)
    with closing(open_beside(remote, request.getfixturevalue("tmp_path"), lambda: METRICS_NOW)) as split:
        yield split


@pytest.fixture
def pull_place(tmp_path: Path) -> Iterator[Place]:
    """Empty stores for a pull, whose clock stands still until the test moves it."""
    from pull_place import opened

    with opened(tmp_path / "data") as place:
        yield place


@pytest.fixture
def pull_script() -> Script:
    """What `pull_server` answers: one series with a sample each 15 s, and no alerts, unless the test says otherwise."""
    from pull_place import Script

    return Script()


@pytest.fixture
def pull_server(pull_script: Script) -> Iterator[ScriptedServer]:
    """A small server that a pull reads, by `pull_script`."""
    from scripted_prometheus import running

    with running() as server:
        server.script = pull_script
        yield server


@pytest.fixture(scope="session")
def new_tenant() -> Callable[[], str]:
    """`new_tenant()` is a tenant that nothing is stored for, as often as it is called."""
    return lambda: f"tenant-{uuid.uuid4().hex}"


@pytest.fixture
def tenant(new_tenant: Callable[[], str]) -> str:
    """The name of a tenant that nothing is stored for."""
    return new_tenant()
