"""What keeps a file of metrics in shape while others write: old days go, closed ones are sorted."""

from __future__ import annotations

from threading import Event, Lock
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.stores.duckdb_days import DAY_MS, HOUR_MS, Part, clean, drop, fill_sorted, parts, series_in
from hypocenter.stores.retention import first_kept_ms, fullness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.stores.duckdb_file import DuckDbFile
    from hypocenter.stores.duckdb_series import KeptSeries
    from hypocenter.stores.duckdb_writing import Appender
    from hypocenter.stores.receipts import Receipts
    from hypocenter.stores.retention import MetricsLimits

LATE_SHARE = 0.05
DAYS_LEFT = 2
ROW_BYTES = 24


class Tending:
    """Drops and sorts days of a file, holding up writers (`writing`) only for moments."""

    def __init__(
        self, file: DuckDbFile, appender: Appender, series: KeptSeries, receipts: Receipts, writing: Lock
    ) -> None:
        self._file, self._appender, self._series, self._receipts = file, appender, series, receipts
        self._writing, self._one, self._stopping = writing, Lock(), Event()
        self._owes_checkpoint = False

    def tick(self, now_ms: int, limits: MetricsLimits) -> None:
        """Drop days older than the retention, the oldest where there is no room, and sort one closed day."""
        with self._one:
            if self._stopping.is_set():
                return
            self._drop_days([day for day in self._days() if (day + 1) * DAY_MS <= first_kept_ms(now_ms, limits)])
            self._make_room(limits)
            with self._writing, self._file.transaction() as connection:
                self._receipts.drop(connection, now_ms)
            self._sort_one(now_ms, limits)
            if self._owes_checkpoint:
                self._checkpoint()

    def stop(self) -> None:
        """End what is going on, soon and in order, and begin nothing more."""
        self._stopping.set()
        self._one.acquire()
        self._one.release()

    def _days(self) -> list[int]:
        with self._file.snapshot() as connection:
            return sorted({part.day for part in parts(connection)})

    def _drop_days(self, days: list[int]) -> None:
        for day in days:
            if self._stopping.is_set():
                return
            self._drop(day)
        if days:
            self._checkpoint()

    def _checkpoint(self) -> None:
        with self._writing:
            self._owes_checkpoint = not self._file.checkpoint()

    def _drop(self, day: int) -> None:
        ended = self._ending(day)
        with self._writing:
            ended = self._series.untouched(ended)
            with self._file.transaction() as connection:
                for part in parts(connection):
                    if part.day == day:
                        drop(connection, part)
                self._appender.drop_series(connection, ended)
            self._series.dropped(ended)
            self._appender.forget_day(day)

    def _ending(self, day: int) -> NDArray[np.int64]:
        """Return the series that have samples on this day alone; those written to from now on are `touched`."""
        with self._writing:
            self._series.watch()
        with self._file.snapshot() as connection:
            kept = list(parts(connection))
            left = np.empty(0, np.int64)
            for part in kept:
                if part.day == day:
                    left = np.union1d(left, series_in(connection, part))
            for part in reversed(kept):
                if part.day != day and len(left):
                    left = np.setdiff1d(left, series_in(connection, part))
        return left

    def _make_room(self, limits: MetricsLimits) -> None:
        """Drop the oldest days while there is no room, but never the last two."""
        if fullness(self._file.space(), limits):
            # The log takes several times the room that its rows take in the file.
            self._checkpoint()
        days = self._days()
        while len(days) > DAYS_LEFT and fullness(self._file.space(), limits):
            self._drop_days([days.pop(0)])

    def _sort_one(self, now_ms: int, limits: MetricsLimits) -> None:
        with self._file.snapshot() as connection:
            kept = parts(connection)
        closed = sorted({(part.day, part.kind) for part in kept if (part.day + 1) * DAY_MS + HOUR_MS <= now_ms})
        for day, kind in closed:
            sizes = {part: size for part, size in kept.items() if (part.day, part.kind) == (day, kind)}
            if _is_worth_sorting(sizes) and self._has_room(sum(sizes.values()) * ROW_BYTES, limits):
                self._sort(kind, day)
                return

    def _has_room(self, wanted: int, limits: MetricsLimits) -> bool:
        space = self._file.space()
        return space.free > wanted and not fullness(space, limits)

    def _sort(self, kind: str, day: int) -> None:
        """Write a day anew as one sorted part; what comes meanwhile goes to the next part."""
        with self._writing:
            with self._file.transaction() as connection:
                # What a sorting that failed has left would count once its parts are gone.
                clean(connection)
            last, opened = self._appender.close_day(kind, day), self._file.opened
        new = Part(kind, day, last, is_sorted=True)
        with self._file.cursor() as cursor:
            olds = [part for part in parts(cursor) if (part.kind, part.day) == (kind, day) and part.number <= last]
            for _ in fill_sorted(cursor, olds, new):
                if self._stopping.is_set():
                    drop(cursor, new)
                    return
                # Writers wait for each of many short checkpoints rather than for one long one.
                self._checkpoint()
        with self._writing:
            if self._file.opened == opened:
                with self._file.transaction() as connection:
                    for part in olds:
                        drop(connection, part)
        self._checkpoint()


def _is_worth_sorting(sizes: dict[Part, int]) -> bool:
    late = sum(size for part, size in sizes.items() if not part.is_sorted)
    return late > LATE_SHARE * (sum(sizes.values()) - late)
