"""A graph with some of its edges wrong, seeded, and the same whatever its components are called."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import DependencyType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from hypocenter.model import Dependency

_REVERSIBLE = frozenset({DependencyType.CALLS, DependencyType.DEPENDS_ON})
_TRIES = 20
_ROUNDS = 5


def with_wrong_edges(
    dependencies: Sequence[Dependency],
    share: float,
    seed: int | Sequence[int],
    known: Mapping[str, float] | None = None,
) -> tuple[Dependency, ...]:
    """Return the dependencies with a share of them, by lot, reversed or led from or to another component.

    A wrong edge is none of the right ones, and keeps its type: nothing comes to run on a service. Where every other
    edge exists already it is left out instead. What the lot falls on depends on the shape of the graph and on `known`,
    some figure of each component, and not on names or the order of the edges.
    """
    chosen = round(share * len(dependencies))
    return wrong_among(by_shape(dependencies, known or {}), share, seed) if chosen else tuple(dependencies)


def wrong_among(edges: Sequence[Dependency], share: float, seed: int | Sequence[int]) -> tuple[Dependency, ...]:
    """Return edges that are sorted by shape with a share of them wrong, as `with_wrong_edges` does."""
    draw = np.random.default_rng(seed)
    chosen = set(draw.permutation(len(edges))[: round(share * len(edges))].tolist())
    pools = _pools(edges)
    taken = {(edge.caller, edge.callee) for edge in edges}
    found: list[Dependency] = []
    for place, edge in enumerate(edges):
        kept = edge if place not in chosen else _wrong(edge, pools[edge.type], taken, draw)
        if kept is not None:
            taken.add((kept.caller, kept.callee))
            found.append(kept)
    return tuple(found)


def _wrong(
    edge: Dependency, pool: tuple[list[str], list[str]], taken: Collection[tuple[str, str]], draw: np.random.Generator
) -> Dependency | None:
    callers, callees = pool
    for way, caller, callee in zip(
        draw.integers(3 if edge.type in _REVERSIBLE else 2, size=_TRIES),
        draw.integers(len(callers), size=_TRIES),
        draw.integers(len(callees), size=_TRIES),
        strict=True,
    ):
        ends = ((edge.caller, callees[callee]), (callers[caller], edge.callee), (edge.callee, edge.caller))[way]
        if ends[0] != ends[1] and ends not in taken:
            return replace(edge, caller=ends[0], callee=ends[1])
    return None


def _pools(edges: Iterable[Dependency]) -> dict[DependencyType, tuple[list[str], list[str]]]:
    """Return the callers and the callees of each type, each once; whoever calls may be called."""
    callers: dict[DependencyType, dict[str, None]] = defaultdict(dict)
    callees: dict[DependencyType, dict[str, None]] = defaultdict(dict)
    for edge in edges:
        both = edge.type in _REVERSIBLE
        callers[edge.type] |= dict.fromkeys((edge.caller, edge.callee) if both else (edge.caller,))
        callees[edge.type] |= dict.fromkeys((edge.callee, edge.caller) if both else (edge.callee,))
    return {type_: (list(callers[type_]), list(callees[type_])) for type_ in callers}


def by_shape(dependencies: Iterable[Dependency], known: Mapping[str, float]) -> list[Dependency]:
    """Sort edges by the place of their ends in the graph; names decide between ends that nothing else tells apart."""
    edges = list(dependencies)
    place = _places(edges, known)
    return sorted(edges, key=lambda e: (place[e.caller], place[e.callee], e.type, e.caller, e.callee))


def _places(edges: Sequence[Dependency], known: Mapping[str, float]) -> dict[str, int]:
    """Number components by what is known of them and of their neighbours: colour refinement.

    Source: Weisfeiler and Leman, 1968.
    """
    beside: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for edge in edges:
        beside[edge.caller].append((f"{edge.type} to", edge.callee))
        beside[edge.callee].append((f"{edge.type} from", edge.caller))
    place = _numbered({name: (known.get(name, 0.0),) for name in beside})
    for _ in range(_ROUNDS):
        signatures = {
            name: (place[name], *sorted((way, place[other]) for way, other in others))
            for name, others in beside.items()
        }
        place = _numbered(signatures)
    return place


def _numbered(signatures: Mapping[str, tuple[object, ...]]) -> dict[str, int]:
    number = {signature: place for place, signature in enumerate(sorted(set(signatures.values())))}
    return {name: number[signature] for name, signature in signatures.items()}
