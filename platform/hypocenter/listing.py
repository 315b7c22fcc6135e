"""Lists that are read a part at a time: newest first, from a place on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

T = TypeVar("T")
# The first that a time can be: whoever turns a place into a time finds one.
NO_TIME_US = -62_135_596_800_000_000


class Place(NamedTuple):
    """Where a row stands: its time in microseconds since 1970 (NO_TIME_US for none), and a name that no other has."""

    at_us: int
    name: str


class Listed(NamedTuple, Generic[T]):
    """A row of a list, and where it stands."""

    place: Place
    item: T


@dataclass(frozen=True, slots=True)
class Part:
    """Which rows of a list are wanted: the newest `most`, of those that come `after` a place in that order.

    `since` and `until` bound their times, both included; `component` is whom they concern; None stands for any.
    """

    most: int
    after: Place | None = None
    since: datetime | None = None
    until: datetime | None = None
    component: str | None = None


def newest(parts: Iterable[Sequence[Listed[T]]], most: int) -> Sequence[Listed[T]]:
    """Return the newest `most` of the rows of several parts of one list."""
    return sorted((row for part in parts for row in part), key=lambda row: row.place, reverse=True)[:most]


def part_of(rows: Iterable[Listed[T]], part: Part) -> Sequence[Listed[T]]:
    """Return a part of a list that is whole in memory: those after a place, newest first."""
    later = [row for row in rows if part.after is None or row.place < part.after]
    return newest([later], part.most)
