"""Which requests have been counted: a request that comes again adds nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.stores.duckdb_series import insert

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

KEPT_MS = 86_400_000
MOST = 500_000
SCHEMA = "CREATE TABLE IF NOT EXISTS receipts (digest BLOB, at_ms BIGINT)"


class Receipts:
    """Digests of requests of the last day, the newest 500,000 at most: in memory to be asked, and in a table."""

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}
        self._new: dict[bytes, int] = {}

    def load(self, connection: DuckDBPyConnection) -> None:
        """Read what is kept."""
        connection.execute(SCHEMA)
        rows = connection.execute("SELECT digest, at_ms FROM receipts ORDER BY at_ms, digest").fetchall()
        self._known, self._new = dict(rows), {}

    def is_first(self, digest: bytes, at_ms: int) -> bool:
        """Whether a request is to be counted; "" always is. From now on it is not."""
        if not digest:
            return True
        if digest in self._known or digest in self._new:
            return False
        self._new[digest] = at_ms
        return True

    def write(self, connection: DuckDBPyConnection) -> None:
        """Write the new ones, within a transaction."""
        import pyarrow as pa  # type: ignore[import-untyped]

        if self._new:
            columns = {"digest": pa.array(self._new.keys(), pa.binary()), "at_ms": list(self._new.values())}
            insert(connection, "receipts", pa.table(columns))

    def keep(self) -> None:
        """What was written is durable."""
        self._known.update(self._new)
        self._new.clear()

    def take_back(self) -> None:
        """What is new was not written."""
        self._new.clear()

    def drop(self, connection: DuckDBPyConnection, now_ms: int) -> None:
        """Forget what is older than a day, and more than the most."""
        newest = sorted(self._known.values())[-MOST:]
        first_ms = max(now_ms - KEPT_MS, newest[0] if len(newest) == MOST else 0)
        connection.execute("DELETE FROM receipts WHERE at_ms < ?", [first_ms])
        self._known = {digest: at_ms for digest, at_ms in self._known.items() if at_ms >= first_ms}
