"""What a server of Prometheus' kind holds, with the increments that another process forwarded to it."""

from __future__ import annotations

from dataclasses import replace
from heapq import merge
from itertools import groupby, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import Samples
from hypocenter.stores.forwarding_totals import NEAR_MS, gains_of, unmarked
from hypocenter.stores.metrics import Columns, Found

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from hypocenter.batches import Batch, Labels, Taken
    from hypocenter.readers.selectors import Selector
    from hypocenter.stores.metrics import StoredSeries, Usage
    from hypocenter.stores.prometheus_metrics import PrometheusMetrics

_BY_SERIES = attrgetter("series")


class ForwardedMetrics:
    """A MetricsStore on a server alone, as a process reads it that is not the one which forwards.

    Series that were forwarded are read once `series` has told of them.
    """

    def __init__(self, server: PrometheusMetrics) -> None:
        self._server = server
        # Numbers of series to those of their totals, and series that have samples of their own.
        self._totals: dict[int, int] = {}
        self._sampled: set[int] = set()

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        """Return the number of each series; they are for this process alone."""
        return self._server.number(labels)

    def append(self, batches: Sequence[Batch]) -> Sequence[Taken]:
        """Write samples; increments are for the process that forwards them."""
        return self._server.append(batches)

    def series(
        self, selectors: Sequence[Selector], start_ms: int, end_ms: int, of: Collection[str] | None = None
    ) -> Sequence[StoredSeries]:
        """Return the series that match any selector and have samples in [start, end], by number.

        With `of`, those alone that may speak of one of these components.
        """
        listed = self._server.series(selectors, start_ms, end_ms, of)
        own = {each.number: labels for each in listed if (labels := unmarked(each.labels)) is not None}
        ours = dict(zip(own, self.number(list(own.values())).tolist(), strict=True))
        self._totals.update(zip(ours.values(), ours, strict=True))
        found = {each.number: each for each in listed if each.number not in own}
        self._sampled.update(found)
        for each in listed:
            if each.number in own:
                number = ours[each.number]
                found.setdefault(number, replace(each, number=number, labels=own[each.number]))
        return [found[number] for number in sorted(found)]

    def read(self, series: Sequence[int], start_ms: int, end_ms: int) -> Iterator[Found]:
        """Yield the samples of series in [start, end], by number; one without samples is left out.

        What came as samples hides what came as increments.
        """
        _, totals = self._forwarded(series, start_ms, end_ms)
        cuts = (0, *(np.flatnonzero(np.diff(totals.series)) + 1).tolist(), len(totals))
        counted = (
            Found(int(totals.series[first]), totals.at_ms[first:last], totals.values[first:last])
            for first, last in pairwise(cuts)
            if last > first
        )
        sampled = self._server.read(self._with_samples(series), start_ms, end_ms)
        for _, both in groupby(merge(sampled, counted, key=_BY_SERIES), _BY_SERIES):
            yield next(both)

    def read_columns(self, series: Sequence[int], start_ms: int, end_ms: int) -> Columns:
        """Return the samples of series in [start, end] as columns."""
        sampled = self._server.read_columns(self._with_samples(series), start_ms, end_ms)
        gains, _ = self._forwarded(series, start_ms, end_ms)
        return Columns(
            np.concatenate([sampled.series, gains.series]),
            np.concatenate([sampled.at_ms, gains.at_ms]),
            np.concatenate([sampled.values, gains.values]),
            np.concatenate([sampled.gained, np.ones(len(gains), np.bool_)]),
        )

    def usage(self) -> Usage:
        """Return what the server tells of itself."""
        return self._server.usage()

    def close(self) -> None:
        """Let go of connections; the store answers no more."""
        self._server.close()

    def _with_samples(self, series: Sequence[int]) -> list[int]:
        return [number for number in series if number in self._sampled or number not in self._totals]

    def _forwarded(self, series: Sequence[int], start_ms: int, end_ms: int) -> tuple[Samples, Samples]:
        """Return what was gained in [start, end], and the totals, in order of series and time."""
        ours = {self._totals[number]: number for number in series if number in self._totals}
        found = self._server.read_columns(sorted(ours), start_ms - NEAR_MS, end_ms + 1)
        numbers, places = np.unique(found.series, return_inverse=True)
        named = np.array([ours[number] for number in numbers.tolist()], np.int64)[places]
        gains, totals = gains_of(Samples(named, found.at_ms, found.values))
        inside = (gains.at_ms >= start_ms) & (gains.at_ms <= end_ms)
        return _only(gains, inside), _only(totals, inside)


def _only(rows: Samples, where: NDArray[np.bool_]) -> Samples:
    return Samples(rows.series[where], rows.at_ms[where], rows.values[where])
