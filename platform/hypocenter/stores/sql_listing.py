"""A part of a list as it is asked for in SQL: by a range of an index, however many rows there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, tuple_

from hypocenter.stores.documents import microseconds
from hypocenter.stores.identity import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Table

    from hypocenter.listing import Part

NAMED_AT_ONCE = 500


def ranged(asked: Select[Any], time: ColumnElement[int], name: ColumnElement[str], part: Part) -> Select[Any]:
    """Return a question for the rows of a part, of whatever component, that are sorted by `time`, then `name`."""
    if part.since is not None:
        asked = asked.where(time >= microseconds(part.since))
    if part.until is not None:
        asked = asked.where(time <= microseconds(part.until))
    if part.after is not None:
        asked = asked.where(tuple_(time, name) < tuple_(*part.after))
    return asked.order_by(time.desc(), name.desc()).limit(part.most)


def concerning(asked: Select[Any], table: Table, part: Part) -> Select[Any]:
    """Return a question for the rows of a table that concern the component of a part."""
    return asked if part.component is None else asked.where(table.c.component == number_of(part.component))


def unindexed(column: ColumnElement[int]) -> ColumnElement[int]:
    """Return a column that no index is asked for.

    A database that does not know how many rows there are may take the wrong one of two ranges, or walk all rows in
    their order instead of looking up the few that are wanted.
    """
    return column + 0


def by_few(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield names, so many at a time as fit into one question."""
    for first in range(0, len(names), NAMED_AT_ONCE):
        yield names[first : first + NAMED_AT_ONCE]
