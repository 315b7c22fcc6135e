"""A layered layout of a directed graph, left to right: callers before what they lean on.

The steps are those of Sugiyama, Tagawa and Toda (1981): break cycles, assign layers of bounded size, order each layer
by the barycentre of its neighbours, then place. Edges that leave one node and pass over layers share their way.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right, insort
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import networkx as nx

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Edge = tuple[str, str]
Point = tuple[float, float]
Item = str | tuple[str, int]  # a node, or the place where the edges of a node pass a layer
SWEEPS = 12


@dataclass(frozen=True, slots=True)
class Box:
    """Sizes in pixels: a node, the gaps between nodes and between layers, the margin, a place for passing edges."""

    width: float = 150.0
    height: float = 42.0
    gap: float = 16.0
    layer_gap: float = 46.0
    margin: float = 14.0
    passing: float = 4.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Centres of nodes and, for each edge, the points it passes; y grows downwards."""

    centres: Mapping[str, Point]
    routes: Mapping[Edge, tuple[Point, ...]]
    width: float
    height: float


@dataclass(slots=True)
class _Layers:
    """The graph with every edge cut into pieces that span one layer; `items` are in order from the top."""

    items: list[list[Item]]
    left: dict[Item, list[Item]] = field(default_factory=lambda: defaultdict(list))
    right: dict[Item, list[Item]] = field(default_factory=lambda: defaultdict(list))


def lay_out(nodes: Iterable[str], edges: Iterable[Edge], box: Box) -> Layout:
    """Return where everything goes. Cycles, self-loops, repeated edges and edges to unknown nodes are all allowed."""
    known = sorted(set(nodes))
    wanted = sorted({edge for edge in edges if edge[0] != edge[1] and {*edge} <= {*known}})
    graph = acyclic(wanted)
    layer_of = assign_layers(graph, max(6, math.ceil(math.sqrt(2 * len(graph)))))
    layers = _cut(layer_of, sorted(graph.edges))
    _order(layers)
    centres = _place(layers, box)
    _place_alone([node for node in known if node not in layer_of], centres, max(len(layers.items), 4), box)
    routes = {edge: _route(edge, layer_of, centres, box) for edge in wanted}
    width = max((x for x, _ in centres.values()), default=0.0) + box.width / 2 + box.margin
    height = max((y for _, y in centres.values()), default=0.0) + box.height / 2 + box.margin
    return Layout({node: centres[node] for node in known}, routes, width, height)


def acyclic(edges: Sequence[Edge]) -> nx.DiGraph[str]:
    """Return the graph with those edges of its cycles turned around that lead back towards where calls come in.

    >>> sorted(acyclic([("web", "a"), ("a", "b"), ("b", "c"), ("c", "a")]).edges)
    [('a', 'b'), ('a', 'c'), ('b', 'c'), ('web', 'a')]
    """
    graph: nx.DiGraph[str] = nx.DiGraph(edges)
    rank: dict[str, tuple[float, str]] = {}
    turn = {}
    for number, knot in enumerate(nx.strongly_connected_components(graph)):
        turn.update(dict.fromkeys(knot, number))
        entries = sorted(n for n in knot if any(c not in knot for c in graph.predecessors(n))) or [min(knot)]
        distances = nx.multi_source_dijkstra_path_length(graph.subgraph(knot), set(entries))
        rank.update({node: (distance, node) for node, distance in distances.items()})
    straight: nx.DiGraph[str] = nx.DiGraph()
    straight.add_edges_from((b, a) if turn[a] == turn[b] and rank[a] > rank[b] else (a, b) for a, b in edges)
    return straight


def assign_layers(graph: nx.DiGraph[str], limit: int) -> dict[str, int]:
    """Return each node's layer: right of all its callers, sources close to what they call, none larger than `limit`.

    >>> assign_layers(nx.DiGraph([("web", "cart"), ("cart", "db"), ("job", "db")]), 9)
    {'job': 1, 'web': 0, 'cart': 1, 'db': 2}
    """
    layer_of: dict[str, int] = {}
    size: Counter[int] = Counter()
    for node in nx.lexicographical_topological_sort(graph):
        layer = max((layer_of[caller] + 1 for caller in graph.predecessors(node)), default=0)
        while size[layer] >= limit:
            layer += 1
        layer_of[node] = layer
        size[layer] += 1
    for node in [node for node in layer_of if not graph.in_degree(node)]:
        nearest = min(layer_of[callee] for callee in graph.successors(node)) - 1
        if nearest > layer_of[node] and size[nearest] < limit:
            size.subtract([layer_of[node]])
            size[nearest] += 1
            layer_of[node] = nearest
    return layer_of


