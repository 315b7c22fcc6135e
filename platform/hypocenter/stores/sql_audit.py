"""The audit log, in a table to which rows are only added, and whose oldest are forgotten."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from hypocenter.stores.audit import LONGEST, Audited, AuditEntry
from hypocenter.stores.documents import from_text, microseconds, to_text
from hypocenter.stores.sql_rows import FORGOTTEN_AT_ONCE
from hypocenter.stores.tables import AUDIT as T

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hypocenter.stores.database import Database


class SqlAudit:
    """The AuditStore of one tenant in a database."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant

    def add(self, entry: AuditEntry) -> None:
        """Keep one more entry."""
        row = {"tenant": self._tenant, "at_us": microseconds(entry.at), "record": to_text(_storable(entry))}
        with self._database.writing(f"{self._tenant} audit") as connection:
            connection.execute(insert(T).values(row))

    def newest(self, most: int, before: int | None = None) -> Sequence[Audited]:
        """Return at most so many of the newest, newest first, with numbers below `before` where it is given."""
        asked = select(T).where(T.c.tenant == self._tenant).order_by(T.c.number.desc()).limit(most)
        with self._database.reading() as connection:
            rows = connection.execute(asked if before is None else asked.where(T.c.number < before)).all()
        return [Audited(row.number, from_text(AuditEntry, row.record, f"audit entry {row.number}")) for row in rows]

    def forget(self, before: datetime) -> int:
        """Forget those of before a time and return how many."""
        old = T.c.tenant == self._tenant, T.c.at_us < microseconds(before)
        some = select(T.c.number).where(*old).limit(FORGOTTEN_AT_ONCE)
        total = 0
        while True:
            with self._database.writing(f"{self._tenant} audit forgotten") as connection:
                numbers = connection.execute(some).scalars().all()
                connection.execute(delete(T).where(T.c.number.in_(numbers)))
            total += len(numbers)
            if len(numbers) < FORGOTTEN_AT_ONCE:
                return total


def _storable(entry: AuditEntry) -> AuditEntry:
    """Return an entry whose texts every database holds, none of them long: some of them strangers choose."""
    texts = {field.name: getattr(entry, field.name) for field in fields(entry) if field.name != "at"}
    return replace(entry, **{name: text.replace("\0", "")[:LONGEST] for name, text in texts.items()})
