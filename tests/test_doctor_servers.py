"""`hypocenter doctor` of real servers that are old, of another time or badly set: what is mended is found no more."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cut_proxy import TellingProxy
from hypocenter_server import HypocenterServer
from native_postgres import program
from redis import Redis

from hypocenter.api.doctor.asking import ask
from hypocenter.api.doctor.examined import Examined
from hypocenter.api.doctor.examining import examine
from hypocenter.api.parts import Places
from hypocenter.cli import main
from hypocenter.stores.opening import open_records
from hypocenter.stores.schema import VERSION_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from native_neo4j import Neo4j
    from native_postgres import Postgres
    from victoria_metrics import VictoriaMetrics

    Doctor = Callable[..., tuple[int, dict[str, Any]]]

HOUR = timedelta(hours=1)
NEWER = f"UPDATE {VERSION_TABLE} SET version_num = '9999'"


def now() -> datetime:
    return datetime.now(UTC)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def test_redis_that_is_old_or_drops_tasks(
    redis_server: str, tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        TellingProxy(port_of(redis_server), b"redis_version:7.", b"redis_version:5.") as old,
        Redis.from_url(redis_server) as redis,
    ):
        monkeypatch.setenv("HYPOCENTER_REDIS_URL", f"redis://127.0.0.1:{old.port}/0")
        with HypocenterServer(tmp_path / "data", part="api") as server:
            redis.config_set("maxmemory", "100mb")
            redis.config_set("maxmemory-policy", "allkeys-lru")
            _, found = doctor(server.url)
            assert {"redis-old", "redis-evicts"} <= set(found)
            assert found["redis-old"]["message"].startswith("the server is Redis 5.")
            assert found["redis-evicts"]["message"] == "its maxmemory-policy is allkeys-lru"
            redis.config_set("maxmemory-policy", "noeviction")
            server.stop()
            monkeypatch.setenv("HYPOCENTER_REDIS_URL", redis_server)
            server.start()
            assert not {each for each in doctor(server.url)[1] if each.startswith("redis")}


def test_redis_that_is_not_there(redis_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPOCENTER_REDIS_URL", "redis://127.0.0.1:1/0")
    (tmp_path / "data").mkdir(mode=0o700)
    examined = Examined(Places(tmp_path / "data", apart=True), now)
    assert "redis-unreachable" in {each.code for each in examine(examined)}
    monkeypatch.setenv("HYPOCENTER_REDIS_URL", redis_server)
    assert "redis-unreachable" not in {each.code for each in examine(examined)}


@pytest.mark.neo4j
def test_neo4j_that_is_old(
    neo4j_server: Neo4j, tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPOCENTER_NEO4J_PASSWORD_FILE", str(neo4j_server.password_file))
    monkeypatch.setenv("HYPOCENTER_NEO4J_TIMEOUT", "60")
    tmp_path.chmod(0o700)
    with TellingProxy(neo4j_server.port, b"5.26.", b"5.25.") as old:
        monkeypatch.setenv("HYPOCENTER_GRAPH", f"bolt://127.0.0.1:{old.port}")
        code, found = doctor("--data-dir", tmp_path)
        assert (code, set(found)) == (1, {"graph-old"})
        assert found["graph-old"]["message"].startswith("the server is Neo4j 5.25.")
    monkeypatch.setenv("HYPOCENTER_GRAPH", neo4j_server.url)
    assert doctor("--data-dir", tmp_path)[1] == {}


@pytest.mark.postgres
def test_postgres_that_is_old(
    postgres_server: Postgres, tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPOCENTER_RECORDS_PASSWORD_FILE", str(postgres_server.password_file))
    tmp_path.chmod(0o700)
    version = subprocess.run([program("postgres"), "--version"], capture_output=True, check=True).stdout.split()[2]
    with TellingProxy(postgres_server.port, version, b"12" + version[2:]) as old:
        there = postgres_server.url().replace(str(postgres_server.port), str(old.port))
        monkeypatch.setenv("HYPOCENTER_RECORDS", there)
        _, found = doctor("--data-dir", tmp_path)
        assert found["records-old"]["message"].startswith("the server is PostgreSQL 12")
    monkeypatch.setenv("HYPOCENTER_RECORDS", postgres_server.url())
    assert "records-old" not in doctor("--data-dir", tmp_path)[1]


def test_a_file_of_records_of_a_newer_version(tmp_path: Path, doctor: Doctor) -> None:
    data, place = tmp_path / "data", tmp_path / "data" / "records.db"
    data.mkdir(mode=0o700)
    open_records(str(place)).close()
    with pytest.raises(SystemExit):
        main(["backup", str(tmp_path / "before.tar"), "--data-dir", str(data)])
    with closing(sqlite3.connect(place)) as file, file:
        file.execute(NEWER)
    code, found = doctor("--data-dir", data)
    assert (code, found["records-newer"]["subject"]) == (2, "records")
    assert "9999" in found["records-newer"]["message"]
    with pytest.raises(SystemExit):
        main(["restore", str(tmp_path / "before.tar"), "--data-dir", str(tmp_path / "again")])
    assert set(doctor("--data-dir", tmp_path / "again")[1]) == {"no-samples"}


@pytest.mark.postgres
def test_records_in_postgres_of_a_newer_version(
    postgres_server: Postgres, tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPOCENTER_RECORDS_PASSWORD_FILE", str(postgres_server.password_file))
    environment = {**os.environ, "PGPASSWORD": postgres_server.password}
    tmp_path.chmod(0o700)

    def ask_postgres(name: str, *words: str) -> None:
        subprocess.run([program(name), *words], env=environment, check=True, stdout=subprocess.DEVNULL)

    there, dump = postgres_server.url("newer"), str(tmp_path / "records.dump")
    ask_postgres("createdb", "--maintenance-db", postgres_server.url(), "newer")
    monkeypatch.setenv("HYPOCENTER_RECORDS", there)
    open_records(there).close()
    ask_postgres("pg_dump", "--format=custom", f"--file={dump}", there)
    ask_postgres("psql", "--quiet", "--command", NEWER, there)
    assert {"records-newer", "cannot-tell"} <= set(doctor("--data-dir", tmp_path)[1])
    ask_postgres("pg_restore", "--clean", "--dbname", there, dump)
    assert "records-newer" not in doctor("--data-dir", tmp_path)[1]
    open_records(there).close()


@pytest.mark.postgres
def test_clocks_that_are_not_ours(
    postgres_server: Postgres,
    redis_server: str,
    victoria_metrics: VictoriaMetrics,
    hypocenter_server: HypocenterServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HYPOCENTER_RECORDS_PASSWORD_FILE", str(postgres_server.password_file))
    monkeypatch.setenv("HYPOCENTER_REDIS_URL", redis_server)
    places = Places(tmp_path, metrics=victoria_metrics.url, records=postgres_server.url(), apart=True)

    def skewed(ahead: timedelta) -> dict[str, str]:
        clock = lambda: now() + ahead  # noqa: E731 - the clock of whoever asks
        found = [*examine(Examined(places, clock)), *ask(hypocenter_server.url, None, clock)]
        return {each.subject: each.message for each in found if each.code == "clock-skew"}

    assert skewed(HOUR).keys() == {"redis", "records", "metrics", hypocenter_server.url}
    assert all(said.endswith("s behind ours") for said in skewed(HOUR).values())
    assert all(said.endswith("s ahead of ours") for said in skewed(-HOUR).values())
    assert skewed(timedelta(0)) == {}
