"""Where a time lies in the local day and week: wall clocks, holidays, and days that are like no other."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.telemetry import Times

SUNDAY = 6
DAYS_PER_WEEK = 7
DAY_S = 86_400
SECOND_NS = 1_000_000_000
DAY_NS = DAY_S * SECOND_NS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = EPOCH.toordinal()
# 1970-01-01 was a Thursday.
EPOCH_WEEKDAY = 3


class Slots(NamedTuple):
    """Where each time lies in its local day, all [time].

    `day` is the kind of day, 0 Monday to 6 Sunday; `place` the wall clock's time of day in slots, within
    [0, slots per day); `special` whether the day is like no other.
    """

    day: NDArray[np.int8]
    place: NDArray[np.float64]
    special: NDArray[np.bool_]


@dataclass(frozen=True)
class Calendar:
    """The local time and the days off of those whose habits the series follow.

    `timezone` is an IANA name; `holidays` are days that pass like the kind of day `holiday_kind`, a Sunday unless
    stated; `special` are days like no other (a sale, an outage drill): nothing is learned of the daily pattern from
    them, and what is unusual on them is expected to be. Raises InputError for a time zone that is not known.

    >>> berlin = Calendar("Europe/Berlin", holidays=frozenset({date(2026, 5, 1)}))
    >>> berlin.slots(np.array(["2026-05-01T10:00"], dtype="datetime64[ns]"), per_day=24)
    Slots(day=array([6], dtype=int8), place=array([12.]), special=array([False]))
    """

    timezone: str = "UTC"
    holidays: frozenset[date] = frozenset()
    special: frozenset[date] = frozenset()
    holiday_kind: int = SUNDAY

    def __post_init__(self) -> None:
        if not 0 <= self.holiday_kind < DAYS_PER_WEEK:
            raise InputError(f"holiday_kind={self.holiday_kind}: must be 0 (Monday) to 6 (Sunday)")
        _ = self._zone

    def slots(self, times: Times, per_day: int) -> Slots:
        """Return where UTC `times` lie in the local day of `per_day` slots, in any order.

        The wall clock counts: where clocks are set back an hour comes twice and has the same slots both times, where
        they are set forward an hour's slots are not met.
        """
        local = self._local(times.astype("datetime64[ns]", copy=False).view(np.int64))
        number = local // DAY_NS
        place = (local - number * DAY_NS) * per_day / DAY_NS
        kind = (number + EPOCH_WEEKDAY) % DAYS_PER_WEEK
        if self.holidays:
            kind[_among(number, self._holiday_numbers)] = self.holiday_kind
        return Slots(kind.astype(np.int8), place, _among(number, self._special_numbers))

    def days(self, times: Times) -> NDArray[np.int64]:
        """Return the local day of UTC `times`, counted from 1970-01-01."""
        return self._local(times.astype("datetime64[ns]", copy=False).view(np.int64)) // DAY_NS

    @cached_property
    def _zone(self) -> tzinfo:
        if self.timezone == "UTC":
            return UTC
        try:
            return zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            fix = "write an IANA name, such as Europe/Berlin or UTC"
            raise InputError(f"time zone {self.timezone!r} is not known; {fix}") from error

    @cached_property
    def _holiday_numbers(self) -> NDArray[np.int64]:
        return _numbers(self.holidays)

    @cached_property
    def _special_numbers(self) -> NDArray[np.int64]:
        return _numbers(self.special)

    def _local(self, nanoseconds: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the wall clock's nanoseconds since 1970 at UTC `nanoseconds` since 1970."""
        if self._zone is UTC or len(nanoseconds) == 0:
            return nanoseconds
        first, last = int(nanoseconds.min()) // SECOND_NS, int(nanoseconds.max()) // SECOND_NS
        changes, offsets = _offsets(self._zone, first, last)
        if len(offsets) == 1:
            return nanoseconds + offsets[0] * SECOND_NS
        which = np.searchsorted(np.array(changes) * SECOND_NS, nanoseconds, side="right")
        return np.asarray(nanoseconds + (np.array(offsets) * SECOND_NS)[which])


def _numbers(days: frozenset[date]) -> NDArray[np.int64]:
    """Return the days since 1970-01-01, rising."""
    return np.array(sorted(day.toordinal() - EPOCH_DAY for day in days), dtype=np.int64)


def _among(numbers: NDArray[np.int64], rising: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which numbers are in `rising`; for few numbers an order of magnitude faster than `np.isin`."""
    if len(rising) == 0:
        return np.zeros(len(numbers), dtype=np.bool_)
    near = np.minimum(np.searchsorted(rising, numbers), len(rising) - 1)
    return np.asarray(rising[near] == numbers)


def _offsets(zone: tzinfo, first: int, last: int) -> tuple[list[int], list[int]]:
    """Return the seconds at which the offset from UTC changes in (first, last], and the offsets before and after each.

    Looked up once a day and narrowed down where two days differ: no zone changes its offset twice within a day.
    """
    changes, offsets = [], [_offset(zone, first)]
    for low in range(first, last, DAY_S):
        high = min(low + DAY_S, last)
        offset = _offset(zone, high)
        if offset != offsets[-1]:
            changes.append(_change(zone, low, high))
            offsets.append(offset)
    return changes, offsets


def _change(zone: tzinfo, low: int, high: int) -> int:
    """Return the first second in (low, high] with the offset of `high`."""
    before = _offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high


def _offset(zone: tzinfo, second: int) -> int:
    """Return how many seconds the wall clock is ahead of UTC at a second since 1970."""
    ahead = (EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
    return round(ahead.total_seconds()) if ahead is not None else 0
