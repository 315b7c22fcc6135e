"""Dependency graphs to measure with: Alibaba's call graphs as claims, and larger ones made like them.

A made graph has layers: entry services, three layers of services, stores and queues that many share, hosts. How many
callees a caller has, and how many callers a callee, follows power laws whose exponents are fitted to Alibaba's graphs.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import LEARNED, SOURCES, ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.contract import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VIEW = View(NOW)
TAIL_FROM = 10
ENTRY = "USER"
# Shares of all components, from the top down; what lies lower is called by all above it.
LAYERS = (
    ("entry", ComponentType.SERVICE, 0.02),
    ("front", ComponentType.SERVICE, 0.18),
    ("middle", ComponentType.SERVICE, 0.30),
    ("base", ComponentType.SERVICE, 0.28),
    ("queue", ComponentType.QUEUE, 0.03),
    ("cache", ComponentType.CACHE, 0.06),
    ("database", ComponentType.DATABASE, 0.08),
    ("host", ComponentType.HOST, 0.05),
)
SERVICE_LAYERS = 4
OBSERVERS = (("spans", 0.6), ("service_graph", 0.15), ("istio", 0.1), ("jaeger", 0.1), (LEARNED, 0.05))
EXPIRED, RETURNED, SEEN_TWICE, CONSUMED_BY = 0.1, 0.05, 0.1, 2
_KINDS = {"mc": ComponentType.CACHE, "db": ComponentType.DATABASE, "mq": ComponentType.QUEUE}


@dataclass(frozen=True)
class Tail:
    """A power law of degrees: P(degree >= d) falls as d ** -exponent, up to a share of all components."""

    exponent: float
    most: float

    def weights(self, count: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Draw what the degrees of `count` components are proportional to."""
        drawn = (1 - random.random(count)) ** (-1 / self.exponent)
        return np.asarray(np.minimum(drawn, max(2.0, self.most * count)))


