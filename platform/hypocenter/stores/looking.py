"""A look at a database of records that changes nothing: what server it is, what is in it, and its clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from hypocenter.errors import SourceError
from hypocenter.stores.opening import address_of_records
from hypocenter.stores.schema import NEWEST, revision_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

WAIT_S = 5


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: the server's version, and the step up to which its tables were brought, None where there are none.

    `now` is the server's clock, in UTC; None for a file.
    """

    is_postgres: bool
    version: str
    revision: str | None
    now: datetime | None

    @property
    def is_newer(self) -> bool:
        """Whether a newer version of ours made the tables."""
        return self.revision is not None and self.revision > NEWEST


def look_at_records(where: str) -> Look:
    """Return what is to be seen; raises InputError for what cannot be an address, SourceError for no answer."""
    url, shown = address_of_records(where)
    is_postgres = url.get_backend_name() == "postgresql"
    options = {"connect_timeout": WAIT_S} if is_postgres else {"timeout": WAIT_S}
    engine = create_engine(url, connect_args=options)
    try:
        with engine.connect() as connection:
            return _seen(connection, is_postgres)
    except SQLAlchemyError as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        raise SourceError(f"{shown}: cannot be read: {said}") from error
    finally:
        engine.dispose()


def _seen(connection: Connection, is_postgres: bool) -> Look:
    asked = "SELECT current_setting('server_version'), now()" if is_postgres else "SELECT sqlite_version(), NULL"
    version, now = connection.execute(text(asked)).one()
    return Look(is_postgres, version, revision_of(connection), None if now is None else now.astimezone(UTC))
