"""Graph stores: time to load and to write again, subgraphs and paths, in memory and in Neo4j, beside networkx alone."""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import graph_made as made
import graph_questions as ask
import numpy as np
import results

from hypocenter_graph.claims import Discovered
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from graph_questions import Measured, Question

    from hypocenter_graph.stores.contract import GraphStore

    Open = Callable[[str], GraphStore]

SERVERS = Path(__file__).parents[1] / "tests" / "servers"
JAVA = ("-Xms1g", "-Xmx1g")
SIZES = ((1_000, 10_000), (10_000, 100_000), (100_000, 1_000_000))
ASKED, ASKED_OF_NETWORKX = 500, 50
MEMORY, NEO4J, NETWORKX = "memory", "Neo4j", "networkx"
COLUMNS = (
    "load, s",
    "new claims / s",
    "same claims / s",
    "asked",
    "median size",
    "p50, ms",
    "p99, ms",
    "first p99, ms",
)
ONE_BY_ONE = "Alibaba, one by one"
NOTE = (
    "Bars: 10,000 components and 100,000 edges in Neo4j within 30 s; subgraphs of up to 500 components in 50 ms in "
    "Neo4j and 5 ms in memory (p99). Each kind of question is asked of components drawn at random, then all of it "
    "again in the same order: p50 and p99 are of the second time; first p99 is of the first, which finds Neo4j's plans "
    "and pages, and in memory each component's steps, not there yet (and a new Java machine in the first table). Both "
    "stores gave equal answers to every question, or there would be no figures. Claims are on components and "
    "dependencies; same claims are what is written when nothing has changed. Neo4j {version} on the same machine, "
    "{java}; Python collects garbage as ever. networkx is a DiGraph of names alone, asked for the nearest that it has. "
    "Alibaba: the 2,014 call graphs of dufanrong/DGG, together as one graph (names are within a call graph) "
    "and each as a tenant of its own, asked from its entry and a component at random. Made graphs have a tenth of "
    "their calls expired, a twentieth learned, a twentieth seen in two intervals, some seen by two sources; numbers of "
    "callees and of callers follow power laws with exponents {out:.2f} and {into:.2f}, fitted by Hill's estimator to "
    "the components of Alibaba's graphs with 10 or more, and end at the largest share of a graph that one of them has."
)


def main() -> None:
    """Measure every graph in every store, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder with topologies/ (default: HYPOCENTER_DATA)")
    parser.add_argument("--asked", type=int, default=ASKED, help="questions of each kind (default: %(default)s)")
    parser.add_argument("--largest", type=int, default=SIZES[-1][0], help="components of the largest made graph")
    parser.add_argument("--alone", type=int, help="call graphs that are asked one by one (default: all)")
    given = parser.parse_args()
    folder = results.data_folder(given.data)
    graphs = made.read_alibaba(folder / "topologies" / "alibaba_dgg_services.jsonl.gz")
    tails = made.fit_tails(graphs)
    with _server() as (version, server):
        sizes = [size for size in SIZES if size[0] <= given.largest]
        rows = measured(graphs, tails, server, sizes, given.asked, given.alone)
    note = NOTE.format(version=version, java=" ".join(JAVA), out=tails[0].exponent, into=tails[1].exponent)
    results.keep("graph", rows, note=note)


def measured(
    graphs: Sequence[dict[str, Any]],
    tails: tuple[made.Tail, made.Tail],
    server: Open,
    sizes: Sequence[tuple[int, int]] = SIZES,
    asked: int = ASKED,
    alone: int | None = None,
) -> list[results.Row]:
    """Return the rows of made graphs of these sizes, of Alibaba's together, and of each of them alone."""
    rows: list[results.Row] = []
    for components, edges in sizes:
        what = f"made, {components:,} components, {edges:,} edges"
        rows += _graph(what, partial(made.make, components, edges, tails), server, asked)
    rows += _graph("Alibaba, all in one", partial(_together, graphs), server, asked)
    return [*_growth(rows), *rows, *_one_by_one(graphs[:alone], server)]


@contextmanager
def _server() -> Iterator[tuple[str, Open]]:
    """Run a Neo4j; what it gives is its release, and what opens a tenant."""
    sys.path.insert(0, str(SERVERS))
    from native_neo4j import Neo4j
    from native_neo4j import version as release

    from hypocenter_graph.stores.neo4j import Connection, Neo4jStore

    with tempfile.TemporaryDirectory() as folder, Neo4j(Path(folder) / "neo4j", java_options=JAVA) as server:
        connection = Connection(server.url, server.user, server.password, timeout_s=120.0)
        yield release(), partial(Neo4jStore, connection)


def _together(graphs: Sequence[dict[str, Any]]) -> Discovered:
    parts = [made.alibaba(graph) for graph in graphs]
    components = tuple(claim for part in parts for claim in part.components)
    return Discovered(components, tuple(claim for part in parts for claim in part.dependencies))