def read_alibaba(path: Path) -> list[dict[str, Any]]:
    """Return Alibaba's call graphs: `entry_service`, `requests`, `nodes` and `edges` (caller, callee, kind, calls)."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def fit_tails(graphs: Sequence[dict[str, Any]]) -> tuple[Tail, Tail]:
    """Return the tails of the numbers of callees and of callers of a component."""
    degrees: tuple[list[int], list[int]] = ([], [])
    shares = [0.0, 0.0]
    for graph in graphs:
        pairs = {(caller, callee) for caller, callee, *_ in graph["edges"]}
        for end in (0, 1):
            counts = Counter(pair[end] for pair in pairs)
            degrees[end].extend(counts.values())
            if len(graph["nodes"]) >= 100 * TAIL_FROM:
                shares[end] = max(shares[end], max(counts.values()) / len(graph["nodes"]))
    return Tail(_hill(degrees[0]), shares[0]), Tail(_hill(degrees[1]), shares[1])


def _hill(degrees: Iterable[int]) -> float:
    """Fit the exponent by Hill's estimator with Clauset, Shalizi and Newman's correction for whole numbers (2009)."""
    tail = np.array([degree for degree in degrees if degree >= TAIL_FROM], dtype=float)
    return float(len(tail) / np.log(tail / (TAIL_FROM - 0.5)).sum())


def alibaba(graph: dict[str, Any]) -> Discovered:
    """Return the claims of a call graph; names are within the graph, so its entry service goes before them."""
    name, whole = graph["entry_service"], Interval(NOW - timedelta(days=1), NOW)
    types = {callee: _KINDS[kind] for _, callee, kind, _ in graph["edges"] if kind in _KINDS}
    components = [
        ComponentClaim(f"{name}/{node}", "jaeger", (whole,), types.get(node, ComponentType.SERVICE))
        for node in graph["nodes"]
    ]
    calls = [
        DependencyClaim(
            f"{name}/{caller}", f"{name}/{callee}", _type(kind == "mq"), "jaeger", (whole,), 0.9, number / 86_400
        )
        for caller, callee, kind, number in graph["edges"]
    ]
    return Discovered(tuple(components), tuple(calls))


def _type(queued: bool) -> DependencyType:
    return DependencyType.PUBLISHES if queued else DependencyType.CALLS


def make(components: int, edges: int, tails: tuple[Tail, Tail], seed: int = 1) -> Discovered:
    """Return the claims of a graph with so many components and `edges` pairs of caller and callee."""
    random = np.random.default_rng([seed, components, edges])
    counts = [round(components * share) for _, _, share in LAYERS]
    counts[SERVICE_LAYERS - 1] += components - sum(counts)
    first = np.cumsum([0, *counts])
    names = [f"{layer}-{i:06d}" for (layer, *_), count in zip(LAYERS, counts, strict=True) for i in range(count)]
    types = [type_ for (_, type_, _), count in zip(LAYERS, counts, strict=True) for _ in range(count)]
    nodes = [
        ComponentClaim(name, "kubernetes", (Interval(NOW - timedelta(days=90), None),), type_, owner=f"team-{i % 40}")
        for i, (name, type_) in enumerate(zip(names, types, strict=True))
    ]
    placed, consumed = _placed(first, random), _consumed(first, random)
    called = _calls(edges - len(placed) - len(consumed), first, tails, random)
    dependencies = [
        *_observed(called, names, types, random),
        *_stated(placed, names, DependencyType.RUNS_ON),
        *_stated(consumed, names, DependencyType.CONSUMES),
    ]
    return Discovered(tuple(nodes), tuple(dependencies))


def _placed(first: Ints, random: np.random.Generator) -> Ints:
    """Everything runs on a host."""
    guests = np.arange(first[-2])
    return np.column_stack([guests, random.integers(first[-2], first[-1], len(guests))])


def _consumed(first: Ints, random: np.random.Generator) -> Ints:
    """Every queue is drained by some of the services."""
    queues = np.repeat(np.arange(first[SERVICE_LAYERS], first[SERVICE_LAYERS + 1]), CONSUMED_BY)
    return np.unique(np.column_stack([random.integers(0, first[SERVICE_LAYERS], len(queues)), queues]), axis=0)


def _calls(wanted: int, first: Ints, tails: tuple[Tail, Tail], random: np.random.Generator) -> Ints:
    """Draw a caller for everything below the entry, then pairs of a service and something lower, by their weights."""
    services, called = int(first[SERVICE_LAYERS]), int(first[-2])
    out = tails[0].weights(services, random)
    below = np.concatenate([[0.0], np.cumsum(tails[1].weights(called, random))])
    lower = below[first[np.searchsorted(first, np.arange(services), side="right")]]
    lowest = np.arange(first[1], called)
    above = first[np.minimum(np.searchsorted(first, lowest, side="right") - 1, SERVICE_LAYERS)]
    needed = pairs = np.column_stack([random.integers(0, above), lowest])
    while len(pairs) < wanted:
        callers = random.choice(services, size=wanted, p=out / out.sum())
        drawn = lower[callers] + random.random(wanted) * (below[-1] - lower[callers])
        callees = np.searchsorted(below, drawn, side="right") - 1
        pairs = np.unique(np.concatenate([pairs, np.column_stack([callers, np.minimum(callees, called - 1)])]), axis=0)
    return np.concatenate([needed, _some(pairs, needed, wanted - len(needed), random)])


def _some(pairs: Ints, but: Ints, count: int, random: np.random.Generator) -> Ints:
    spare = pairs[~np.isin(pairs @ [2**31, 1], but @ [2**31, 1])]
    return spare[np.sort(random.permutation(len(spare))[:count])]


def _observed(
    pairs: Ints, names: Sequence[str], types: Sequence[ComponentType], random: np.random.Generator
) -> Iterator[DependencyClaim]:
    """Yield who saw each call and when: some have expired, some came back, some are seen by a second source."""
    sources = random.choice(len(OBSERVERS), size=len(pairs), p=[share for _, share in OBSERVERS])
    rates = random.lognormal(1.0, 2.0, len(pairs))
    lots = random.random((len(pairs), 3))
    for (caller, callee), source, rate, lot in zip(pairs.tolist(), sources.tolist(), rates.tolist(), lots, strict=True):
        type_ = _type(types[callee] is ComponentType.QUEUE)
        observer = OBSERVERS[source][0]
        sure = SOURCES[observer].confidence
        seen = _intervals(*lot[:2].tolist())
        yield DependencyClaim(names[caller], names[callee], type_, observer, seen, sure, rate)
        if lot[2] < SEEN_TWICE and observer == "spans":
            yield DependencyClaim(names[caller], names[callee], type_, "jaeger", seen, 0.9, rate)


def _intervals(fate: float, begun: float) -> tuple[Interval, ...]:
    day = timedelta(days=1)
    last = NOW - (20 * day if fate < EXPIRED else begun * timedelta(hours=1))
    now = Interval(last - (1 + 9 * begun) * day, last)
    returned = EXPIRED <= fate < EXPIRED + RETURNED
    return (Interval(NOW - 80 * day, NOW - 60 * day), now) if returned else (now,)


def _stated(pairs: Ints, names: Sequence[str], type_: DependencyType) -> Iterator[DependencyClaim]:
    since = (Interval(NOW - timedelta(days=30), None),)
    for start, end in pairs.tolist():
        yield DependencyClaim(names[start], names[end], type_, "kubernetes", since, 0.95)
