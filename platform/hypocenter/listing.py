"""Lists that are read a part at a time: newest first, from a place on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

T = TypeVar("T")
NO_TIME_US = -(2**63)


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
