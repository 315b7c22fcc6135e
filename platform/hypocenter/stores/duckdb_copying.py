"""A copy of a file of metrics as it is at one time, made by its owner while others write to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import SourceError
from hypocenter.stores.duckdb_outbox import leave_to_original

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

ROWS_AT_ONCE = 200_000
_LIMITS: dict[str, str | bool | int | float | list[str]] = {
    # One thread keeps rows in the order in which they were written, by which the first of two is known.
    "threads": 1,
    "memory_limit": "256MB",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def copy_tables(source: DuckDBPyConnection, target: Path) -> None:
    """Write all tables that `source` sees, in its transaction, to a new file, but what is to be sent on of them.

    The files of DuckDB that are open must not be copied as such: what was committed last is spread over file and log.
    Raises SourceError when the copy cannot be written.
    """
    import duckdb

    try:
        with duckdb.connect(target, config=_LIMITS) as made:
            for name, statement in source.execute("SELECT table_name, sql FROM duckdb_tables()").fetchall():
                made.execute(statement)
                _copy(source, made, name)
            leave_to_original(made)
    except (duckdb.Error, OSError) as error:
        raise SourceError(f"{target}: the copy of the metrics cannot be written: {error}") from error


def _copy(source: DuckDBPyConnection, made: DuckDBPyConnection, name: str) -> None:
    rows = source.sql(f'SELECT * FROM "{name}"').to_arrow_reader(ROWS_AT_ONCE)  # noqa: S608 - a name of ours
    made.register("copied", rows)
    made.execute(f'INSERT INTO "{name}" SELECT * FROM copied')  # noqa: S608
    made.unregister("copied")
