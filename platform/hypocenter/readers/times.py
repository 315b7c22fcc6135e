"""One time in any usual notation to UTC, without pandas where it is an ISO 8601 text: servers read few others."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypocenter.errors import InputError

if TYPE_CHECKING:
    import numpy as np

# Whole years that nanoseconds in 64 bits hold.
_FIRST_YEAR, _LAST_YEAR = 1678, 2261
TIME_FIX = "write ISO 8601 (2026-01-31T12:00:00Z) or Unix seconds"


def to_datetime(value: object, where: str) -> datetime:
    """Return one time as an aware datetime in UTC; raises InputError when it is none."""
    if value is None or isinstance(value, (bool, dict, list)):
        raise InputError(f"{where}: {value!r} is no time; {TIME_FIX}")
    if isinstance(value, datetime):
        return _in_range(value, where)
    if isinstance(value, str) and value[:4].isdecimal() and value[4:5] == "-":
        with suppress(ValueError):
            return _in_range(datetime.fromisoformat(value), where)
    from hypocenter.readers.time_columns import to_times

    try:
        times, _ = to_times([value], where)
    except InputError as error:
        raise InputError(f"{where}: {value!r} is no time within the years 1677 to 2262; {TIME_FIX}") from error
    return as_datetime(times[0])


def _in_range(time: datetime, where: str) -> datetime:
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise InputError(f"{where}: {time} lies outside the years {_FIRST_YEAR} to {_LAST_YEAR}; {TIME_FIX}")
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def as_datetime(time: np.datetime64) -> datetime:
    """Return a `datetime64` as an aware datetime in UTC, to the microsecond.

    >>> import numpy as np
    >>> as_datetime(np.datetime64("2026-01-31T12:00:00"))
    datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.timezone.utc)
    """
    moment: datetime = time.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)
