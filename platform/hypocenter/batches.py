"""What a request brings to the metrics store: samples as columns, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hypocenter.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Labels = tuple[tuple[str, str], ...]
"""A series' labels in order of their names, the metric under `__name__`; no name or value is empty, no name twice."""

STALE_BITS = 0x7FF0000000000002
"""The NaN with which Prometheus says that a series has ended; kept bit by bit."""

COUNTED_FROM = "counted_from"
"""The label of series that were counted from spans or log lines, which tells them from another program's counters."""

BIN_MS = 10_000
"""The width of the bins of event time in which spans and log lines are counted."""


class SeriesLimitError(LimitError):
    """There would be more series than the limit; send fewer, or raise the limit."""


class SeriesIndex(Protocol):
    """Gives series their numbers, for as long as the process lives; safe to share between threads."""

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        """Return the number of each series; one never seen gets the next and is kept with its first samples.

        Raises SeriesLimitError when there would be more series than the limit; then none is taken.
        """


def numbered(labels: Sequence[Labels], index: SeriesIndex) -> tuple[NDArray[np.int64], SeriesLimitError | None]:
    """Return the number of each series, -1 for those beyond the limit, and then the error that tells of it."""
    if not labels:
        return np.empty(0, np.int64), None
    try:
        return index.number(labels), None
    except SeriesLimitError as error:
        return np.array([_number_or_none(one, index) for one in labels], np.int64), error


def _number_or_none(labels: Labels, index: SeriesIndex) -> int:
    try:
        return int(index.number([labels])[0])
    except SeriesLimitError:
        return -1


def is_counted(labels: Mapping[str, str]) -> bool:
    """Whether labels are of a series that was counted from spans or log lines."""
    return COUNTED_FROM in labels


def _none() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples as columns of one length: a series' number, time in ms since 1970 (UTC), and value as it was sent."""

    series: NDArray[np.int64] = field(default_factory=_none)
    at_ms: NDArray[np.int64] = field(default_factory=_none)
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request brings.

    `samples` are gauges and counters as they stood. `increments` are what counters gained (deltas of OTLP, spans and
    log lines that were counted): those of one series at one time are added up. What would be added twice if the
    request came twice is told by `receipt`, a digest of the request: increments of a known receipt are not added again.
    """

    samples: Samples = field(default_factory=Samples)
    increments: Samples = field(default_factory=Samples)
    receipt: bytes = b""

    def __len__(self) -> int:
        return len(self.samples) + len(self.increments)


@dataclass(frozen=True, slots=True)
class Refused:
    """A sample that was not taken, and why.

    `too old`, `too far ahead`, `another value at this time`, or for an increment `no finite number`.
    """

    series: int
    at_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch: how many samples and increments are durable now, and some of those that were refused.

    `places` are where all that was refused stood in the batch, increments after samples. `is_again` says that its
    receipt was known: its increments had been added before.
    """

    written: int
    refused: int = 0
    examples: tuple[Refused, ...] = ()
    is_again: bool = False
    places: NDArray[np.int64] = field(default_factory=_none, compare=False, repr=False)
