"""What counters gained, gathered by series and bin of event time, and told as increments of labelled series.

Every series bears the label `counted_from`: what it was counted from, spans or log lines. So it is never mixed up with
a series of the same name that another program counted.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import BIN_MS, COUNTED_FROM, Samples, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hypocenter.batches import Labels, SeriesIndex, SeriesLimitError

# Two a doubling, from 0.1 ms to beyond a minute: a quantile is off by at most a part in 2.4 of itself.
BOUNDS_S = tuple(float(f"{1e-4 * 2 ** (step / 2):.4g}") for step in range(40))
QUIET_MS = 60_000
MOST_REMEMBERED = 100_000
# Buckets, the one beyond all bounds, count and sum.
_PARTS = len(BOUNDS_S) + 3
_NO_NUMBER = -1

Cell = tuple["Labels", int]


def labels_of(name: str, counted_from: str, **labels: str) -> Labels:
    """Return the labels of a counted series; what is empty is left out.

    >>> labels_of("calls_total", "spans", server="b", client="")
    (('__name__', 'calls_total'), ('counted_from', 'spans'), ('server', 'b'))
    """
    kept = [(label, value) for label, value in labels.items() if value]
    return tuple(sorted([("__name__", name), (COUNTED_FROM, counted_from), *kept]))


def bin_end_ms(at_ns: int) -> int:
    """Return when the bin of an event ends, ms since 1970: a counter shows the event from then on.

    >>> bin_end_ms(9_999_999_999), bin_end_ms(10_000_000_000)
    (10000, 20000)
    """
    return (at_ns // (BIN_MS * 1_000_000) + 1) * BIN_MS


@dataclass
class Tally:
    """What was counted and what was timed, by series and end of bin.

    `timed` is keyed by the labels of a histogram without its part and bound; each is observations per bucket, the last
    beyond all bounds, and then the sum of all in seconds.
    """

    counted: dict[Cell, float] = field(default_factory=dict)
    timed: dict[Cell, list[float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.counted) + len(self.timed)

    def count(self, labels: Labels, end_ms: int, number: float = 1.0) -> None:
        """Count `number` more."""
        cell = labels, end_ms
        self.counted[cell] = self.counted.get(cell, 0.0) + number

    def time(self, labels: Labels, end_ms: int, seconds: float) -> None:
        """Observe a duration."""
        cell = labels, end_ms
        found = self.timed.get(cell)
        if found is None:
            found = self.timed[cell] = [0.0] * (len(BOUNDS_S) + 2)
        found[bisect_left(BOUNDS_S, seconds)] += 1
        found[-1] += seconds

    def add(self, other: Tally) -> None:
        """Add what another tally holds."""
        for (labels, end_ms), number in other.counted.items():
            self.count(labels, end_ms, number)
        for cell, parts in other.timed.items():
            mine = self.timed.get(cell)
            self.timed[cell] = list(parts) if mine is None else [a + b for a, b in zip(mine, parts, strict=True)]


class Numbering:
    """Turns tallies into samples of numbered series. Not safe to share between threads without a lock.

    Of a histogram's buckets those are told that gained, and the one below the first, which says how low it begins.
    A series that was quiet for `QUIET_MS` first gets an increment of 0 as long before, so that whoever reads it as a
    counter sees what it gained, also what comes late. `limited` is the error that tells why `left_out` increments of
    the last tally are not among its samples: their series would be too many.
    """

    def __init__(self, index: SeriesIndex) -> None:
        self._index = index
        self.left_out = 0
        self.limited: SeriesLimitError | None = None
        self._counters: dict[Labels, int] = {}
        self._histograms: dict[Labels, list[int]] = {}
        self._last_ms = np.zeros(0, np.int64)

    def samples(self, tally: Tally) -> Samples:
        """Return a tally's increments, in order of its counting, but for those of series beyond the limit."""
        self._learn(tally)
        series = [self._counters.get(labels, _NO_NUMBER) for labels, _ in tally.counted]
        ends = [end_ms for _, end_ms in tally.counted]
        gained = list(tally.counted.values())
        for (labels, end_ms), parts in tally.timed.items():
            first = _first(parts)
            series += self._histograms[labels][first:]
            gained += _cumulative(parts)[first:]
            ends += [end_ms] * (_PARTS - first)
        known = np.array(series, np.int64) != _NO_NUMBER
        self.left_out = int(np.count_nonzero(~known))
        numbers, at_ms = np.array(series, np.int64)[known], np.array(ends, np.int64)[known]
        begun = self._begins(numbers, at_ms)
        return Samples(
            np.concatenate([numbers[begun], numbers]),
            np.concatenate([at_ms[begun] - QUIET_MS, at_ms]),
            np.concatenate([np.zeros(np.count_nonzero(begun)), np.array(gained, np.float64)[known]]),
        )

    def _learn(self, tally: Tally) -> None:
        """Have numbers given to the series of a tally that have none yet."""
        if len(self._counters) + len(self._histograms) > MOST_REMEMBERED:
            self._counters.clear()
            self._histograms.clear()
        counters = dict.fromkeys(labels for labels, _ in tally.counted if labels not in self._counters)
        missing = list(self._missing(tally))
        wanted = [*counters, *(_part(labels, place) for labels, place in missing)]
        numbers, self.limited = numbered(wanted, self._index)
        found = zip(counters, numbers.tolist(), strict=False)
        self._counters.update((labels, number) for labels, number in found if number != _NO_NUMBER)
        for (labels, place), number in zip(missing, numbers[len(counters) :].tolist(), strict=True):
            self._histograms.setdefault(labels, [_NO_NUMBER] * _PARTS)[place] = number

    def _missing(self, tally: Tally) -> Iterator[tuple[Labels, int]]:
        """Yield the parts of histograms that have no number yet, each once."""
        lowest: dict[Labels, int] = {}
        for (labels, _), parts in tally.timed.items():
            lowest[labels] = min(_first(parts), lowest.get(labels, _PARTS))
        for labels, first in lowest.items():
            known = self._histograms.get(labels)
            for place in range(first, _PARTS):
                if known is None or known[place] == _NO_NUMBER:
                    yield labels, place

    def _begins(self, numbers: NDArray[np.int64], at_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which series gained nothing for long before their bin; the bins are remembered."""
        if not len(numbers):
            return np.zeros(0, bool)
        room = int(numbers.max()) + 1 - len(self._last_ms)
        if room > 0:
            self._last_ms = np.append(self._last_ms, np.zeros(max(room, len(self._last_ms)), np.int64))
        apart = np.abs(at_ms - self._last_ms[numbers])
        np.maximum.at(self._last_ms, numbers, at_ms)
        return np.asarray(apart > QUIET_MS)


def _first(parts: list[float]) -> int:
    """Return the bucket below the first that gained, or that one where it is the lowest."""
    return max(next(place for place, number in enumerate(parts) if number) - 1, 0)


def _cumulative(parts: list[float]) -> list[float]:
    below = list(accumulate(parts[:-1]))
    return [*below, below[-1], parts[-1]]


def _part(labels: Labels, place: int) -> Labels:
    """Return the labels of a part of a histogram: its buckets, then its count and its sum."""
    (_, name), others = labels[0], labels[1:]
    if place > len(BOUNDS_S):
        return (("__name__", f"{name}_{'count' if place == len(BOUNDS_S) + 1 else 'sum'}"), *others)
    bound = f"{BOUNDS_S[place]:g}" if place < len(BOUNDS_S) else "+Inf"
    return tuple(sorted((("__name__", f"{name}_bucket"), ("le", bound), *others)))
