"""Metrics of one tenant in memory, slow and obvious: for trials, and to hold other stores to."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hypocenter.batches import Refused, Taken
from hypocenter.stores.matching import matching
from hypocenter.stores.metrics import Columns, Found, Usage
from hypocenter.stores.newest import EXAMPLES, bits_of
from hypocenter.stores.receipts import KEPT_MS
from hypocenter.stores.retention import DAY_MS, MetricsLimits, first_kept_ms
from hypocenter.stores.series_table import SeriesTable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from hypocenter.batches import Batch, Labels, Samples
    from hypocenter.readers.selectors import Selector
    from hypocenter.stores.metrics import StoredSeries

N = TypeVar("N", int, float)
V = TypeVar("V", np.int64, np.float64)


class MemoryMetrics:
    """A MetricsStore that is gone with the process; `now` is the clock. Safe to share between threads."""

    def __init__(self, now: Callable[[], datetime], limits: MetricsLimits | None = None) -> None:
        self._now, self._limits = now, limits or MetricsLimits()
        self._table, self._lock = SeriesTable(self._limits.max_series), RLock()
        # By series: bits of the first sample written at each time; what each time gained; the newest sample.
        self._samples: dict[int, dict[int, int]] = {}
        self._gained: dict[int, dict[int, float]] = {}
        self._newest: dict[int, tuple[int, int]] = {}
        self._receipts: dict[bytes, int] = {}

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        """Return the number of each series, the next for a new one. Raises SeriesLimitError, then none is taken."""
        return self._table.number(labels)

    def append(self, batches: Sequence[Batch]) -> Sequence[Taken]:
        """Write batches, all or nothing. Raises InputError for a number that was not given."""
        with self._lock:
            for batch in batches:
                self._table.check(batch.samples.series)
                self._table.check(batch.increments.series)
            return [self._write(batch) for batch in batches]

    def _write(self, batch: Batch) -> Taken:
        is_again = batch.receipt in self._receipts
        refused = dict(self._write_samples(batch.samples))
        added = self._add(batch.increments, is_again=is_again)
        refused |= {len(batch.samples) + place: each for place, each in added}
        if batch.receipt and not is_again:
            self._receipts[batch.receipt] = self._now_ms()
        examples, places = tuple(refused.values())[:EXAMPLES], np.array(list(refused), np.int64)
        return Taken(len(batch) - len(refused), len(refused), examples, is_again, places)

    def _write_samples(self, samples: Samples) -> Iterator[tuple[int, Refused]]:
        """Write what is taken; within one batch the first sample of a series and time counts."""
        first: dict[tuple[int, int], int] = {}
        for place, (series, at, bits) in enumerate(_rows(samples, bits_of(samples.values))):
            newest_at, newest = self._newest.get(series, (None, 0))
            there = newest if newest_at == at else first.setdefault((series, at), bits)
            reason = self._outside(at) or ("another value at this time" if there != bits else "")
            if reason:
                yield place, Refused(series, at, reason)
            else:
                self._samples.setdefault(series, {}).setdefault(at, bits)
        for (series, at), bits in first.items():
            if not self._outside(at):
                self._newest[series] = max(self._newest.get(series, (at, bits)), (at, bits), key=lambda one: one[0])

    def _outside(self, at: int) -> str:
        now_ms = self._now_ms()
        if at < first_kept_ms(now_ms, self._limits):
            return "too old"
        return "too far ahead" if at > now_ms + self._limits.ahead.total_seconds() * 1000 else ""

    def _now_ms(self) -> int:
        return int(self._now().timestamp() * 1000)

    def _add(self, increments: Samples, *, is_again: bool) -> Iterator[tuple[int, Refused]]:
        for place, (series, at, value) in enumerate(_rows(increments, increments.values)):
            reason = "no finite number" if not np.isfinite(value) else self._outside(at)
            if reason:
                yield place, Refused(series, at, reason)
            elif not is_again:
                gained = self._gained.setdefault(series, {})
                gained[at] = gained.get(at, 0.0) + value

    def series(
        self, selectors: Sequence[Selector], start_ms: int, end_ms: int, of: Collection[str] | None = None
    ) -> Sequence[StoredSeries]:
        """Return the series that match any selector and have samples in [start, end], by number.

        With `of`, those alone that may speak of one of these components.
        """
        with self._lock:
            everything = [self._table[number] for number in self._table.named("", of)]
            matched = {one.number: one for selector in selectors for one in matching(everything, selector)}
            found = {one.series for one in self.read(sorted(matched), start_ms, end_ms)}
        return [matched[number] for number in sorted(found)]

    def read(self, series: Sequence[int], start_ms: int, end_ms: int) -> Iterator[Found]:
        """Yield the samples of series in [start, end], by number; one without samples is left out."""
        for number in sorted(set(series)):
            with self._lock:
                samples, totals = sorted(self._samples.get(number, {}).items()), self._totals(number)
            # What came as samples hides what came as increments.
            rows = _within(samples, start_ms, end_ms) or _within(totals, start_ms, end_ms)
            if rows:
                at_ms, bits = np.array(rows, np.int64).T
                yield Found(number, at_ms.copy(), bits.copy().view(np.float64))

    def read_columns(self, series: Sequence[int], start_ms: int, end_ms: int) -> Columns:
        """Return the samples of series in [start, end] as columns."""
        rows: list[tuple[int, int, int, bool]] = []
        with self._lock:
            for number in sorted(set(series)):
                samples, gained = self._samples.get(number, {}), self._gained.get(number, {})
                rows += [(number, at, bits, False) for at, bits in samples.items()]
                rows += [(number, at, int(bits_of(np.array([value]))[0]), True) for at, value in gained.items()]
        kept = [row for row in rows if start_ms <= row[1] <= end_ms]
        numbers, at_ms, bits, is_gained = np.ascontiguousarray(np.array(kept, np.int64).reshape(-1, 4).T)
        return Columns(numbers, at_ms, bits.view(np.float64), is_gained.astype(np.bool_))

    def _totals(self, number: int) -> list[tuple[int, int]]:
        gained = sorted(self._gained.get(number, {}).items())
        totals = np.cumsum([value for _, value in gained]).view(np.int64).tolist()
        return [(at, bits) for (at, _), bits in zip(gained, totals, strict=True)]

    def usage(self) -> Usage:
        """Return what is held; bytes are not counted."""
        with self._lock:
            times = [at for kept in (self._samples, self._gained) for rows in kept.values() for at in rows]
        return Usage(len(self._table), 0, min(times, default=None), max(times, default=None))

    def tick(self) -> None:
        """Drop the days that are older than what is kept, and receipts older than a day."""
        now_ms = self._now_ms()
        first_day = first_kept_ms(now_ms, self._limits) // DAY_MS
        with self._lock:
            self._receipts = {one: at for one, at in self._receipts.items() if at >= now_ms - KEPT_MS}
            self._samples = _since(self._samples, first_day)
            self._gained = _since(self._gained, first_day)

    def close(self) -> None:
        """Hold nothing any more."""
        self._samples, self._gained = {}, {}


def _rows(samples: Samples, values: NDArray[V]) -> Iterator[tuple[int, int, Any]]:
    return zip(samples.series.tolist(), samples.at_ms.tolist(), values.tolist(), strict=True)


def _within(rows: list[tuple[int, int]], start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    return [row for row in rows if start_ms <= row[0] <= end_ms]


def _since(kept: dict[int, dict[int, N]], first_day: int) -> dict[int, dict[int, N]]:
    left = {number: {at: one for at, one in rows.items() if at // DAY_MS >= first_day} for number, rows in kept.items()}
    return {number: rows for number, rows in left.items() if rows}
