"""Graph stores: time to load and write again, subgraphs and paths in memory and in Neo4j, beside networkx alone."""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import graph_made as made
import numpy as np
import results

from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_graph.walks import blame_path, common_causes, impact, incident_subgraph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hypocenter_graph.claims import Discovered
    from hypocenter_graph.stores.contract import GraphStore

    Query = Callable[[GraphStore], Any]

SERVERS = Path(__file__).parents[1] / "tests" / "servers"
JAVA = ("-Xms1g", "-Xmx1g")
SIZES = ((1_000, 10_000), (10_000, 100_000), (100_000, 1_000_000))
ASKED = 500
MOST = (50, 200, 500)


@dataclass(frozen=True)
class Measured:
    """One store and one kind of question: milliseconds when first asked, and warm; how much came back; what it was."""

    first: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


def main() -> None:
    """Measure every graph in every store, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder with topologies/ (default: HYPOCENTER_DATA)")
    parser.add_argument("--most", type=int, default=SIZES[-1][0], help="largest made graph, in components")
    parser.add_argument("--asked", type=int, default=ASKED, help="questions of each kind")
    words = parser.parse_args()
    graphs = made.read_alibaba(results.data_folder(words.data) / "topologies" / "alibaba_dgg_services.jsonl.gz")
    tails = made.fit_tails(graphs)
    rows: list[results.Row] = []
    with _server() as server:
        for components, edges in SIZES:
            if components <= words.most:
                claims = made.make(components, edges, tails)
                rows += _measured(f"made, {components:,} components", claims, server, words.asked)
    results.keep("graph", sorted(rows, key=lambda row: str(row["what"])), note="")


@contextmanager
def _server() -> Iterator[Callable[[str], GraphStore]]:
    """Run a Neo4j; what it gives opens a tenant of it."""
    sys.path.insert(0, str(SERVERS))
    from native_neo4j import Neo4j

    from hypocenter_graph.stores.neo4j import Connection, Neo4jStore

    with tempfile.TemporaryDirectory() as folder, Neo4j(Path(folder) / "neo4j", java_options=JAVA) as server:
        connection = Connection(server.url, server.user, server.password, timeout_s=120.0)
        yield partial(Neo4jStore, connection)


def _measured(what: str, claims: Discovered, server: Callable[[str], GraphStore], asked: int) -> Iterator[results.Row]:
    questions = _questions(claims, asked)
    known: Mapping[str, Measured] = {}
    for name, store in (("memory", MemoryStore()), ("neo4j", server(what))):
        print(f"{what}: {name}", file=sys.stderr)
        yield _loaded(what, name, store, claims)
        found = {question: _asked(store, queries) for question, queries in questions.items()}
        yield from (_row(what, name, question, measured) for question, measured in found.items())
        for question in known:
            assert known[question].answers == found[question].answers, f"{what}: {question}: stores differ"
        known = found
        store.close()
        gc.collect()


def _questions(claims: Discovered, asked: int) -> dict[str, list[Query]]:
    random = np.random.default_rng(1)
    names = [claim.name for claim in claims.components]
    drawn = [[names[i] for i in random.choice(len(names), 5, replace=False)] for _ in range(asked)]
    return {
        **{f"subgraph of {most}, 1 seed": [_subgraph(seeds[:1], most) for seeds in drawn] for most in MOST},
        f"subgraph of {MOST[-1]}, 5 seeds": [_subgraph(seeds, MOST[-1]) for seeds in drawn],
        "blame path": [partial(_blame, seeds[0], seeds[1]) for seeds in drawn],
        "impact": [partial(_impact, seeds[0]) for seeds in drawn],
        "common causes of 3": [partial(_causes, seeds[:3]) for seeds in drawn],
    }


def _subgraph(seeds: Sequence[str], most: int) -> Query:
    return lambda store: incident_subgraph(store, seeds, made.VIEW, most)


def _blame(start: str, end: str, store: GraphStore) -> Any:
    return blame_path(store, start, end, made.VIEW)


def _impact(name: str, store: GraphStore) -> Any:
    return impact(store, name, made.VIEW)


def _causes(names: Sequence[str], store: GraphStore) -> Any:
    return common_causes(store, names, made.VIEW)


def _loaded(what: str, name: str, store: GraphStore, claims: Discovered) -> results.Row:
    count = len(claims.components) + len(claims.dependencies)
    load_s = _seconds(lambda: store.upsert(claims))
    again_s = _seconds(lambda: store.upsert(claims))
    return _row(what, name, "load") | {
        "load, s": load_s,
        "new claims / s": count / load_s,
        "same claims / s": count / again_s,
    }


def _seconds(work: Callable[[], Any]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def _asked(store: GraphStore, queries: Sequence[Query]) -> Measured:
    """Ask everything twice: how long the first answers take tells of a cold start, the second are the warm ones."""
    found = Measured()
    for query in queries:
        began = perf_counter()
        answer = query(store)
        found.first.append((perf_counter() - began) * 1000)
        found.sizes.append(_size(answer))
        found.answers.append(_digest(answer))
    for query in queries:
        began = perf_counter()
        query(store)
        found.warm.append((perf_counter() - began) * 1000)
    return found


def _size(answer: Any) -> int:
    return len(getattr(answer, "components", None) or getattr(answer, "distances", None) or answer)


def _digest(answer: Any) -> int:
    """Return a number that differs where answers do."""
    parts = vars(answer).values() if hasattr(answer, "__dict__") else [answer]
    return hash(tuple(tuple(sorted(p.items())) if isinstance(p, dict) else p for p in parts))


def _row(what: str, store: str, question: str, measured: Measured | None = None) -> results.Row:
    row: results.Row = {"what": what, "store": store, "question": question}
    keys = ("load, s", "new claims / s", "same claims / s", "median size", "p50, ms", "p99, ms", "first p99, ms")
    row |= dict.fromkeys(keys)
    if measured:
        row["median size"] = float(np.median(measured.sizes))
        row["p50, ms"], row["p99, ms"] = (float(np.quantile(measured.warm, q)) for q in (0.5, 0.99))
        row["first p99, ms"] = float(np.quantile(measured.first, 0.99))
    return row


if __name__ == "__main__":
    main()
