"""PostgreSQL from the machine's package, on loopback, with a folder, a port and a password of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from native_neo4j import UnavailableError
from server_process import ServerProcess, free_port

if TYPE_CHECKING:
    from typing import Self

PACKAGE = "postgresql"
PLACES = "/usr/lib/postgresql/*/bin"
ACCOUNT = "postgres"
# Nothing here has to outlive the machine.
CAREFREE = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "unix_socket_directories=")


def program(name: str) -> str:
    """Return the path of a program of PostgreSQL; Debian keeps servers off the PATH.

    Raises UnavailableError where there is none.
    """
    newest_first = sorted(Path("/").glob(PLACES.removeprefix("/")), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, newest_first)]))
    if not found:
        raise UnavailableError(f"{name} is not installed (Debian: apt-get install {PACKAGE})")
    return found


class Postgres:
    """A running server with one user, `user`, whose password is in `password_file`.

    Raises UnavailableError where PostgreSQL cannot be had, RuntimeError with its words when it does not start.
    """

    user = "hypocenter"

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self.password_file = folder / "password"
        self.password_file.write_text(self.password, encoding="utf-8")
        self._data = folder / "data"
        # It refuses to run as root.
        self._account = ACCOUNT if os.geteuid() == 0 else None
        if self._account:
            for path in (folder, self.password_file):
                shutil.chown(path, self._account)
        self._make()
        self._process = self._start()

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database, without the password."""
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The number of the process whose children serve."""
        return self._process.pid

    def start(self) -> None:
        """Start the server again on the same port and data."""
        self._process = self._start()

    def stop(self) -> None:
        """End the server without waiting for those who are connected."""
        self._process.stop(signal.SIGINT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _make(self) -> None:
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", f"--username={self.user}"]
        command = [program("initdb"), *options, f"--pwfile={self.password_file}", f"--pgdata={self._data}"]
        made = subprocess.run(command, capture_output=True, text=True, check=False, user=self._account, cwd="/")
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stdout}{made.stderr}")

    def _start(self) -> ServerProcess:
        settings = ("listen_addresses=127.0.0.1", f"port={self.port}", *CAREFREE)
        command = [program("postgres"), "-D", str(self._data), *(f"-c{setting}" for setting in settings)]
        return ServerProcess(command, "database system is ready to accept connections", Path("/"), self._account)
