"""A server or a command that is killed amid a backup: nothing by its name, nothing locked, the next one whole."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from hypocenter_server import HypocenterServer
from waiting import PATIENCE_S, awaited

from hypocenter.api.backup_restoring import checked, restore
from hypocenter.errors import InputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE_FAILED = SourceError.exit_code
PROGRAM = str(Path(sys.executable).with_name("hypocenter"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a change in it."""
    folder = tmp_path / "data"
    with HypocenterServer(folder) as server:
        change = {"component": "cart", "at": time.time(), "type": "deploy", "title": "kept"}
        assert httpx.post(f"{server.url}/api/v1/changes", json=change).is_success
    return folder


@contextmanager
def amid_copying(data: Path, goal: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a backup that has begun with the records, and comes no further than the graph, which is held here."""
    with closing(sqlite3.connect(data / "graph.db", isolation_level=None)) as holding:
        holding.execute("BEGIN EXCLUSIVE")
        with subprocess.Popen([PROGRAM, "backup", str(goal), "--data-dir", str(data)]) as backup:
            awaited((data / "backup.tmp" / "records.db").exists)
            yield backup


def holds_the_change(goal: Path, again: Path) -> bool:
    """Whether a backup is whole, and what is restored from it has the change and is served."""
    restore(goal, again)
    return titles(again) == ["kept"]


def titles(data: Path) -> list[str]:
    with HypocenterServer(data) as server:
        told = httpx.get(f"{server.url}/api/v1/changes").raise_for_status().json()
    return [each["title"] for each in told["items"]]


def test_a_server_that_is_killed_amid_a_backup(data: Path, tmp_path: Path) -> None:
    goal = tmp_path / "kept.tar"
    with HypocenterServer(data) as server:
        with amid_copying(data, goal) as backup:
            server.kill()
            assert backup.wait(PATIENCE_S) == SOURCE_FAILED
        assert [path.name for path in tmp_path.iterdir()] == ["data"]
        server.start()
        assert not (data / "backup.tmp").exists()
        subprocess.run([PROGRAM, "backup", str(goal), "--data-dir", str(data)], check=True)
    assert holds_the_change(goal, tmp_path / "again")


def test_a_command_that_is_killed_amid_a_backup_of_a_directory_that_no_server_owns(data: Path, tmp_path: Path) -> None:
    goal = tmp_path / "kept.tar"
    with amid_copying(data, goal) as backup:
        backup.send_signal(signal.SIGKILL)
        backup.wait(PATIENCE_S)
    assert not goal.exists()
    with pytest.raises(InputError, match=r"cut off|no backup"):
        checked(tmp_path / ".kept.tar.part")
    # Nothing is locked: a server has it, and so has the next backup.
    assert titles(data) == ["kept"]
    subprocess.run([PROGRAM, "backup", str(goal), "--data-dir", str(data)], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "kept.tar"]
    assert not (data / "backup.tmp").exists()
    assert holds_the_change(goal, tmp_path / "again")
