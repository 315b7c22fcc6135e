"""Where beat, workers and server meet: what is under way, and what they count of their work."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Figure(NamedTuple):
    """What a number is of: its name, and up to two words that tell it from others of that name."""

    name: str
    first: str = ""
    second: str = ""


TASKS, TASK_SECONDS, WAITING, STATE_BYTES, SERIES = "tasks", "task_seconds", "waiting", "state_bytes", "series"
# Tasks that took no longer than so many seconds, and longer than the one before; the last takes all that did.
TASKS_WITHIN = "tasks_within"
BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, float("inf"))
BEAT_SEEN = Figure("beat_seen")
# The newest step, by its beginning in ms since 1970, in which a shard heard something.
HEARD = "heard"
WATCHED_SINCE = Figure("watched_since")
TICKS_MERGED, STEPS, SAMPLES, LATE, TOLD = "ticks_merged", "steps_scored", "samples_scored", "samples_late", "anomalies"
TOTALS = {
    TICKS_MERGED: "Ticks that were merged into another, because workers were behind.",
    STEPS: "Steps of shards that were scored.",
    SAMPLES: "Samples that were scored.",
    LATE: "Samples that came after their step was scored.",
    TOLD: "Anomalies that were told.",
}
"""What is counted by no more than a name, and what it says."""


# Characters of texts on a board in memory.
MOST_PINNED = 64_000_000


class WorkBoard(Protocol):
    """What is under way and counted, for one tenant. It may be lost at any time: nothing that matters is here alone.

    A hold is a name that one party has for some seconds. Every call may raise SourceError.
    """

    def now(self) -> datetime:
        """Return the time of day, in UTC, that is the same for all who meet here."""

    def hold(self, name: str, by: str, seconds: float) -> bool:
        """Take a name, or have it longer where it is ours; False when somebody else has it."""

    def let_go(self, name: str, by: str) -> None:
        """Give a name back; nothing happens where it is not ours (any more)."""

    def add(self, figure: Figure, amount: float = 1) -> None:
        """Add to a number that only grows."""

    def put(self, figure: Figure, value: float) -> None:
        """Set a number that is as it is now."""

    def pin(self, name: str, text: str, seconds: float) -> None:
        """Leave a text for whoever asks for its name within some seconds, in the place of what was there."""

    def pinned(self, name: str) -> str | None:
        """Return the text of a name, None where there is none (any more)."""

    def totals(self) -> Mapping[Figure, float]:
        """Return the numbers that only grow."""

    def levels(self) -> Mapping[Figure, float]:
        """Return the numbers as they are now."""

    def close(self) -> None:
        """Let go of connections."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class MemoryBoard:
    """The WorkBoard of one process; `clock` gives seconds that never go back, `now` the time of day."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, now: Callable[[], datetime] = _utc_now) -> None:
        self._clock, self._now, self._lock = clock, now, threading.Lock()
        self._holds: dict[str, tuple[str, float]] = {}
        self._totals: dict[Figure, float] = defaultdict(float)
        self._levels: dict[Figure, float] = {}
        self._pinned: dict[str, tuple[str, float]] = {}

    def now(self) -> datetime:
        """Return the time of day, in UTC, of this process."""
        return self._now()

    def hold(self, name: str, by: str, seconds: float) -> bool:
        """Take a name, or have it longer where it is ours; False when somebody else has it."""
        with self._lock:
            now = self._clock()
            owner, until = self._holds.get(name, (by, now))
            if owner != by and until > now:
                return False
            self._holds[name] = (by, now + seconds)
            return True

    def let_go(self, name: str, by: str) -> None:
        """Give a name back; nothing happens where it is not ours (any more)."""
        with self._lock:
            if self._holds.get(name, ("", 0.0))[0] == by:
                del self._holds[name]

    def add(self, figure: Figure, amount: float = 1) -> None:
        """Add to a number that only grows."""
        with self._lock:
            self._totals[figure] += amount

    def put(self, figure: Figure, value: float) -> None:
        """Set a number that is as it is now."""
        with self._lock:
            self._levels[figure] = float(value)

    def pin(self, name: str, text: str, seconds: float) -> None:
        """Leave a text for whoever asks for its name within some seconds, in the place of what was there."""
        with self._lock:
            now = self._clock()
            self._pinned = {other: kept for other, kept in self._pinned.items() if kept[1] > now and other != name}
            self._pinned[name] = text, now + seconds
            # What is asked for so seldom that there is no room for it is made anew.
            while sum(len(text) for text, _ in self._pinned.values()) > MOST_PINNED and len(self._pinned) > 1:
                del self._pinned[next(iter(self._pinned))]

    def pinned(self, name: str) -> str | None:
        """Return the text of a name, None where there is none (any more)."""
        with self._lock:
            text, until = self._pinned.get(name, ("", 0.0))
            return text if until > self._clock() else None

    def totals(self) -> Mapping[Figure, float]:
        """Return the numbers that only grow."""
        with self._lock:
            return dict(self._totals)

    def levels(self) -> Mapping[Figure, float]:
        """Return the numbers as they are now."""
        with self._lock:
            return dict(self._levels)

    def close(self) -> None:
        """Do nothing: there are no connections."""
