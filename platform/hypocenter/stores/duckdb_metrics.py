"""Metrics of one tenant in a DuckDB file of the data directory, which one process owns."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from hypocenter.stores.duckdb_columns import columns
from hypocenter.stores.duckdb_copying import copy_tables
from hypocenter.stores.duckdb_days import clean, parts
from hypocenter.stores.duckdb_file import DuckDbFile
from hypocenter.stores.duckdb_newest import newest_samples, times
from hypocenter.stores.duckdb_reading import found, wanted, with_samples
from hypocenter.stores.duckdb_series import KeptSeries
from hypocenter.stores.duckdb_tending import Tending
from hypocenter.stores.duckdb_writing import Appender
from hypocenter.stores.matching import matching
from hypocenter.stores.metrics import FullError, Usage
from hypocenter.stores.newest import Newest, Span
from hypocenter.stores.receipts import Receipts
from hypocenter.stores.retention import MetricsLimits, first_kept_ms, fullness
from hypocenter.stores.series_table import SeriesTable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    import numpy as np
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    from hypocenter.batches import Batch, Labels, Taken
    from hypocenter.readers.selectors import Selector
    from hypocenter.stores.duckdb_outbox import Outbox
    from hypocenter.stores.metrics import Columns, Found, StoredSeries


class DuckDbMetrics:
    """A MetricsStore in a folder; `now` is the clock. Safe to share between threads; writers wait for one another.

    Increments are kept in `outbox` as well, for whoever sends them on.
    Raises InputError when another process holds the folder, or it holds something else.
    """

    def __init__(
        self,
        folder: Path,
        now: Callable[[], datetime],
        limits: MetricsLimits | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self._now, self._limits, self._outbox = now, limits or MetricsLimits(), outbox
        self._writing = Lock()
        self._table = SeriesTable(self._limits.max_series)
        self._newest, self._receipts, self._series = Newest(), Receipts(), KeptSeries(self._table)
        self._appender = Appender(self._series, self._newest, self._receipts, outbox)
        self._file = DuckDbFile(folder, self._limits.memory_bytes, self._limits.threads)
        try:
            self._load()
        except BaseException:
            self._file.close()
            raise
        self._tending = Tending(self._file, self._appender, self._series, self._receipts, self._writing)

    def _load(self) -> None:
        with self._file.transaction() as connection:
            clean(connection)
            self._series.load(connection)
            self._receipts.load(connection)
            if self._outbox is not None:
                self._outbox.load(connection)
            kept = list(parts(connection))
            self._appender.load(kept)
            self._newest.forget()
            self._newest.load(newest_samples(connection, kept))

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        """Return the number of each series; the next for a new one. Raises SeriesLimitError, then none is taken."""
        return self._table.number(labels)

    def labels(self, number: int) -> Labels:
        """Return the labels of a series by its number."""
        return self._table[number].labels

    @contextmanager
    def writing(self) -> Iterator[DuckDBPyConnection]:
        """Write to tables of one's own, all or nothing, durable when this ends; others wait. Raises SourceError."""
        with self._writing:
            self._mend()
            with self._file.transaction() as connection:
                yield connection

    def append(self, batches: Sequence[Batch]) -> Sequence[Taken]:
        """Write batches, all or nothing, durable when this returns. Raises FullError, InputError for no number."""
        for batch in batches:
            self._table.check(batch.samples.series)
            self._table.check(batch.increments.series)
        with self._writing:
            self._mend()
            now_ms = self._now_ms()
            self._refuse_when_full()
            try:
                with self._file.transaction() as connection:
                    taken = self._appender.write(connection, batches, self._span(now_ms), now_ms)
            except BaseException:
                self._appender.take_back()
                raise
            self._appender.keep()
            return taken

    def _now_ms(self) -> int:
        return int(self._now().timestamp() * 1000)

    def _span(self, now_ms: int) -> Span:
        return Span(first_kept_ms(now_ms, self._limits), now_ms + int(self._limits.ahead.total_seconds() * 1000))

    def _refuse_when_full(self) -> None:
        full = fullness(self._file.space(), self._limits)
        if full:
            raise FullError(f"{self._file.folder}: {full}")

    def _mend(self) -> None:
        """Where DuckDB has given up on the file, read anew what is in it."""
        if self._file.has_failed:
            self._file.reopen()
            self._load()

    def series(
        self, selectors: Sequence[Selector], start_ms: int, end_ms: int, of: Collection[str] | None = None
    ) -> Sequence[StoredSeries]:
        """Return the series that match any selector and have samples in [start, end], by number.

        With `of`, those alone that may speak of one of these components.
        """
        matched = {one.number: one for selector in selectors for one in self._matching(selector, of)}
        with self._file.snapshot(wanted=wanted(sorted(matched))) as connection:
            return [matched[number] for number in with_samples(connection, start_ms, end_ms)]

    def _matching(self, selector: Selector, of: Collection[str] | None) -> Iterator[StoredSeries]:
        return matching([self._table[number] for number in self._table.named(selector.name, of)], selector)

    def read(self, series: Sequence[int], start_ms: int, end_ms: int) -> Iterator[Found]:
        """Yield the samples of series in [start, end], by number; one without samples is left out."""
        with self._file.snapshot(wanted=wanted(series)) as connection:
            yield from found(connection, start_ms, end_ms)

    def read_columns(self, series: Sequence[int], start_ms: int, end_ms: int) -> Columns:
        """Return the samples of series in [start, end] as columns."""
        with self._file.snapshot(wanted=wanted(series)) as connection:
            return columns(connection, start_ms, end_ms)

    def usage(self) -> Usage:
        """Return what is held, cheaply."""
        space = self._file.space()
        with self._file.snapshot() as connection:
            oldest, newest = times(connection, list(parts(connection)))
        return Usage(len(self._table), space.used, oldest, newest, fullness(space, self._limits))

    def copy_into(self, file: Path) -> None:
        """Write all that is durable now to a new DuckDB file; nobody waits for that. Raises SourceError.

        What is to be sent on of it is left to this file.
        """
        with self._file.snapshot() as connection:
            copy_tables(connection, file)

    def keep_days(self, days: float) -> None:
        """Keep samples of so many days from now on."""
        self._limits = replace(self._limits, retention_days=days)

    def tick(self) -> None:
        """Drop what is too old or too much, write closed days anew in order; for a scheduler, about once a minute."""
        with self._writing:
            self._mend()
        self._tending.tick(self._now_ms(), self._limits)

    def close(self) -> None:
        """Let go of the file, after what was begun is written; the store answers no more."""
        self._tending.stop()
        with self._writing:
            self._file.close()
