"""Tasks that were given up, in a table to which rows are only added."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from hypocenter.stores.dead_letters import LONGEST, DeadLetter
from hypocenter.stores.documents import from_text, microseconds, to_text
from hypocenter.stores.identity import identity_of
from hypocenter.stores.sql_rows import add_row, forget_rows
from hypocenter.stores.tables import DEAD_LETTERS as T

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hypocenter.stores.database import Database


class SqlDeadLetters:
    """The DeadLetterStore of one tenant in a database."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant

    def add(self, letter: DeadLetter) -> bool:
        """Keep a dead letter; False when one of its key is there already."""
        short = replace(letter, arguments=letter.arguments[:LONGEST], error=letter.error[:LONGEST])
        named = {"tenant": self._tenant, "identity": identity_of(letter.key)}
        with self._database.writing(f"{self._tenant} dead letters") as connection:
            return add_row(connection, T, {**named, "at_us": microseconds(letter.at), "record": to_text(short)})

    def newest(self, most: int = 100) -> Sequence[DeadLetter]:
        """Return the newest, at most so many, newest first."""
        asked = select(T).where(T.c.tenant == self._tenant).order_by(T.c.at_us.desc(), T.c.identity).limit(most)
        with self._database.reading() as connection:
            rows = connection.execute(asked).all()
        return tuple(from_text(DeadLetter, row.record, f"dead letter {row.identity}") for row in rows)

    def count(self) -> int:
        """Return how many are kept."""
        with self._database.reading() as connection:
            asked = select(func.count()).select_from(T).where(T.c.tenant == self._tenant)
            return int(connection.execute(asked).scalar_one())

    def forget(self, before: datetime) -> int:
        """Forget those of before a time and return how many."""
        return forget_rows(self._database, T, self._tenant, T.c.at_us < microseconds(before))
