"""Tables of samples and increments, those of each day (UTC) apart, so that a day is dropped as a whole.

A day's table has parts: what comes is appended to the newest; when the day is closed its parts are written anew as one
that is sorted by hour, series and time, under a name that counts only once the parts are gone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import STALE_BITS, Samples
from hypocenter.stores.duckdb_series import insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa  # type: ignore[import-untyped]
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

SAMPLES, INCREMENTS = "samples", "increments"
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
ROWS_AT_ONCE = 200_000
_NAME = re.compile(rf"(?P<kind>{SAMPLES}|{INCREMENTS})_(?P<day>\d{{8}})_(?P<number>\d{{4,}})(?P<sorted>s?)")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One table: what it holds, its day as days since 1970, its number within the day, and whether it is sorted."""

    kind: str
    day: int
    number: int = 1
    is_sorted: bool = False

    @property
    def table(self) -> str:
        """The name of its table."""
        date = datetime.fromtimestamp(self.day * DAY_MS / 1000, UTC)
        return f"{self.kind}_{date:%Y%m%d}_{self.number:04}{'s' * self.is_sorted}"


def part_of(table: str) -> Part | None:
    """Return the part that a table of this name is.

    >>> part_of("samples_19700102_0003s")
    Part(kind='samples', day=1, number=3, is_sorted=True)
    """
    found = _NAME.fullmatch(table)
    if found is None:
        return None
    day = datetime.strptime(found["day"], "%Y%m%d").replace(tzinfo=UTC)
    return Part(found["kind"], int(day.timestamp() * 1000) // DAY_MS, int(found["number"]), bool(found["sorted"]))


def parts(connection: DuckDBPyConnection) -> dict[Part, int]:
    """Return what is kept, in order, and how many rows each part has; a sorted part in the making is left out."""
    rows = connection.execute("SELECT table_name, estimated_size FROM duckdb_tables()").fetchall()
    found = {part: int(size) for name, size in rows if (part := part_of(name))}
    return {part: found[part] for part in sorted(found) if not _is_unfinished(part, found)}


def _is_unfinished(part: Part, found: Iterable[Part]) -> bool:
    return part.is_sorted and Part(part.kind, part.day, part.number) in found


def clean(connection: DuckDBPyConnection) -> None:
    """Drop sorted parts whose making was cut off."""
    rows = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    found = {part for (name,) in rows if (part := part_of(name))}
    for part in sorted(found):
        if _is_unfinished(part, found):
            drop(connection, part)


def series_in(connection: DuckDBPyConnection, part: Part) -> NDArray[np.int64]:
    """Return the numbers of the series that a part holds rows of."""
    rows = connection.sql(f"SELECT DISTINCT series FROM {part.table}").to_arrow_table()  # noqa: S608 - a name of ours
    numbers: NDArray[np.int64] = rows.column("series").to_numpy()
    return numbers


def create(connection: DuckDBPyConnection, part: Part) -> None:
    """Make a part's table; NULL is the mark of the end of a series, whose bits DuckDB would not keep."""
    connection.execute(f"CREATE TABLE IF NOT EXISTS {part.table} (series BIGINT, at_ms BIGINT, value DOUBLE)")


def drop(connection: DuckDBPyConnection, part: Part) -> None:
    """Drop a part's table."""
    connection.execute(f"DROP TABLE {part.table}")


def append(connection: DuckDBPyConnection, part: Part, rows: Samples) -> None:
    """Append samples to a part."""
    import pyarrow as pa

    ended = rows.values.view(np.int64) == STALE_BITS
    columns = {"series": rows.series, "at_ms": rows.at_ms, "value": pa.array(rows.values, mask=ended)}
    insert(connection, part.table, pa.table(columns))


def samples_of(batch: pa.RecordBatch) -> Samples:
    """Return the columns `series`, `at_ms` and `value` of rows that were read."""
    values = batch.column("value")
    numbers = values.to_numpy(zero_copy_only=False).copy()
    if values.null_count:
        numbers.view(np.int64)[~values.is_valid().to_numpy(zero_copy_only=False)] = STALE_BITS
    return Samples(batch.column("series").to_numpy(), batch.column("at_ms").to_numpy(), numbers)


def by_day(rows: Samples) -> Iterator[tuple[int, Samples]]:
    """Yield the days of samples, and those of each."""
    days = rows.at_ms // DAY_MS
    for day in np.unique(days).tolist():
        chosen = days == day
        yield day, rows if chosen.all() else Samples(rows.series[chosen], rows.at_ms[chosen], rows.values[chosen])


def joined(many: list[Samples]) -> Samples:
    """Return samples one after the other."""
    if len(many) == 1:
        return many[0]
    return Samples(
        np.concatenate([one.series for one in many] or [np.empty(0, np.int64)]),
        np.concatenate([one.at_ms for one in many] or [np.empty(0, np.int64)]),
        np.concatenate([one.values for one in many] or [np.empty(0)]),
    )


def fill_sorted(connection: DuckDBPyConnection, olds: list[Part], new: Part) -> Iterator[int]:
    """Write the rows of parts into a new one hour by hour, each in a transaction of its own; yield after each.

    The first sample written of a series and time is kept; increments of one series and time become their sum.
    """
    connection.execute(f"CREATE OR REPLACE TABLE {new.table} (series BIGINT, at_ms BIGINT, value DOUBLE)")
    for hour in range(24):
        start = new.day * DAY_MS + hour * HOUR_MS
        times = f"at_ms >= {start} AND at_ms < {start + HOUR_MS}"
        connection.execute(f"INSERT INTO {new.table} {distinct(olds, times)}")
        yield hour


def distinct(olds: list[Part], where: str) -> str:
    """Return the query for the rows of one kind of parts, each series and time once, in order of both."""
    if olds[0].kind == INCREMENTS:
        return f"SELECT series, at_ms, fsum(value) AS value FROM ({rows_of(olds, where)}) GROUP BY ALL ORDER BY ALL"  # noqa: S608
    return (
        f"SELECT series, at_ms, value FROM ({rows_of(olds, where)})"  # noqa: S608
        " QUALIFY row_number() OVER (PARTITION BY series, at_ms ORDER BY part, row) = 1 ORDER BY series, at_ms"
    )


def rows_of(olds: list[Part], where: str) -> str:
    """Return the query for rows of parts, with the place of their part and within it: the less was written first."""
    each = (
        f"SELECT series, at_ms, value, {at} AS part, rowid AS row FROM {part.table} WHERE {where}"  # noqa: S608
        for at, part in enumerate(olds)
    )
    return " UNION ALL ".join(each)
