"""A Neo4j that is lost and comes back, hangs, refuses the password, or holds another schema."""

from __future__ import annotations

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event, Semaphore

import pytest
from neo4j import GraphDatabase

from hypocenter.errors import SourceError
from hypocenter.model import DependencyType
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.stores import neo4j_queries as cypher
from hypocenter_graph.stores.contract import View
from hypocenter_graph.stores.neo4j import BATCH, Connection, Neo4jStore
from hypocenter_graph.walks import blame_path, incident_subgraph

pytestmark = pytest.mark.neo4j
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEEN = (Interval(NOON, NOON + timedelta(hours=1)),)
EVER = View()
SHORT_S, PATIENCE_S = 2, 90


def call(caller, callee):
    return DependencyClaim(caller, callee, DependencyType.CALLS, "spans", SEEN)


def edges(*claims):
    return Discovered((), tuple(claims))


@pytest.fixture
def connection(neo4j_restartable):
    server = neo4j_restartable
    return Connection(server.url, server.user, server.password, timeout_s=PATIENCE_S)


@pytest.fixture
def store(connection, tenant):
    with closing(Neo4jStore(connection, tenant)) as store:
        yield store


@pytest.fixture
def hurried(connection, store, tenant):
    """A store that waits for short, of a graph of two dependencies that was asked before."""
    store.upsert(edges(call("web", "cart"), call("cart", "db")))
    assert store.steps(["web"], EVER) == {"web": ["cart"]}
    with closing(Neo4jStore(replace(connection, timeout_s=SHORT_S), tenant)) as hurried:
        assert hurried.steps(["web"], EVER) == {"web": ["cart"]}
        yield hurried


@pytest.fixture
def driver(connection):
    with GraphDatabase.driver(connection.url, auth=(connection.user, connection.password)) as driver:
        yield driver


def test_a_restart_between_questions_is_waited_for_and_told_when_it_takes_too_long(neo4j_restartable, store, hurried):
    """One thread asks all the while: it sees nothing of the crash; who cannot wait is told within the time."""
    is_back, asked = Event(), Semaphore(0)

    def ask_until_back():
        answers = []
        while not (answers and is_back.is_set()):
            answers.append((blame_path(store, "web", "db", EVER), len(incident_subgraph(store, ["db"], EVER).costs)))
            asked.release()
        return answers

    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(ask_until_back)
        for _ in range(3):
            assert asked.acquire(timeout=PATIENCE_S)
        neo4j_restartable.kill()
        with pytest.raises(SourceError, match=f"the graph at {neo4j_restartable.url} did not answer: "):
            hurried.steps(["web"], EVER)
        neo4j_restartable.start()
        is_back.set()
        assert set(answers.result(PATIENCE_S)) == {(("web", "cart", "db"), 3)}
    assert blame_path(hurried, "web", "db", EVER) == ("web", "cart", "db")


def test_a_server_that_is_lost_while_it_is_written_to_holds_whole_batches(
    neo4j_restartable, connection, driver, store, tenant
):
    def written():
        query = "MATCH (:Component {tenant: $tenant})-[r]->() RETURN count(r) AS count"
        return driver.execute_query(query, tenant=tenant).records[0]["count"]

    claims = [call(f"{number:05}", f"{number + 1:05}") for number in range(4 * BATCH)]
    with closing(Neo4jStore(replace(connection, timeout_s=10), tenant)) as hurried, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(hurried.upsert, edges(*claims))
        while not written() and not writing.done():
            continue
        neo4j_restartable.kill()
        with pytest.raises(SourceError):
            writing.result(PATIENCE_S)
    neo4j_restartable.start()
    batches, over = divmod(written(), BATCH)
    assert over == 0
    assert 1 <= batches < 4
    store.upsert(edges(*claims))
    assert written() == len(claims)
    assert blame_path(store, "00000", "00005", EVER) == tuple(f"{number:05}" for number in range(6))


