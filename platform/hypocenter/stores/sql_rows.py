"""Rows that are written once or over and over, and many that are forgotten, alike on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Table

    from hypocenter.stores.database import Database

# So few that whoever wants to write in between hardly waits, and that they fit into one statement.
FORGOTTEN_AT_ONCE = 2_000


def add_row(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row; False, and nothing is changed, where one is there that must not be twice."""
    added = _insert(connection, table).values(row).on_conflict_do_nothing()
    return connection.execute(added.returning(table.c.tenant)).first() is not None


def put_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or replace those of their primary keys; no two of `rows` have one key, and they are in its order."""
    if not rows:
        return
    put = _insert(connection, table)
    others = {column.name: put.excluded[column.name] for column in table.columns if not column.primary_key}
    replacing = put.on_conflict_do_update(index_elements=list(table.primary_key), set_=others)
    connection.execute(replacing, rows)


def forget_rows(
    database: Database, table: Table, tenant: str, when: ColumnElement[bool], with_them: Sequence[Table] = ()
) -> int:
    """Delete the rows of a tenant for which `when` holds, some at a time, and return how many; `when` has an index.

    What other tables have of the same identities goes `with_them`.
    """
    mine = table.c.tenant == tenant
    # Rows that somebody is about to write are left to the next time, so that neither waits for the other.
    some = select(table.c.identity).where(mine, when).limit(FORGOTTEN_AT_ONCE).with_for_update(skip_locked=True)
    total = 0
    while True:
        with database.writing(f"{tenant} {table.name} forgotten") as connection:
            names = connection.execute(some).scalars().all()
            if names:
                for each in (*with_them, table):
                    connection.execute(delete(each).where(each.c.tenant == tenant, each.c.identity.in_(names)))
        total += len(names)
        if len(names) < FORGOTTEN_AT_ONCE:
            return total


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