def _graph(what: str, claims: Callable[[], Discovered], server: Open, asked: int) -> Iterator[results.Row]:
    """Yield the rows of one graph; only one store at a time is in memory."""
    names = [claim.name for claim in claims().components]
    kinds = ask.questions(names, asked)
    known: Mapping[str, Measured] = {}
    for name, opened in ((MEMORY, lambda _: MemoryStore()), (NEO4J, server)):
        print(f"{what}: {name}", file=sys.stderr)
        store = opened(what)
        yield _loaded(what, name, store, claims())
        gc.collect()
        found = {kind: ask.measure([(store, question) for question in own]) for kind, own in kinds.items()}
        yield from (_row(what, name, kind, measured) for kind, measured in found.items())
        _check(what, known or found, found)
        known = found
        store.close()
    yield from _peer(what, claims, ask.networkx_questions(names, min(asked, ASKED_OF_NETWORKX)))


def _check(what: str, one: Mapping[str, Measured], other: Mapping[str, Measured]) -> None:
    for kind, measured in one.items():
        if measured.answers != other[kind].answers:
            raise SystemExit(f"{what}: {kind}: the stores' answers differ")


def _loaded(what: str, name: str, store: GraphStore, claims: Discovered) -> results.Row:
    count = len(claims.components) + len(claims.dependencies)
    new_ms, _ = ask.timed(lambda: store.upsert(claims))
    same_ms, _ = ask.timed(lambda: store.upsert(claims))
    rates = {"new claims / s": round(1000 * count / new_ms), "same claims / s": round(1000 * count / same_ms)}
    return _row(what, name, "load") | {"load, s": new_ms / 1000} | rates


def _peer(
    what: str, claims: Callable[[], Discovered], kinds: Mapping[str, Sequence[Question]]
) -> Iterator[results.Row]:
    print(f"{what}: {NETWORKX}", file=sys.stderr)
    there = claims()
    ms, graph = ask.timed(partial(ask.plain_graph, there))
    del there
    yield _row(what, NETWORKX, "load") | {"load, s": ms / 1000}
    for kind, own in kinds.items():
        yield _row(what, NETWORKX, kind, ask.measure([(graph, question) for question in own]))


def _one_by_one(graphs: Sequence[dict[str, Any]], server: Open) -> Iterator[results.Row]:
    """Yield the rows of call graphs that each are a graph of their own."""
    known: Mapping[str, Measured] = {}
    for name, opened in ((MEMORY, lambda _: MemoryStore()), (NEO4J, server)):
        print(f"{ONE_BY_ONE}: {name}", file=sys.stderr)
        parts = [_alone(graph, opened) for graph in graphs]
        loads = ask.joined([part.pop("load") for part in parts])
        yield _row(ONE_BY_ONE, name, "load", loads) | {"load, s": sum(loads.again) / 1000}
        found = {kind: ask.joined([part[kind] for part in parts]) for kind in parts[0]}
        yield from (_row(ONE_BY_ONE, name, kind, measured) for kind, measured in found.items())
        _check(ONE_BY_ONE, known or found, found)
        known = found


def _alone(graph: dict[str, Any], opened: Open) -> dict[str, Measured]:
    """Load one call graph into a store, ask it from its entry and a component at random, and close it."""
    store, claims = opened(graph["entry_service"]), made.alibaba(graph)
    other = np.random.default_rng(len(claims.components)).choice([claim.name for claim in claims.components])
    load_ms, _ = ask.timed(partial(store.upsert, claims))
    kinds = ask.questions_from(f"{graph['entry_service']}/{made.ENTRY}", str(other))
    found = {kind: ask.measure([(store, question)]) for kind, question in kinds.items()}
    store.close()
    return {"load": ask.Measured([], [load_ms], [len(claims.components)], []), **found}


def _growth(rows: Sequence[results.Row]) -> Iterator[results.Row]:
    """Yield the largest subgraphs of all made graphs again, one below the other."""
    for store in (MEMORY, NEO4J):
        for row in rows:
            if row["store"] == store and row["question"] == ask.LARGEST and str(row["graph"]).startswith("made"):
                yield row | {"graph": f"{ask.LARGEST}, as the graph grows", "question": str(row["graph"])}


def _row(what: str, store: str, question: str, measured: Measured | None = None) -> results.Row:
    row: results.Row = {"graph": what, "store": store, "question": question, **dict.fromkeys(COLUMNS)}
    if measured:
        row |= {"asked": len(measured.again), "median size": int(np.median(measured.sizes))}
        row |= {"p50, ms": float(np.median(measured.again)), "p99, ms": float(np.quantile(measured.again, 0.99))}
    if measured and measured.first:
        row["first p99, ms"] = float(np.quantile(measured.first, 0.99))
    return row


if __name__ == "__main__":
    main()
