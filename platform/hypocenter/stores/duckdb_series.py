"""The tables of series: pairs of labels, and series as lists of them."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa  # type: ignore[import-untyped]
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    from hypocenter.stores.series_table import Pair, SeriesTable

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS pairs (id BIGINT, name VARCHAR, value VARCHAR)",
    "CREATE TABLE IF NOT EXISTS series (number BIGINT, pairs BIGINT[], component VARCHAR)",
)
_FORGET_PAIRS = "DELETE FROM pairs WHERE id NOT IN (SELECT unnest(pairs) FROM series)"
_AT_ONCE = 50_000


class KeptSeries:
    """Which series and pairs of a table are durable; the rest is written before samples of theirs."""

    def __init__(self, table: SeriesTable) -> None:
        self._table = table
        self._durable, self._touched = np.zeros(1024, np.bool_), np.zeros(1024, np.bool_)
        self._pairs = 0
        self._written: tuple[NDArray[np.int64], int] | None = None

    def load(self, connection: DuckDBPyConnection) -> None:
        """Read what is kept; numbers that were given out stay as they are."""
        for statement in SCHEMA:
            connection.execute(statement)
        if not self._pairs:
            # Later the table still knows what is deleted here by its id, and would not write it again.
            connection.execute(_FORGET_PAIRS)
        self._durable[:] = False
        self._table.load(_pairs(connection), self._marked(connection))
        ((last,),) = connection.execute("SELECT max(id) FROM pairs").fetchall()
        self._pairs = 0 if last is None else last + 1

    def _marked(self, connection: DuckDBPyConnection) -> Iterator[tuple[int, list[int], str]]:
        for part in connection.sql("SELECT number, pairs, component FROM series ORDER BY number").to_arrow_reader(
            _AT_ONCE
        ):
            numbers, lists, components = part.columns
            self._grow(numbers[-1].as_py())
            self._durable[numbers.to_numpy()] = True
            yield from zip(numbers.to_pylist(), _lists(lists), map(sys.intern, components.to_pylist()), strict=True)

    def _grow(self, last: int) -> None:
        if last >= len(self._durable):
            more = np.zeros(max(last + 1, 2 * len(self._durable)) - len(self._durable), np.bool_)
            self._durable = np.concatenate([self._durable, more])
            self._touched = np.concatenate([self._touched, more])

    def write(self, connection: DuckDBPyConnection, numbers: NDArray[np.int64]) -> None:
        """Write those of the series that are not durable, within a transaction; `keep` says that it ended well."""
        self._grow(int(numbers.max(initial=0)))
        self._touched[numbers] = True
        missing = numbers[~self._durable[numbers]]
        if len(missing):
            missing = np.unique(missing)
            self._written = missing, self._append(connection, missing.tolist())

    def _append(self, connection: DuckDBPyConnection, numbers: list[int]) -> int:
        import pyarrow as pa

        series = [self._table[number] for number in numbers]
        ids = [self._table.pair_ids(number) for number in numbers]
        pairs = self._table.pairs_from(self._pairs)
        end = self._pairs + len(pairs)
        new_pairs = {"id": range(self._pairs, end), "name": [p[0] for p in pairs], "value": [p[1] for p in pairs]}
        insert(connection, "pairs", pa.table(new_pairs))
        columns = {
            "number": numbers,
            "pairs": pa.array(ids, pa.list_(pa.int64())),
            "component": [s.component for s in series],
        }
        insert(connection, "series", pa.table(columns))
        return end

    def keep(self) -> None:
        """What was written is durable."""
        if self._written is not None:
            numbers, self._pairs = self._written
            self._durable[numbers] = True
            self._table.revive(numbers.tolist())
        self._written = None

    def take_back(self) -> None:
        """What was written since the last `keep` is not there."""
        self._written = None

    def watch(self) -> None:
        """Take note from now on of what is written to."""
        self._touched[:] = False

    def untouched(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which of the series were not written to since `watch`."""
        return numbers[~self._touched[numbers]]

    def drop(self, connection: DuckDBPyConnection, numbers: NDArray[np.int64]) -> None:
        """Delete series, within a transaction; they keep their numbers, and are written again if samples come."""
        connection.register("gone", {"number": numbers})
        connection.execute("DELETE FROM series WHERE number IN (SELECT number FROM gone)")

    def dropped(self, numbers: NDArray[np.int64]) -> None:
        """The transaction that deleted them has ended well."""
        self._durable[numbers] = False
        self._table.retire(numbers.tolist())


def _lists(column: pa.ListArray) -> Iterator[list[int]]:
    """Yield the lists of a column, several times faster than Arrow does."""
    flat = column.flatten().to_numpy().tolist()
    for start, end in pairwise(np.append(0, np.cumsum(column.value_lengths().to_numpy())).tolist()):
        yield flat[start:end]


def insert(connection: DuckDBPyConnection, table: str, rows: object) -> None:
    """Append the rows of an Arrow table, within a transaction."""
    connection.register("incoming", rows)
    connection.execute(f"INSERT INTO {table} SELECT * FROM incoming")  # noqa: S608 - a name of ours
    # After a failure the transaction takes no statement, and the table goes with it.
    connection.unregister("incoming")


def _pairs(connection: DuckDBPyConnection) -> Iterator[tuple[int, Pair]]:
    for part in connection.sql("SELECT id, name, value FROM pairs ORDER BY id").to_arrow_reader(_AT_ONCE):
        ids, names, values = (column.to_pylist() for column in part.columns)
        yield from zip(ids, zip(names, values, strict=True), strict=True)
