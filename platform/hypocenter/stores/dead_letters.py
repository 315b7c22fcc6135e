"""Tasks that were given up, kept so that somebody looks at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A task that was given up: `key` names its message, `arguments` is what the message said, as text; `at` is in UTC.

    A store cuts `arguments` and `error` after `LONGEST` characters.
    """

    key: str
    task: str
    arguments: str
    error: str
    at: datetime
    queue: str = ""


LONGEST = 10_000


class DeadLetterStore(Protocol):
    """The dead letters of one tenant; of those of one key the first is kept."""

    def add(self, letter: DeadLetter) -> bool:
        """Keep a dead letter; False when one of its key is there already."""

    def newest(self, most: int = 100) -> Sequence[DeadLetter]:
        """Return the newest, at most so many, newest first."""

    def count(self) -> int:
        """Return how many are kept."""

    def forget(self, before: datetime) -> int:
        """Forget those of before a time and return how many."""
