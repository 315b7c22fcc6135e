"""A memory store that is kept in a file: SQLite holds the claims, the process walks them in memory."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING

from hypocenter.errors import InputError, SourceError
from hypocenter_graph.claims import ComponentClaim, Discovered, is_text
from hypocenter_graph.stores.contract import EXPIRY
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_graph.stores.records import (
    component_claim,
    component_record,
    dependency_claim,
    dependency_record,
    told_if_damaged,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from hypocenter_graph.stores.contract import Found, View

VERSION = 1
WAIT_S = 30.0
_APPLICATION = 0x48595047
_TABLES = (
    "CREATE TABLE components (tenant TEXT, name TEXT, source TEXT, claim TEXT NOT NULL, "
    "PRIMARY KEY (tenant, name, source)) WITHOUT ROWID",
    "CREATE TABLE dependencies (tenant TEXT, caller TEXT, callee TEXT, type TEXT, source TEXT, claim TEXT NOT NULL, "
    "PRIMARY KEY (tenant, caller, callee, type, source)) WITHOUT ROWID",
    "CREATE INDEX dependencies_by_callee ON dependencies (tenant, callee)",
    f"PRAGMA user_version = {VERSION}",
    f"PRAGMA application_id = {_APPLICATION}",
)


class FileStore:
    """A graph store in one file; what one process writes the others see. Safe to share between threads.

    Raises InputError when the file holds something else, SourceError when it cannot be read or written.
    """

    def __init__(self, path: Path, tenant: str = "default", gap: timedelta = EXPIRY) -> None:
        self._path, self._tenant, self._gap = path, tenant, gap
        self._lock = RLock()
        with self._told():
            self._file = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        self._memory, self._seen = MemoryStore(gap), -1
        try:
            with self._told():
                self._prepare()
        except BaseException:
            self._file.close()
            raise

    def upsert(self, found: Discovered) -> None:
        """Join claims with those that are there; all of them or none."""
        with self._writing():
            self._keep(self._memory.changes(found))

    def retract(self, source: str, at: datetime, but: Discovered) -> int:
        """End at `at` what `source` declared and `but` does not say any more; return how many claims ended."""
        with self._writing():
            ended = self._memory.endings(source, at, but)
            self._keep(ended)
        return len(ended.components) + len(ended.dependencies)

    def remove(self, names: Collection[str]) -> None:
        """Take components out of the graph, and all dependencies from and to them."""
        rows = [(self._tenant, name) for name in names if is_text(name)]
        with self._writing():
            self._keep_neighbours(names)
            self._file.executemany("DELETE FROM components WHERE tenant = ? AND name = ?", rows)
            self._file.executemany("DELETE FROM dependencies WHERE tenant = ? AND caller = ?", rows)
            self._file.executemany("DELETE FROM dependencies WHERE tenant = ? AND callee = ?", rows)
            self._memory.remove(names)

    def claims(self, names: Collection[str] | None = None, view: View | None = None) -> Discovered:
        """Return the claims on the named components and on dependencies between them, or all there are."""
        with self._reading() as memory:
            return memory.claims(names, view)

    def names(self, after: str, most: int) -> Sequence[str]:
        """Return the first `most` components whose names come after a text, in order of code points."""
        with self._reading() as memory:
            return memory.names(after, most)

    def named(self, names: Collection[str]) -> Mapping[str, str]:
        """Return the component that each of `names` is another name of; left out is what several go by, or none."""
        with self._reading() as memory:
            return memory.named(names)

    def steps(self, names: Collection[str], view: View, *, up: bool = False) -> Mapping[str, Sequence[str]]:
        """Return what lies one step from each of `names`, sorted; names with nothing near are left out."""
        with self._reading() as memory:
            return memory.steps(names, view, up=up)

    def nearest(
        self, above: Collection[str], below: Collection[str], known: Collection[str], most: int, view: View
    ) -> Found:
        """Return the `most` best components one step down from `above` or one step up from `below`, without `known`."""
        with self._reading() as memory:
            return memory.nearest(above, below, known, most, view)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _prepare(self) -> None:
        with self._transaction("BEGIN IMMEDIATE"):
            (application,) = self._file.execute("PRAGMA application_id").fetchone()
            (version,) = self._file.execute("PRAGMA user_version").fetchone()
            (tables,) = self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not tables:
                for statement in _TABLES:
                    self._file.execute(statement)
            elif (application, version) != (_APPLICATION, VERSION):
                raise InputError(f"{self._path}: is no graph of this version of Hypocenter; name another file")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what SQLite says in our words, with the name of the file."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "not a database" in str(error):
                raise InputError(f"{self._path}: is no graph file; name another file") from error
            raise SourceError(f"{self._path}: the graph cannot be read or written: {error}") from error

    @contextmanager
    def _reading(self) -> Iterator[MemoryStore]:
        with self._lock, self._told():
            with self._transaction("BEGIN"):
                self._refresh()
            yield self._memory

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the file alone from reading what is there to writing what it becomes."""
        with self._lock, self._told(), self._transaction("BEGIN IMMEDIATE"):
            self._refresh()
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        """See the file as it is at one time; after a failure, read it anew."""
        self._file.execute(begin)
        try:
            yield
            self._file.execute("COMMIT")
        except BaseException:
            self._seen = -1
            # SQLite has itself rolled back after the worst of failures, such as a full disk.
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise

    def _refresh(self) -> None:
        """Read the file anew when another connection has written to it."""
        (version,) = self._file.execute("PRAGMA data_version").fetchone()
        if version == self._seen:
            return
        mine = (self._tenant,)
        components = self._file.execute("SELECT claim FROM components WHERE tenant = ?", mine)
        dependencies = self._file.execute("SELECT claim FROM dependencies WHERE tenant = ?", mine)
        memory = MemoryStore(self._gap)
        with told_if_damaged():
            kept = Discovered(
                tuple(component_claim(json.loads(row[0])) for row in components),
                tuple(dependency_claim(*json.loads(row[0]).values()) for row in dependencies),
            )
        memory.keep(kept)
        self._memory, self._seen = memory, version

    def _keep_neighbours(self, names: Collection[str]) -> None:
        """Keep what is known only as an end of a dependency, when the other end goes."""
        around = self._memory.neighbours(names)
        bare = ((self._tenant, name, "", json.dumps(component_record(ComponentClaim(name, "")))) for name in around)
        self._file.executemany("INSERT OR IGNORE INTO components VALUES (?, ?, ?, ?)", bare)

    def _keep(self, changed: Discovered) -> None:
        components = ((self._tenant, c.name, c.source, json.dumps(component_record(c))) for c in changed.components)
        dependencies = (
            (self._tenant, d.caller, d.callee, str(d.type), d.source, json.dumps(dependency_record(d)))
            for d in changed.dependencies
        )
        self._file.executemany("INSERT OR REPLACE INTO components VALUES (?, ?, ?, ?)", components)
        self._file.executemany("INSERT OR REPLACE INTO dependencies VALUES (?, ?, ?, ?, ?, ?)", dependencies)
        self._memory.keep(changed)
