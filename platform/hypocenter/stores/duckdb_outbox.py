"""Increments that are still to be sent to a server, and samples that are being sent: tables beside those of days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.batches import Samples
from hypocenter.stores.duckdb_days import samples_of
from hypocenter.stores.duckdb_series import insert

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

UNSENT, SENDING = "unsent", "sending"
SCHEMA = (
    *(f"CREATE TABLE IF NOT EXISTS {name} (series BIGINT, at_ms BIGINT, value DOUBLE)" for name in (UNSENT, SENDING)),
    "CREATE TABLE IF NOT EXISTS sent_until (at_ms BIGINT)",
)


class Outbox:
    """What is written, and read, in transactions of the file's."""

    def load(self, connection: DuckDBPyConnection) -> None:
        """Make the tables where they are not there."""
        for statement in SCHEMA:
            connection.execute(statement)

    def take_up(self, connection: DuckDBPyConnection, now_ms: int) -> None:
        """Send nothing of before now where this is a copy: the original may have sent samples up to this moment."""
        connection.execute("UPDATE sent_until SET at_ms = ? WHERE at_ms IS NULL", [now_ms])

    def add(self, connection: DuckDBPyConnection, increments: Samples) -> None:
        """Keep increments until they are sent."""
        if len(increments):
            _insert(connection, UNSENT, increments)

    def oldest_ms(self, connection: DuckDBPyConnection) -> int | None:
        """Return the time of the oldest increment that is still to be sent."""
        ((oldest,),) = connection.execute(f"SELECT min(at_ms) FROM {UNSENT}").fetchall()  # noqa: S608 - a name of ours
        return None if oldest is None else int(oldest)

    def waiting_ms(self, connection: DuckDBPyConnection) -> int | None:
        """Return the time of the oldest increment that the server may not have, those aside that came late."""
        late_ms = self.sent_until_ms(connection)
        waiting = f"SELECT at_ms FROM {UNSENT} WHERE at_ms > {late_ms:d} UNION ALL SELECT at_ms FROM {SENDING}"  # noqa: S608
        ((oldest,),) = connection.execute(f"SELECT min(at_ms) FROM ({waiting})").fetchall()  # noqa: S608
        return None if oldest is None else int(oldest)

    def sent_until_ms(self, connection: DuckDBPyConnection) -> int:
        """Return the time of the newest sample that was ever being sent."""
        ((until,),) = connection.execute("SELECT max(at_ms) FROM sent_until").fetchall()
        return 0 if until is None else int(until)

    def unsent(self, connection: DuckDBPyConnection, until_ms: int) -> Samples:
        """Return the increments up to a time that are still to be sent, in the order in which they came."""
        return _rows(connection, f"SELECT * FROM {UNSENT} WHERE at_ms <= {until_ms:d} ORDER BY rowid")  # noqa: S608

    def begin(self, connection: DuckDBPyConnection, samples: Samples, until_ms: int) -> None:
        """Have samples be those that are being sent, which tell of the unsent increments up to a time."""
        _insert(connection, SENDING, samples)
        connection.execute(f"DELETE FROM {UNSENT} WHERE at_ms <= ?", [until_ms])  # noqa: S608 - a name of ours
        newest_ms = max(self.sent_until_ms(connection), int(samples.at_ms.max()))
        connection.execute("DELETE FROM sent_until")
        connection.execute("INSERT INTO sent_until VALUES (?)", [newest_ms])

    def sending(self, connection: DuckDBPyConnection) -> Samples:
        """Return the samples that are being sent: some of them, or all, may have come to the server."""
        return _rows(connection, f"SELECT * FROM {SENDING} ORDER BY rowid")  # noqa: S608 - a name of ours

    def end(self, connection: DuckDBPyConnection) -> None:
        """The server has what was being sent."""
        connection.execute(f"DELETE FROM {SENDING}")  # noqa: S608 - a name of ours

    def drop(self, connection: DuckDBPyConnection, series: NDArray[np.int64]) -> None:
        """Send nothing more of series that are no longer kept: their numbers may come to mean others."""
        connection.register("unkept", {"number": series})
        for name in (UNSENT, SENDING):
            connection.execute(f"DELETE FROM {name} WHERE series IN (SELECT number FROM unkept)")  # noqa: S608
        connection.unregister("unkept")


def leave_to_original(copy: DuckDBPyConnection) -> None:
    """Empty the tables in the copy of a file, where they are: sent by both, increments would be counted twice."""
    found = {name for (name,) in copy.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if "sent_until" in found:
        for name in (UNSENT, SENDING, "sent_until"):
            copy.execute(f"DELETE FROM {name}")  # noqa: S608 - names of ours
        copy.execute("INSERT INTO sent_until VALUES (NULL)")


def _insert(connection: DuckDBPyConnection, table: str, rows: Samples) -> None:
    import pyarrow as pa  # type: ignore[import-untyped]

    insert(connection, table, pa.table({"series": rows.series, "at_ms": rows.at_ms, "value": rows.values}))


def _rows(connection: DuckDBPyConnection, query: str) -> Samples:
    (batch,) = connection.sql(query).to_arrow_table().combine_chunks().to_batches() or [None]
    return Samples() if batch is None else samples_of(batch)
