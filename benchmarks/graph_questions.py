"""What graph stores are asked in benchmarks, and how their answers are timed; the same of networkx alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from graph_made import VIEW

from hypocenter_graph.walks import blame_path, common_causes, impact, incident_subgraph

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypocenter_graph.claims import Discovered
    from hypocenter_graph.stores.contract import GraphStore

    Question = Callable[[Any], Any]

SIZES = (50, 200, 500)
LARGEST = f"subgraph of {SIZES[-1]}, 1 seed"
SEEDS = 5
RADIUS = 2


@dataclass(frozen=True)
class Measured:
    """One kind of question: milliseconds when first asked and when asked again, components that came back, answers."""

    first: Sequence[float]
    again: Sequence[float]
    sizes: Sequence[int]
    answers: Sequence[int]


def questions(names: Sequence[str], asked: int, seed: int = 1) -> dict[str, list[Question]]:
    """Return `asked` questions of each kind to a graph store, from components drawn at random."""
    drawn = _drawn(names, asked, seed)
    return {
        **{f"subgraph of {most}, 1 seed": [partial(_subgraph, seeds[:1], most) for seeds in drawn] for most in SIZES},
        f"subgraph of {SIZES[-1]}, {SEEDS} seeds": [partial(_subgraph, seeds, SIZES[-1]) for seeds in drawn],
        "blame path": [partial(_blame, *seeds[:2]) for seeds in drawn],
        f"impact, {SIZES[-1]} at most": [partial(_impact, seeds[0]) for seeds in drawn],
        "common causes of 3": [partial(_causes, seeds[:3]) for seeds in drawn],
    }


def questions_from(entry: str, other: str) -> dict[str, Question]:
    """Return one question of each kind, to a graph that has an entry."""
    return {
        LARGEST: partial(_subgraph, [entry], SIZES[-1]),
        "blame path": partial(_blame, entry, other),
        f"impact, {SIZES[-1]} at most": partial(_impact, other),
    }


def networkx_questions(names: Sequence[str], asked: int, seed: int = 1) -> dict[str, list[Question]]:
    """Return the nearest that networkx has to them; its answers know no time, no order and no limit."""
    drawn = _drawn(names, asked, seed)
    ego = partial(nx.ego_graph, radius=RADIUS, undirected=True)
    return {
        f"ego_graph, radius {RADIUS}": [partial(_call, ego, seeds[0]) for seeds in drawn],
        "shortest_path": [partial(_shortest, *seeds[:2]) for seeds in drawn],
        "ancestors": [partial(_call, nx.ancestors, seeds[0]) for seeds in drawn],
    }


def _drawn(names: Sequence[str], asked: int, seed: int) -> list[list[str]]:
    random = np.random.default_rng(seed)
    return [[names[i] for i in random.choice(len(names), SEEDS, replace=False)] for _ in range(asked)]


def _subgraph(seeds: Sequence[str], most: int, store: GraphStore) -> Any:
    return incident_subgraph(store, seeds, VIEW, most)


def _blame(start: str, end: str, store: GraphStore) -> Any:
    return blame_path(store, start, end, VIEW)


def _impact(name: str, store: GraphStore) -> Any:
    return impact(store, name, VIEW, SIZES[-1])


def _causes(names: Sequence[str], store: GraphStore) -> Any:
    return common_causes(store, names, VIEW)


def _call(function: Callable[..., Any], name: str, graph: nx.DiGraph[str]) -> Any:
    return tuple(function(graph, name))


def _shortest(start: str, end: str, graph: nx.DiGraph[str]) -> tuple[str, ...]:
    try:
        return tuple(nx.shortest_path(graph, start, end))
    except nx.NetworkXNoPath:
        return ()


def plain_graph(claims: Discovered) -> nx.DiGraph[str]:
    """Return who leans on whom, without anything else."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(claim.name for claim in claims.components)
    graph.add_edges_from((claim.caller, claim.callee) for claim in claims.dependencies)
    return graph


def measure(asked: Sequence[tuple[Any, Question]]) -> Measured:
    """Ask each store its question, then all of them again in the same order."""
    first, sizes, answers = [], [], []
    for store, question in asked:
        ms, answer = timed(partial(question, store))
        first.append(ms)
        sizes.append(size(answer))
        answers.append(digest(answer))
    return Measured(first, [timed(partial(question, store))[0] for store, question in asked], sizes, answers)


def joined(parts: Sequence[Measured]) -> Measured:
    """Put what was measured of several graphs one after the other."""
    columns = ([value for part in parts for value in getattr(part, field.name)] for field in fields(Measured))
    return Measured(*columns)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the milliseconds that some work takes, and what it returns."""
    began = perf_counter()
    answer = work()
    return (perf_counter() - began) * 1000, answer


def size(answer: Any) -> int:
    """Return the number of components in an answer of any kind."""
    costs = getattr(answer, "costs", None)
    return len(getattr(answer, "distances", answer) if costs is None else costs)


def digest(answer: Any) -> int:
    """Return a number of this process by which answers that differ are told apart."""
    parts = [getattr(answer, field.name) for field in fields(answer)] if is_dataclass(answer) else [answer]
    return hash(tuple(tuple(sorted(part.items())) if isinstance(part, Mapping) else part for part in parts))
