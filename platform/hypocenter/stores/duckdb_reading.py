"""Samples as they are read back: each time once, increments as running totals."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.stores.duckdb_days import DAY_MS, INCREMENTS, ROWS_AT_ONCE, SAMPLES, parts, rows_of, samples_of
from hypocenter.stores.metrics import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa  # type: ignore[import-untyped]
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    from hypocenter.stores.duckdb_days import Part

Columns = tuple["NDArray[np.int64]", "NDArray[np.bool_]", "NDArray[np.int64]", "NDArray[np.float64]"]
_WANTED = "series IN (SELECT number FROM wanted)"


def wanted(series: Sequence[int]) -> pa.Table:
    """Return the table of the numbers that are asked for."""
    import pyarrow as pa

    return pa.table({"number": np.unique(np.array(series, np.int64))})


def with_samples(connection: DuckDBPyConnection, start_ms: int, end_ms: int) -> list[int]:
    """Return which of the series that the table `wanted` lists have samples or increments in [start, end], in order."""
    near = [part for part in parts(connection) if _is_near(part, start_ms, end_ms)]
    if not near:
        return []
    within = f"{_WANTED} AND at_ms BETWEEN {start_ms:d} AND {end_ms:d}"
    each = " UNION ALL ".join(f"SELECT series FROM {part.table} WHERE {within}" for part in near)  # noqa: S608
    return [one for (one,) in connection.execute(f"SELECT DISTINCT series FROM ({each}) ORDER BY 1").fetchall()]  # noqa: S608


def found(connection: DuckDBPyConnection, start_ms: int, end_ms: int) -> Iterator[Found]:
    """Yield the samples in [start, end] of series that the table `wanted` lists, by number.

    What came as samples hides what came as increments.
    """
    kept = [part for part in parts(connection) if part.day * DAY_MS <= end_ms]
    near = [part for part in kept if _is_near(part, start_ms, end_ms)]
    if not near:
        return
    before = _totals_before(connection, [part for part in kept if part.kind == INCREMENTS], start_ms)
    stream = connection.sql(_query(near, start_ms, end_ms)).to_arrow_reader(ROWS_AT_ONCE)
    for numbers, is_increment, at_ms, values in _by_series(map(_columns, stream)):
        one = int(numbers[0])
        if is_increment[0]:
            yield Found(one, at_ms, before.get(one, 0.0) + np.cumsum(values))
        else:
            kept_once = ~is_increment & np.append(True, at_ms[1:] != at_ms[:-1])
            yield Found(one, at_ms[kept_once], values[kept_once])


def _is_near(part: Part, start_ms: int, end_ms: int) -> bool:
    return part.day * DAY_MS <= end_ms and (part.day + 1) * DAY_MS > start_ms


def _totals_before(connection: DuckDBPyConnection, increments: list[Part], start_ms: int) -> dict[int, float]:
    """Return what counters had gained before a time, from the oldest that is kept."""
    if not increments:
        return {}
    rows = rows_of(increments, f"{_WANTED} AND at_ms < {start_ms:d}")
    return dict(connection.execute(f"SELECT series, fsum(value) FROM ({rows}) GROUP BY 1").fetchall())  # noqa: S608


def _query(near: list[Part], start_ms: int, end_ms: int) -> str:
    """Return the query for all samples in order of series and time, those before increments, first written first."""
    within = f"{_WANTED} AND at_ms BETWEEN {start_ms:d} AND {end_ms:d}"
    samples = [part for part in near if part.kind == SAMPLES]
    increments = [part for part in near if part.kind == INCREMENTS]
    each = []
    if samples:
        each.append(f"SELECT series, false AS added, at_ms, value, part, row FROM ({rows_of(samples, within)})")  # noqa: S608
    if increments:
        each.append(
            "SELECT series, true AS added, at_ms, fsum(value) AS value, 0 AS part, 0 AS row"  # noqa: S608
            f" FROM ({rows_of(increments, within)}) GROUP BY series, at_ms"
        )
    both = " UNION ALL ".join(each)
    return f"SELECT series, added, at_ms, value FROM ({both}) ORDER BY series, added, at_ms, part, row"  # noqa: S608


def _columns(batch: pa.RecordBatch) -> Columns:
    rows = samples_of(batch)
    return rows.series, batch.column("added").to_numpy(zero_copy_only=False), rows.at_ms, rows.values


def _by_series(blocks: Iterable[Columns]) -> Iterator[Columns]:
    """Yield rows that are in order of their series cut so that each series' come together."""
    rest: Columns | None = None
    for block in blocks:
        rows = block if rest is None else _joined(rest, block)
        cuts = np.flatnonzero(np.diff(rows[0])) + 1
        for start, end in pairwise((0, *cuts.tolist())):
            yield _cut(rows, slice(start, end))
        rest = _cut(rows, slice(cuts[-1] if len(cuts) else 0, None))
    if rest is not None and len(rest[0]):
        yield rest


def _joined(first: Columns, second: Columns) -> Columns:
    series, added, at_ms, values = (np.concatenate(both) for both in zip(first, second, strict=True))
    return series, added, at_ms, values


def _cut(rows: Columns, where: slice) -> Columns:
    series, added, at_ms, values = rows
    return series[where], added[where], at_ms[where], values[where]
