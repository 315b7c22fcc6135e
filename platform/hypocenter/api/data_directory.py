"""The folder in which a server keeps its data, and the lock that makes one process its owner."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.api.durable import write_durably
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

LOCK = "serve.lock"
ADDRESS = "serve.url"
# What a backup is unpacked to in a folder that is there already, until all of it is in its place.
RESTORING = ".restoring"


def data_directory(given: Path | None = None) -> Path:
    """Return the folder that is meant: what was typed, else the setting, else one in the user's data folder."""
    return given or Path(str(settings.read("data_dir") or settings.data_home()))


@contextmanager
def owned(folder: Path) -> Iterator[Path]:
    """Make the folder where it is not there, and own it until the end.

    Raises InputError when another process does, and where a restore of it was cut off.
    """
    if (folder / RESTORING).exists():
        raise InputError(f"{folder}: a restore was cut off, or goes on; empty the folder and restore the backup again")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.fdopen(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except OSError as error:
        raise InputError(f"{folder}: cannot hold data ({error.strerror}); name a folder that can be written") from error
    with lock:
        _take(lock, folder)
        yield folder


def _take(lock: TextIO, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = lock.read(20).strip() or "unknown"
        raise InputError(
            f"{folder}: another server owns this folder (process {owner}); stop it, or name another with --data-dir"
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


@contextmanager
def told_where(folder: Path) -> Iterator[Callable[[str], None]]:
    """Let other commands on this machine know where the owner of the folder listens, once it does."""
    (folder / ADDRESS).unlink(missing_ok=True)
    try:
        yield lambda url: write_durably(folder / ADDRESS, url)
    finally:
        (folder / ADDRESS).unlink(missing_ok=True)


def address_of_owner(folder: Path) -> str | None:
    """Return where the server that owns a folder listens, None while none does."""
    try:
        with (folder / LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _read_address(folder)
    return None


def _read_address(folder: Path) -> str | None:
    try:
        return (folder / ADDRESS).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
