"""What one OTLP request of metrics holds, gathered point by point; series that are new are numbered at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter.batches import Batch, Samples, numbered
from hypocenter.ingest.otlp_status import Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.batches import Labels, SeriesIndex
    from hypocenter.ingest.otlp_metrics_rows import Attributes
    from hypocenter.ingest.otlp_metrics_values import Shape

Numbers = tuple[int, ...]
Streams = dict[tuple["Attributes", "Shape"], Numbers]
"""The numbers of the series of one metric of one scope, by the attributes and the shape of their points."""

_MOST_SERIES = 1_000_000
_MOST_CHARACTERS = 128 << 20


class KnownStreams:
    """Remembers the numbers of series between requests; starts anew when it is full. Safe to share between threads."""

    def __init__(self, most_series: int = _MOST_SERIES, most_characters: int = _MOST_CHARACTERS) -> None:
        self._by_metric: dict[tuple[Attributes, str, str], Streams] = {}
        self._series = self._characters = 0
        self._most_series, self._most_characters = most_series, most_characters

    def of(self, resource: Attributes, scope: str, name: str) -> Streams:
        """Return what is known of a metric, which `add` fills."""
        key = resource, scope, name
        found = self._by_metric.get(key)
        if found is None:
            self._make_room(1, len(scope) + len(name) + _characters(resource))
            found = self._by_metric.setdefault(key, {})
        return found

    def add(self, streams: Streams, key: tuple[Attributes, Shape], numbers: Numbers) -> None:
        """Keep the numbers of a point's series."""
        self._make_room(len(numbers), _characters(key[0]))
        streams[key] = numbers

    def _make_room(self, series: int, characters: int) -> None:
        self._series += series
        self._characters += characters
        if self._series > self._most_series or self._characters > self._most_characters:
            self._by_metric, self._series, self._characters = {}, series, characters


def _characters(attributes: Attributes) -> int:
    return sum(len(name) + len(value) for name, value in attributes)


@dataclass(slots=True)
class Lines:
    """Samples or increments as they are found; a series that waits for its number has a negative one."""

    series: list[int] = field(default_factory=list)
    at_ms: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, numbers: Numbers, at_ms: int, values: Sequence[float]) -> None:
        """Take the values of one point."""
        self.series += numbers
        self.at_ms += [at_ms] * len(numbers)
        self.values += values

    def samples(self, fresh: NDArray[np.int64]) -> Samples:
        """Return what was found with the numbers that now are known, without what has got none (-1)."""
        series = np.array(self.series, np.int64)
        waits = series < 0
        series[waits] = fresh[-1 - series[waits]]
        kept = series >= 0
        return Samples(series[kept], np.array(self.at_ms, np.int64)[kept], np.array(self.values, np.float64)[kept])


class _Waiting(NamedTuple):
    """A point whose series wait for their numbers from `first` on."""

    streams: Streams
    key: tuple[Attributes, Shape]
    first: int


@dataclass(slots=True)
class Gathering:
    """Gathers one request."""

    samples: Lines = field(default_factory=Lines)
    increments: Lines = field(default_factory=Lines)
    _fresh: list[Labels] = field(default_factory=list)
    _waiting: list[_Waiting] = field(default_factory=list)
    _turned_down: int = 0
    _reason: str = ""

    def wait(self, labels: Sequence[Labels], streams: Streams, key: tuple[Attributes, Shape]) -> Numbers:
        """Return what stands for the numbers of new series until `batch`."""
        first = len(self._fresh)
        self._fresh += labels
        self._waiting.append(_Waiting(streams, key, first))
        return tuple(range(-1 - first, -1 - len(self._fresh), -1))

    def turn_down(self, metric: str, reason: object) -> None:
        """Count a point that cannot be kept, and keep the first reason."""
        self._turned_down += 1
        self._reason = self._reason or f"{metric[:200]}: {reason}"

    def batch(self, index: SeriesIndex, known: KnownStreams, receipt: bytes) -> Batch:
        """Number what is new, remember it and return all; points of series beyond the limit are turned down."""
        fresh, limited = numbered(self._fresh, index)
        for streams, key, first in self._waiting:
            numbers = fresh[first : first + len(key[1])]
            if (numbers < 0).any():
                self.turn_down("a new series", limited)
                numbers[:] = -1
            else:
                known.add(streams, key, tuple(numbers.tolist()))
        increments = self.increments.samples(fresh)
        return Batch(self.samples.samples(fresh), increments, receipt if len(increments) else b"")

    def rejected(self) -> Rejected:
        """Return how many points were turned down, and why."""
        more = f" (the first of {self._turned_down} points turned down)" if self._turned_down > 1 else ""
        return Rejected(self._turned_down, self._reason + more)
