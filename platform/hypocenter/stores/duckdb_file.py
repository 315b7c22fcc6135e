"""One DuckDB file that one process owns: its lock, its limits, and what its errors mean to us."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.errors import InputError, SourceError
from hypocenter.stores.metrics import FullError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from duckdb import DuckDBPyConnection

FILE = "metrics.duckdb"
LOCK = "metrics.lock"
TEMPORARY = "metrics.tmp"
CHECKPOINT = "64MB"
FORMAT = 1
AGAIN_S = 0.01


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes that the data takes, with what is not yet in the file's blocks, and bytes that could still be written."""

    used: int
    log: int
    free: int
    disk: int


class DuckDbFile:
    """An open file, for this process alone. Raises InputError where the folder or file cannot be ours."""

    def __init__(self, folder: Path, memory_bytes: int, threads: int) -> None:
        self.folder, self._memory_bytes, self._threads = folder, memory_bytes, threads
        self._cursors: set[DuckDBPyConnection] = set()
        self.opened, self.has_failed = 1, False
        self._lock = _locked(folder)
        try:
            self.connection = self._connect()
        except BaseException:
            self._lock.close()
            raise

    def _connect(self) -> DuckDBPyConnection:
        import duckdb

        shutil.rmtree(self.folder / TEMPORARY, ignore_errors=True)
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{self._memory_bytes}B",
            "threads": self._threads,
            "temp_directory": str(self.folder / TEMPORARY),
            "checkpoint_threshold": CHECKPOINT,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        with self.told():
            connection = duckdb.connect(self.folder / FILE, config=config)
        try:
            with self.told():
                _prepare(connection)
                self._check_format(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_format(self, connection: DuckDBPyConnection) -> None:
        tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        if not tables:
            connection.execute("CREATE TABLE format AS SELECT ? AS version", [FORMAT])
            return
        found = connection.execute("SELECT version FROM format").fetchall() if "format" in tables else []
        if found != [(FORMAT,)]:
            raise InputError(
                f"{self.folder / FILE}: holds no metrics of this version of Hypocenter; name another folder"
            )

    def reopen(self) -> None:
        """Open the file anew after DuckDB has given up on it (`has_failed`); counted in `opened`."""
        self._close_all()
        self.connection = self._connect()
        self.opened, self.has_failed = self.opened + 1, False

    def _close_all(self) -> None:
        while cursors := tuple(self._cursors):
            for cursor in cursors:
                _break_off(cursor)
                self._cursors.discard(cursor)
        self.connection.close()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell what DuckDB says in our words, with the name of the file."""
        import duckdb

        try:
            yield
        except duckdb.Error as error:
            # DuckDB gives up on a file that it could not write to, until it is opened anew.
            self.has_failed |= isinstance(error, (duckdb.FatalException, duckdb.InternalException))
            if "not a valid DuckDB" in str(error):
                raise InputError(f"{self.folder / FILE}: is no DuckDB file; name another folder") from error
            if "No space left" in str(error):
                raise FullError(
                    f"{self.folder}: the disk is full; make room, or lower HYPOCENTER_RETENTION_DAYS"
                ) from error
            raise SourceError(f"{self.folder / FILE}: cannot be read or written: {error}") from error
        except OSError as error:
            raise SourceError(f"{self.folder}: cannot be read or written: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[DuckDBPyConnection]:
        """Write all of it or nothing; durable when this ends. One at a time."""
        with self.told():
            self.connection.begin()
            try:
                yield self.connection
            except BaseException:
                self._undo()
                raise
            self._commit()

    def _commit(self) -> None:
        try:
            self.connection.commit()
        except BaseException:
            # Only the file itself can tell now whether it was written.
            self.has_failed = True
            raise

    def _undo(self) -> None:
        import duckdb

        # After some failures, a full disk among them, DuckDB has itself rolled back or answers no more.
        with suppress(duckdb.Error):
            self.connection.rollback()

    @contextmanager
    def cursor(self) -> Iterator[DuckDBPyConnection]:
        """Reach the file beside who writes to it."""
        with self.told():
            cursor = self.connection.cursor()
            self._cursors.add(cursor)
            try:
                yield cursor
            finally:
                self._cursors.discard(cursor)
                cursor.close()

    @contextmanager
    def snapshot(self, **tables: object) -> Iterator[DuckDBPyConnection]:
        """See the file as it is at one time, whatever is written meanwhile, with these tables beside it."""
        with self.cursor() as cursor:
            # Within the transaction they would make it one that writes, which no checkpoint passes.
            for name, table in tables.items():
                cursor.register(name, table)
            cursor.begin()
            yield cursor

    def checkpoint(self) -> bool:
        """Move the log into the file and give back what was dropped; return whether that could be done now."""
        import duckdb

        with self.cursor() as cursor, suppress(duckdb.TransactionException):
            cursor.execute("CHECKPOINT")
            return True
        return False

    def space(self) -> Space:
        """Return what is used and what is left; blocks of the file that hold nothing any more count as left."""
        with self.cursor() as cursor:
            ((used, reusable),) = cursor.execute(
                "SELECT block_size * used_blocks, block_size * free_blocks FROM pragma_database_size()"
            ).fetchall()
            disk = shutil.disk_usage(self.folder)
            log = self.log_bytes()
        return Space(used + log, log, disk.free + reusable, disk.total)

    def log_bytes(self) -> int:
        """Return the size of the write-ahead log."""
        try:
            return (self.folder / f"{FILE}.wal").stat().st_size
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        """Close the file and let others have it; what is being asked of it ends with SourceError."""
        try:
            self._close_all()
        finally:
            self._lock.close()


def _break_off(cursor: DuckDBPyConnection) -> None:
    """Close a connection; what another thread is asking there ends with an error, however long it would take."""
    import duckdb

    # Whoever asked closes it as well.
    with suppress(duckdb.ConnectionException):
        while True:
            cursor.interrupt()
            # DuckDB does not close what is amid a call.
            with suppress(duckdb.ResourceInUseException):
                cursor.close()
                return
            time.sleep(AGAIN_S)


def _prepare(connection: DuckDBPyConnection) -> None:
    import pyarrow as pa  # type: ignore[import-untyped]

    # The first table that is handed over has DuckDB load much of Arrow: now, not while a request waits.
    connection.register("first", pa.table({"number": [0]}))
    connection.unregister("first")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _locked(folder: Path) -> IO[str]:
    """Hold the folder for this process, which the system ends with it; make the folder where it is not there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InputError(f"{folder}: cannot be used as data folder: {error.strerror}; name another") from error
    lock = os.fdopen(descriptor, "r+")
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(f"{folder / LOCK}: is no plain file; name another folder")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = lock.read().strip()
        lock.close()
        who = f"the process {holder}" if holder.isdecimal() else "another process"
        raise InputError(
            f"{folder}: {who} holds it; stop that one, ask it through its API, or name another folder"
        ) from None
    except BaseException:
        lock.close()
        raise
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
