"""Which series of a server are written to lately: it keeps them, and does not say when one has ended."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.stores.series_table import SeriesTable

ACTIVE_MS = 86_400_000
SETTLE_MS = 3_600_000


class ActiveSeries:
    """Retires series of a table that were not written to for a day; safe to share between threads."""

    def __init__(self, table: SeriesTable) -> None:
        self._table, self._lock = table, Lock()
        self._last_ms = np.zeros(0, np.int64)
        self._settled_ms = 0

    def written(self, numbers: NDArray[np.int64], now_ms: int) -> None:
        """Note that series are written to; those that were retired count again."""
        own = np.unique(numbers)
        with self._lock:
            self._grow(now_ms)
            self._last_ms[own] = now_ms
        self._table.revive(own.tolist())

    def settle(self, now_ms: int) -> None:
        """Retire those that were not written to for a day; looked at once an hour."""
        with self._lock:
            if abs(now_ms - self._settled_ms) < SETTLE_MS:
                return
            self._grow(now_ms)
            self._settled_ms = now_ms
            ended = np.flatnonzero(self._last_ms < now_ms - ACTIVE_MS)
        self._table.retire(ended.tolist())

    def _grow(self, now_ms: int) -> None:
        """Take in those that were given numbers since, as if they were written to now."""
        more = self._table.given - len(self._last_ms)
        self._last_ms = np.append(self._last_ms, np.full(more, now_ms))
