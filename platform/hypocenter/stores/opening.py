"""From what a setting or option names to open records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy import URL

    from hypocenter.stores.alerts import SqlAlerts
    from hypocenter.stores.changes import SqlChanges
    from hypocenter.stores.database import Database
    from hypocenter.stores.feedback import SqlFeedback
    from hypocenter.stores.history import SqlHistory
    from hypocenter.stores.models import SqlModels
    from hypocenter.stores.sql_audit import SqlAudit
    from hypocenter.stores.sql_dead_letters import SqlDeadLetters
    from hypocenter.stores.sql_detections import SqlDetections
    from hypocenter.stores.sql_investigations import SqlInvestigations
    from hypocenter.stores.sql_live_incidents import SqlIncidents
    from hypocenter.stores.sql_runtime_settings import SqlRuntimeSettings

FILE = "records.db"
SCHEMES = ("postgresql", "postgres")


@dataclass(frozen=True)
class SqlRecords:
    """The Records of one tenant in a database of SQLAlchemy."""

    history: SqlHistory
    feedback: SqlFeedback
    models: SqlModels
    alerts: SqlAlerts
    changes: SqlChanges
    detections: SqlDetections
    incidents: SqlIncidents
    dead_letters: SqlDeadLetters
    investigations: SqlInvestigations
    audit: SqlAudit
    settings: SqlRuntimeSettings
    database: Database

    def close(self) -> None:
        """Let go of files and connections; the records answer no more."""
        self.database.close()


def open_records(where: str | None = None, tenant: str | None = None) -> SqlRecords:
    """Open the records that `where` names, or the setting `records`: a SQLite file, or `postgresql://USER@HOST/NAME`.

    Where neither names any, a file in the user's data folder is used; a file or table that is not there is made. The
    other settings say whose they are (`tenant`) and hold the file with the password. Raises InputError when it can be
    none of these, SourceError when it cannot be opened.
    """
    from hypocenter.stores.alerts import SqlAlerts
    from hypocenter.stores.changes import SqlChanges
    from hypocenter.stores.database import Database
    from hypocenter.stores.feedback import SqlFeedback
    from hypocenter.stores.history import SqlHistory
    from hypocenter.stores.models import SqlModels
    from hypocenter.stores.sql_audit import SqlAudit
    from hypocenter.stores.sql_dead_letters import SqlDeadLetters
    from hypocenter.stores.sql_detections import SqlDetections
    from hypocenter.stores.sql_investigations import SqlInvestigations
    from hypocenter.stores.sql_live_incidents import SqlIncidents
    from hypocenter.stores.sql_runtime_settings import SqlRuntimeSettings

    owner = _tenant(tenant)
    database = Database(*address_of_records(where))
    return SqlRecords(
        history=SqlHistory(database, owner),
        feedback=SqlFeedback(database, owner),
        models=SqlModels(database, owner),
        alerts=SqlAlerts(database, owner),
        changes=SqlChanges(database, owner),
        detections=SqlDetections(database, owner),
        incidents=SqlIncidents(database, owner),
        dead_letters=SqlDeadLetters(database, owner),
        investigations=SqlInvestigations(database, owner),
        audit=SqlAudit(database, owner),
        settings=SqlRuntimeSettings(database, owner),
        database=database,
    )


def records_place(where: str | None = None) -> str:
    """Return the file or URL that is meant: what was typed, else the setting, else a file in the user's data folder."""
    named = where or settings.read("records")
    return str(named) if named else str(settings.data_home() / FILE)


def address_of_records(where: str | None = None) -> tuple[URL, str]:
    """Return how the records that are meant are connected to, and their name without secrets; InputError for none."""
    place = records_place(where)
    return _url(place), _shown(place)


def _url(place: str) -> URL:
    from sqlalchemy import URL

    if "://" in place:
        return _server_url(place)
    path = Path(place)
    if not path.parent.is_dir() and not named_by_us(path):
        raise InputError(f"{place}: there is no folder {path.parent}; make it, or name another place")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and not path.is_file():
        raise InputError(f"{place}: is no file; name a file, or postgresql://USER@HOST/NAME")
    return URL.create("sqlite", database=str(path.absolute()))


def named_by_us(path: Path) -> bool:
    """Whether nobody chose this place, so that its folder is ours to make."""
    return path == settings.data_home() / FILE


def _server_url(place: str) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(place)
    except (ArgumentError, ValueError) as error:
        raise InputError(f"{place.partition('://')[0]}://... is no address of a database; {_WRITE}") from error
    if url.password is not None:
        raise InputError("the address of a database holds no password; set HYPOCENTER_RECORDS_PASSWORD_FILE")
    if url.drivername not in SCHEMES or not url.host or not url.database:
        raise InputError(f"{_shown(place)}: is no address of a PostgreSQL database; {_WRITE}")
    return url.set(drivername="postgresql+psycopg", password=_password())


_WRITE = "write postgresql://USER@HOST:5432/NAME"


def _shown(place: str) -> str:
    """Return a place as it may be told: a URL without what could be a secret in its query."""
    return place.partition("?")[0]


def _password() -> str | None:
    path = settings.read("records_password_file")
    if not path:
        return None
    try:
        return Path(str(path)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"HYPOCENTER_RECORDS_PASSWORD_FILE: {path} cannot be read: {error}") from error


def _tenant(tenant: str | None) -> str:
    from hypocenter.stores.documents import is_storable

    owner = str(settings.read("tenant")) if tenant is None else tenant
    if not is_storable(owner):
        raise InputError(f"HYPOCENTER_TENANT={owner!r} is not valid Unicode; write it in UTF-8")
    return owner
