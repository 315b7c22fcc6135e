"""Changes in a table to which rows are only added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, insert, select

from hypocenter.events import KeptChange, Origin
from hypocenter.history.past_incident import Counts
from hypocenter.listing import Listed, Place
from hypocenter.model import ChangeEvent
from hypocenter.stores.documents import from_text, microseconds, to_text
from hypocenter.stores.identity import identity_of, number_of
from hypocenter.stores.sql_listing import by_few, concerning, ranged
from hypocenter.stores.sql_rows import forget_rows
from hypocenter.stores.tables import CHANGES as T

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from hypocenter.listing import Part
    from hypocenter.stores.database import Database


class SqlChanges:
    """The ChangeStore of one tenant in a database."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant

    def add_changes(self, changes: Sequence[KeptChange]) -> Counts:
        """Keep changes, all or none; of those of one key the first."""
        if not changes:
            return Counts()
        told = {identity_of(each.origin.key): each for each in reversed(changes)}
        with self._database.writing(self._tenant) as connection:
            kept = self._kept(connection, list(told))
            rows = [self._row(name, each) for name, each in told.items() if name not in kept]
            if rows:
                connection.execute(insert(T), rows)
        return Counts(new=len(rows), same=len(told) - len(rows))

    def changes(self, start: datetime, end: datetime) -> Sequence[KeptChange]:
        """Return the changes in [start, end], by time, then key."""
        within = T.c.at_us.between(microseconds(start), microseconds(end))
        with self._database.reading() as connection:
            rows = connection.execute(select(T).where(T.c.tenant == self._tenant, within)).all()
        return sorted(map(_change, rows), key=lambda each: (each.change.at, each.origin.key))

    def listed(self, part: Part) -> Sequence[Listed[KeptChange]]:
        """Return a part of the list of changes, by when they were."""
        asked = concerning(select(T).where(T.c.tenant == self._tenant), T, part)
        with self._database.reading() as connection:
            rows = connection.execute(ranged(asked, T.c.at_us, T.c.identity, part)).all()
        return [Listed(Place(row.at_us, row.identity), _change(row)) for row in rows]

    def forget(self, before: datetime) -> int:
        """Forget the changes of before a time and return how many."""
        return forget_rows(self._database, T, self._tenant, T.c.at_us < microseconds(before))

    def _kept(self, connection: Connection, names: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for few in by_few(names):
            are = and_(T.c.tenant == self._tenant, T.c.identity.in_(few))
            found.update(connection.execute(select(T.c.identity).where(are)).scalars())
        return found

    def _row(self, name: str, kept: KeptChange) -> dict[str, Any]:
        return {
            "tenant": self._tenant,
            "identity": name,
            "at_us": microseconds(kept.change.at),
            "record": to_text(kept.change),
            "origin": to_text(kept.origin),
            "component": number_of(kept.change.component),
        }


def _change(row: Row[Any]) -> KeptChange:
    name = f"change {row.identity}"
    return KeptChange(from_text(ChangeEvent, row.record, name), from_text(Origin, row.origin, name))
