"""`make services`: all of docker-compose.yml on loopback until Ctrl-C, in a folder that is emptied when it stops."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import composed
from native_neo4j import Neo4j, UnavailableError, version
from native_postgres import Postgres
from server_process import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

FOLDER = Path(__file__).parents[2] / ".services"
PORTS = {"neo4j": 7687, "redis": 6379, "victoria-metrics": 8428, "api": 4477}
NEO4J_JAVA = ("-Xms1g", "-Xmx1g")
DOCKER_SECONDS = 5


def main(folder: Path = FOLDER) -> int:
    """Run the servers until Ctrl-C, SIGTERM or the end of one of them; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with ExitStack() as running:
            _claim(folder, running)
            places = _servers(folder, running)
            _announce(folder, places, _platform(folder, places, running))
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            raise RuntimeError("a server ended by itself; the others are stopped")
    except KeyboardInterrupt:
        return 0
    except (UnavailableError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _claim(folder: Path, running: ExitStack) -> None:
    """Take the folder for this run alone, empty now and when the run ends."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    running.callback(os.close, handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RuntimeError(f"services are running in {folder} already") from error
    _empty(folder)
    running.callback(_empty, folder)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _servers(folder: Path, running: ExitStack) -> dict[str, str]:
    """Start the servers; return where each is, and the secrets, by what the compose file calls them."""
    redis, victoria = (composed.program(name) for name in ("redis-server", "victoria-metrics"))
    print(f"Neo4j {version()}, PostgreSQL, {Path(redis).name} and {Path(victoria).name} are starting ...", flush=True)
    neo4j = running.enter_context(Neo4j(folder / "neo4j", _port("neo4j"), NEO4J_JAVA))
    # PostgreSQL runs as an account of its own where this is root, and that cannot reach our folder.
    apart = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="hypocenter-postgres-")))
    postgres = running.enter_context(Postgres(apart))
    secrets, ports = folder / "secrets", {name: _port(name) for name in ("redis", "victoria-metrics")}
    composed.make_secrets(secrets, neo4j_password=neo4j.password, postgres_password=postgres.password)
    running.enter_context(composed.redis(ports["redis"], secrets, folder / "redis"))
    running.enter_context(composed.victoria_metrics(ports["victoria-metrics"], folder / "victoria-metrics"))
    return {
        "neo4j:7687": f"127.0.0.1:{neo4j.port}",
        "postgres:5432/hypocenter": f"127.0.0.1:{postgres.port}/postgres",
        "redis:6379": f"127.0.0.1:{ports['redis']}",
        "victoria-metrics:8428": f"127.0.0.1:{ports['victoria-metrics']}",
        composed.SECRETS: str(secrets.resolve()),
    }


def _platform(folder: Path, places: Mapping[str, str], running: ExitStack) -> str:
    """Start what of the platform the compose file has; return where it listens."""
    listen = f"127.0.0.1:{_port('api')}"
    print("The platform is starting ...", flush=True)
    for name in composed.READY:
        running.enter_context(composed.started(name, places, folder / name, listen))
    return f"http://{listen}"


def _port(name: str) -> int:
    """Return the usual port of a server, or a free one where that is taken."""
    wanted = PORTS[name]
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", wanted))
        return wanted
    return free_port()


def _announce(folder: Path, places: Mapping[str, str], url: str) -> None:
    settings = composed.settings(composed.services()["worker"], places)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
    (folder / "env").write_text("\n".join([*lines, ""]), encoding="utf-8")
    print("", *lines, "", sep="\n")
    print(f"The same lines are in {folder / 'env'}. All of it takes connections from this machine only.")
    print(f"listening    {url}, tokens in {folder / 'secrets'}: ingest_token to send, read_token to read")
    if _docker_answers():
        print("With Docker, `docker compose up --build --wait` does the same and keeps the data.")
    print("Ctrl-C stops all of it and deletes the data.", flush=True)


def _docker_answers() -> bool:
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, timeout=DOCKER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