def test_a_server_that_hangs_is_told_in_time_and_used_again(neo4j_restartable, hurried):
    os.kill(neo4j_restartable.pid, signal.SIGSTOP)
    try:
        for ask in (lambda: hurried.steps(["web"], EVER), lambda: hurried.upsert(edges(call("web", "pay")))):
            with pytest.raises(SourceError, match=f"not within {SHORT_S} seconds"):
                ask()
    finally:
        os.kill(neo4j_restartable.pid, signal.SIGCONT)
    assert any(answered(hurried) for _ in range(PATIENCE_S // SHORT_S))


def answered(store):
    try:
        return "cart" in store.steps(["web"], EVER)["web"]
    except SourceError:
        return False


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("s3cret", "see HYPOCENTER_NEO4J_USER and HYPOCENTER_NEO4J_PASSWORD_FILE"),
        ("", "HYPOCENTER_NEO4J_PASSWORD_FILE is not set"),
    ],
)
def test_a_password_that_is_refused_is_told_by_its_setting_and_not_repeated(connection, store, password, said):
    assert store.claims() == Discovered()
    with closing(Neo4jStore(replace(connection, password=password))) as other:
        with pytest.raises(SourceError, match=f"refuses user 'neo4j'; {said}") as told:
            other.claims()
        assert "s3cret" not in str(told.value)


def test_a_database_that_is_not_there_is_told(connection):
    with (
        closing(Neo4jStore(replace(connection, database="absent"))) as other,
        pytest.raises(SourceError, match="absent"),
    ):
        other.claims()


@pytest.fixture
def bare(driver):
    """A server without our schema, as it was on its first day."""
    for row in driver.execute_query("SHOW CONSTRAINTS YIELD name RETURN name").records:
        driver.execute_query(f"DROP CONSTRAINT {row['name']}")
    driver.execute_query("MATCH (n) DETACH DELETE n")
    yield driver
    driver.execute_query("MATCH (s:HypocenterSchema) DELETE s")


def constraints(driver):
    rows = driver.execute_query("SHOW CONSTRAINTS YIELD name, type RETURN name, type").records
    return {row["name"] for row in rows if row["type"] == "UNIQUENESS"}


def test_the_schema_is_made_once_by_whoever_writes_first(bare, connection):
    with closing(Neo4jStore(connection, "first")) as store:
        assert store.claims() == Discovered()
        assert constraints(bare) == set()
    with ThreadPoolExecutor(6) as pool:

        def write(tenant):
            with closing(Neo4jStore(connection, tenant)) as store:
                store.upsert(edges(call("web", "cart")))
                return store.steps(["web"], EVER)

        assert list(pool.map(write, ["first", "second", "third"] * 2)) == [{"web": ["cart"]}] * 6
    made = " ".join((cypher.SCHEMA_CONSTRAINT, *(statement for version in cypher.MIGRATIONS for statement in version)))
    assert constraints(bare) == set(re.findall(r"CREATE CONSTRAINT (\w+)", made))
    found = bare.execute_query("MATCH (n) RETURN labels(n)[0] AS label, count(*) AS count").records
    assert {row["label"]: row["count"] for row in found} == {"Component": 6, "HypocenterSchema": 1, "Tenant": 3}
    assert [row["version"] for row in bare.execute_query(cypher.READ_VERSION).records] == [len(cypher.MIGRATIONS)]


@pytest.mark.parametrize("query", [cypher.read_dependencies, cypher.write_dependencies])
def test_in_an_empty_graph_too_claims_are_looked_for_between_both_ends(bare, connection, tenant, query):
    """A plan that is made then is kept: from one end alone, a burst upon a hub would take time in its square."""
    with closing(Neo4jStore(connection, tenant)) as store:
        store.upsert(Discovered((ComponentClaim("web", ""),)))
    plans = [bare.execute_query("EXPLAIN " + query(DependencyType.CALLS), q={}).summary.plan]
    names = []
    while plans:
        plan = plans.pop()
        names.append(plan["operatorType"].partition("@")[0])
        plans += plan.get("children", [])
    assert "Expand(Into)" in names
    assert "Expand(All)" not in names


def test_a_newer_schema_is_neither_read_nor_written(bare, connection, tenant):
    bare.execute_query(cypher.WRITE_VERSION, version=len(cypher.MIGRATIONS) + 1)
    with closing(Neo4jStore(connection, tenant)) as store:
        for ask in (
            store.claims,
            lambda: store.steps(["web"], EVER),
            lambda: store.upsert(edges(call("web", "cart"))),
            lambda: store.remove(["web"]),
        ):
            with pytest.raises(SourceError, match=r"newer than this Hypocenter's .*; upgrade Hypocenter"):
                ask()
    assert bare.execute_query("MATCH (c:Component) RETURN c").records == []
