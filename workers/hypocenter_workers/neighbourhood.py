"""The components around an incident, nearest first: whose series are read where there are too many to read all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypocenter.errors import SourceError
from hypocenter.readers.prometheus_options import DEFAULT_MATCH_OF_KEPT
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.stored_case import MOST_NEAR
from hypocenter_graph.walks import MOST_COMPONENTS, incident_subgraph

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from hypocenter.stores.metrics import MetricsStore
    from hypocenter_graph.stores.contract import GraphStore, View
    from hypocenter_workers.known_graph import KnownGraph

# How many edges are followed where series alone tell of them.
EDGES = 2


def neighbourhood(
    metrics: MetricsStore,
    graph: KnownGraph | None,
    components: Collection[str],
    onset: datetime,
    window: tuple[datetime, datetime],
) -> tuple[str, ...] | None:
    """Return components around those of an incident, by all names they go by; None where all that is kept can be read.

    They come from the graph as it was at the onset, or ever; where it knows none, or cannot be asked, from edges that
    labels of series name. Raises SourceError when the metrics cannot be asked.
    """
    if metrics.usage().series <= MOST_NEAR:
        return None
    known = _known(graph, sorted(components), onset)
    return known or _told(metrics, sorted(components), window)


def _known(graph: KnownGraph | None, seeds: Sequence[str], onset: datetime) -> tuple[str, ...]:
    if graph is None or isinstance(graph.store, SourceError):
        return ()
    try:
        found = _around(graph.store, seeds, replace(graph.view, at=onset))
        return found or _around(graph.store, seeds, replace(graph.view, at=None))
    except SourceError:
        # What is said of the graph in the verdict tells of it.
        return ()


def _around(store: GraphStore, seeds: Sequence[str], view: View) -> tuple[str, ...]:
    """Return the seeds, then what is around them by distance and name, each with its other names."""
    known_as = store.named(seeds)
    found = incident_subgraph(store, sorted({known_as.get(name, name) for name in seeds}), view)
    if not found.components:
        return ()
    aliases: dict[str, set[str]] = {}
    for claim in found.components:
        aliases.setdefault(claim.name, set()).update(claim.aliases)
    nearest = sorted(found.costs, key=lambda name: (found.costs[name], name))
    return tuple(dict.fromkeys([*seeds, *(each for name in nearest for each in (name, *sorted(aliases[name])))]))


def _told(metrics: MetricsStore, seeds: Sequence[str], window: tuple[datetime, datetime]) -> tuple[str, ...]:
    """Return the seeds, then what is joined to them by edges that series tell of, by distance and name."""
    start_ms, end_ms = (round(moment.timestamp() * 1000) for moment in window)
    match = [parse_selector(text) for text in DEFAULT_MATCH_OF_KEPT]
    names, newest = dict.fromkeys(seeds), seeds
    for _ in range(EDGES):
        found = {name for each in metrics.series(match, start_ms, end_ms, newest) for name in each.components}
        newest = sorted(found - names.keys() - {""})[: max(MOST_COMPONENTS - len(names), 0)]
        names |= dict.fromkeys(newest)
    return tuple(names)
