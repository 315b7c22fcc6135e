"""Lists a page at a time: how many, from where on, and where the next page begins."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeAlias, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from hypocenter.api.query.shapes import Time
from hypocenter.errors import InputError
from hypocenter.listing import Listed, Part, Place
from hypocenter.stores.documents import is_storable

T = TypeVar("T")
S = TypeVar("S")
Key: TypeAlias = tuple[int, str]
"""What a row is sorted by: a time in microseconds since 1970, and a name that no other row has."""
MOST, USUAL = 500, 50
# A place may be named by a component, of 512 letters at most.
_LONGEST = 3000
# The first and the last that a time can be.
_LEAST_US, _MOST_US = -62_135_596_800_000_000, 253_402_300_799_999_999

Limit = Annotated[int, Query(ge=1, le=MOST, description="Most items of the page.", examples=[USUAL])]
Cursor = Annotated[
    str | None,
    Query(max_length=_LONGEST, description="`next_cursor` of the page before; the first page where it is left out."),
]


Since = Annotated[Time | None, Query(description="Those that began at this time or later.")]
Until = Annotated[Time | None, Query(description="Those that began at this time or earlier.")]
Component = Annotated[
    str | None, Query(min_length=1, max_length=300, description="Those of this component.", examples=["cart"])
]


async def _part(limit: Limit = USUAL, cursor: Cursor = None) -> Part:
    key = key_of(cursor)
    return Part(limit + 1, None if key is None else Place(*key))


Paged = Annotated[Part, Depends(_part)]
"""The type of the parameter by which an endpoint is told which page of a list is wanted, one row more with it."""


async def _chosen(part: Paged, since: Since = None, until: Until = None, component: Component = None) -> Part:
    return Part(part.most, part.after, since, until, component)


Chosen = Annotated[Part, Depends(_chosen)]
"""As Paged, of a list that is chosen from by time and component."""


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
    if not comma or not is_storable(name) or cursor_of((at_us, name)) != cursor or not _LEAST_US <= at_us <= _MOST_US:
        raise _no_cursor(cursor)
    return at_us, name


def _no_cursor(cursor: str) -> InputError:
    return InputError(f"cursor: {cursor!r:.60} is none; give `next_cursor` of a page as it was, or leave it out")


def page_of(rows: Sequence[S], limit: int, key: Callable[[S], Key], show: Callable[[S], T]) -> Page[T]:
    """Return a page of `limit` rows; one more among `rows` says that another page comes."""
    shown = rows[:limit]
    more = cursor_of(key(shown[-1])) if len(rows) > limit else None
    return Page(items=[show(row) for row in shown], next_cursor=more)


def told(rows: Sequence[Listed[S]], part: Part, show: Callable[[S], T]) -> Page[T]:
    """Return the page that was wanted of a list, from the rows of it and one more."""
    return page_of(rows, part.most - 1, lambda row: row.place, lambda row: show(row.item))
