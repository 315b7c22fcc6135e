"""Bring a database to the tables of this version, however far behind it is; Alembic does the steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import String, column, inspect, select, table

from hypocenter.errors import InputError
from hypocenter.stores.tables import METADATA

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

NEWEST = "0007"
VERSION_TABLE = "hypocenter_schema"
NOTHING = "base"


def revision_of(connection: Connection) -> str | None:
    """Return the step up to which a database was brought, None for one without records."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    kept = select(column("version_num", String)).select_from(table(VERSION_TABLE))
    return connection.execute(kept).scalar()


def migrate(connection: Connection, target: str = NEWEST) -> None:
    """Take the steps up or down to `target` inside the connection's transaction.

    Raises InputError for a database that a newer version has made, or that holds tables of something else.
    """
    from alembic import command

    found = revision_of(connection)
    if found == target:
        return
    config = _config(connection)
    _check(connection, config, found)
    if target == NOTHING or (found is not None and found > target):
        command.downgrade(config, target)
    else:
        command.upgrade(config, target)


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config


def _check(connection: Connection, config: Config, found: str | None) -> None:
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise InputError("the records were made by a newer version of Hypocenter; install that or name another place")
    others = set(inspect(connection).get_table_names()) - {VERSION_TABLE}
    if found is None and (others if connection.dialect.name == "sqlite" else others & set(METADATA.tables)):
        raise InputError("there are tables of something else; name a file or database of Hypocenter's own")
