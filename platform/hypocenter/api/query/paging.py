"""Lists a page at a time: how many, from where on, and where the next page begins."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeAlias, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from hypocenter.errors import InputError

T = TypeVar("T")
S = TypeVar("S")
Key: TypeAlias = tuple[int, str]
"""What a row is sorted by: a time in microseconds since 1970, and a name that no other row has."""
MOST, USUAL = 500, 50
_LONGEST = 400
_LEAST_US, _MOST_US = -(2**63), 2**63 - 1

Limit = Annotated[int, Query(ge=1, le=MOST, description="Most items of the page.", examples=[USUAL])]
Cursor = Annotated[
    str | None,
    Query(max_length=_LONGEST, description="`next_cursor` of the page before; the first page where it is left out."),
]


class Page(BaseModel, Generic[T]):
    """Some items, newest first; what is added meanwhile moves none of them to another page."""

    items: list[T] = Field(description="The items of this page.")
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last.", examples=[None])


def cursor_of(key: Key) -> str:
    """Return the text that stands for a place in a list.

    >>> cursor_of((1, "a"))
    'MSxh'
    """
    return base64.urlsafe_b64encode(f"{key[0]},{key[1]}".encode()).decode().rstrip("=")


def key_of(cursor: str | None) -> Key | None:
    """Return the place in a list that `cursor_of` wrote, None for the beginning; raises InputError for any other text.

    >>> key_of("MSxh")
    (1, 'a')
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        time, comma, name = base64.b64decode(padded, b"-_", validate=True).decode().partition(",")
        at_us = int(time)
    except (ValueError, binascii.Error) as error:
        raise _no_cursor(cursor) from error
    if not comma or cursor_of((at_us, name)) != cursor or not _LEAST_US <= at_us <= _MOST_US:
        raise _no_cursor(cursor)
    return at_us, name


def _no_cursor(cursor: str) -> InputError:
    return InputError(f"cursor: {cursor!r:.60} is none; give `next_cursor` of a page as it was, or leave it out")


def page_of(rows: Sequence[S], limit: int, key: Callable[[S], Key], show: Callable[[S], T]) -> Page[T]:
    """Return a page of `limit` rows; one more among `rows` says that another page comes."""
    shown = rows[:limit]
    more = cursor_of(key(shown[-1])) if len(rows) > limit else None
    return Page(items=[show(row) for row in shown], next_cursor=more)
