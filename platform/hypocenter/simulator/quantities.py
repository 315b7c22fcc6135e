"""Quantities of scenario text: durations, sizes, rates and shares with their units."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {"B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "KB": 1e3, "MB": 1e6, "GB": 1e9}
_NUMBER = r"\d{1,12}(?:\.\d{1,20})?"
_PART = re.compile(rf"({_NUMBER})(ms|[smhd])")


def duration(text: str) -> float:
    """Return seconds; raise ValueError, whose message shows a valid form, when the text is no duration.

    >>> duration("5h35m"), duration("250ms")
    (20100.0, 0.25)
    """
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("is not a duration; write for example 250ms, 15s or 5h35m")
    return math.fsum(float(number) * SECONDS[unit] for number, unit in parts)


def positive_duration(text: str) -> float:
    """Return seconds above zero; raise ValueError otherwise."""
    seconds = duration(text)
    if seconds <= 0:
        raise ValueError("must be longer than zero")
    return seconds


def size(text: str) -> float:
    """Return bytes; raise ValueError when the text is no size.

    >>> size("2GiB")
    2147483648.0
    """
    match = re.fullmatch(rf"({_NUMBER})([KMG]i?B|B)", text)
    if match is None or match[2] not in BYTES:
        raise ValueError("is not a size; write for example 512MiB or 2GiB")
    return float(match[1]) * BYTES[match[2]]


def rate(text: str) -> float:
    """Return events per second; raise ValueError when the text is no rate.

    >>> rate("90/m")
    1.5
    """
    match = re.fullmatch(rf"({_NUMBER})/(s|m|h)", text)
    if match is None:
        raise ValueError("is not a rate; write for example 80/s or 300/m")
    return float(match[1]) / SECONDS[match[2]]


def share(text: str) -> float:
    """Return a number from 0 to 1, also written as a percentage; raise ValueError otherwise.

    >>> share("0.2"), share("35%")
    (0.2, 0.35)
    """
    percent = text.endswith("%")
    value = number(text[:-1] if percent else text) / (100 if percent else 1)
    if not 0 <= value <= 1:
        raise ValueError("must lie between 0 and 1 (or 0% and 100%)")
    return value


def number(text: str) -> float:
    """Return a finite number that is not negative; raise ValueError otherwise."""
    if re.fullmatch(_NUMBER, text) is None:
        raise ValueError("is not a number that is zero or more")
    return float(text)


def positive_number(text: str) -> float:
    """Return a finite number above zero; raise ValueError otherwise."""
    value = number(text)
    if value <= 0:
        raise ValueError("must be above zero")
    return value


def count(text: str) -> int:
    """Return a whole number of at least one; raise ValueError otherwise."""
    if re.fullmatch(r"[1-9]\d{0,8}", text) is None:
        raise ValueError("is not a whole number from 1 to 999999999")
    return int(text)


def whole(text: str) -> int:
    """Return a whole number that may be zero; raise ValueError otherwise."""
    return 0 if text == "0" else count(text)


def moment(text: str) -> datetime:
    """Return a UTC time; raise ValueError when the text is no ISO 8601 time with a zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None or not 1971 <= time.year <= 2200:
        raise ValueError("is not a time with a zone from 1971 to 2200; write for example 2026-03-02T06:00:00Z")
    return time.astimezone(UTC)
