"""Times of events as tools send them, to UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypocenter.errors import InputError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(2200, 1, 1, tzinfo=UTC)
# The bounds of readers.time_columns: the year 5138 in seconds, milliseconds and microseconds.
_PER_SECOND = ((1e11, 1), (1e14, 10**3), (1e17, 10**6))
_FIX = "write ISO 8601 (2026-01-31T12:00:00Z) or Unix seconds"


def to_moment(value: Any, where: str) -> datetime | None:
    """Return a time in UTC, None for Go's zero time, which stands for none.

    ISO 8601, in UTC where no zone is stated, or Unix time in s, ms, us or ns told apart by its size. Raises InputError
    for anything else, also for times outside the years 1970 to 2200.

    >>> to_moment("2026-01-31T13:00:00.123456789+01:00", "startsAt")
    datetime.datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=datetime.timezone.utc)
    >>> to_moment(1769860800000, "at") == to_moment(1769860800, "at")
    True
    >>> to_moment("0001-01-01T00:00:00Z", "endsAt")
    """
    try:
        time = _unix(value) if _is_number(value) else _written(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: {value!r:.60} is no time; {_FIX}") from error
    if time is not None and not _EPOCH <= time <= _LAST:
        raise InputError(f"{where}: {value!r:.60} lies outside the years 1970 to 2200; {_FIX}")
    return time


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _unix(value: float) -> datetime:
    per_second = next((per_second for bound, per_second in _PER_SECOND if abs(value) < bound), 10**9)
    return _EPOCH + timedelta(microseconds=round(value * 10**6 / per_second))


def _written(value: Any) -> datetime | None:
    time = datetime.fromisoformat(value)
    if time.year == 1:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
