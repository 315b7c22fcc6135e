"""How far a tenant was heard, by all its shards together: what tells what fell silent from a clock that is ahead."""

from __future__ import annotations

import time
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.stores.work_board import HEARD, WATCHED_SINCE, Figure
from hypocenter_workers.ticks.steps import MS, milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from numpy.typing import NDArray

    from hypocenter.rhythm import Rhythm
    from hypocenter.stores.work_board import WorkBoard

# When nobody was heard for so long, all fell silent, and no clock is waited for.
PATIENCE_S = 300.0
LONGEST_REST_S = 10.0
MOST_JUMPS = 16


class Hearing:
    """Says which steps a shard may score; safe to share between threads.

    A step in which a shard heard something, or before which it did, is nothing special. Of those after that, which are
    empty, a shard scores the steps in which another was heard, and those that are settled by its own newest sample:
    a clock that is ahead has no samples for its steps yet. The others wait, until nobody was heard for PATIENCE_S.
    `pulse` are seconds that never go back, and go on as they are.
    """

    def __init__(self, board: WorkBoard, rhythm: Rhythm, pulse: Callable[[], float] = time.monotonic) -> None:
        self._board, self._rhythm, self._pulse, self._lock = board, rhythm, pulse, Lock()
        self._newest_ms, self._newest_since = 0, pulse()
        self._looked: tuple[int, float] | None = None
        self._jumps: deque[tuple[int, int]] = deque(maxlen=MOST_JUMPS)

    def look(self, now: datetime) -> None:
        """Note the time of day, which jumps where a clock is put right, or a machine had been put to sleep.

        For the first who looks it jumps from the beginning to now. Raises SourceError.
        """
        with self._lock:
            now_ms, moment = milliseconds(now), self._pulse()
            before_ms, before = self._looked or (0, moment)
            until_ms = now_ms if self._looked else self._watched_since(now_ms)
            if until_ms - before_ms - 1000 * (moment - before) > self._rhythm.step_ms:
                self._jumps.append((before_ms, until_ms))
            self._looked = now_ms, moment

    def note(self, shard: int, step_ms: int) -> None:
        """Tell that a shard scored a step in which something was heard; raises SourceError."""
        self._board.put(Figure(HEARD, str(shard)), step_ms)

    def steps(self, shard: int, start_ms: int, steps: int, newest: Callable[[], int]) -> int:
        """Return how many steps from a time on may be scored, where the last is empty for a shard; raises SourceError.

        `newest` tells of the newest sample that it knows, in ms, where that matters. Where it is none, the shard rests
        a moment.
        """
        step_ms, others_ms = self._rhythm.step_ms, self._heard_by_others(shard)
        by_others = (others_ms - start_ms) // step_ms + 1
        if by_others >= steps:
            return steps
        newest_ms = newest()
        if self._all_are_silent(max(others_ms, newest_ms)):
            return steps
        by_own = (newest_ms - self._rhythm.settle // MS - start_ms) // step_ms
        allowed = min(max(by_others, by_own, 0), steps)
        if not allowed:
            self._board.pin(_rest(shard), "rests", min(step_ms / 4000, LONGEST_REST_S))
        return allowed

    def _watched_since(self, now_ms: int) -> int:
        """Return since when the board is there, which in one process is as new as those who count."""
        known = self._board.levels().get(WATCHED_SINCE)
        if known is None:
            self._board.put(WATCHED_SINCE, now_ms)
        return now_ms if known is None else int(known)

    def _heard_by_others(self, shard: int) -> int:
        told = self._board.levels().items()
        return max((int(at) for of, at in told if of.name == HEARD and of.first != str(shard)), default=0)

    def passed_at_once(self, starts_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which steps, by their beginnings, lie where the time of day jumped."""
        with self._lock:
            jumps = list(self._jumps)
        ends_ms = starts_ms + self._rhythm.step_ms
        inside = [(ends_ms > before) & (starts_ms < after) for before, after in jumps]
        found: NDArray[np.bool_] = np.any([np.zeros(len(starts_ms), np.bool_), *inside], axis=0)
        return found

    def _all_are_silent(self, newest_ms: int) -> bool:
        with self._lock:
            moment = self._pulse()
            if newest_ms > self._newest_ms:
                self._newest_ms, self._newest_since = newest_ms, moment
            return moment - self._newest_since >= PATIENCE_S


def rests(board: WorkBoard, shard: int) -> bool:
    """Whether a shard waits to hear something, so that its tick need not be sent; raises SourceError."""
    return board.pinned(_rest(shard)) is not None


def _rest(shard: int) -> str:
    return f"rest {shard}"
