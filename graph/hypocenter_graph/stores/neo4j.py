"""Claims in Neo4j, read and written by the official driver."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from hypocenter.errors import SourceError
from hypocenter_graph.claims import (
    ComponentClaim,
    ComponentKey,
    DependencyClaim,
    DependencyKey,
    Discovered,
    component_key,
    dependency_key,
    is_plain,
    is_text,
    join_claims,
    other_names,
    retracted_claims,
)
from hypocenter_graph.resolve import component_of
from hypocenter_graph.stores import neo4j_queries as cypher
from hypocenter_graph.stores.checks import check_claims
from hypocenter_graph.stores.contract import EXPIRY, Found, View
from hypocenter_graph.stores.neo4j_server import Connection, Server, check_url
from hypocenter_graph.stores.records import (
    FOREVER,
    component_claim,
    component_record,
    dependency_claim,
    dependency_record,
    micros,
    told_if_damaged,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from neo4j import ManagedTransaction

    from hypocenter.model import DependencyType

__all__ = ["Connection", "Neo4jStore", "check_url"]
BATCH = 5_000
PAGE = 2_000
Row = dict[str, Any]
Answer = TypeVar("Answer")
Item = TypeVar("Item")
_Components = dict[ComponentKey, ComponentClaim]
_Dependencies = dict[DependencyKey, DependencyClaim]


class Neo4jStore:
    """A graph store in a Neo4j server (5.26 or newer); safe to share between threads.

    It connects when it is first asked, and then sees to the schema. Large writes are made in batches, each of them
    whole: after a failure, writing the same again completes them.
    """

    def __init__(self, connection: Connection, tenant: str = "default", gap: timedelta = EXPIRY) -> None:
        self._server, self._tenant, self._gap = Server(connection), tenant, gap
        self._checked = self._migrated = False

    def upsert(self, found: Discovered) -> None:
        """Join claims with those that are there."""
        check_claims(found)
        bare = _unique(claim.name for claim in found.components if not claim.source)
        for names in _batches(bare):
            self._write(partial(self._keep_ends, names=names))
        for components in _batches([claim for claim in found.components if claim.source]):
            self._write(partial(self._join_components, batch=components))
        for dependencies in _batches(sorted(found.dependencies, key=dependency_key)):
            self._write(partial(self._join_dependencies, batch=dependencies))

    def retract(self, source: str, at: datetime, but: Discovered) -> int:
        """End at `at` what `source` declared and `but` does not say any more; return how many claims ended."""
        there = self.claims()
        ended = retracted_claims(there.components, there.dependencies, source, at, but)
        for components in _batches(ended.components):
            self._write(partial(self._end_components, batch=components, at=at))
        for dependencies in _batches(ended.dependencies):
            self._write(partial(self._end_dependencies, batch=dependencies, at=at))
        return len(ended.components) + len(ended.dependencies)

    def remove(self, names: Collection[str]) -> None:
        """Take components out of the graph, and all dependencies from and to them."""
        self._write(lambda tx: self._run(tx, cypher.REMOVE, names=_unique(names)))

    def claims(self, names: Collection[str] | None = None, view: View | None = None) -> Discovered:
        """Return the claims on the named components and on dependencies between them, or all there are."""
        bounds = {"all": view is None, **_bounds(view or View())}
        nodes, edges = (
            self._every(bounds) if names is None else self._ask(cypher.BETWEEN, names=_unique(names), **bounds)
        )
        components = [*_component_claims(nodes), *(ComponentClaim(name, "") for name, claims in nodes if not claims)]
        return Discovered(
            tuple(sorted(components, key=component_key)),
            tuple(sorted(_dependency_claims(edges), key=dependency_key)),
        )

    def names(self, after: str, most: int) -> Sequence[str]:
        """Return the first `most` components whose names come after a text, in order of code points."""
        return [name for name, _ in self._ask(cypher.PAGE_OF_COMPONENTS, after=after, most=most)]

    def named(self, names: Collection[str]) -> Mapping[str, str]:
        """Return the component that each of `names` is another name of; left out is what several go by, or none."""
        others, bearers = self._ask(cypher.NAMED, names=_unique(names))
        return other_names(others, _component_claims(bearers))

    def steps(self, names: Collection[str], view: View, *, up: bool = False) -> Mapping[str, Sequence[str]]:
        """Return what lies one step from each of `names`, sorted; names with nothing near are left out."""
        near = self._ask(cypher.steps(up=up), names=_unique(names), **_bounds(view))
        return {name: sorted(others) for name, others in near}

    def nearest(
        self, above: Collection[str], below: Collection[str], known: Collection[str], most: int, view: View
    ) -> Found:
        """Return the `most` best components one step down from `above` or one step up from `below`, without `known`."""
        asked = {"above": _unique(above), "below": _unique(below), "known": _unique(known), "most": most}
        names, total = self._ask(cypher.NEAREST, **asked, **_bounds(view))
        return Found(tuple(names), total)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def _check_schema(self) -> int:
        """Return the version of the schema. Raises SourceError when it is newer than what is known here."""
        stated = self._server.read(lambda tx: tx.run(cypher.READ_VERSION).single())
        version = int(stated["version"]) if stated else 0
        if version > len(cypher.MIGRATIONS):
            raise SourceError(
                f"the graph at {self._server.url} has schema {version}, newer than this Hypocenter's "
                f"{len(cypher.MIGRATIONS)}; upgrade Hypocenter"
            )
        self._checked = True
        return version

    def _migrate(self) -> None:
        version = self._check_schema()
        # One statement in each transaction: Neo4j keeps changes of the schema and of data apart.
        for number, statements in enumerate(cypher.MIGRATIONS[version:], start=version + 1):
            for statement in (cypher.SCHEMA_CONSTRAINT, *statements):
                self._server.write(partial(_change_schema, statement=statement))
            self._server.write(partial(_change_schema, statement=cypher.WRITE_VERSION, version=number))
        self._migrated = True

    def _join_components(self, tx: ManagedTransaction, batch: Sequence[ComponentClaim]) -> None:
        there = self._component_claims_of(tx, batch)
        changed = join_claims(Discovered(components=tuple(batch)), there, {}, self._gap).components
        self._write_components(tx, changed, there)

    def _end_components(self, tx: ManagedTransaction, batch: Sequence[ComponentClaim], at: datetime) -> None:
        there = self._component_claims_of(tx, batch)
        known = [there[key] for key in map(component_key, batch) if key in there]
        ended = retracted_claims(known, (), batch[0].source, at, Discovered()).components
        self._write_components(tx, ended, there)

    def _component_claims_of(self, tx: ManagedTransaction, batch: Sequence[ComponentClaim]) -> _Components:
        nodes = self._answer(tx, cypher.KNOWN, names=_unique(claim.name for claim in batch))
        return {component_key(claim): claim for claim in _component_claims(nodes)}

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
        named = [{"name": claim.name, "aliases": list(claim.aliases)} for claim in changed if claim.aliases]
        self._run(tx, cypher.WRITE_ALIASES, rows=named)

    def _keep_ends(self, tx: ManagedTransaction, names: Collection[str]) -> None:
        self._run(tx, cypher.WRITE_ENDS, names=_unique(names))

    def _join_dependencies(self, tx: ManagedTransaction, batch: Sequence[DependencyClaim]) -> None:
        self._keep_ends(tx, [end for claim in batch for end in (claim.caller, claim.callee)])
        there = self._dependency_claims_of(tx, batch)
        changed = join_claims(Discovered(dependencies=tuple(batch)), {}, there, self._gap).dependencies
        self._write_dependencies(tx, changed)

    def _end_dependencies(self, tx: ManagedTransaction, batch: Sequence[DependencyClaim], at: datetime) -> None:
        there = self._dependency_claims_of(tx, batch).values()
        self._write_dependencies(tx, retracted_claims((), there, batch[0].source, at, Discovered()).dependencies)

    def _dependency_claims_of(self, tx: ManagedTransaction, batch: Sequence[DependencyClaim]) -> _Dependencies:
        edges = [
            edge
            for type_, rows in _by_type(batch).items()
            for edge in self._answer(tx, cypher.read_dependencies(type_), rows=rows)
        ]
        return {dependency_key(claim): claim for claim in _dependency_claims(edges)}

    def _write_dependencies(self, tx: ManagedTransaction, changed: Sequence[DependencyClaim]) -> None:
        for type_, rows in _by_type(changed).items():
            self._run(tx, cypher.write_dependencies(type_), rows=rows)

    def _run(self, tx: ManagedTransaction, statement: str, **parameters: Any) -> None:
        tx.run(statement, q={"tenant": self._tenant, **parameters}).consume()

    def _answer(self, tx: ManagedTransaction, query: str, **parameters: Any) -> Any:
        """Return the one value that a query answers with."""
        return tx.run(query, q={"tenant": self._tenant, **parameters}).single(strict=True)["answer"]

    def _ask(self, query: str, **parameters: Any) -> Any:
        return self._read(lambda tx: self._answer(tx, query, **parameters))

    def _every(self, bounds: Row) -> tuple[list[Any], list[Any]]:
        """Return all components and the dependencies between them, in pages that each take a bounded time."""
        nodes: list[Any] = []
        edges: list[Any] = []
        page: list[Any] = [[""]]
        while page:
            page = self._ask(cypher.PAGE_OF_COMPONENTS, after=page[-1][0], most=PAGE)
            nodes += page
            edges += self._ask(cypher.DEPENDENCIES_OF, names=[node[0] for node in page], **bounds)
        known = {node[0] for node in nodes}
        # What was written between two pages may lead to a component that no page held.
        return nodes, [edge for edge in edges if edge[1] in known]

    def _read(self, work: Callable[[ManagedTransaction], Answer]) -> Answer:
        if not self._checked:
            self._check_schema()
        return self._server.read(work)

    def _write(self, work: Callable[[ManagedTransaction], None]) -> None:
        """Write while no other writes for this tenant, so that claims are read, joined and written as one."""
        if not self._migrated:
            self._migrate()

        def alone(tx: ManagedTransaction) -> None:
            self._run(tx, cypher.LOCK)
            work(tx)

        self._server.write(alone)


def _change_schema(tx: ManagedTransaction, statement: str, **parameters: Any) -> None:
    tx.run(statement, **parameters).consume()


def _bounds(view: View) -> Row:
    if view.at is None:
        return {"ever": True, "until": FOREVER, "since": -FOREVER, "learned": view.learned}
    bounds = {"until": micros(view.at), "since": micros(view.at - view.expiry)}
    return {"ever": False, **bounds, "learned": view.learned}


def _component_claims(nodes: Sequence[Any]) -> list[ComponentClaim]:
    with told_if_damaged():
        return [component_claim(json.loads(claim)) for _, claims in nodes for claim in claims or ()]


def _dependency_claims(edges: Sequence[Any]) -> list[DependencyClaim]:
    with told_if_damaged():
        return [dependency_claim(*edge) for edge in edges]


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
        rows[claim.type].append({**record, **bounds, "plain": is_plain(claim)})
    return rows


def _unique(names: Collection[str] | Iterator[str]) -> list[str]:
    """Return names in order, once each, without those that no server can be asked for and that are nowhere."""
    return sorted({name for name in names if is_text(name)})


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
