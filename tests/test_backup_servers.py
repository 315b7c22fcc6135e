"""A backup where servers keep the records, the metrics and the graph, by the lines of docs/backup.md."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypocenter_server import HypocenterServer
from native_postgres import program
from neo4j import GraphDatabase
from server_process import free_port
from victoria_metrics import VictoriaMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from native_neo4j import Neo4j
    from native_postgres import Postgres

    Command = Callable[..., tuple[int, str, str]]

PAGE = (Path(__file__).parents[1] / "docs" / "backup.md").read_text(encoding="utf-8")
GRAPH = "dependencies:\n  - {caller: shop, callee: cart}\n  - {caller: cart, callee: cart-db}\n"
FIRST_OF_BACKUP, FIRST_OF_RESTORE = "pg_dump", "pg_restore"


def lines(first: str) -> list[list[str]]:
    """Return the commands of the page's block that begins with a word."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (block,) = (each for each in blocks if each.startswith(first))
    return [shlex.split(line) for line in block.splitlines()]


class Kept:
    """Servers that keep what one platform is told, and what the lines of the page call their places."""

    def __init__(self, folder: Path, postgres: Postgres, neo4j: Neo4j, tenant: str) -> None:
        self.postgres, self.neo4j, self.tenant = postgres, neo4j, tenant
        self.metrics, self.database = f"http://127.0.0.1:{free_port()}", f"backup_{free_port()}"
        self.of_metrics, self.data = folder / "of-metrics", folder / "data"
        self.places = {
            "postgresql://hypocenter@127.0.0.1:5432/hypocenter": postgres.url(self.database),
            "bolt://127.0.0.1:7687": neo4j.url,
            "http://127.0.0.1:8428": self.metrics,
            "/var/lib/hypocenter": str(self.data),
            "/var/lib/victoria-metrics": str(self.of_metrics / "data"),
            "/backup/metrics": str(folder / "metrics-kept"),
        }
        self.renew()

    def settings(self) -> Mapping[str, str]:
        return {
            "RECORDS": self.postgres.url(self.database),
            "RECORDS_PASSWORD_FILE": str(self.postgres.password_file),
            "GRAPH": self.neo4j.url,
            "NEO4J_PASSWORD_FILE": str(self.neo4j.password_file),
            "NEO4J_TIMEOUT": "60",
            "METRICS": self.metrics,
            "TENANT": self.tenant,
        }

    def renew(self) -> None:
        """Lose all that is kept."""
        for statement in (f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)", f"CREATE DATABASE {self.database}"):
            self._run("psql", "--quiet", "--command", statement, self.postgres.url())
        with GraphDatabase.driver(self.neo4j.url, auth=(self.neo4j.user, self.neo4j.password)) as driver:
            query = "MATCH (n) WHERE n.tenant = $tenant OR n.name = $tenant DETACH DELETE n"
            driver.execute_query(query, tenant=self.tenant)
        for folder in (self.of_metrics, self.data):
            shutil.rmtree(folder, ignore_errors=True)
        self.of_metrics.mkdir()

    @contextmanager
    def served(self, victoria_metrics: str) -> Iterator[str]:
        """Run the platform over what its servers keep, and yield its address."""
        listen = f"-httpListenAddr={self.metrics.removeprefix('http://')}"
        with (
            VictoriaMetrics(victoria_metrics, self.of_metrics, listen),
            HypocenterServer(self.data) as server,
        ):
            yield server.url

    def do(self, words: list[str], command: Command) -> str:
        """Run a line of the page, here, and return what it said on standard error."""
        for known, other in self.places.items():
            words = [word.replace(known, other) for word in words]
        name, *others = words
        if name == "hypocenter":
            code, _, said = command(*others)
            assert code == 0, said
            return said
        # Where it shows figures of its own is of no matter here, and may be taken.
        return self._run(name, *others, *(["-httpListenAddr=127.0.0.1:0"] if name.startswith("vm") else []))

    def _run(self, name: str, *words: str) -> str:
        environment = {**os.environ, "PGPASSWORD": self.postgres.password}
        done = subprocess.run([program(name), *words], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr


@pytest.fixture
def kept(
    tmp_path: Path, postgres_server: Postgres, neo4j_server: Neo4j, monkeypatch: pytest.MonkeyPatch, tenant: str
) -> Kept:
    made = Kept(tmp_path, postgres_server, neo4j_server, tenant)
    for name, value in made.settings().items():
        monkeypatch.setenv(f"HYPOCENTER_{name}", value)
    return made


def told(kept: Kept, url: str) -> dict[str, Any]:
    """Return what the platform answers, and what is in the server of metrics."""
    asked = {name: httpx.get(f"{url}/api/v1/{name}", timeout=60) for name in ("changes", "topology")}
    httpx.get(f"{kept.metrics}/internal/force_flush").raise_for_status()
    exported = httpx.get(f"{kept.metrics}/api/v1/export", params={"match[]": "requests_total"})
    answers = {name: each.raise_for_status().json() for name, each in asked.items()}
    # When it was asked.
    del answers["topology"]["at"]
    return {"samples": exported.text, **answers}


@pytest.mark.postgres
@pytest.mark.neo4j
def test_all_that_servers_keep_comes_back_by_the_lines_of_the_page(
    kept: Kept, called: Command, require: Callable[[str], str], tmp_path: Path
) -> None:
    victoria_metrics = require("victoria-metrics")
    (tmp_path / "graph.yaml").write_text(GRAPH, encoding="utf-8")
    now = int(time.time())
    rows = "time,service,metric,value\n" + "".join(f"{now - at},cart,requests_total,{60 - at}\n" for at in range(60))
    with kept.served(victoria_metrics) as url:
        change = {"component": "cart", "at": now, "type": "deploy", "title": "cart 1.4.2"}
        httpx.post(f"{url}/api/v1/changes", json=change).raise_for_status()
        httpx.post(f"{url}/api/v1/upload/metrics", content=rows, timeout=60).raise_for_status()
        assert called("graph", "import", "graph.yaml", "--graph", kept.neo4j.url)[0] == 0
        before = told(kept, url)
        assert [each["title"] for each in before["changes"]["items"]] == ["cart 1.4.2"]
        assert before["samples"].count("requests_total") == 1
        assert "cart-db" in str(before["topology"])
        said = "".join(kept.do(words, called) for words in lines(FIRST_OF_BACKUP))
    for part, means in {"records": "pg_dump", "graph": "graph export", "metrics": "snapshots"}.items():
        assert re.search(rf"^not in it: {part}, kept by .+; .*{means}", said, re.MULTILINE)
    assert kept.postgres.password not in said
    kept.renew()
    for words in lines(FIRST_OF_RESTORE):
        kept.do(words, called)
    with kept.served(victoria_metrics) as url:
        assert told(kept, url) == before
