"""`make services`: Neo4j and Redis on loopback until Ctrl-C, in a folder that is emptied when they stop."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from native_neo4j import Neo4j, UnavailableError, version
from server_process import ServerProcess, free_port

if TYPE_CHECKING:
    from types import FrameType

FOLDER = Path(__file__).parents[2] / ".services"
NEO4J_PORT, REDIS_PORT = 7687, 6379
NEO4J_JAVA = ("-Xms1g", "-Xmx1g")
DOCKER_SECONDS = 5


def main(folder: Path = FOLDER) -> int:
    """Run the servers until Ctrl-C, SIGTERM or the end of one of them; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with ExitStack() as running:
            _claim(folder, running)
            _announce(folder, _neo4j(folder, running) | _redis(folder, running))
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


def _neo4j(folder: Path, running: ExitStack) -> dict[str, str]:
    print(f"Neo4j {version()} is starting ...", flush=True)
    server = running.enter_context(Neo4j(folder / "neo4j", _port(NEO4J_PORT), NEO4J_JAVA))
    return {
        "HYPOCENTER_GRAPH": f"bolt://127.0.0.1:{server.port}",
        "HYPOCENTER_NEO4J_PASSWORD_FILE": str(server.password_file.resolve()),
    }


def _redis(folder: Path, running: ExitStack) -> dict[str, str]:
    binary = shutil.which("redis-server")
    if not binary:
        print("No Redis: redis-server is not installed (apt-get install redis-server)")
        return {}
    port = _port(REDIS_PORT)
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    running.enter_context(ServerProcess([binary, *options], "eady to accept connections", folder))
    return {"HYPOCENTER_REDIS_URL": f"redis://127.0.0.1:{port}/0"}


def _port(wanted: int) -> int:
    """Return the usual port of a server, or a free one where that is taken."""
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", wanted))
        return wanted
    return free_port()


def _announce(folder: Path, settings: dict[str, str]) -> None:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
    (folder / "env").write_text("\n".join([*lines, ""]), encoding="utf-8")
    print("", *lines, "", sep="\n")
    print(f"The same lines are in {folder / 'env'}. The servers take connections from this machine only.")
    if _docker_answers():
        print("With Docker, `docker compose up --wait neo4j redis` does the same and keeps the data.")
    print("Ctrl-C stops the servers and deletes their data.", flush=True)


def _docker_answers() -> bool:
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, timeout=DOCKER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
