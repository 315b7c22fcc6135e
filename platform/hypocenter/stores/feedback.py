"""Opinions on verdicts in a table to which rows are only added."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from hypocenter.errors import InputError
from hypocenter.listing import Listed, Place
from hypocenter.stores.documents import from_text, is_storable, to_text
from hypocenter.stores.records import Opinion
from hypocenter.stores.sql_listing import ranged
from hypocenter.stores.tables import OPINIONS as T

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.listing import Part
    from hypocenter.stores.database import Database


class SqlFeedback:
    """The FeedbackStore of one tenant in a database."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant

    def add_opinion(self, opinion: Opinion) -> None:
        """Keep one more opinion; raises InputError naming the field for text that no database can hold."""
        for field in fields(opinion):
            value = getattr(opinion, field.name)
            if isinstance(value, str) and not is_storable(value):
                raise InputError(f"opinion: {field.name} {value!r:.60} holds characters that cannot be kept")
        row = {"tenant": self._tenant, "incident_id": opinion.incident_id, "record": to_text(opinion)}
        with self._database.writing(self._tenant) as connection:
            connection.execute(insert(T), row)

    def opinions(self, incident_id: str | None = None) -> Sequence[Opinion]:
        """Return the opinions on one incident or on all, in the order in which they were added."""
        mine = T.c.tenant == self._tenant
        asked = select(T.c.number, T.c.record).where(
            mine if incident_id is None else mine & (T.c.incident_id == incident_id)
        )
        with self._database.reading() as connection:
            rows = connection.execute(asked.order_by(T.c.number)).all()
        return tuple(from_text(Opinion, row.record, f"opinion {row.number}") for row in rows)

    def listed(self, incident_id: str, part: Part) -> Sequence[Listed[Opinion]]:
        """Return a part of the list of opinions on an incident, by the order in which they were added."""
        mine = (T.c.tenant == self._tenant, T.c.incident_id == incident_id)
        asked = select(T.c.number, T.c.incident_id, T.c.record).where(*mine)
        with self._database.reading() as connection:
            rows = connection.execute(ranged(asked, T.c.number, T.c.incident_id, part)).all()
        return [Listed(Place(row.number, ""), from_text(Opinion, row.record, f"opinion {row.number}")) for row in rows]
