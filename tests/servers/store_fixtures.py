"""Fixtures: empty stores of each kind in turn, and what a pull reads from and writes to."""

from __future__ import annotations

import uuid
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pull_place import Place, Script
    from scripted_prometheus import Server as ScriptedServer

    from hypocenter.stores.duckdb_metrics import DuckDbMetrics
    from hypocenter.stores.memory_metrics import MemoryMetrics
    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.stores.opening import SqlRecords
    from hypocenter_graph.stores.contract import GraphStore

METRICS_NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


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
