"""Rows of a table that a step goes through, some at a time, so that memory holds what there is of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def rows_of(
    table: str, key: Sequence[str], columns: Sequence[str] = ("record",), most: int = 2000
) -> Iterator[Sequence[sa.Row[Any]]]:
    """Yield the key and the columns of all rows by their primary key `key`, at most `most` of them at a time."""
    t = sa.table(table, *map(sa.column, (*key, *columns)))
    place = [t.c[name] for name in key]
    asked = sa.select(t).order_by(*place).limit(most)
    rows = op.get_bind().execute(asked).all()
    while rows:
        yield rows
        after = sa.tuple_(*place) > sa.tuple_(*(getattr(rows[-1], name) for name in key))
        rows = op.get_bind().execute(asked.where(after)).all()


def update_rows(table: str, key: Sequence[str], columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Set columns of the rows that `rows` name by their `key`; it holds both, by name."""
    if not rows:
        return
    t = sa.table(table, *map(sa.column, (*key, *columns)))
    own = sa.and_(*(t.c[name] == sa.bindparam(f"of_{name}") for name in key))
    put: Any = {name: sa.bindparam(f"new_{name}") for name in columns}
    bound = [{f"of_{name}": row[name] for name in key} | {f"new_{name}": row[name] for name in columns} for row in rows]
    op.get_bind().execute(sa.update(t).where(own).values(put), bound)
