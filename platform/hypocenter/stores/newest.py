"""The newest sample of each series, and what follows from it: which samples are taken, which are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import STALE_BITS, Refused, Samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

NEVER = np.iinfo(np.int64).min
WRITE, THERE, OLD, AHEAD, OTHER, ENDLESS = range(6)
REASONS = {
    OLD: "too old",
    AHEAD: "too far ahead",
    OTHER: "another value at this time",
    ENDLESS: "no finite number",
}
EXAMPLES = 3
_NAN_BITS = 0x7FF8000000000000


@dataclass(frozen=True, slots=True)
class Span:
    """The times that samples are taken at, in ms, ends included."""

    first_ms: int
    last_ms: int


class Newest:
    """Time and value of the newest sample by number of series; what one batch changed can be taken back."""

    def __init__(self) -> None:
        self.at_ms = np.full(1024, NEVER)
        self._bits = np.zeros(1024, np.int64)
        self._before: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []

    def judge(self, samples: Samples, span: Span) -> NDArray[np.int8]:
        """Say of each sample whether it is to be written, is there already, or why it is refused; remember the newest.

        Within one batch the first sample of a series and time counts.
        """
        self._grow(samples.series)
        series, at, bits = samples.series, samples.at_ms, bits_of(samples.values)
        codes = outside(at, span)
        at_newest = (codes == WRITE) & (self.at_ms[series] == at)
        codes[at_newest] = np.where(self._bits[series] == bits, THERE, OTHER)[at_newest]
        order = np.lexsort((at, series))
        _judge_repeated(codes, order, samples, bits)
        self._remember(order[codes[order] == WRITE], samples, bits)
        return codes

    def _grow(self, series: NDArray[np.int64]) -> None:
        wanted = int(series.max(initial=0)) + 1
        if wanted > len(self.at_ms):
            more = max(wanted, 2 * len(self.at_ms)) - len(self.at_ms)
            self.at_ms = np.concatenate([self.at_ms, np.full(more, NEVER)])
            self._bits = np.concatenate([self._bits, np.zeros(more, np.int64)])

    def _remember(self, order: NDArray[np.intp], samples: Samples, bits: NDArray[np.int64]) -> None:
        series = samples.series[order]
        last = order[np.append(series[1:] != series[:-1], True)] if len(order) else order
        newer = last[samples.at_ms[last] > self.at_ms[samples.series[last]]]
        changed = samples.series[newer]
        self._before.append((changed, self.at_ms[changed], self._bits[changed]))
        self.at_ms[changed], self._bits[changed] = samples.at_ms[newer], bits[newer]

    def load(self, samples: Samples) -> None:
        """Remember these as the newest, one for each series."""
        self._grow(samples.series)
        self.at_ms[samples.series], self._bits[samples.series] = samples.at_ms, bits_of(samples.values)

    def forget(self) -> None:
        """Know of no sample."""
        self.at_ms[:] = NEVER
        self._before.clear()

    def keep(self) -> None:
        """What was judged is durable."""
        self._before.clear()

    def take_back(self) -> None:
        """What was judged since the last `keep` was not written."""
        while self._before:
            changed, at_ms, bits = self._before.pop()
            self.at_ms[changed], self._bits[changed] = at_ms, bits


def bits_of(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return values as comparable bits: one zero, one NaN, and the mark of the end of a series.

    >>> bits_of(np.array([0.0, -0.0])).tolist()
    [0, 0]
    """
    bits = values.view(np.int64).copy()
    bits[values == 0] = 0
    bits[np.isnan(values) & (bits != STALE_BITS)] = _NAN_BITS
    return bits


def outside(at: NDArray[np.int64], span: Span) -> NDArray[np.int8]:
    """Say of times whether samples are taken then."""
    codes = np.full(len(at), WRITE, np.int8)
    codes[at < span.first_ms] = OLD
    codes[at > span.last_ms] = AHEAD
    return codes


def judge_increments(increments: Samples, span: Span) -> NDArray[np.int8]:
    """Say of each increment whether it is to be added, or why it is refused."""
    codes = outside(increments.at_ms, span)
    codes[~np.isfinite(increments.values)] = ENDLESS
    return codes


def refused(samples: Samples, codes: NDArray[np.int8]) -> Iterator[Refused]:
    """Yield some of the refused."""
    for at in np.flatnonzero(codes > THERE)[:EXAMPLES]:
        yield Refused(int(samples.series[at]), int(samples.at_ms[at]), REASONS[int(codes[at])])


def _judge_repeated(
    codes: NDArray[np.int8], order: NDArray[np.intp], samples: Samples, bits: NDArray[np.int64]
) -> None:
    """Compare each sample of a batch with the first of its series and time in it."""
    series, at = samples.series[order], samples.at_ms[order]
    again = np.append(False, (series[1:] == series[:-1]) & (at[1:] == at[:-1]))[: len(order)]
    again &= codes[order] == WRITE
    if not again.any():
        return
    first = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))
    later = order[again]
    codes[later] = np.where(bits[later] == bits[order[first[again]]], THERE, OTHER)
