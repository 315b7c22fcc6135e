"""What one transaction writes: batches judged, gathered by day, and appended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import Samples, Taken
from hypocenter.stores.duckdb_days import INCREMENTS, SAMPLES, Part, append, by_day, create, joined
from hypocenter.stores.newest import EXAMPLES, THERE, WRITE, judge_increments, refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    from hypocenter.batches import Batch
    from hypocenter.stores.duckdb_outbox import Outbox
    from hypocenter.stores.duckdb_series import KeptSeries
    from hypocenter.stores.newest import Newest, Span
    from hypocenter.stores.receipts import Receipts


class Appender:
    """Knows what is durable of series, newest samples, receipts and parts, and writes batches onto it."""

    def __init__(self, series: KeptSeries, newest: Newest, receipts: Receipts, outbox: Outbox | None = None) -> None:
        self._series, self._newest, self._receipts, self._outbox = series, newest, receipts, outbox
        self._open: dict[tuple[str, int], Part] = {}
        self._made: dict[tuple[str, int], Part] = {}

    def load(self, parts: Sequence[Part]) -> None:
        """Append to the newest part of each day, or to the next where that one is sorted."""
        self._made.clear()
        self._open = {(p.kind, p.day): Part(p.kind, p.day, p.number + p.is_sorted) for p in sorted(parts)}

    def close_day(self, kind: str, day: int) -> int:
        """Append to the next part of a day from now on; return the number of the last one that is closed."""
        part = self._open[kind, day]
        self._open[kind, day] = Part(kind, day, part.number + 1)
        return part.number

    def forget_day(self, day: int) -> None:
        """The day's parts were dropped."""
        self._open = {key: part for key, part in self._open.items() if key[1] != day}

    def write(self, connection: DuckDBPyConnection, batches: Sequence[Batch], span: Span, now_ms: int) -> list[Taken]:
        """Write what is to be taken of batches, within a transaction; `keep` or `take_back` says how that ended."""
        samples, increments, taken = [], [], []
        for batch in batches:
            stood, gained, result = self._judged(batch, span, now_ms)
            samples.append(stood)
            increments.append(gained)
            taken.append(result)
        kept = {SAMPLES: joined(samples), INCREMENTS: joined(increments)}
        self._series.write(connection, np.concatenate([rows.series for rows in kept.values()]))
        for kind, rows in kept.items():
            for day, those in by_day(rows):
                append(connection, self._part(connection, kind, day), those)
        self._receipts.write(connection)
        if self._outbox is not None:
            self._outbox.add(connection, kept[INCREMENTS])
        return taken

    def _judged(self, batch: Batch, span: Span, now_ms: int) -> tuple[Samples, Samples, Taken]:
        codes = self._newest.judge(batch.samples, span)
        gained = judge_increments(batch.increments, span)
        both = np.append(codes, gained)
        examples = (*refused(batch.samples, codes), *refused(batch.increments, gained))[:EXAMPLES]
        lost = np.flatnonzero(both > THERE)
        is_again = not self._receipts.is_first(batch.receipt, now_ms)
        if is_again:
            gained[gained == WRITE] = THERE
        stood, added = _chosen(batch.samples, codes == WRITE), _chosen(batch.increments, gained == WRITE)
        return stood, added, Taken(len(both) - len(lost), len(lost), examples, is_again, lost)

    def _part(self, connection: DuckDBPyConnection, kind: str, day: int) -> Part:
        part = self._open.get((kind, day), Part(kind, day))
        create(connection, part)
        self._made[kind, day] = part
        return part

    def drop_series(self, connection: DuckDBPyConnection, ended: NDArray[np.int64]) -> None:
        """Delete series that are no longer kept, within a transaction."""
        self._series.drop(connection, ended)
        if self._outbox is not None:
            self._outbox.drop(connection, ended)

    def keep(self) -> None:
        """What was written is durable."""
        self._open.update(self._made)
        self._made.clear()
        self._series.keep()
        self._newest.keep()
        self._receipts.keep()

    def take_back(self) -> None:
        """What was written since the last `keep` is not there."""
        self._made.clear()
        self._series.take_back()
        self._newest.take_back()
        self._receipts.take_back()


def _chosen(rows: Samples, where: NDArray[np.bool_]) -> Samples:
    return rows if where.all() else Samples(rows.series[where], rows.at_ms[where], rows.values[where])
