"""A connection to SQLite or PostgreSQL whose transactions mean the same on both."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from hypocenter.errors import InputError, SourceError
from hypocenter.stores import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

WAIT_S = 30
CONNECT_S = 15
# First half of the keys of locks, so that they are no other program's.
LOCKS = 0x48595047


class Database:
    """A database that holds the tables of records, made or brought up to date when it is opened.

    `shown` names it in messages, without a password. Raises InputError when it holds something else, SourceError when
    it cannot be reached. Safe to share between threads.
    """

    def __init__(self, url: URL, shown: str) -> None:
        self._shown = shown
        self._engine = _engine(url)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """See the database as it is at one time; nothing waits for that."""
        with self._told(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, what: str) -> Iterator[Connection]:
        """Write all or nothing, alone among the writers of `what`, from the first reading on."""
        with self._told(), self._engine.execution_options(**_alone(self._engine)).begin() as connection:
            if connection.dialect.name == "postgresql":
                lock = text("SELECT pg_advisory_xact_lock(:locks, hashtext(:what))")
                connection.execute(lock, {"locks": LOCKS, "what": what})
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self.reading() as connection:
            found = schema.revision_of(connection)
        if found != schema.NEWEST:
            with self.writing("schema") as connection:
                self._migrate(connection)

    def _migrate(self, connection: Connection) -> None:
        try:
            schema.migrate(connection)
        except InputError as error:
            raise InputError(f"{self._shown}: {error}") from error

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what the database says in our words."""
        try:
            yield
        except SQLAlchemyError as error:
            said = str(error.orig if isinstance(error, DBAPIError) else error)
            if "not a database" in said:
                raise InputError(f"{self._shown}: is no file of records; name another file") from error
            raise SourceError(f"{self._shown}: records cannot be read or written: {' '.join(said.split())}") from error


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        options = {"connect_timeout": CONNECT_S, "application_name": "hypocenter"}
        return create_engine(url, connect_args=options, isolation_level="REPEATABLE READ", pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": WAIT_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _alone(engine: Engine) -> dict[str, Any]:
    # A writer waits for its turn, and then has to see what the one before it has written.
    return {"isolation_level": "READ COMMITTED"} if engine.dialect.name == "postgresql" else {"alone": True}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Leave transactions to us; let readers read while somebody writes."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: Connection) -> None:
    alone = connection.get_execution_options().get("alone")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if alone else "BEGIN")
