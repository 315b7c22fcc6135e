"""A little of very many series as columns: one query, and nothing done series by series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.stores.duckdb_days import DAY_MS, INCREMENTS, parts, samples_of
from hypocenter.stores.metrics import Columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from hypocenter.stores.duckdb_days import Part


def columns(connection: DuckDBPyConnection, start_ms: int, end_ms: int) -> Columns:
    """Return the samples in [start, end] of series that the table `wanted` lists; of a time twice the first written."""
    near = [part for part in parts(connection) if part.day * DAY_MS <= end_ms and (part.day + 1) * DAY_MS > start_ms]
    if not near:
        return no_columns()
    rows = " UNION ALL ".join(_rows(at, part, start_ms, end_ms) for at, part in enumerate(near))
    table = connection.sql(rows).to_arrow_table().combine_chunks()
    (batch,) = table.to_batches() or [None]
    if batch is None:
        return no_columns()
    found = samples_of(batch)
    gained = batch.column("gained").to_numpy(zero_copy_only=False)
    # A join promises no order, and the first written of a series and time is meant.
    order = np.argsort(batch.column("place").to_numpy(), kind="stable")
    return Columns(found.series[order], found.at_ms[order], found.values[order], gained[order])


def no_columns() -> Columns:
    """Return no samples."""
    return Columns(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_))


def _rows(at: int, part: Part, start_ms: int, end_ms: int) -> str:
    """Return the query for a part's rows; `place` rises in the order in which they were written."""
    gained = str(part.kind == INCREMENTS).lower()
    return (
        f"SELECT series, at_ms, value, {gained} AS gained, {at}::BIGINT * (1::BIGINT << 48) + rowid AS place"  # noqa: S608
        f" FROM {part.table} WHERE at_ms BETWEEN {start_ms:d} AND {end_ms:d}"
        " AND series IN (SELECT number FROM wanted)"
    )
