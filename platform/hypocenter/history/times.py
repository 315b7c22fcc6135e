"""Times as incident tools write them, to UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_UNIX = re.compile(r"\d{9,19}(\.\d{1,9})?", re.ASCII)
# The bounds of readers.time_columns: the year 5138 in seconds, milliseconds and microseconds.
_PER_SECOND = ((1e11, 1), (1e14, 10**3), (1e17, 10**6), (float("inf"), 10**9))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Jira's own notation, 31/Jan/26 3:45 PM, and its relatives with a four-digit year, seconds or dashes.
_NAMED_MONTH = re.compile(
    r"(\d{1,2})[/ -]([a-z]{3})[a-z]*[/ -](\d{4}|\d{2})(?:,? +(\d{1,2}):(\d{2})(?::(\d{2}))? *([ap]m)?)?", re.ASCII
)


def read_time(text: str, zone: tzinfo, form: str | None = None) -> tuple[datetime, bool]:
    """Return a time in UTC and whether it was written without a zone, and so read in `zone`.

    ISO 8601, Unix times in s, ms, us or ns told apart by their size, and Jira's `31/Jan/26 3:45 PM`; with `form`, as
    `strptime` takes it, that and nothing else. Raises ValueError for anything else, so for 02/03/2026 without `form`.

    >>> read_time("31/Jan/26 3:45 PM", UTC)
    (datetime.datetime(2026, 1, 31, 15, 45, tzinfo=datetime.timezone.utc), True)
    >>> read_time("2026-01-31T16:45:00.000+0100", UTC)[0] == read_time("1769874300000", UTC)[0]
    True
    """
    found = datetime.strptime(text, form) if form else _read(text)  # noqa: DTZ007
    naive = found.tzinfo is None
    utc = (found.replace(tzinfo=zone) if naive else found).astimezone(UTC)
    if not _FIRST_YEAR <= utc.year <= _LAST_YEAR:
        raise ValueError(f"outside the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return utc, naive


def _read(text: str) -> datetime:
    try:
        # Eight digits are a date, nine and more a Unix time; neither rule knows the other's.
        return _unix(text) if _UNIX.fullmatch(text) else datetime.fromisoformat(text)
    except ValueError:
        named = _NAMED_MONTH.fullmatch(text.lower())
        if named is None:
            raise
        return _from_named_month(*named.groups())


def _unix(text: str) -> datetime:
    whole, _, rest = text.partition(".")
    per_second = next(per_second for bound, per_second in _PER_SECOND if int(whole) < bound)
    microseconds = int(whole) * 10**6 // per_second
    return _EPOCH + timedelta(microseconds=microseconds + (int(f"{rest:0<9}") // 1000 if per_second == 1 else 0))


def _from_named_month(
    day: str, month: str, year: str, hour: str | None, minute: str | None, second: str | None, half: str | None
) -> datetime:
    if month not in _MONTHS:
        raise ValueError(f"no month is called {month}")
    hours = int(hour or 0)
    if half:
        if not 1 <= hours <= 12:
            raise ValueError(f"no hour of a half day is {hours}")
        hours = hours % 12 + (12 if half == "pm" else 0)
    full_year = int(year) + (2000 if len(year) == 2 else 0)
    return datetime(full_year, _MONTHS.index(month) + 1, int(day), hours, int(minute or 0), int(second or 0))  # noqa: DTZ001
