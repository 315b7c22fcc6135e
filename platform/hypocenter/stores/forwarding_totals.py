"""What counters gained as running totals, which is how a server of Prometheus' kind keeps it; and gains read back.

A total stands at the time of each gain. Where the sample before it is more than NEAR_MS ago, or there is none, the
total from before the gain stands a millisecond before it, 0 at first: so the first gain shows, as with created
timestamps that are ingested as zeros, and whoever reads from NEAR_MS before a moment on sees all that was gained since.
Series of totals bear a MARK, which is no label of theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.batches import Labels

MARK = ("hypocenter_forwarded", "true")
NEAR_MS, DAY_MS = 120_000, 86_400_000
_NEVER = -(1 << 62)
# Servers may keep 15 digits of a value, not always the same ones: what falls by less was not begun anew.
_FALL, _NOTHING = 0.5, 1e-9


def marked(labels: Labels) -> Labels:
    """Return the labels under which a server keeps the totals of a series.

    >>> marked((("__name__", "calls"), ("job", "cart")))
    (('__name__', 'calls'), ('hypocenter_forwarded', 'true'), ('job', 'cart'))
    """
    return tuple(sorted((*_without_mark(labels), MARK)))


def unmarked(labels: Labels) -> Labels | None:
    """Return the labels of the series that a server keeps totals of under these; None where they are no totals."""
    return _without_mark(labels) if MARK in labels else None


def _without_mark(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != MARK[0])


class RunningTotals:
    """Totals of numbered series, from 0 on for as long as this lives; no sample is at or before `floor_ms`."""

    def __init__(self, floor_ms: int) -> None:
        self._floor_ms = floor_ms
        self._totals, self._last_ms = np.zeros(0), np.zeros(0, np.int64)

    def samples(self, gains: Samples, until_ms: int) -> Samples:
        """Return the samples that tell of gains, none of them after `until_ms`, which rises from call to call.

        A gain that is no later than what was told of its series before is told of at `until_ms`.
        """
        self._grow(int(gains.series.max(initial=-1)) + 1)
        told_ms = np.maximum(self._last_ms[gains.series], self._floor_ms)
        # A millisecond is left for the total from before it.
        rows = summed(Samples(gains.series, np.where(gains.at_ms > told_ms + 1, gains.at_ms, until_ms), gains.values))
        rank = _rank(rows.series)
        before_ms = np.where(rank == 0, self._last_ms[rows.series], np.roll(rows.at_ms, 1))
        before, after = np.empty(len(rows)), np.empty(len(rows))
        for each in range(int(rank.max(initial=-1)) + 1):
            places = np.flatnonzero(rank == each)
            series = rows.series[places]
            before[places] = self._totals[series]
            after[places] = self._totals[series] = before[places] + rows.values[places]
            self._last_ms[series] = rows.at_ms[places]
        far = np.flatnonzero(rows.at_ms - before_ms > NEAR_MS)
        return Samples(
            np.concatenate([rows.series, rows.series[far]]),
            np.concatenate([rows.at_ms, rows.at_ms[far] - 1]),
            np.concatenate([after, before[far]]),
        )

    def has_new(self, gains: Samples, until_ms: int) -> bool:
        """Return whether a server may not have a series of these gains in its index of the day of `until_ms`."""
        self._grow(int(gains.series.max(initial=-1)) + 1)
        return bool((self._last_ms[gains.series] // DAY_MS < until_ms // DAY_MS).any())

    def _grow(self, series: int) -> None:
        more = max(series, 2 * len(self._totals)) - len(self._totals) if series > len(self._totals) else 0
        self._totals = np.concatenate([self._totals, np.zeros(more)])
        self._last_ms = np.concatenate([self._last_ms, np.full(more, _NEVER)])


def summed(rows: Samples) -> Samples:
    """Return rows in order of series and time, those of one time added up in the order in which they came."""
    order = np.lexsort((rows.at_ms, rows.series))
    series, at_ms = rows.series[order], rows.at_ms[order]
    starts = np.flatnonzero(_begins(series, at_ms))
    sums = np.add.reduceat(rows.values[order], starts) if len(starts) else np.empty(0)
    return Samples(series[starts], at_ms[starts], sums)


def _begins(series: NDArray[np.int64], at_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say of rows in order of series and time whether they are the first of theirs."""
    return np.append(True, (np.diff(series) != 0) | (np.diff(at_ms) != 0))[: len(series)]


def _rank(series: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which row of its series each row is, of rows in order of series."""
    return np.arange(len(series)) - np.searchsorted(series, series)


def gains_of(totals: Samples) -> tuple[Samples, Samples]:
    """Return (what was gained, the totals without what begins anew) of each sample but each series' first.

    Totals from before a gain are no samples of their own, and are left out.
    """
    order = np.lexsort((totals.at_ms, totals.series))
    # What was sent again may be told twice.
    order = order[_begins(totals.series[order], totals.at_ms[order])]
    series, at_ms, values = totals.series[order], totals.at_ms[order], totals.values[order]
    goes_on = np.append(False, np.diff(series) == 0)[: len(order)]
    lasts = np.roll(values, 1)
    fell = goes_on & (values < _FALL * lasts)
    gains = np.where(fell, values, np.maximum(values - lasts, 0)) * goes_on
    steady = values + _of_each(series, np.where(fell, lasts, 0.0))
    leads = np.append(goes_on[1:] & (np.diff(at_ms) == 1), False)[: len(order)] & (gains <= _NOTHING * steady)
    gains += np.roll(np.where(leads, gains, 0), 1)
    kept = goes_on & ~leads
    return Samples(series[kept], at_ms[kept], gains[kept]), Samples(series[kept], at_ms[kept], steady[kept])


def _of_each(series: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return running sums of each series, of rows in order of series."""
    sums = np.cumsum(values)
    first = np.searchsorted(series, series)
    return sums - sums[first] + values[first]
