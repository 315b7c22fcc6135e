"""Investigations that somebody asked for, in a table of what each is now and what came of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, tuple_, update

from hypocenter.stores.documents import damaged, from_text, microseconds, to_text
from hypocenter.stores.identity import identity_of
from hypocenter.stores.investigations import UNFINISHED, AskedInvestigation
from hypocenter.stores.sql_rows import add_row, forget_rows
from hypocenter.stores.tables import INVESTIGATIONS as T

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from hypocenter.stores.database import Database
    from hypocenter.stores.investigations import Place

_UNFINISHED = T.c.status.in_(list(map(str, UNFINISHED)))


class SqlInvestigations:
    """The InvestigationStore of one tenant in a database."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant

    def add(self, asked: AskedInvestigation) -> bool:
        """Keep a new one; False, and nothing is changed, when there is one of that id."""
        named = {"tenant": self._tenant, "identity": identity_of(asked.investigation_id)}
        with self._database.writing(f"{self._tenant} investigations") as connection:
            return add_row(connection, T, {**named, **_columns(asked)})

    def save(self, asked: AskedInvestigation, document: Mapping[str, Any] | None = None) -> bool:
        """Keep one as its next version; False, and nothing is changed, when the next is another."""
        columns = _columns(asked) | ({} if document is None else {"document": json.dumps(document)})
        before = *self._own(asked.investigation_id), T.c.version == asked.version - 1
        with self._database.writing(f"{self._tenant} investigations") as connection:
            return connection.execute(update(T).where(*before).values(columns)).rowcount == 1

    def investigation(self, investigation_id: str) -> AskedInvestigation | None:
        """Return one as it is now, None when there is none."""
        asked = select(T.c.identity, T.c.record).where(*self._own(investigation_id))
        with self._database.reading() as connection:
            row = connection.execute(asked).first()
        return None if row is None else _asked(*row)

    def document(self, investigation_id: str) -> Mapping[str, Any] | None:
        """Return the answer, None while there is none."""
        with self._database.reading() as connection:
            text = connection.execute(select(T.c.document).where(*self._own(investigation_id))).scalar()
        return None if text is None else _read(text, investigation_id)

    def investigations(self, most: int, after: Place | None = None) -> Sequence[AskedInvestigation]:
        """Return the newest, at most so many, or those that come after a place in that order."""
        place = tuple_(T.c.asked_us, T.c.identity)
        asked = select(T.c.identity, T.c.record).where(T.c.tenant == self._tenant)
        if after is not None:
            asked = asked.where(place < tuple_(microseconds(after.asked_at), identity_of(after.investigation_id)))
        with self._database.reading() as connection:
            rows = connection.execute(asked.order_by(T.c.asked_us.desc(), T.c.identity.desc()).limit(most)).all()
        return tuple(_asked(*row) for row in rows)

    def versions(self, investigation_ids: Collection[str]) -> Mapping[str, int]:
        """Return the versions of some, by id; those that are not there are left out."""
        names = {identity_of(each): each for each in investigation_ids}
        mine = select(T.c.identity, T.c.version).where(T.c.tenant == self._tenant, T.c.identity.in_(sorted(names)))
        with self._database.reading() as connection:
            return {names[row.identity]: row.version for row in connection.execute(mine)}

    def unfinished(self, start: datetime, end: datetime) -> Sequence[str]:
        """Return the ids of those that wait or run and were asked in [start, end], oldest first."""
        recent = (T.c.tenant == self._tenant, T.c.asked_us.between(microseconds(start), microseconds(end)))
        wanted = select(T.c.identity, T.c.record).where(*recent, _UNFINISHED)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(T.c.asked_us, T.c.identity)).all()
        return tuple(_asked(*row).investigation_id for row in rows)

    def forget(self, before: datetime) -> int:
        """Forget those that were asked before a time and return how many; those that wait or run stay."""
        old = (T.c.asked_us < microseconds(before)) & ~_UNFINISHED
        return forget_rows(self._database, T, self._tenant, old)

    def _own(self, investigation_id: str) -> tuple[ColumnElement[bool], ...]:
        return T.c.tenant == self._tenant, T.c.identity == identity_of(investigation_id)


def _columns(asked: AskedInvestigation) -> dict[str, Any]:
    return {
        "asked_us": microseconds(asked.asked_at),
        "status": str(asked.stage),
        "version": asked.version,
        "record": to_text(asked),
    }


def _asked(identity: str, record: str) -> AskedInvestigation:
    return from_text(AskedInvestigation, record, f"investigation {identity}")


def _read(text: str, investigation_id: str) -> Mapping[str, Any]:
    try:
        document: Mapping[str, Any] = json.loads(text)
    except ValueError as error:
        raise damaged(f"the answer of {investigation_id}", text, error) from error
    return document
