"""The seam of metrics: what a store of samples does, wherever it keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hypocenter.batches import SeriesIndex
from hypocenter.errors import SourceError
from hypocenter.signals.series_component import ends_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from hypocenter.batches import Batch, Labels, Taken
    from hypocenter.readers.selectors import Selector


class FullError(SourceError):
    """The store takes no more: the disk, or the limit that was set for it, is full."""


class BusyError(SourceError):
    """More is waiting to be written than the limit; come again later."""


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """One series that is kept: its number, labels, and the component that it speaks of ("" where no label tells)."""

    number: int
    labels: Labels
    component: str

    @property
    def components(self) -> frozenset[str]:
        """All that it may speak of: its component, and the ends of an edge that its labels name."""
        return frozenset((self.component, *ends_of(self.labels)))


@dataclass(frozen=True, slots=True)
class Found:
    """Samples of one series, in order of time, each time once; a counter that was sent as deltas is running totals."""

    series: int
    at_ms: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Columns:
    """Samples of many series as columns of one length, in no order of series or time.

    Where one series has a time twice, the first of the two is meant. A value that is marked as `gained` is what a
    counter gained at that time, several of one time add up; the others are as they were sent.
    """

    series: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    gained: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.series)


def columns_of(found: Sequence[Found]) -> Columns:
    """Return samples that were found, none of them gained, as columns."""
    return Columns(
        series=np.repeat(np.array([one.series for one in found], np.int64), [len(one.at_ms) for one in found]),
        at_ms=np.concatenate([np.empty(0, np.int64), *(one.at_ms for one in found)]),
        values=np.concatenate([np.empty(0), *(one.values for one in found)]),
        gained=np.zeros(sum(len(one.at_ms) for one in found), np.bool_),
    )


@dataclass(frozen=True, slots=True)
class Usage:
    """What a store holds and whether it takes more; `full` says why it does not, "" while it does."""

    series: int
    bytes: int
    oldest_ms: int | None
    newest_ms: int | None
    full: str = ""


class MetricsStore(SeriesIndex, Protocol):
    """Samples of one tenant; every call may raise SourceError when the store cannot be reached."""

    def append(self, batches: Sequence[Batch]) -> Sequence[Taken]:
        """Write batches, all or nothing; durable when this returns.

        A sample at the time of one that is there is the same (taken, kept once) or refused. Raises FullError.
        """

    def series(
        self, selectors: Sequence[Selector], start_ms: int, end_ms: int, of: Collection[str] | None = None
    ) -> Sequence[StoredSeries]:
        """Return the series that match any selector and have samples in [start, end], by number.

        With `of`, those alone that may speak of one of these components, at a cost that does not grow with the others.
        """

    def read(self, series: Sequence[int], start_ms: int, end_ms: int) -> Iterator[Found]:
        """Yield the samples of series in [start, end], by number; one without samples is left out."""

    def read_columns(self, series: Sequence[int], start_ms: int, end_ms: int) -> Columns:
        """Return the samples of series in [start, end] as columns: all at once, for reading little of very many."""

    def usage(self) -> Usage:
        """Return what is held, cheaply."""

    def close(self) -> None:
        """Let go of files and connections, after what was begun is written; the store answers no more."""
