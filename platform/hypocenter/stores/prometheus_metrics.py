"""Samples in a Prometheus-compatible server: written by remote write, read by query API."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.batches import Refused, Samples, Taken
from hypocenter.errors import SourceError
from hypocenter.readers.prometheus_client import NoSuchQuestionError, PrometheusClient
from hypocenter.stores.active_series import ActiveSeries
from hypocenter.stores.forwarding_totals import marked
from hypocenter.stores.metrics import StoredSeries, Usage
from hypocenter.stores.owner import Alone
from hypocenter.stores.prometheus_columns import ColumnReader
from hypocenter.stores.prometheus_listing import names_between, narrowed
from hypocenter.stores.prometheus_reading import samples_between
from hypocenter.stores.prometheus_writing import OTHER_VALUE, TOO_FAR_AHEAD, Refusal, RemoteWriter, Writing, repeated
from hypocenter.stores.retention import MetricsLimits
from hypocenter.stores.series_table import SeriesTable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hypocenter.batches import Batch, Labels
    from hypocenter.readers.prometheus_options import PrometheusOptions
    from hypocenter.readers.selectors import Selector
    from hypocenter.stores.metrics import Columns, Found

_EXAMPLES = 10


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PrometheusMetrics:
    """Samples of the server at `url`; increments are not for it (see `hypocenter.stores.split`).

    What the query API does not tell does not come back: a stale marker, the second of two values at one time. Of
    `limits` the number of series and how far a sample may be ahead of our clock `now` are meant. Of its series those of
    `owner` alone are seen and written.
    """

    def __init__(
        self,
        url: str,
        options: PrometheusOptions,
        *,
        writing: Writing | None = None,
        limits: MetricsLimits | None = None,
        now: Callable[[], datetime] = _utc_now,
        owner: Alone | None = None,
    ) -> None:
        limits = limits or MetricsLimits()
        self._owner = owner or Alone()
        self._client = PrometheusClient(url, options, time.sleep, random.random)
        self._columns = ColumnReader(self._client, self._owner.matcher)
        writing = writing or Writing()
        self._writer = RemoteWriter(writing.url or f"{url.rstrip('/')}/api/v1/write", options, writing.patience)
        self._table = SeriesTable(limits.max_series)
        self._active = ActiveSeries(self._table)
        self._now, self._ahead = now, limits.ahead
        self._writing = threading.Lock()
        self._is_closed = False
        self._newest_ms = 0

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        """Return the number of each series; they are for this process alone."""
        self._active.settle(self._now_ms())
        return self._table.number([self._owner.plain(each) for each in labels])

    def labels(self, numbers: Sequence[int]) -> Sequence[Labels]:
        """Return the labels of numbered series; raises InputError for a number that was not given."""
        return list(self._labels_of(numbers).values())

    def append(self, batches: Sequence[Batch]) -> Sequence[Taken]:
        """Write the samples of batches; durable when the server has taken them.

        Raises SourceError when it has not; then some may be there, and writing them again does no harm.
        """
        samples, batch = _together(batches)
        self._table.check(samples.series)
        with self._writing:
            self._check_open()
            refusals = list(self._refusals(samples))
            self._active.written(samples.series, self._now_ms())
            self._note(samples, refusals)
        return _taken(samples, batch, refusals, len(batches))

    def _note(self, samples: Samples, refusals: Sequence[Refusal]) -> None:
        """Keep the newest time that was written: not every server tells it."""
        written = np.ones(len(samples), bool)
        for places, _ in refusals:
            written[places] = False
        self._newest_ms = max(self._newest_ms, int(samples.at_ms[written].max(initial=0)))

    def write_totals(self, totals: Samples, labels_of: Callable[[int], Labels]) -> int:
        """Write running totals of series that `labels_of` tells of; return how many the server refused.

        Raises SourceError when it has not taken them; then some may be there, and writing them again does no harm.
        """
        with self._writing:
            self._check_open()
            refusals = self._writer.write(totals, lambda number: self._owner.theirs(marked(labels_of(number))))
        return sum(len(refusal.places) for refusal in refusals)

    def series(
        self, selectors: Sequence[Selector], start_ms: int, end_ms: int, of: Collection[str] | None = None
    ) -> Sequence[StoredSeries]:
        """Return the series that match any selector and have samples in [start, end], by number.

        With `of`, those alone that may speak of one of these components.
        """
        self._check_open()
        mine = [self._owner.narrowed(each) for each in selectors]
        asked = [str(each) for each in mine] if of is None else narrowed(self._client, mine, of)
        names = map(self._owner.ours, names_between(self._client, asked, start_ms, end_ms))
        numbers = self._table.number(sorted(each for each in names if each is not None), are_kept=False)
        series = [self._table[number] for number in sorted(numbers.tolist())]
        return series if of is None else [each for each in series if not each.components.isdisjoint(of)]

    def read(self, series: Sequence[int], start_ms: int, end_ms: int) -> Iterator[Found]:
        """Yield the samples of series in [start, end], by number; one without samples is left out."""
        self._check_open()
        yield from samples_between(self._client, self._theirs(series), start_ms, end_ms, self._owner.matcher)

    def read_columns(self, series: Sequence[int], start_ms: int, end_ms: int) -> Columns:
        """Return the samples of series in [start, end] as columns."""
        self._check_open()
        return self._columns.read(self._theirs(series), start_ms, end_ms)

    def usage(self) -> Usage:
        """Return what the server tells of its newest block; what that takes on its disk it does not tell.

        Where it does not tell of series, those are told that were written here within a day; where it does not tell its
        newest sample either, that is the newest that was written here.
        """
        self._check_open()
        try:
            told = _usage_of(self._client.head().data)
        except NoSuchQuestionError:
            told = Usage(len(self._table), 0, None, None)
        return replace(told, newest_ms=max(told.newest_ms or 0, self._newest_ms) or None)

    def close(self) -> None:
        """Let go of connections, after what was begun is written; the store answers no more."""
        with self._writing:
            self._is_closed = True
            self._client.close()
            self._writer.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise SourceError(f"{self._client.place}: the store of metrics is closed")

    def _refusals(self, samples: Samples) -> Iterator[Refusal]:
        # One sample of the far future makes Prometheus refuse all that are of today.
        ahead = samples.at_ms > self._now_ms() + self._ahead // timedelta(milliseconds=1)
        yield Refusal(np.flatnonzero(ahead), TOO_FAR_AHEAD)
        same, other = repeated(samples)
        yield Refusal(other[~ahead[other]], OTHER_VALUE)
        sent = ~ahead
        sent[same] = sent[other] = False
        places = np.flatnonzero(sent)
        kept = Samples(samples.series[places], samples.at_ms[places], samples.values[places])
        for refusal in self._writer.write(kept, lambda number: self._owner.theirs(self._table[number].labels)):
            yield Refusal(places[refusal.places], refusal.reason)

    def _now_ms(self) -> int:
        return int(self._now().timestamp() * 1000)

    def _theirs(self, numbers: Sequence[int]) -> Mapping[int, Labels]:
        return {number: self._owner.theirs(labels) for number, labels in self._labels_of(numbers).items()}

    def _labels_of(self, numbers: Sequence[int]) -> Mapping[int, Labels]:
        """Return labels by number; raises InputError for a number that was not given."""
        self._table.check(np.array(numbers, np.int64))
        return {number: self._table[number].labels for number in numbers}


def _together(batches: Sequence[Batch]) -> tuple[Samples, NDArray[np.int64]]:
    """Return the samples of all batches, and which batch each is of."""
    parts = [batch.samples for batch in batches] or [Samples()]
    samples = Samples(
        np.concatenate([part.series for part in parts]),
        np.concatenate([part.at_ms for part in parts]),
        np.concatenate([part.values for part in parts]),
    )
    return samples, np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def _taken(samples: Samples, batch: NDArray[np.int64], refusals: Sequence[Refusal], batches: int) -> Sequence[Taken]:
    begins = np.searchsorted(batch, np.arange(batches + 1))
    reasons = {place: reason for places, reason in refusals for place in places.tolist()}
    places = np.array(sorted(reasons), np.int64)
    rows = [range(begin, end) for begin, end in pairwise(begins.tolist())]
    refused = [places[first:last] for first, last in pairwise(np.searchsorted(places, begins).tolist())]
    return [_taken_of(samples, own, lost, reasons) for own, lost in zip(rows, refused, strict=True)]


def _taken_of(samples: Samples, rows: range, places: NDArray[np.int64], reasons: Mapping[int, str]) -> Taken:
    examples = tuple(
        Refused(int(samples.series[place]), int(samples.at_ms[place]), reasons[place])
        for place in places[:_EXAMPLES].tolist()
    )
    return Taken(len(rows) - len(places), len(places), examples, places=places - rows.start)


def _usage_of(data: Any) -> Usage:
    """Return what Prometheus (`headStats`) or VictoriaMetrics (`totalSeries`) says of its series."""
    told: dict[str, Any] = data if isinstance(data, dict) else {}
    head = told.get("headStats")
    head = head if isinstance(head, dict) else {}
    series = head.get("numSeries", told.get("totalSeries", 0))
    newest = head.get("maxTime")
    # An empty Prometheus tells the least number there is.
    has_newest = isinstance(newest, int) and newest > 0
    return Usage(series if isinstance(series, int) else 0, 0, None, newest if has_newest else None)
