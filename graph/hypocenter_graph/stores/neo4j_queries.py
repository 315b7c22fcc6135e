"""The Cypher of the Neo4j store. Names and times are always parameters, so nothing in them is ever read as Cypher.

A component is a node `(:Component {tenant, name})`, a name that some component also goes by a node `(:Alias {tenant,
name, bearer})`; a claim on a dependency is a relationship whose type is that of the dependency and whose `source` tells
parallel claims apart. `starts` and `ends` are its intervals, `first` and
`last` their outer bounds, in microseconds since 1970. Every read starts from the unique index on (tenant, name).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter_graph.claims import LEARNED, SOURCES
from hypocenter_graph.stores.contract import HUB, TWO_WAY

if TYPE_CHECKING:
    from hypocenter.model import DependencyType

MIGRATIONS = (
    (
        "CREATE CONSTRAINT hypocenter_component IF NOT EXISTS FOR (c:Component) REQUIRE (c.tenant, c.name) IS UNIQUE",
        "CREATE CONSTRAINT hypocenter_alias IF NOT EXISTS FOR (a:Alias) REQUIRE (a.tenant, a.name, a.bearer) IS UNIQUE",
        "CREATE CONSTRAINT hypocenter_tenant IF NOT EXISTS FOR (t:Tenant) REQUIRE t.name IS UNIQUE",
    ),
)
"""Statements of each version of the schema, oldest first; what has been released is never changed, only added to."""

SCHEMA_CONSTRAINT = (
    "CREATE CONSTRAINT hypocenter_schema IF NOT EXISTS FOR (s:HypocenterSchema) REQUIRE s.name IS UNIQUE"
)
READ_VERSION = "MATCH (s:HypocenterSchema {name: 'graph'}) RETURN s.version AS version"
WRITE_VERSION = "MERGE (s:HypocenterSchema {name: 'graph'}) SET s.version = $version"

_TWO_WAY = "|".join(sorted(TWO_WAY))
# Most claims are plain: their outer bounds say all. What was declared does not outlast its end, what was observed does.
_DECLARING = ", ".join(f"'{name}'" for name, source in SOURCES.items() if not source.observed)
_SHOWN = (
    "r.first <= $q.until AND r.last >= $q.since AND (r.plain OR "
    f"(($q.learned OR r.source <> '{LEARNED}') AND "
    "any(i IN range(0, size(r.starts) - 1) WHERE r.starts[i] <= $q.until AND "
    f"r.ends[i] >= CASE WHEN $q.ever OR NOT r.source IN [{_DECLARING}] THEN $q.since ELSE $q.until END)))"
)

LOCK = "MERGE (t:Tenant {name: $q.tenant}) SET t.writes = coalesce(t.writes, 0) + 1"
"""Writers of one tenant wait for one another: claims are read, joined and written in one transaction."""

KNOWN = (
    "UNWIND $q.names AS name MATCH (c:Component {tenant: $q.tenant, name: name}) "
    "RETURN collect([c.name, c.claims]) AS answer"
)
WRITE_COMPONENTS = (
    "UNWIND $q.rows AS row MERGE (c:Component {tenant: $q.tenant, name: row.name}) "
    "SET c.claims = row.claims, c.type = row.type, c.owner = row.owner"
)
# That a component bears a name is only where to look: its claims say whether it still does.
WRITE_ALIASES = (
    "UNWIND $q.rows AS row UNWIND row.aliases AS alias "
    "MERGE (:Alias {tenant: $q.tenant, name: alias, bearer: row.name})"
)
NAMED = (
    "UNWIND $q.names AS name MATCH (a:Alias {tenant: $q.tenant, name: name}) WHERE a.bearer IS NOT NULL "
    "AND NOT EXISTS { (:Component {tenant: $q.tenant, name: name}) } "
    "MATCH (c:Component {tenant: $q.tenant, name: a.bearer}) "
    "RETURN [collect(DISTINCT name), collect(DISTINCT [c.name, c.claims])] AS answer"
)
WRITE_ENDS = "UNWIND $q.names AS name MERGE (c:Component {tenant: $q.tenant, name: name})"
REMOVE = "UNWIND $q.names AS name MATCH (c:Component {tenant: $q.tenant, name: name}) DETACH DELETE c"

_ENDS = (
    "UNWIND $q.rows AS row MATCH (c:Component {tenant: $q.tenant, name: row.caller}) "
    "MATCH (d:Component {tenant: $q.tenant, name: row.callee})"
)
# Numbers in the place of lists where there is one interval: a client spends much of its time on lists.
_TIMES = "CASE WHEN r.plain THEN r.first ELSE r.starts END, CASE WHEN r.plain THEN r.last ELSE r.ends END"
_CLAIM = f"[c.name, d.name, type(r), r.source, {_TIMES}, r.confidence, r.calls_per_s]"
# One row that holds everything: the driver spends more on a row than on what is in it.
BETWEEN = (
    "UNWIND $q.names AS name MATCH (c:Component {tenant: $q.tenant, name: name}) "
    "WITH collect(c) AS all RETURN [[c IN all | [c.name, c.claims]], "
    f"COLLECT {{ UNWIND all AS c MATCH (c)-[r]->(d) WHERE d IN all AND ($q.all OR {_SHOWN}) RETURN {_CLAIM} }}"
    "] AS answer"
)
PAGE_OF_COMPONENTS = (
    "MATCH (c:Component {tenant: $q.tenant}) WHERE c.name > $q.after WITH c ORDER BY c.tenant, c.name LIMIT $q.most "
    "RETURN collect([c.name, c.claims]) AS answer"
)
DEPENDENCIES_OF = (
    "UNWIND $q.names AS name MATCH (c:Component {tenant: $q.tenant, name: name})-[r]->(d) "
    f"WHERE $q.all OR {_SHOWN} RETURN collect({_CLAIM}) AS answer"
)


def read_dependencies(type_: DependencyType) -> str:
    """Return the query for the claims of one type whose keys are in `$q.rows`.

    The subquery has both ends found first: from one end alone, each row would look at all claims of a hub.
    """
    between = f"CALL (row, c, d) {{ MATCH (c)-[r:{type_} {{source: row.source}}]->(d) RETURN r }}"
    return f"{_ENDS} {between} RETURN collect({_CLAIM}) AS answer"


def write_dependencies(type_: DependencyType) -> str:
    """Return the statement that puts the claims of one type in `$q.rows` in the place of those with the same keys."""
    return (
        f"{_ENDS} "
        f"MERGE (c)-[r:{type_} {{source: row.source}}]->(d) "
        "SET r.confidence = row.confidence, r.calls_per_s = row.calls_per_s, "
        "r.starts = row.starts, r.ends = row.ends, r.first = row.first, r.last = row.last, r.plain = row.plain"
    )


_DOWN = ("-[r]->", f"<-[r:{_TWO_WAY}]-")
_UP = ("<-[r]-", f"-[r:{_TWO_WAY}]->")


def _near(names: str, *, up: bool, condition: str = "") -> str:
    """Return the part of a query that finds what lies one step from components `c`, as `d`, over claims `r`."""
    ways = (f"MATCH (c){arrow}(d) WHERE d <> c AND {_SHOWN} RETURN d, r" for arrow in (_UP if up else _DOWN))
    return (
        f"UNWIND {names} AS start MATCH (c:Component {{tenant: $q.tenant, name: start}}) {condition}"
        f"CALL (c) {{ {' UNION ALL '.join(ways)} }} "
    )


def steps(*, up: bool) -> str:
    """Return the query for what lies one step down, or up, from each of `$q.names`."""
    near = _near("$q.names", up=up)
    return f"{near} WITH c, collect(DISTINCT d.name) AS others RETURN collect([c.name, others]) AS answer"


NEAREST = (
    f"CALL () {{ {_near('$q.above', up=False)} RETURN d, r UNION ALL "
    f"{_near('$q.below', up=True, condition=f'WHERE COUNT {{ (c)<--() }} <= {HUB} ')} RETURN d, r }} "
    "WITH d, max(r.confidence) AS surest, max(coalesce(r.calls_per_s, 0.0)) AS busiest "
    "WITH d.name AS name, surest, busiest WHERE NOT name IN $q.known "
    "WITH collect([surest, busiest, name]) AS found "
    "CALL (found) { UNWIND found AS one WITH one ORDER BY one[0] DESC, one[1] DESC, one[2] LIMIT $q.most "
    "RETURN collect(one[2]) AS names } "
    "RETURN [names, size(found)] AS answer"
)
