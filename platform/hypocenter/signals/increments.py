"""What counters gained, gathered by series and bin of event time, and told as increments of labelled series.

Every series bears the label `counted_from`: what it was counted from, spans or log lines. So it is never mixed up with
a series of the same name that another program counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import BIN_MS, COUNTED_FROM, Samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.batches import Labels, SeriesIndex

# Two a doubling, from 0.1 ms to beyond a minute: a quantile is off by at most a part in 2.4 of itself.
BOUNDS_S = tuple(float(f"{1e-4 * 2 ** (step / 2):.4g}") for step in range(40))
QUIET_MS = 60_000
MOST_REMEMBERED = 500_000

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

    def increments(self) -> Iterator[tuple[Labels, int, float]]:
        """Yield (labels, end of bin in ms, what was gained): counters, and the parts of histograms.

        Of a histogram's buckets those are told that gained, and the one below the first, which says how low it begins.
        """
        for (labels, end_ms), number in self.counted.items():
            yield labels, end_ms, number
        for (labels, end_ms), parts in self.timed.items():
            for series, gained in _parts(labels, parts):
                yield series, end_ms, gained


def _parts(labels: Labels, parts: list[float]) -> Iterator[tuple[Labels, float]]:
    buckets, name = parts[:-1], labels[0][1]
    first = next(place for place, number in enumerate(buckets) if number)
    below = 0.0
    for place in range(max(first - 1, 0), len(buckets)):
        below += buckets[place]
        yield _bucket(labels, name, place), below
    yield (("__name__", f"{name}_sum"), *labels[1:]), parts[-1]
    yield (("__name__", f"{name}_count"), *labels[1:]), below


def _bucket(labels: Labels, name: str, place: int) -> Labels:
    bound = f"{BOUNDS_S[place]:g}" if place < len(BOUNDS_S) else "+Inf"
    return tuple(sorted((("__name__", f"{name}_bucket"), ("le", bound), *labels[1:])))


class Numbering:
    """Turns tallies into samples of numbered series.

    A series that was quiet for `QUIET_MS` first gets an increment of 0 as long before, so that whoever reads it as a
    counter sees what it gained, also what comes late. For that the last bin of `MOST_REMEMBERED` series is remembered.
    Not safe to share between threads without a lock.
    """

    def __init__(self, index: SeriesIndex) -> None:
        self._index = index
        self._last: OrderedDict[int, int] = OrderedDict()

    def samples(self, tally: Tally) -> Samples:
        """Return a tally's increments, in order of its counting. Raises LimitError when there are too many series."""
        rows = list(tally.increments())
        numbers = self._index.number([labels for labels, _, _ in rows])
        at_ms = np.fromiter((end_ms for _, end_ms, _ in rows), np.int64, len(rows))
        gained = np.fromiter((number for _, _, number in rows), np.float64, len(rows))
        begun = [(number, end - QUIET_MS) for number, end in zip(numbers.tolist(), at_ms.tolist(), strict=True)
                 if self._begins(number, end)]  # fmt: skip
        series, earlier = (np.array([pair[part] for pair in begun], np.int64) for part in (0, 1))
        return Samples(
            np.concatenate([series, numbers]),
            np.concatenate([earlier, at_ms]),
            np.concatenate([np.zeros(len(begun)), gained]),
        )

    def _begins(self, number: int, end_ms: int) -> bool:
        """Whether a series gained nothing for long before this bin; remembers the bin."""
        last = self._last.get(number)
        self._last[number] = max(end_ms, last or 0)
        self._last.move_to_end(number)
        if len(self._last) > MOST_REMEMBERED:
            self._last.popitem(last=False)
        return last is None or not last - QUIET_MS < end_ms <= last + QUIET_MS
