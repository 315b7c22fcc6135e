"""Neo4j Community without Docker: jars through Maven, kept in a cache; Bolt on loopback, and no other listener.

Settings are those of Neo4j's operations manual, version 5.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from server_process import ServerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

POM = Path(__file__).with_name("pom.xml")
PACKAGES = "openjdk-17-jre-headless maven"
FETCH_SECONDS = 600
# Half the work of a start, for a server that answers few queries.
QUICK = ("-Xmx768m", "-XX:TieredStopAtLevel=1")
OPENED = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
# Preallocated logs would take half a gigabyte, and a quiet period ten seconds of every stop.
CONFIGURATION = """\
server.default_listen_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:{port}
server.bolt.advertised_address=127.0.0.1:{port}
server.http.enabled=false
server.https.enabled=false
server.bolt.telemetry.enabled=false
client.allow_telemetry=false
dbms.usage_report.enabled=false
server.memory.pagecache.size=256m
db.tx_log.preallocate=false
internal.dbms.bolt.netty_server_shutdown_quiet_period=0
"""


class UnavailableError(Exception):
    """Neo4j cannot be had on this machine; the message says why, and what to install."""


def version() -> str:
    """Return the release that pom.xml pins."""
    found = re.search(r"<neo4j\.version>([\d.]+)<", POM.read_text(encoding="utf-8"))
    assert found, f"{POM} pins no <neo4j.version>"
    return found[1]


def cached() -> Path:
    """Return the folder where the jars are kept; it is whole or absent."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "hypocenter" / f"neo4j-{version()}"


def fetch() -> Path:
    """Return the folder of Neo4j's jars, downloaded at the first call on a machine and kept.

    Raises UnavailableError without Java, Maven or a network.
    """
    _require("java")
    folder = cached()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.partial-", dir=folder.parent) as partial:
            _download(Path(partial) / "lib")
            _publish(Path(partial) / "lib", folder)
    return folder


def _require(binary: str) -> str:
    found = shutil.which(binary)
    if not found:
        raise UnavailableError(
            f"{binary} is not installed; a native Neo4j needs Maven and Java (apt-get install {PACKAGES})"
        )
    return found


def _download(folder: Path) -> None:
    """Have Maven copy the jars; --strict-checksums fails on a file that is not what the repository says it is."""
    options = ["--quiet", "--batch-mode", "--no-transfer-progress", "--strict-checksums", f"--file={POM}"]
    command = [_require("mvn"), *options, "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"Maven did not fetch Neo4j {version()} in {FETCH_SECONDS} seconds") from error
    if done.returncode:
        raise UnavailableError(f"Maven could not fetch Neo4j {version()}:\n{done.stdout}{done.stderr}")


def _publish(folder: Path, kept: Path) -> None:
    try:
        folder.rename(kept)
    except OSError:
        # Another process was quicker: its copy is as good.
        if not kept.is_dir():
            raise


class Neo4j:
    """A server with a folder, a port and a password of its own; they stay the same when it stops and starts again.

    Raises UnavailableError where Neo4j cannot be had, and RuntimeError with the server's words when it does not start.
    """

    user = "neo4j"

    def __init__(self, folder: Path, port: int | None = None, java_options: Sequence[str] = QUICK) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.password = secrets.token_hex(16)
        self.password_file = folder / "password"
        self._java_options = java_options
        self._jars = fetch()
        self._process: ServerProcess | None = None
        self._prepare()

    @property
    def url(self) -> str:
        """The server's address, for one connection without routing."""
        return f"bolt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The server's process while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Return when the server runs and lets its user in."""
        if self._process:
            return
        self._process = ServerProcess(self._server_command(), " Started.")
        try:
            self._log_in()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End the server as an operator would."""
        process, self._process = self._process, None
        if process:
            process.stop()

    def kill(self) -> None:
        """End the server as a crash would."""
        process, self._process = self._process, None
        if process:
            process.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare(self) -> None:
        conf = self.folder / "conf"
        conf.mkdir(parents=True)
        (conf / "neo4j.conf").write_text(CONFIGURATION.format(port=self.port), encoding="utf-8")
        _write_secret(self.password_file, self.password)
        self._set_password()

    def _set_password(self) -> None:
        """Set the first password with Neo4j's own tool; it goes through a file, as all may read a process's words."""
        words = self.folder / "set-initial-password"
        _write_secret(words, f"org.neo4j.cli.AdminTool dbms set-initial-password {self.password}")
        environment = os.environ | {"NEO4J_HOME": str(self.folder), "NEO4J_CONF": str(self.folder / "conf")}
        command = self._java(f"@{words}")
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        words.unlink()
        if done.returncode:
            raise RuntimeError(f"Neo4j's password could not be set:\n{done.stdout}{done.stderr}")

    def _java(self, *words: str) -> list[str]:
        return [_require("java"), "-XX:+UseSerialGC", "-cp", f"{self._jars}/*", *words]

    def _server_command(self) -> list[str]:
        opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
        folders = [f"--home-dir={self.folder}", f"--config-dir={self.folder / 'conf'}"]
        main = ["org.neo4j.server.CommunityEntryPoint", "--console-mode", *folders]
        return self._java(*self._java_options, "-Dfile.encoding=UTF-8", *opened, *main)

    def _log_in(self) -> None:
        from neo4j import GraphDatabase

        with GraphDatabase.driver(self.url, auth=(self.user, self.password)) as driver:
            driver.verify_connectivity()


def _write_secret(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def shown(fetched: Callable[[], object]) -> int:
    """Print what was fetched ahead of its first use, or why it cannot be had; return the exit code of a program."""
    try:
        print(fetched())
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(shown(fetch))
