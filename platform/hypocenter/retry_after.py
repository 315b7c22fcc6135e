"""How long a busy server asks to wait."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from hypocenter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Thirty years: a longer number is no time to wait.
_MOST_DIGITS = 9


def retry_after(headers: Mapping[str, str], place: str) -> float | None:
    """Return the seconds that a `Retry-After` asks for (RFC 9110), None where it says nothing that can be read.

    A date counts from the server's own `Date`. `place` names the server in the SourceError for a number too long.

    >>> retry_after({"retry-after": "7"}, "https://host")
    7.0
    """
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return _seconds(text.lstrip("0") or "0", place)
    try:
        until, now = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("date", ""))
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _seconds(digits: str, place: str) -> float:
    if len(digits) > _MOST_DIGITS:
        raise SourceError(
            f"{place}: the server asks to wait a number of {len(digits):,} digits of seconds; try again later"
        )
    return float(digits)
