"""The graph in Neo4j: plans that scan nothing, work that does not grow with the graph, many writers, odd servers."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Thread

import pytest
from neo4j import GraphDatabase

from hypocenter.errors import InputError, SourceError
from hypocenter.model import DependencyType
from hypocenter_graph.claims import LEARNED, ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.stores import neo4j_queries as cypher
from hypocenter_graph.stores.contract import EXPIRY, View
from hypocenter_graph.stores.neo4j import BATCH, Connection, Neo4jStore, check_url
from hypocenter_graph.stores.records import FOREVER
from hypocenter_graph.walks import incident_subgraph

pytestmark = pytest.mark.neo4j
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEEN = (Interval(NOON, NOON + timedelta(hours=1)),)
EVER = View()
CALLS = DependencyType.CALLS
PATIENCE_S = 60


def call(caller, callee, type_=CALLS, source="spans", seen=SEEN, **how):
    return DependencyClaim(caller, callee, type_, source, seen, **how)


def edges(*claims):
    return Discovered((), tuple(claims))


@pytest.fixture
def store(neo4j_connection, tenant):
    with closing(Neo4jStore(neo4j_connection, tenant)) as store:
        yield store


@pytest.fixture(scope="module")
def session(neo4j_server):
    driver = GraphDatabase.driver(
        neo4j_server.url, auth=(neo4j_server.user, neo4j_server.password), notifications_min_severity="OFF"
    )
    with driver, driver.session() as session:
        yield session


# What the planner makes of the queries.

EVERY_QUERY = {
    "known": cypher.KNOWN,
    "write components": cypher.WRITE_COMPONENTS,
    "write ends": cypher.WRITE_ENDS,
    "write aliases": cypher.WRITE_ALIASES,
    "remove": cypher.REMOVE,
    "named": cypher.NAMED,
    "between": cypher.BETWEEN,
    "page of components": cypher.PAGE_OF_COMPONENTS,
    "dependencies of": cypher.DEPENDENCIES_OF,
    "down": cypher.steps(up=False),
    "up": cypher.steps(up=True),
    "nearest": cypher.NEAREST,
    "lock": cypher.LOCK,
    "version": cypher.READ_VERSION,
    "write version": cypher.WRITE_VERSION,
    **{f"read {type_}": cypher.read_dependencies(type_) for type_ in DependencyType},
    **{f"write {type_}": cypher.write_dependencies(type_) for type_ in DependencyType},
}
# What touches nodes and relationships in these plans; all that is not here, such as a scan, fails the test.
STARTS = {"NodeUniqueIndexSeek", "NodeUniqueIndexSeek(Locking)"}
STEPS = {"Expand(All)", "Expand(Into)"}


def operators(plan):
    yield plan
    for child in plan.get("children", ()):
        yield from operators(child)


def names_of(plan):
    return {operator["operatorType"].partition("@")[0] for operator in operators(plan)}


def db_hits(plan):
    return sum(operator["dbHits"] for operator in operators(plan))


@pytest.mark.parametrize("query", EVERY_QUERY.values(), ids=EVERY_QUERY.keys())
def test_every_query_starts_from_the_unique_index(store, session, query):
    store.upsert(edges(call("web", "cart"), call("worker", "orders", DependencyType.CONSUMES)))
    plan = session.run("EXPLAIN " + query, q={}, version=1).consume().plan
    touching = {name for name in names_of(plan) if "Seek" in name or "Scan" in name or "Expand" in name}
    assert touching & STARTS
    assert touching <= STARTS | STEPS


def neighbourhood(tree):
    """A system of some thirty components of all kinds; `tree` tells it from others."""
    names = [f"{tree} {number}" for number in range(30)]
    kinds = [CALLS, CALLS, DependencyType.RUNS_ON, DependencyType.CONSUMES, DependencyType.INSTANCE_OF]
    claims = [call(one, other, kinds[number % 5]) for number, (one, other) in enumerate(pairwise(names))]
    return [*claims, *(call(names[0], other, source=LEARNED) for other in names[9::5])]


BOUNDS = {"until": FOREVER, "since": -FOREVER, "learned": False, "all": False}
QUESTIONS = {
    "between": (cypher.BETWEEN, {"names": ["ours 3", "ours 4", "ours 5"]}),
    "down": (cypher.steps(up=False), {"names": ["ours 3", "ours 9"]}),
    "up": (cypher.steps(up=True), {"names": ["ours 3", "ours 9"]}),
    "nearest": (cypher.NEAREST, {"above": ["ours 3"], "below": ["ours 9"], "known": ["ours 4"], "most": 5}),
}


def hits_of(session, tenant):
    return {
        name: db_hits(session.run("PROFILE " + query, q={"tenant": tenant, **BOUNDS, **asked}).consume().profile)
        for name, (query, asked) in QUESTIONS.items()
    }


def test_work_does_not_grow_with_the_rest_of_the_graph(store, session, tenant):
    store.upsert(edges(*neighbourhood("ours")))
    alone = hits_of(session, tenant)
    store.upsert(edges(*(claim for number in range(20) for claim in neighbourhood(f"other {number}"))))
    assert hits_of(session, tenant) == alone
    assert all(alone.values())


def test_work_around_a_hub_does_not_grow_with_what_leans_on_it(store, session, tenant):
    def asked(names, known):
        parameters = {"above": names, "below": names, "known": known, "most": 500, "tenant": tenant, **BOUNDS}
        return db_hits(session.run("PROFILE " + cypher.NEAREST, q=parameters).consume().profile)

    store.upsert(edges(*neighbourhood("ours"), *(call(f"caller {number}", "ours 4") for number in range(1_200))))
    before = asked(["ours 4"], []), asked(["ours 3"], []), len(incident_subgraph(store, ["ours 3"], EVER).costs)
    store.upsert(edges(*(call(f"caller {number}", "ours 4") for number in range(1_200, 4_000))))
    assert (asked(["ours 4"], []), asked(["ours 3"], [])) == before[:2]
    assert len(incident_subgraph(store, ["ours 3"], EVER).costs) == before[2]
    assert before[2] < 50


# Many at once.


def test_stores_that_write_at_the_same_time_lose_nothing(neo4j_connection, tenant):
    """Each of four has connections of its own, as processes have, and writes all claims, each at times of its own."""

    def write(number):
        with closing(Neo4jStore(neo4j_connection, tenant)) as store:
            for turn in range(3):
                first = NOON + (10 * number + turn) * 3 * EXPIRY
                seen = (Interval(first, first),)
                names = [f"{(number * 7 + step) % 20}" for step in range(20)]
                said = ComponentClaim("0", "spans", seen, aliases=(f"{number}-{turn}",))
                store.upsert(Discovered((said,), tuple(call(*ends, seen=seen) for ends in pairwise(names))))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with closing(Neo4jStore(neo4j_connection, tenant)) as store:
        found = store.claims()
        said = next(claim for claim in found.components if claim.source)
    assert {len(claim.seen) for claim in found.dependencies} == {9, 12}
    assert (len(said.seen), len(said.aliases)) == (12, 12)


def test_what_is_written_while_claims_are_retracted_is_kept(neo4j_connection, tenant):
    held = [call("web", f"{number}", source="declared", seen=(Interval(NOON, None),)) for number in range(200)]
    seen = [replace(claim, seen=(Interval(NOON - 9 * EXPIRY, NOON - 9 * EXPIRY),)) for claim in held]
    with closing(Neo4jStore(neo4j_connection, tenant)) as store, ThreadPoolExecutor(4) as pool:
        store.upsert(edges(*held))
        written = [pool.submit(store.upsert, edges(*seen[start::4])) for start in range(4)]
        ended = pool.submit(store.retract, "declared", NOON + EXPIRY, Discovered())
        assert [future.result() for future in written] == [None] * 4
        assert ended.result() == 200
        intervals = {claim.seen for claim in store.claims().dependencies}
    assert intervals == {(seen[0].seen[0], Interval(NOON, NOON + EXPIRY))}


def test_threads_share_a_store(store):
    def write_and_read(number):
        store.upsert(edges(call("web", f"{number}"), call(f"{number}", "db")))
        return store.steps(["web", f"{number}"], EVER)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(write_and_read, range(24)))
    assert all(answer[f"{number}"] == ["db"] and f"{number}" in answer["web"] for number, answer in enumerate(answers))
    assert store.steps(["db"], EVER, up=True) == {"db": sorted(f"{number}" for number in range(24))}


def test_hostile_tenants_never_meet(neo4j_connection, tenant):
    tenants = [
        f"{tenant}{end}" for end in ("", " ", "'}) DETACH DELETE n //", "\0", "A", "a", "\N{COMBINING ACUTE ACCENT}")
    ]
    stores = [Neo4jStore(neo4j_connection, one) for one in tenants]
    for one, store in zip(tenants, stores, strict=True):
        store.upsert(edges(call("web", f"of {one}")))
    for one, store in zip(tenants, stores, strict=True):
        assert store.steps(["web"], EVER) == {"web": [f"of {one}"]}
        store.remove(["web"])
        assert store.claims().components == (ComponentClaim(f"of {one}", ""),)
        store.close()


def waiting(driver):
    """What the server still runs of writers that wait for others."""
    query = "SHOW TRANSACTIONS YIELD currentQuery, status WHERE status <> 'Terminated' RETURN currentQuery"
    return [row for row in driver.execute_query(query).records if row["currentQuery"] == cypher.LOCK]


def test_the_server_ends_a_transaction_that_takes_too_long(neo4j_connection, store, session, tenant):
    """A writer waits for another that does not end; once it gave up, nothing of it runs on in the server."""
    store.upsert(edges(call("web", "cart")))
    assert store.steps(["web"], EVER)
    account = neo4j_connection.user, neo4j_connection.password
    hurried = Neo4jStore(replace(neo4j_connection, timeout_s=2), tenant)
    with closing(hurried), GraphDatabase.driver(neo4j_connection.url, auth=account) as driver:
        with session.begin_transaction() as other, ThreadPoolExecutor(1) as pool:
            other.run(cypher.LOCK, q={"tenant": tenant}).consume()
            written = pool.submit(hurried.upsert, edges(call("web", "db")))
            assert any(waiting(driver) for _ in range(1_000))
            with pytest.raises(SourceError, match=r"the graph at bolt://\S+ did not answer: "):
                written.result()
            assert any(not waiting(driver) for _ in range(1_000))
            other.rollback()
        assert store.steps(["web"], EVER) == {"web": ["cart"]}
        store.upsert(edges(call("web", "db")))
        assert hurried.steps(["web"], EVER) == {"web": ["cart", "db"]}


def test_more_claims_than_a_batch_of_one_key_are_joined(store):
    times = [Interval(NOON + number * 2 * EXPIRY, NOON + number * 2 * EXPIRY) for number in (0, 1, 2)]
    shared = [call("a", "b", seen=(seen,)) for seen in times]
    others = [call("a", f"{number}") for number in range(BATCH)]
    store.upsert(edges(*shared[:2], *others, shared[2]))
    assert [claim.seen for claim in store.claims(["a", "b"]).dependencies] == [tuple(times)]
    assert len(store.claims().dependencies) == BATCH + 1


# Addresses, and what listens there.


@pytest.mark.parametrize(
    "url", ["bolt://db:7687", "neo4j+s://db.example", "bolt://[::1]:7687", "neo4j://db:7687/?region=eu"]
)
def test_an_address_is_taken_as_it_is(url):
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://db:7687",
        "bolt://",
        "bolt://:7687",
        "bolt://db:port",
        "bolt://db:99999",
        "bolt://db:0",
        "bolt://[::1",
        "bolt://db/path",
        "bolt://db?x=1",
        "bolt://db#x",
        "db:7687",
        "",
        "://db",
    ],
)
def test_what_is_no_address_of_a_server_is_refused(url):
    with pytest.raises(InputError, match=r"write bolt://HOST:7687"):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "bolt://neo4j:s3cret@db:7687",
        "bolt://s3cret@db",
        "http://neo4j:s3cret@db",
        "bolt://neo4j:s3cret/@db",
        "bolt://neo4j:12#s3cret@db",
        "bolt://neo4j:s3cret",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(url):
    with pytest.raises(InputError) as told:
        check_url(url)
    assert "s3cret" not in str(told.value)
    assert "@" not in url or "HYPOCENTER_NEO4J_PASSWORD_FILE" in str(told.value)


def test_a_password_is_not_shown():
    assert "s3cret" not in repr(Connection("bolt://db", password="s3cret"))


@contextmanager
def listening(answer):
    """A server that answers each connection with some bytes, or with nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                held.append(connection)
                if answer is not None:
                    connection.sendall(answer)
                    connection.close()

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"bolt://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE_S)
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    "answer",
    [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\0", b"\xff" * 64],
    ids=["silence", "end", "HTTP", "no version", "noise"],
)
def test_what_is_no_neo4j_is_told_by_its_address_in_bounded_time(answer):
    with listening(answer) as url, closing(Neo4jStore(Connection(url, password="s3cret", timeout_s=1))) as store:
        for ask in (lambda: store.steps(["web"], EVER), lambda: store.upsert(edges(call("web", "cart")))):
            with pytest.raises(SourceError, match=f"the graph at {url} did not answer: ") as told:
                ask()
            assert "s3cret" not in str(told.value)


def test_a_host_that_is_nowhere_is_told():
    store = Neo4jStore(Connection("bolt://nowhere.invalid:7687", timeout_s=1))
    with closing(store), pytest.raises(SourceError, match=r"nowhere\.invalid"):
        store.claims()
