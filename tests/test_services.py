"""`make services`: the compose file's commands run, what is printed works, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zipfile import ZipFile

import composed
import httpx
import native_neo4j
import pytest
from neo4j import GraphDatabase
from redis import Redis
from redis.exceptions import AuthenticationError
from waiting import awaited

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
        if line.startswith("listening "):
            settings["api"] = line.split()[1].rstrip(",")
        if line.startswith("export "):
            name, value = shlex.split(line)[1].split("=", 1)
            settings[name] = value
        if line.startswith("Ctrl-C"):
            return settings
    pytest.fail(process.stderr.read())


def _answers(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port)) == 0


def _secret(settings: dict[str, str], name: str) -> str:
    file = Path(settings["HYPOCENTER_REDIS_PASSWORD_FILE"]).with_name(name)
    return file.read_text(encoding="utf-8")


@pytest.mark.redis
@pytest.mark.postgres
def test_what_is_printed_works_until_ctrl_c(
    require: Callable[[str], str], neo4j_server: native_neo4j.Neo4j, tmp_path: Path
) -> None:
    require("redis-server")
    require("victoria-metrics")
    folder = tmp_path / "a folder"
    with _services(folder) as (settings, process):
        _each_server_is_open(settings)
        _each_service_is_healthy(settings)
        _telemetry_comes_out_again(settings)
        _the_dashboard_has_all_it_asks_for(settings)
        exported = {name: value for name, value in settings.items() if name.startswith("HYPOCENTER_")}
        assert (folder / "env").read_text(encoding="utf-8").splitlines() == [
            f"export {name}={shlex.quote(value)}" for name, value in exported.items()
        ]
        assert _second_run(folder) == (2, f"services are running in {folder} already\n")
        # As a terminal does: to every process of the group.
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait() == 0
    assert list(folder.iterdir()) == []
    assert not any(_answers(url) for url in settings.values() if "://" in url)


def _each_server_is_open(settings: dict[str, str]) -> None:
    password = _secret(settings, "neo4j_password")
    with GraphDatabase.driver(settings["HYPOCENTER_GRAPH"], auth=("neo4j", password)) as driver:
        driver.verify_connectivity()
    with Redis.from_url(settings["HYPOCENTER_REDIS_URL"], password=_secret(settings, "redis_password")) as client:
        assert client.ping()
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    with pytest.raises(AuthenticationError), Redis.from_url(settings["HYPOCENTER_REDIS_URL"]) as stranger:
        stranger.ping()


def _each_service_is_healthy(settings: dict[str, str]) -> None:
    """Run the health checks of the compose file, with the addresses of here."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | settings | {"PATH": path, "HOSTNAME": socket.gethostname()}
    for name in composed.READY:
        kind, *words = composed.services()[name]["healthcheck"]["test"]
        here = [composed.moved(word, {"http://127.0.0.1:4477": settings["api"]}) for word in words]
        command = here if kind == "CMD" else ["sh", "-c", *here]
        # A worker that answered its first ping late is asked again, as Compose does.
        awaited(lambda command=command: subprocess.run(command, env=environment, check=False).returncode == 0)  # type: ignore[misc]


def _telemetry_comes_out_again(settings: dict[str, str]) -> None:
    shown = {name: {"Authorization": f"Bearer {_secret(settings, f'{name}_token')}"} for name in ("ingest", "read")}
    alert = {"labels": {"alertname": "HighLatency", "service": "checkout"}}
    url = f"{settings['api']}/api/v2/alerts"
    assert httpx.post(url, json=[alert]).status_code == 401
    assert httpx.post(url, json=[alert], headers=shown["ingest"]).status_code == 200
    start = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    case = httpx.get(
        f"{settings['api']}/api/v1/case",
        params={"start": start, "end": datetime.now(UTC).isoformat()},
        headers=shown["read"],
        timeout=60,
    )
    assert case.status_code == 200
    with ZipFile(BytesIO(case.content)) as files:
        assert any(b"HighLatency" in files.read(name) for name in files.namelist())


def _the_dashboard_has_all_it_asks_for(settings: dict[str, str]) -> None:
    shown = {"Authorization": f"Bearer {_secret(settings, 'read_token')}"}
    text = httpx.get(f"{settings['api']}/metrics", headers=shown).text
    there = {found[1] for found in re.finditer(r"^# TYPE (\S+)", text, re.MULTILINE)}
    folder = composed.ROOT / "deploy"
    asked = (folder / "grafana/dashboards/hypocenter.json").read_text(encoding="utf-8")
    asked += (folder / "prometheus/rules.yml").read_text(encoding="utf-8")
    # A name with an underscore: neither the job nor the dashboard.
    wanted = {name.removesuffix("_bucket") for name in re.findall(r"\b(?:hypocenter|process)_\w+", asked)}
    assert len(wanted) > 20
    assert wanted <= there


def _second_run(folder: Path) -> tuple[int, str]:
    done = _python("services.py", str(folder))
    return done.returncode, done.stderr


def _python(name: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SERVERS / name), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


@pytest.mark.parametrize(
    ("name", "lacks", "packages"),
    [
        ("services.py", "redis-server", "redis-server"),
        ("native_neo4j.py", "java", "openjdk-17-jre-headless maven"),
    ],
)
def test_without_a_program_one_line_says_what_to_install(name: str, lacks: str, packages: str, tmp_path: Path) -> None:
    words = [str(tmp_path / "services")] if name == "services.py" else []
    done = _python(name, *words, PATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{lacks} is not installed" in done.stderr
    assert f"apt-get install {packages}" in done.stderr


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