def _cut(layer_of: Mapping[str, int], edges: Iterable[Edge]) -> _Layers:
    layers = _Layers([[] for _ in range(max(layer_of.values(), default=-1) + 1)])
    for node in sorted(layer_of):
        layers.items[layer_of[node]].append(node)
    for caller, callee in edges:
        way = _way(caller, callee, layer_of)
        for level, (here, there) in enumerate(itertools.pairwise(way), layer_of[caller] + 1):
            if there not in layers.items[level]:
                layers.items[level].insert(len(layers.items[level]) // 2, there)
            if there not in layers.right[here]:
                layers.right[here].append(there)
                layers.left[there].append(here)
    return layers


def _way(caller: str, callee: str, layer_of: Mapping[str, int]) -> list[Item]:
    return [caller, *((caller, level) for level in range(layer_of[caller] + 1, layer_of[callee])), callee]


def _order(layers: _Layers) -> None:
    """Sort layers by the mean position of neighbours, forth and back, and keep the order with the fewest crossings."""
    best, fewest = [list(items) for items in layers.items], crossings(layers.items, layers.right)
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        levels = range(1, len(layers.items)) if forth else range(len(layers.items) - 2, -1, -1)
        for level in levels:
            _sort_layer(layers, level, forth)
        count = crossings(layers.items, layers.right)
        if count < fewest:
            best, fewest = [list(items) for items in layers.items], count
    layers.items = best


def _sort_layer(layers: _Layers, level: int, forth: bool) -> None:
    beside, neighbours = (level - 1, layers.left) if forth else (level + 1, layers.right)
    place = {item: index for index, item in enumerate(layers.items[beside])}
    now = {item: float(index) for index, item in enumerate(layers.items[level])}
    wish = {item: _mean([place[other] for other in neighbours[item]], now[item]) for item in now}
    layers.items[level].sort(key=lambda item: (wish[item], now[item]))


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def crossings(items: Sequence[Sequence[Item]], right: Mapping[Item, Sequence[Item]]) -> int:
    """Return how many pairs of edges cross between neighbouring layers.

    >>> crossings([["a", "b"], ["c", "d"]], {"a": ["d"], "b": ["c"]})
    1
    """
    total = 0
    for here, there in itertools.pairwise(items):
        place = {item: index for index, item in enumerate(there)}
        ends: list[int] = []
        for item in here:
            mine = [place[other] for other in right.get(item, ())]
            total += sum(len(ends) - bisect_right(ends, end) for end in mine)
            for end in mine:
                insort(ends, end)
    return total


def _place(layers: _Layers, box: Box) -> dict[Item, Point]:
    """Pull everything towards its neighbours without overlap, then move the whole drawing to its margin."""
    height = {item: box.height if isinstance(item, str) else box.passing for items in layers.items for item in items}
    y: dict[Item, float] = {}
    for items in layers.items:
        y.update(zip(items, spaced([0.0] * len(items), _gaps(items, height, box)), strict=True))
    for sweep in range(SWEEPS):
        for items in layers.items if sweep % 2 else reversed(layers.items):
            wish = [_mean([y[other] for other in (*layers.left[item], *layers.right[item])], y[item]) for item in items]
            y.update(zip(items, spaced(wish, _gaps(items, height, box)), strict=True))
    top = min((y[item] - height[item] / 2 for item in y), default=0.0) - box.margin
    step = box.width + box.layer_gap
    first = box.margin + box.width / 2
    return {item: (first + level * step, y[item] - top) for level, items in enumerate(layers.items) for item in items}


def _gaps(items: Sequence[Item], height: Mapping[Item, float], box: Box) -> list[float]:
    return [(height[a] + height[b]) / 2 + box.gap for a, b in itertools.pairwise(items)]


def spaced(wish: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Return the positions nearest to those wished for (least squares) that keep order and distance.

    Pool adjacent violators (Barlow et al. 1972), after the distances are taken off.

    >>> spaced([0.0, 0.0, 9.0], [4.0, 4.0])
    [-2.0, 2.0, 9.0]
    """
    taken = [sum(gaps[:index]) for index in range(len(wish))]
    pools: list[tuple[float, int]] = []
    for value, less in zip(wish, taken, strict=True):
        pools.append((value - less, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (last, many), (before, more) = pools.pop(), pools.pop()
            pools.append(((last * many + before * more) / (many + more), many + more))
    pooled = [value for value, count in pools for _ in range(count)]
    return [value + less for value, less in zip(pooled, taken, strict=True)]


def _place_alone(alone: Sequence[str], centres: dict[Item, Point], columns: int, box: Box) -> None:
    """Put nodes without any edge into rows below the rest."""
    top = max((y for _, y in centres.values()), default=box.margin - box.height / 2 - box.gap)
    for index, node in enumerate(alone):
        row, column = divmod(index, columns)
        x = box.margin + box.width / 2 + column * (box.width + box.layer_gap)
        centres[node] = (x, top + (row + 1) * (box.height + box.gap))


def _route(edge: Edge, layer_of: Mapping[str, int], centres: Mapping[Item, Point], box: Box) -> tuple[Point, ...]:
    backwards = layer_of[edge[0]] > layer_of[edge[1]]
    start, end = edge[::-1] if backwards else edge
    points: list[Point] = []
    for item in _way(start, end, layer_of):
        x, y = centres[item]
        points += [(x - box.width / 2, y), (x + box.width / 2, y)]
    inner = tuple(points[1:-1])
    return inner[::-1] if backwards else inner
