"""What one request of remote write holds, gathered series by series and numbered at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import Batch, Samples, SeriesLimitError, numbered
from hypocenter.ingest.native_histograms import series_of
from hypocenter.ingest.otlp_metrics_buckets import PointError
from hypocenter.ingest.protobuf_samples import samples_at
from hypocenter.ingest.series_labels import LabelsError, checked, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from hypocenter.batches import Labels, SeriesIndex, Taken
    from hypocenter.ingest.native_histograms import NativeHistogram
    from hypocenter.ingest.protobuf_samples import Shape

Pair = tuple[str, str]
"""Name and value of a label."""

MOST_PROBLEMS = 10
# What a series takes that is read field by field, and a step of what a histogram takes: see `Budget`.
PER_SERIES, BYTES_OF_HISTOGRAM = 4, 8
NO_HISTOGRAM, CUT = -1, -2
_MOST_KNOWN = 1_000_000
_MOST_KNOWN_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """What a request holds that can be kept, and what of it cannot.

    `samples` and `histograms` are in the batch (a histogram as several series); `exemplars` were in the request, and
    none is kept. `invalid` samples and histograms are of series that `problems` names, ten at most. `limited` is the
    error of `over` samples and histograms whose series would be more than the limit. `of_histogram` tells of each row
    of the batch which histogram it is a part of, NO_HISTOGRAM for a sample, and CUT for a part of one of those `over`.
    """

    batch: Batch
    samples: int
    histograms: int
    exemplars: int
    invalid: int = 0
    problems: tuple[str, ...] = ()
    over: int = 0
    limited: SeriesLimitError | None = None
    of_histogram: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64), compare=False, repr=False)

    def durable(self, taken: Taken) -> tuple[int, int]:
        """Return how many samples and how many whole histograms are durable."""
        lost = self.of_histogram[taken.places]
        histograms = len(np.unique(lost[lost >= 0]))
        return self.samples - int(np.count_nonzero(lost == NO_HISTOGRAM)), self.histograms - histograms


@dataclass(slots=True)
class Found:
    """One series as it stood: samples of odd shape, histograms, and how many exemplars."""

    samples: list[tuple[int, float]]
    histograms: list[NativeHistogram]
    exemplars: int = 0


class Known:
    """Numbers of series by the bytes that name them; starts anew when it is full. Safe to share between threads."""

    def __init__(self, most: int = _MOST_KNOWN, most_bytes: int = _MOST_KNOWN_BYTES) -> None:
        self.numbers: dict[bytes, int] = {}
        self._bytes = 0
        self._most, self._most_bytes = most, most_bytes

    def add(self, key: bytes, number: int) -> None:
        """Keep a series' number."""
        self._bytes += len(key)
        if self._bytes > self._most_bytes or len(self.numbers) >= self._most:
            self.numbers, self._bytes = {}, len(key)
        self.numbers[key] = number


class Places:
    """Where the samples of one shape stand in a body, and of which series each is."""

    __slots__ = ("at", "series", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.at: list[int] = []
        self.series: list[int] = []

    def belong(self, series: int) -> None:
        """Give the places that were added since to a series."""
        self.series += [series] * (len(self.at) - len(self.series))

    def drop(self) -> None:
        """Forget the places that were added since."""
        del self.at[len(self.series) :]

    def drop_from(self, first: int) -> None:
        """Forget the places from `first` on, with whose they are."""
        while self.at and self.at[-1] >= first:
            self.at.pop()
            self.series.pop()


class Gathering:
    """Gathers one request; a series not known yet has a negative number until `written`."""

    def __init__(self, body: bytes, shapes: Iterable[Shape]) -> None:
        self.body = body
        self.places = [Places(shape) for shape in shapes]
        self._fresh: list[Labels] = []
        self._keys: list[tuple[bytes, int]] = []
        self._odd: list[tuple[int, int, float, int]] = []
        self._histograms = 0
        self._exemplars = 0
        self._invalid = 0
        self._problems: list[str] = []

    def number(self, labels: Labels, key: bytes = b"") -> int:
        """Return the number of a series until `written`; `key` will be known by its true one."""
        self._fresh.append(labels)
        slot = -len(self._fresh)
        if key:
            self._keys.append((key, slot))
        return slot

    def take(self, pairs: Sequence[Pair | None], found: Found, key: bytes = b"") -> None:
        """Take a series with the labels that it stood with (None: not UTF-8), or keep what is wrong with them."""
        readable = [pair for pair in pairs if pair is not None]
        try:
            if len(readable) < len(pairs):
                raise LabelsError("a label that is not UTF-8")
            self._add(checked(readable), found, key)
        except (LabelsError, PointError) as error:
            self.refuse(f"{error}, in {shown(readable)}", found)

    def refuse(self, problem: str, found: Found) -> None:
        """Keep why a series cannot be kept."""
        self._exemplars += found.exemplars
        self._invalid += len(found.samples) + len(found.histograms)
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(problem)

    def written(self, index: SeriesIndex, known: Known) -> Written:
        """Number what is new, remember it, and return all that was gathered. Raises InputError for an odd sample."""
        series, at_ms, values = self._columns()
        numbers, limited = numbered(self._fresh, index)
        # Slot -1 is the first.
        fresh = numbers[::-1]
        for key, slot in self._keys:
            if fresh[slot] >= 0:
                known.add(key, int(fresh[slot]))
        new = series < 0
        series[new] = fresh[series[new]]
        of_histogram = self._of_histogram(series)
        kept = slice(None) if limited is None else series >= 0
        is_sample = of_histogram == NO_HISTOGRAM
        samples, whole = int(np.count_nonzero(is_sample[kept])), len(np.unique(of_histogram[of_histogram >= 0]))
        return Written(
            batch=Batch(Samples(series[kept], at_ms[kept], values[kept])),
            samples=samples,
            histograms=whole,
            exemplars=self._exemplars,
            invalid=self._invalid,
            problems=tuple(self._problems),
            over=int(np.count_nonzero(is_sample)) - samples + self._histograms - whole,
            limited=limited,
            of_histogram=of_histogram[kept],
        )

    def _of_histogram(self, series: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which histogram each row is a part of, as `Written` has it."""
        found = np.full(len(series), NO_HISTOGRAM)
        if self._histograms:
            found[len(series) - len(self._odd) :] = [each[3] for each in self._odd]
            found[np.isin(found, found[(series < 0) & (found >= 0)])] = CUT
        return found

    def _columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        odd = tuple(zip(*self._odd, strict=True)) or ((), (), (), ())
        series = [places.series for places in self.places] + [odd[0]]
        read = [samples_at(self.body, places.at, places.shape) for places in self.places]
        return (
            np.concatenate([np.array(each, np.int64) for each in series]),
            np.concatenate([times for times, _ in read] + [np.array(odd[1], np.int64)]),
            np.concatenate([values for _, values in read] + [np.array(odd[2], np.float64)]),
        )

    def _add(self, labels: Labels, found: Found, key: bytes) -> None:
        histograms = [(histogram.at_ms, series_of(labels, histogram)) for histogram in found.histograms]
        self._exemplars += found.exemplars
        if found.samples:
            slot = self.number(labels, key)
            self._odd += [(slot, at_ms, value, NO_HISTOGRAM) for at_ms, value in found.samples]
        for at_ms, series in histograms:
            self._odd += [(self.number(own), at_ms, value, self._histograms) for own, value in series]
            self._histograms += 1
