"""Samples in one store and increments in another, as one: a server of Prometheus' kind cannot add up."""

from __future__ import annotations

from dataclasses import replace
from heapq import merge
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import Batch, Samples, Taken
from hypocenter.stores.forwarding_totals import unmarked
from hypocenter.stores.metrics import Columns, Found, Usage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hypocenter.batches import Labels
    from hypocenter.readers.selectors import Selector
    from hypocenter.stores.duckdb_metrics import DuckDbMetrics
    from hypocenter.stores.forwarding import Forwarder
    from hypocenter.stores.metrics import StoredSeries
    from hypocenter.stores.prometheus_metrics import PrometheusMetrics


class SplitMetrics:
    """Samples are kept by `samples`, increments and their receipts by `increments`; numbers are those of `samples`.

    What `forwarder` has sent of the increments to where the samples are is for others: here they are read at once, and
    each at its own time.
    """

    def __init__(self, samples: PrometheusMetrics, increments: DuckDbMetrics, forwarder: Forwarder) -> None:
        self._samples, self._increments, self.forwarder = samples, increments, forwarder
        # Numbers of series with increments: ours to theirs.
        self._theirs: dict[int, int] = {}

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        """Return the number of each series; they are for this process alone."""
        return self._samples.number(labels)

    def append(self, batches: Sequence[Batch]) -> Sequence[Taken]:
        """Write samples first, then increments: a batch that is sent again after either failed is counted once."""
        gained = {at: self._for_increments(batch) for at, batch in enumerate(batches) if len(batch.increments)}
        taken = list(self._samples.append([Batch(batch.samples) for batch in batches]))
        added = self._increments.append(list(gained.values())) if gained else []
        for at, more in zip(gained, added, strict=True):
            taken[at] = _both(taken[at], self._ours(batches[at], more), len(batches[at].samples))
        return taken

    def series(
        self, selectors: Sequence[Selector], start_ms: int, end_ms: int, of: Collection[str] | None = None
    ) -> Sequence[StoredSeries]:
        """Return the series that match any selector and have samples in [start, end], by number.

        With `of`, those alone that may speak of one of these components.
        """
        listed = self._samples.series(selectors, start_ms, end_ms, of)
        found = {each.number: each for each in listed if unmarked(each.labels) is None}
        counted = self._increments.series(selectors, start_ms, end_ms, of)
        ours = self.number([each.labels for each in counted]).tolist()
        for number, each in zip(ours, counted, strict=True):
            self._theirs[number] = each.number
            found.setdefault(number, replace(each, number=number))
        return [found[number] for number in sorted(found)]

    def read(self, series: Sequence[int], start_ms: int, end_ms: int) -> Iterator[Found]:
        """Yield the samples of series in [start, end], by number; one without samples is left out."""
        ours = {self._theirs[number]: number for number in series if number in self._theirs}
        counted = [
            replace(each, series=ours[each.series]) for each in self._increments.read(list(ours), start_ms, end_ms)
        ]
        by_number = attrgetter("series")
        sampled = self._samples.read(series, start_ms, end_ms)
        for number, parts in groupby(merge(sampled, sorted(counted, key=by_number), key=by_number), by_number):
            yield _joined(number, list(parts))

    def read_columns(self, series: Sequence[int], start_ms: int, end_ms: int) -> Columns:
        """Return the samples of series in [start, end] as columns."""
        ours = {self._theirs[number]: number for number in series if number in self._theirs}
        sampled = self._samples.read_columns(series, start_ms, end_ms)
        counted = self._increments.read_columns(list(ours), start_ms, end_ms)
        renamed = np.array([ours[number] for number in counted.series.tolist()], np.int64)
        both = (sampled, replace(counted, series=renamed))
        names = ("series", "at_ms", "values", "gained")
        return Columns(*(np.concatenate([getattr(one, name) for one in both]) for name in names))

    def usage(self) -> Usage:
        """Return what both hold."""
        one, other = self._samples.usage(), self._increments.usage()
        newest = [at for at in (one.newest_ms, other.newest_ms) if at is not None]
        oldest = [at for at in (one.oldest_ms, other.oldest_ms) if at is not None]
        return Usage(
            one.series + other.series,
            one.bytes + other.bytes,
            min(oldest, default=None),
            max(newest, default=None),
            one.full or other.full,
        )

    def keep_days(self, days: float) -> None:
        """Keep increments of so many days from now on; samples are the server's."""
        self._increments.keep_days(days)

    def tick(self) -> None:
        """Drop increments that are too old or too much; the server sees to its samples by itself."""
        self._increments.tick()

    def copy_into(self, file: Path) -> None:
        """Write what is kept here beside the server to a new DuckDB file, as `DuckDbMetrics.copy_into`."""
        self._increments.copy_into(file)

    def close(self) -> None:
        """Let go of files and connections, after what was begun is written; the store answers no more."""
        try:
            self.forwarder.close()
            self._samples.close()
        finally:
            self._increments.close()

    def _for_increments(self, batch: Batch) -> Batch:
        given = batch.increments
        numbers, places = np.unique(given.series, return_inverse=True)
        theirs = self._increments.number(self._samples.labels(numbers.tolist()))
        self._theirs.update(zip(numbers.tolist(), theirs.tolist(), strict=True))
        return Batch(increments=Samples(theirs[places], given.at_ms, given.values), receipt=batch.receipt)

    def _ours(self, batch: Batch, taken: Taken) -> Taken:
        """Return what became of a batch's increments, its examples by our numbers."""
        ours = {self._theirs[number]: number for number in np.unique(batch.increments.series).tolist()}
        return replace(taken, examples=tuple(replace(one, series=ours[one.series]) for one in taken.examples))


def _both(one: Taken, other: Taken, samples: int) -> Taken:
    """Return what became of a batch's samples, of which there are so many, and of its increments."""
    return Taken(
        one.written + other.written,
        one.refused + other.refused,
        one.examples + other.examples,
        other.is_again,
        np.concatenate([one.places, other.places + samples]),
    )


def _joined(number: int, parts: list[Found]) -> Found:
    if len(parts) == 1:
        return parts[0]
    at_ms, first = np.unique(np.concatenate([part.at_ms for part in parts]), return_index=True)
    return Found(number, at_ms, np.concatenate([part.values for part in parts])[first])
