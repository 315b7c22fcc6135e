"""Who changed what, and when: entries that are added and never altered, until they are as old as a setting says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

LONGEST = 1000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """That somebody did something, or was not let do it; no field ever holds a secret.

    `who` is the name of an identity and `how` it was proven; `action` is the method and path of a route, `target` the
    path that was asked for; or a command on the machine itself (`cli`), and what it was about. `details` is what the
    action says of itself, `address` where it came from, `outcome` is `done`, `refused` or `failed`, `request_id` that
    of the log. `at` is in UTC. A store cuts texts after `LONGEST` characters.
    """

    at: datetime
    who: str
    how: str
    action: str
    target: str
    outcome: str
    address: str = ""
    details: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Audited:
    """An entry that is kept; those of a place have rising numbers."""

    number: int
    entry: AuditEntry


class AuditStore(Protocol):
    """The audit log of one tenant."""

    def add(self, entry: AuditEntry) -> None:
        """Keep one more entry."""

    def newest(self, most: int, before: int | None = None) -> Sequence[Audited]:
        """Return at most so many of the newest, newest first, with numbers below `before` where it is given."""

    def forget(self, before: datetime) -> int:
        """Forget those of before a time and return how many."""
