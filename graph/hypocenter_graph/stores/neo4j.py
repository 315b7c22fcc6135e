"""Claims in Neo4j, read and written by the official driver."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from hypocenter.errors import InputError, SourceError
from hypocenter_graph.claims import (
    LEARNED,
    ComponentClaim,
    ComponentKey,
    DependencyClaim,
    Discovered,
    component_key,
    dependency_key,
    join_claims,
    retracted_claims,
)
from hypocenter_graph.resolve import component_of
from hypocenter_graph.stores import neo4j_queries as cypher
from hypocenter_graph.stores.contract import EXPIRY, Found, View
from hypocenter_graph.stores.records import (
    FOREVER,
    component_claim,
    component_record,
    dependency_claim,
    dependency_record,
    micros,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from neo4j import Driver, ManagedTransaction, Session

    from hypocenter.model import DependencyType

BATCH = 5_000
SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
Answer = TypeVar("Answer")
Row = dict[str, Any]
_Components = dict[ComponentKey, ComponentClaim]


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a Neo4j server is and how it is spoken to; `timeout_s` bounds one question with all its retries."""

    url: str
    user: str = "neo4j"
    password: str = ""
    database: str = "neo4j"
    timeout_s: float = 15.0


class Neo4jStore:
    """A graph store in a Neo4j server (5.26 or newer); safe to share between threads.

    It connects when it is first asked. A question that fails for a passing reason (a lost connection, a restart, a
    deadlock) is asked again until the timeout; then SourceError is raised. Large writes are made in batches, each of
    them whole: after a failure, writing the same again completes them.
    """

    def __init__(self, connection: Connection, tenant: str = "default", gap: timedelta = EXPIRY) -> None:
        self._connection, self._tenant, self._gap = connection, tenant, gap
        self._driver: Driver | None = None
        self._migrated = False

    def upsert(self, found: Discovered) -> None:
        """Join claims with those that are there."""
        self._migrate()
        for components in _batches(found.components):
            self._write(partial(self._join_components, batch=components))
        for dependencies in _batches(sorted(found.dependencies, key=dependency_key)):
            self._write(partial(self._join_dependencies, batch=dependencies))

    def retract(self, source: str, at: datetime, but: Discovered) -> int:
        """End at `at` what `source` declared and `but` does not say any more; return how many claims ended."""
        there = self.claims()
        ended = retracted_claims(there.components, there.dependencies, source, at, but)
        for components in _batches(ended.components):
            self._write(partial(self._keep_components, batch=components))
        for dependencies in _batches(ended.dependencies):
            self._write(partial(self._keep_dependencies, batch=dependencies))
        return len(ended.components) + len(ended.dependencies)

    def remove(self, names: Collection[str]) -> None:
        """Take components out of the graph, and all dependencies from and to them."""
        self._write(lambda tx: self._run(tx, cypher.REMOVE, names=list(names)))

    def claims(self, names: Collection[str] | None = None, view: View | None = None) -> Discovered:
        """Return the claims on the named components and on dependencies between them, or all there are."""
        bounds = {"all": view is None, **_bounds(view or View())}
        if names is None:
            nodes = [[row["name"], row["claims"]] for row in self._rows(cypher.EVERY_COMPONENT)]
            edges = [row["claim"] for row in self._rows(cypher.EVERY_DEPENDENCY, **bounds)]
        else:
            nodes, edges = self._ask(cypher.BETWEEN, names=_unique(names), **bounds)
        components = [claim for node in nodes for claim in _component_claims(node) or [ComponentClaim(node[0], "")]]
        return Discovered(
            tuple(sorted(components, key=component_key)),
            tuple(sorted((dependency_claim(*edge) for edge in edges), key=dependency_key)),
        )

    def steps(self, names: Collection[str], view: View, *, up: bool = False) -> Mapping[str, Sequence[str]]:
        """Return what lies one step from each of `names`, sorted; names with nothing near are left out."""
        near = self._ask(cypher.steps(up=up), names=_unique(names), **_bounds(view))
        return {name: sorted(others) for name, others in near}

    def nearest(
        self, above: Collection[str], below: Collection[str], known: Collection[str], most: int, view: View
    ) -> Found:
        """Return the `most` best components one step down from `above` or one step up from `below`, without `known`."""
        asked = {"above": list(above), "below": list(below), "known": list(known), "most": most}
        names, total = self._ask(cypher.NEAREST, **asked, **_bounds(view))
        return Found(tuple(names), total)

    def close(self) -> None:
        """Close the connections."""
        if self._driver is not None:
            self._driver.close()
            self._driver = None

    def _migrate(self) -> None:
        if self._migrated:
            return
        with self._session() as session:
            session.run(cypher.SCHEMA_CONSTRAINT).consume()
            stated = session.run(cypher.READ_VERSION).single()
            version = stated["version"] if stated else 0
            if version > len(cypher.MIGRATIONS):
                raise SourceError(
                    f"the graph at {self._connection.url} has schema {version}, newer than this Hypocenter's "
                    f"{len(cypher.MIGRATIONS)}; upgrade Hypocenter"
                )
            for number, statements in enumerate(cypher.MIGRATIONS[version:], start=version + 1):
                for statement in statements:
                    session.run(statement).consume()
                session.run(cypher.WRITE_VERSION, version=number).consume()
        self._migrated = True

    def _join_components(self, tx: ManagedTransaction, batch: Sequence[ComponentClaim]) -> None:
        self._run(tx, cypher.LOCK)
        there = self._component_claims_of(tx, batch)
        changed = join_claims(Discovered(components=tuple(batch)), there, {}, self._gap).components
        self._write_components(tx, changed, there)

    def _keep_components(self, tx: ManagedTransaction, batch: Sequence[ComponentClaim]) -> None:
        self._run(tx, cypher.LOCK)
        there = self._component_claims_of(tx, batch)
        self._write_components(tx, batch, there)

    def _component_claims_of(self, tx: ManagedTransaction, batch: Sequence[ComponentClaim]) -> _Components:
        nodes = self._answer(tx, cypher.KNOWN, names=_unique(claim.name for claim in batch))
        return {component_key(claim): claim for node in nodes for claim in _component_claims(node)}

    def _write_components(
        self,
        tx: ManagedTransaction,
        changed: Sequence[ComponentClaim],
        there: _Components,
    ) -> None:
        by_name: defaultdict[str, list[ComponentClaim]] = defaultdict(list)
        names = {claim.name for claim in changed}
        for claim in {**there, **{component_key(claim): claim for claim in changed}}.values():
            by_name[claim.name].append(claim)
        self._run(tx, cypher.WRITE_COMPONENTS, rows=[_node(name, by_name[name]) for name in sorted(names)])

    def _join_dependencies(self, tx: ManagedTransaction, batch: Sequence[DependencyClaim]) -> None:
        self._run(tx, cypher.LOCK)
        self._run(tx, cypher.WRITE_ENDS, names=_unique(end for claim in batch for end in (claim.caller, claim.callee)))
        there = {}
        for type_, rows in _by_type(batch).items():
            edges = self._answer(tx, cypher.read_dependencies(type_), rows=rows)
            there.update({dependency_key(claim): claim for claim in (dependency_claim(*edge) for edge in edges)})
        changed = join_claims(Discovered(dependencies=tuple(batch)), {}, there, self._gap).dependencies
        self._write_dependencies(tx, changed)

    def _keep_dependencies(self, tx: ManagedTransaction, batch: Sequence[DependencyClaim]) -> None:
        self._run(tx, cypher.LOCK)
        self._write_dependencies(tx, batch)

    def _write_dependencies(self, tx: ManagedTransaction, changed: Sequence[DependencyClaim]) -> None:
        for type_, rows in _by_type(changed).items():
            self._run(tx, cypher.write_dependencies(type_), rows=rows)

    def _run(self, tx: ManagedTransaction, statement: str, **parameters: Any) -> None:
        tx.run(statement, q={"tenant": self._tenant, **parameters}).consume()

    def _answer(self, tx: ManagedTransaction, query: str, **parameters: Any) -> Any:
        """Return the one value that a query answers with."""
        return tx.run(query, q={"tenant": self._tenant, **parameters}).single(strict=True)["answer"]

    def _ask(self, query: str, **parameters: Any) -> Any:
        with self._session() as session:
            return session.execute_read(self._bounded(lambda tx: self._answer(tx, query, **parameters)))

    def _rows(self, query: str, **parameters: Any) -> list[Row]:
        asked = {"tenant": self._tenant, **parameters}
        with self._session() as session:
            return session.execute_read(self._bounded(lambda tx: tx.run(query, q=asked).data()))

    def _write(self, work: Callable[[ManagedTransaction], Any]) -> None:
        with self._session() as session:
            session.execute_write(self._bounded(work))

    def _bounded(self, work: Callable[[ManagedTransaction], Answer]) -> Callable[[ManagedTransaction], Answer]:
        from neo4j import unit_of_work

        return unit_of_work(timeout=self._connection.timeout_s)(work)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """A session for one question: sessions are not to be shared, connections are pooled by the driver."""
        from neo4j.exceptions import AuthError, DriverError, Neo4jError

        try:
            with self._connected().session(database=self._connection.database, fetch_size=10_000) as session:
                yield session
        except AuthError as error:
            raise SourceError(
                f"the graph at {self._connection.url} refuses user {self._connection.user!r}; "
                "see HYPOCENTER_NEO4J_USER and HYPOCENTER_NEO4J_PASSWORD_FILE"
            ) from error
        except (DriverError, Neo4jError, OSError) as error:
            raise SourceError(f"the graph at {self._connection.url} did not answer: {_reason(error)}") from error

    def _connected(self) -> Driver:
        if self._driver is None:
            self._driver = _open_driver(self._connection)
        return self._driver


