"""Settings that were changed at run time, in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from hypocenter.stores.tables import RUNTIME_SETTINGS as T

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from hypocenter.stores.database import Database


class SqlRuntimeSettings:
    """The RuntimeSettingsStore of one tenant in a database."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant

    def changed(self) -> Mapping[str, str]:
        """Return those that were changed."""
        with self._database.reading() as connection:
            return self._changed(connection)

    def change(self, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
        """Have the settings `after` be those that were changed, where `before` are; else change nothing, and False."""
        with self._database.writing(f"{self._tenant} settings") as connection:
            if self._changed(connection) != before:
                return False
            connection.execute(delete(T).where(T.c.tenant == self._tenant))
            rows = [{"tenant": self._tenant, "name": name, "value": value} for name, value in sorted(after.items())]
            if rows:
                connection.execute(insert(T), rows)
        return True

    def _changed(self, connection: Connection) -> dict[str, str]:
        rows = connection.execute(select(T.c.name, T.c.value).where(T.c.tenant == self._tenant)).all()
        return {row.name: row.value for row in rows}
