"""The seam of metrics: what a store of samples does, wherever it keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hypocenter.batches import SeriesIndex
from hypocenter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
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


@dataclass(frozen=True, slots=True)
class Found:
    """Samples of one series, in order of time, each time once; a counter that was sent as deltas is running totals."""

    series: int
    at_ms: NDArray[np.int64]
    values: NDArray[np.float64]


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

    def series(self, selectors: Sequence[Selector], start_ms: int, end_ms: int) -> Sequence[StoredSeries]:
        """Return the series that match any selector and have samples in [start, end], by number."""

    def read(self, series: Sequence[int], start_ms: int, end_ms: int) -> Iterator[Found]:
        """Yield the samples of series in [start, end], by number; one without samples is left out."""

    def usage(self) -> Usage:
        """Return what is held, cheaply."""

    def close(self) -> None:
        """Let go of files and connections, after what was begun is written; the store answers no more."""