def check_url(url: str) -> str:
    """Return a server's address when it can be one. Raises InputError; a password in it is not repeated."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise InputError(
            f"{parts.scheme}://{parts.hostname or ''} is no address of a Neo4j server; write bolt://HOST:7687"
        )
    if parts.username or parts.password:
        raise InputError(
            "the address of a Neo4j server holds no user or password; "
            "set HYPOCENTER_NEO4J_USER and HYPOCENTER_NEO4J_PASSWORD_FILE"
        )
    return url


def _open_driver(connection: Connection) -> Driver:
    import neo4j

    return neo4j.GraphDatabase.driver(
        connection.url,
        auth=(connection.user, connection.password) if connection.password else None,
        user_agent="hypocenter",
        connection_timeout=min(5.0, connection.timeout_s),
        connection_acquisition_timeout=connection.timeout_s,
        max_transaction_retry_time=connection.timeout_s,
        notifications_min_severity="OFF",
        telemetry_disabled=True,
    )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _bounds(view: View) -> Row:
    if view.at is None:
        return {"until": FOREVER, "since": -FOREVER, "learned": view.learned}
    return {"until": micros(view.at), "since": micros(view.at - view.expiry), "learned": view.learned}


def _component_claims(node: Sequence[Any]) -> list[ComponentClaim]:
    _, claims = node
    return [component_claim(json.loads(claim)) for claim in claims or ()]


def _node(name: str, claims: Sequence[ComponentClaim]) -> Row:
    """Return the properties of a component's node: its claims, and what they come to for people who look at it."""
    component = component_of(claims)
    told = [json.dumps(component_record(claim), ensure_ascii=False) for claim in sorted(claims, key=component_key)]
    return {"name": name, "claims": told, "type": str(component.type), "owner": component.owner}


def _by_type(claims: Sequence[DependencyClaim]) -> Mapping[DependencyType, list[Row]]:
    rows: defaultdict[DependencyType, list[Row]] = defaultdict(list)
    for claim in claims:
        record = dependency_record(claim)
        bounds = {"first": min(record["starts"], default=None), "last": max(record["ends"], default=None)}
        plain = len(claim.seen) == 1 and claim.source != LEARNED
        rows[claim.type].append({**record, **bounds, "plain": plain})
    return rows


def _unique(names: Collection[str] | Iterator[str]) -> list[str]:
    return sorted(set(names))


Item = TypeVar("Item")


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
