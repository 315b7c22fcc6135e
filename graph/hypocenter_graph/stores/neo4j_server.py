"""A Neo4j server that is asked through the official driver, each question within a bounded time."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDoneError
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from hypocenter.errors import InputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from neo4j import Driver, ManagedTransaction, Session

SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
_CONNECT_S = 5.0
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a Neo4j server is and how it is spoken to; `timeout_s` bounds one question with all its retries."""

    url: str
    user: str = "neo4j"
    password: str = field(default="", repr=False)
    database: str = "neo4j"
    timeout_s: float = 15.0


class Server:
    """Questions to one server, connected to when it is first asked; safe to share between threads.

    A question that fails for a passing reason (a lost connection, a restart, a deadlock) is asked again until the
    timeout; then SourceError is raised.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = Lock()
        self._driver: Driver | None = None
        self._is_closed = False

    @property
    def url(self) -> str:
        """The server's address."""
        return self._connection.url

    def read(self, work: Callable[[ManagedTransaction], Answer]) -> Answer:
        """Return what `work` reads in one transaction; it may be run more than once."""
        return self._within_timeout(lambda session: session.execute_read(self._limited(work)))

    def write(self, work: Callable[[ManagedTransaction], Answer]) -> Answer:
        """Run `work` in one transaction, all of it or none; it may be run more than once."""
        return self._within_timeout(lambda session: session.execute_write(self._limited(work)))

    def close(self) -> None:
        """Close the connections; what is asked from then on, or was about to connect, raises SourceError."""
        with self._lock:
            self._is_closed = True
            driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    def _limited(self, work: Callable[[ManagedTransaction], Answer]) -> Callable[[ManagedTransaction], Answer]:
        """Have the server end a transaction that takes too long."""
        from neo4j import unit_of_work

        return unit_of_work(timeout=self._connection.timeout_s)(work)

    def _within_timeout(self, question: Callable[[Session], Answer]) -> Answer:
        """Ask in another thread: of a server that hangs the driver waits for minutes, whatever its settings."""
        answer: Future[Answer] = Future()
        Thread(target=self._ask, args=(question, answer), daemon=True).start()
        try:
            return answer.result(self._connection.timeout_s)
        except NotDoneError as error:
            raise self._failure(f"not within {self._connection.timeout_s:g} seconds") from error

    def _ask(self, question: Callable[[Session], Answer], answer: Future[Answer]) -> None:
        try:
            with self._session() as session:
                answer.set_result(question(session))
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
            answer.set_exception(error)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """A session for one question: sessions are not to be shared, connections are pooled by the driver."""
        from neo4j.exceptions import AuthError, DriverError, Neo4jError

        try:
            with self._connected().session(database=self._connection.database, fetch_size=10_000) as session:
                yield session
        except AuthError as error:
            raise SourceError(
                f"the graph at {self.url} refuses user {self._connection.user!r}; "
                + (
                    "see HYPOCENTER_NEO4J_USER and HYPOCENTER_NEO4J_PASSWORD_FILE"
                    if self._connection.password
                    else "HYPOCENTER_NEO4J_PASSWORD_FILE is not set"
                )
            ) from error
        except (DriverError, Neo4jError, OSError) as error:
            raise self._failure(" ".join(str(error).split())[:300] or type(error).__name__) from error

    def _failure(self, reason: str) -> SourceError:
        return SourceError(f"the graph at {self.url} did not answer: {reason}")

    def _connected(self) -> Driver:
        with self._lock:
            # Nobody would close what a question whose time is over opens now.
            if self._is_closed:
                raise self._failure("it is closed")
            if self._driver is None:
                self._driver = _open_driver(self._connection)
            return self._driver


def check_url(url: str) -> str:
    """Return a server's address when it can be one. Raises InputError; a password in it is not repeated."""
    if "@" in url:
        raise InputError(
            "the address of a Neo4j server holds no user or password; "
            "set HYPOCENTER_NEO4J_USER and HYPOCENTER_NEO4J_PASSWORD_FILE"
        )
    if not _is_address(url):
        raise InputError(f"{url.partition('://')[0]}://... is no address of a Neo4j server; write bolt://HOST:7687")
    return url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        return False
    # What follows the host means something to a router alone.
    routed = parts.query and parts.scheme.startswith("neo4j")
    return bool(whole) and not parts.path.strip("/") and not parts.fragment and (bool(routed) or not parts.query)


def _open_driver(connection: Connection) -> Driver:
    import neo4j

    # What the driver tries again is no news; without any handler Python would write it to the standard error.
    log = logging.getLogger("neo4j")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    options: dict[str, Any] = {
        "connection_timeout": min(_CONNECT_S, connection.timeout_s),
        "connection_acquisition_timeout": connection.timeout_s,
        # Each wait for another try is twice the one before: the last is about as long as all before it.
        "max_transaction_retry_time": connection.timeout_s / 2,
    }
    return neo4j.GraphDatabase.driver(
        connection.url,
        auth=(connection.user, connection.password) if connection.password else None,
        user_agent="hypocenter",
        notifications_min_severity="OFF",
        telemetry_disabled=True,
        **options,
    )
