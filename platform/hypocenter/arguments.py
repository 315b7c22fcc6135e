"""What may be typed on the command line: times, durations and the text they are read from."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def parse_time(text: str) -> datetime:
    """Return the instant that ISO 8601 text or Unix seconds name, in UTC; a time without a zone is UTC.

    Raises ValueError when `text` is neither.

    >>> parse_time("2026-03-01T12:00:00+02:00")
    datetime.datetime(2026, 3, 1, 10, 0, tzinfo=datetime.timezone.utc)
    >>> parse_time("1772359200") == parse_time("2026-03-01 10:00")
    True
    """
    text = text.strip()
    try:
        if re.fullmatch(r"-?\d{9,}(\.\d+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{text!r} is outside the calendar") from error


def parse_duration(text: str) -> timedelta:
    """Return the span of time that text such as `6h`, `90m` or `1d12h` names, as Prometheus writes them.

    Raises ValueError when `text` is not a duration longer than zero.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    text = text.strip()
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration")
    try:
        span = timedelta(seconds=sum(float(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text)))
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long") from error
    if not span:
        raise ValueError("a duration must be longer than zero")
    return span


class TimeType(click.ParamType[datetime]):
    """A point in time; becomes a datetime in UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the instant, or fail with the forms that are understood."""
        try:
            if value == "now":
                return datetime.now(UTC)
            return value if isinstance(value, datetime) else parse_time(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time; write 2026-03-01T10:00:00Z, Unix seconds or now", param, ctx)


class DurationType(click.ParamType[timedelta]):
    """A span of time; becomes a timedelta."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the span, or fail with the forms that are understood."""
        try:
            return value if isinstance(value, timedelta) else parse_duration(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a duration; write 6h, 90m or 1d12h", param, ctx)


TIME = TimeType()
DURATION = DurationType()
