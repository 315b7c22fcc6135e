"""Opinions on verdicts in a table to which rows are only added."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from hypocenter.errors import InputError
from hypocenter.stores.documents import from_text, is_storable, to_text
from hypocenter.stores.records import Opinion, Says
from hypocenter.stores.tables import OPINIONS as T

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.stores.database import Database


class SqlFeedback:
    """The FeedbackStore of one tenant in a database."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant

    def add_opinion(self, opinion: Opinion) -> None:
        """Keep one more opinion; raises InputError for the name of an incident that no database can hold."""
        if not is_storable(opinion.incident_id):
            raise InputError(f"incident {opinion.incident_id!r:.60} holds characters that cannot be kept")
        row = {"tenant": self._tenant, "incident_id": opinion.incident_id, "record": to_text(opinion)}
        with self._database.writing(self._tenant) as connection:
            connection.execute(insert(T), row)

    def opinions(self, incident_id: str | None = None) -> Sequence[Opinion]:
        """Return the opinions on one incident or on all, in the order in which they were added."""
        mine = T.c.tenant == self._tenant
        asked = select(T.c.record).where(mine if incident_id is None else mine & (T.c.incident_id == incident_id))
        with self._database.reading() as connection:
            texts = connection.execute(asked.order_by(T.c.number)).scalars().all()
        return tuple(map(_opinion, texts))


def _opinion(text: str) -> Opinion:
    kept = from_text(Opinion, text)
    return replace(kept, says=Says(kept.says))
