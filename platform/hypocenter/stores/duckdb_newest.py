"""What is newest and oldest in a file of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import Samples
from hypocenter.stores.duckdb_days import HOUR_MS, ROWS_AT_ONCE, SAMPLES, joined, rows_of, samples_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from hypocenter.stores.duckdb_days import Part

_NEWEST = """
WITH kept AS ({rows}),
newest AS (SELECT series, max(at_ms) AS at_ms FROM kept GROUP BY series)
SELECT series, at_ms, value FROM kept JOIN newest USING (series, at_ms) ORDER BY series, part, row
"""


def times(connection: DuckDBPyConnection, kept: Sequence[Part]) -> tuple[int | None, int | None]:
    """Return the times of the oldest and the newest row; DuckDB knows them without reading the tables."""
    if not kept:
        return None, None
    first, last = min(part.day for part in kept), max(part.day for part in kept)
    return (
        _extreme(connection, "min", [part for part in kept if part.day == first]),
        _extreme(connection, "max", [part for part in kept if part.day == last]),
    )


def _extreme(connection: DuckDBPyConnection, which: str, among: Sequence[Part]) -> int | None:
    each = " UNION ALL ".join(f"SELECT {which}(at_ms) FROM {part.table}" for part in among)  # noqa: S608
    found = [at for (at,) in connection.execute(each).fetchall() if at is not None]
    return (min if which == "min" else max)(found) if found else None


def newest_samples(connection: DuckDBPyConnection, kept: Sequence[Part]) -> Samples:
    """Return the newest sample of each series that has one in the last hour that there are samples of."""
    among = [part for part in kept if part.kind == SAMPLES]
    _, last_ms = times(connection, among)
    if last_ms is None:
        return Samples()
    near = [part for part in among if part.day * 24 >= last_ms // HOUR_MS - 25]
    rows = _NEWEST.format(rows=rows_of(near, f"at_ms > {last_ms - HOUR_MS:d}"))
    found = joined([samples_of(batch) for batch in connection.sql(rows).to_arrow_reader(ROWS_AT_ONCE)])
    first = np.append(True, found.series[1:] != found.series[:-1])[: len(found)]
    return Samples(found.series[first], found.at_ms[first], found.values[first])
