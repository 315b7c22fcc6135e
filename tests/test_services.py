"""`make services`: it prints what to export, what it prints works, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import native_neo4j
import pytest
from neo4j import GraphDatabase
from redis import Redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.neo4j
SERVERS = Path(native_neo4j.__file__).parent


@contextmanager
def _services(folder: Path) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """The settings that the services print, and their process."""
    command = [sys.executable, str(SERVERS / "services.py"), str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            yield _settings(process), process
        finally:
            process.terminate()


def _settings(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout
    assert process.stderr
    settings = {}
    for line in process.stdout:
        if line.startswith("export "):
            name, value = shlex.split(line)[1].split("=", 1)
            settings[name] = value
        if line.startswith("Ctrl-C"):
            return settings
    pytest.fail(process.stderr.read())


def _answers(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port)) == 0


@pytest.mark.redis
def test_what_is_printed_works_until_ctrl_c(
    require: Callable[[str], str], neo4j_server: native_neo4j.Neo4j, tmp_path: Path
) -> None:
    require("redis-server")
    folder = tmp_path / "a folder"
    with _services(folder) as (settings, process):
        password = Path(settings["HYPOCENTER_NEO4J_PASSWORD_FILE"]).read_text(encoding="utf-8")
        with GraphDatabase.driver(settings["HYPOCENTER_GRAPH"], auth=("neo4j", password)) as driver:
            driver.verify_connectivity()
        with Redis.from_url(settings["HYPOCENTER_REDIS_URL"]) as client:
            assert client.ping()
        assert (folder / "env").read_text(encoding="utf-8").splitlines() == [
            f"export {name}={shlex.quote(value)}" for name, value in settings.items()
        ]
        assert _second_run(folder) == (2, f"services are running in {folder} already\n")
        # As a terminal does: to every process of the group.
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait() == 0
    assert list(folder.iterdir()) == []
    assert not any(_answers(settings[name]) for name in ("HYPOCENTER_GRAPH", "HYPOCENTER_REDIS_URL"))


def _second_run(folder: Path) -> tuple[int, str]:
    done = _python("services.py", str(folder))
    return done.returncode, done.stderr


def _python(name: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SERVERS / name), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


@pytest.mark.parametrize("name", ["services.py", "native_neo4j.py"])
def test_without_java_one_line_says_what_to_install(name: str, tmp_path: Path) -> None:
    words = [str(tmp_path / "services")] if name == "services.py" else []
    done = _python(name, *words, PATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "java is not installed" in done.stderr
    assert "apt-get install openjdk-17-jre-headless maven" in done.stderr


def test_without_maven_the_cache_is_enough(require: Callable[[str], str], neo4j_server: object, tmp_path: Path) -> None:
    (tmp_path / "java").symlink_to(require("java"))
    done = _python("native_neo4j.py", PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, f"{native_neo4j.cached()}\n")
    assert "mvn is not installed" in _python("native_neo4j.py", PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path)).stderr


def test_a_failed_download_leaves_no_cache(require: Callable[[str], str], tmp_path: Path) -> None:
    require("mvn")
    nowhere = f"-Dmaven.repo.local={tmp_path / 'm2'} -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=1"
    done = _python("native_neo4j.py", XDG_CACHE_HOME=str(tmp_path / "cache"), MAVEN_OPTS=nowhere)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Maven could not fetch Neo4j {native_neo4j.version()}:")
    assert list((tmp_path / "cache" / "hypocenter").iterdir()) == []
