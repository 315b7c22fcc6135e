"""The native Neo4j that tests and `make services` use: one port, a password, the same data after a crash."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import native_neo4j
import pytest
from neo4j import Driver, GraphDatabase
from neo4j.exceptions import AuthError, ServiceUnavailable

if TYPE_CHECKING:
    from native_neo4j import Neo4j

pytestmark = pytest.mark.neo4j
LISTEN = "0A"


def _driver(server: Neo4j, password: str | None = None) -> Driver:
    return GraphDatabase.driver(
        server.url, auth=(server.user, password or server.password), max_transaction_retry_time=0
    )


def _listening(pid: int) -> set[tuple[str, int]]:
    """Every TCP address that a process listens on, as proc(5) writes it, and its port."""
    held = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            words = line.split()
            if words[3] == LISTEN and f"socket:[{words[9]}]" in held:
                address, port = words[1].split(":")
                found.add((address, int(port, 16)))
    return found


def test_only_bolt_listens_and_only_on_loopback(neo4j_server: Neo4j) -> None:
    assert neo4j_server.pid
    [(address, port)] = _listening(neo4j_server.pid)
    assert port == neo4j_server.port
    assert address in {"0100007F", "0000000000000000FFFF00000100007F"}


def test_the_release_is_the_pinned_one(neo4j_server: Neo4j) -> None:
    with _driver(neo4j_server) as driver:
        [found] = driver.execute_query("CALL dbms.components() YIELD versions, edition").records
    assert (found["versions"], found["edition"]) == ([native_neo4j.version()], "community")


@pytest.mark.parametrize("password", ["neo4j", "wrong"])
def test_another_password_is_refused(neo4j_server: Neo4j, password: str) -> None:
    with _driver(neo4j_server, password) as driver, pytest.raises(AuthError):
        driver.verify_connectivity()


def test_the_password_is_for_its_owner_alone(neo4j_server: Neo4j) -> None:
    path = neo4j_server.password_file
    assert path.read_text(encoding="utf-8") == neo4j_server.password
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_router_leads_back_to_the_address_it_was_asked_at(neo4j_server: Neo4j) -> None:
    """So `neo4j://` works through any name: another container's, a forwarded port."""
    asked = {"address": "neo4j.example:7687"}
    with _driver(neo4j_server) as driver:
        [found] = driver.execute_query("CALL dbms.routing.getRoutingTable($asked)", asked=asked).records
    assert {address for server in found["servers"] for address in server["addresses"]} == {asked["address"]}


def test_what_was_written_outlives_a_crash(neo4j_restartable: Neo4j, tenant: str) -> None:
    with _driver(neo4j_restartable) as driver:
        driver.execute_query("CREATE (:Kept {tenant: $tenant})", tenant=tenant)
        neo4j_restartable.kill()
        with pytest.raises(ServiceUnavailable):
            driver.execute_query("RETURN 1")
        neo4j_restartable.start()
        found = driver.execute_query("MATCH (n:Kept {tenant: $tenant}) RETURN count(n)", tenant=tenant).records
    assert found[0][0] == 1


def test_a_server_that_cannot_start_says_why(neo4j_server: Neo4j, tmp_path: Path) -> None:
    server = native_neo4j.Neo4j(tmp_path / "server", java_options=("-Xmx1parsec",))
    with pytest.raises(RuntimeError, match="Invalid maximum heap size"):
        server.start()
    assert server.pid is None
