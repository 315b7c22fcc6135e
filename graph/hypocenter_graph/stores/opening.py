"""From what a setting or option names to an open store."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.errors import InputError
from hypocenter_graph.claims import is_text
from hypocenter_graph.stores.contract import View

if TYPE_CHECKING:
    from datetime import datetime

    from hypocenter_graph.stores.contract import GraphStore
    from hypocenter_graph.stores.neo4j import Connection


_LONGEST_TIMEOUT_S = 86_400.0
_LONGEST_EXPIRY_DAYS = 36_500.0
_VERSION = "CALL dbms.components() YIELD versions RETURN versions[0] AS version"


def open_graph(where: str | None = None, tenant: str | None = None, *, create: bool = True) -> GraphStore:
    """Open the graph that `where` names, or the setting `graph`: the URL of a Neo4j server, or else a file.

    The other settings say how: tenant (unless it is given), Neo4j's user, password, database and timeout, and the
    expiry of dependencies.
    Raises InputError when it can be neither, or a file is not there and not to be created, SourceError when a file
    cannot be opened; a server is asked later.
    """
    named = where or settings.read("graph")
    if not named:
        raise InputError("no graph is named; give --graph FILE or bolt://HOST:7687, or set HYPOCENTER_GRAPH")
    owner = _tenant(tenant)
    if "://" in str(named):
        return _open_server(str(named), owner)
    if not create and not Path(str(named)).is_file():
        raise InputError(f"{named}: there is no graph; make one with `hypocenter graph import --graph {named} ...`")
    from hypocenter_graph.stores.file import FileStore

    return FileStore(Path(str(named)), owner, _expiry())


def version_of_server(where: str) -> str:
    """Return the version of the Neo4j server at `where`; raises SourceError when it does not answer as it should."""
    from hypocenter_graph.stores.neo4j_server import Server

    server = Server(_connection(where))
    try:
        return str(server.read(lambda tx: tx.run(_VERSION).single(strict=True)["version"]))
    finally:
        server.close()


def view_as_of(at: datetime | None, *, learned: bool = False) -> View:
    """Return the view of the graph at `at`, with the expiry that the settings state."""
    return View(at, _expiry(), learned)


def _open_server(url: str, tenant: str) -> GraphStore:
    from hypocenter_graph.stores.neo4j import Neo4jStore

    return Neo4jStore(_connection(url), tenant, _expiry())


def _connection(url: str) -> Connection:
    from hypocenter_graph.stores.neo4j import Connection, check_url

    return Connection(
        check_url(url),
        user=str(settings.read("neo4j_user")),
        password=_password(),
        database=str(settings.read("neo4j_database")),
        timeout_s=_positive("neo4j_timeout", _LONGEST_TIMEOUT_S),
    )


def _password() -> str:
    path = settings.read("neo4j_password_file")
    if not path:
        return ""
    try:
        return Path(str(path)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"HYPOCENTER_NEO4J_PASSWORD_FILE: {path} cannot be read: {error}") from error


def _tenant(tenant: str | None) -> str:
    owner = str(settings.read("tenant")) if tenant is None else tenant
    if not is_text(owner):
        raise InputError(f"HYPOCENTER_TENANT={owner!r} is not valid Unicode; write it in UTF-8")
    return owner


def _expiry() -> timedelta:
    return timedelta(days=_positive("graph_expiry_days", _LONGEST_EXPIRY_DAYS))


def _positive(name: str, most: float) -> float:
    value = float(settings.read(name) or 0.0)
    if not 0.0 < value <= most:
        raise InputError(f"HYPOCENTER_{name.upper()}={value:g} must be more than 0 and at most {most:g}")
    return value
