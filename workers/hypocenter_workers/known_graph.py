"""The kept graph around an incident, joined with what the incident's own telemetry shows."""

from __future__ import annotations

from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypocenter.errors import SourceError
from hypocenter.settings import read
from hypocenter_graph.claims import LEARNED, DependencyClaim
from hypocenter_graph.resolve import components_of, dependencies_of
from hypocenter_graph.topology import Topology, build_topology
from hypocenter_graph.walks import incident_subgraph

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from hypocenter.model import Component
    from hypocenter.telemetry import Signals
    from hypocenter_graph.stores.contract import GraphStore, View
    from hypocenter_graph.walks import Subgraph

MOST_NAMED = 5


@dataclass(frozen=True)
class KnownGraph:
    """A graph that is kept, and how it is looked at; `view.at` is set to each incident's onset."""

    store: GraphStore
    view: View


@contextmanager
def opened(where: str | None = None, *, learned: bool = False) -> Iterator[KnownGraph | None]:
    """Open the graph that `where` or the setting `graph` names, for a block; None where neither names one.

    Raises InputError when there is no such graph. Whether a server answers shows when it is asked.
    """
    if not (where or read("graph")):
        yield None
        return
    from hypocenter_graph.stores.opening import open_graph, view_as_of

    with closing(open_graph(where, create=False)) as store:
        yield KnownGraph(store, view_as_of(None, learned=learned))


def topology_around(
    resolved: Signals, seeds: Iterable[str], at: datetime | None, graph: KnownGraph | None
) -> tuple[Topology, tuple[str, ...]]:
    """Return the topology of an incident, and what of the kept graph could not be used, one sentence each.

    It joins what the telemetry shows with the kept graph around `seeds`, most relevant first, as it was `at` then. A
    graph that cannot be asked leaves what the telemetry shows: an incident is never without a verdict for it.
    """
    own = build_topology(resolved.components, resolved.dependencies)
    if graph is None:
        return own, ()
    wanted = list(dict.fromkeys(seeds))
    try:
        known_as = graph.store.named(wanted)
        found = incident_subgraph(graph.store, (known_as.get(n, n) for n in wanted), replace(graph.view, at=at))
    except SourceError as error:
        return own, (f"the kept graph could not be asked, only what the telemetry shows is used: {error}",)
    found = _in_words_of_the_telemetry(found, {n: c for n, c in known_as.items() if c not in wanted})
    return _joined(resolved, found), _left_open(wanted, found)


def _in_words_of_the_telemetry(found: Subgraph, known_as: Mapping[str, str]) -> Subgraph:
    """Call components as the telemetry does, where it calls one by one other name and never by its own."""
    times = Counter(known_as.values())
    names = {component: name for name, component in known_as.items() if times[component] == 1}
    return replace(
        found,
        components=tuple(replace(c, name=names.get(c.name, c.name)) for c in found.components),
        dependencies=tuple(
            replace(d, caller=names.get(d.caller, d.caller), callee=names.get(d.callee, d.callee))
            for d in found.dependencies
        ),
        costs={names.get(name, name): cost for name, cost in found.costs.items()},
    )


def _joined(resolved: Signals, found: Subgraph) -> Topology:
    shown = (DependencyClaim(d.caller, d.callee, d.type, d.source) for d in resolved.dependencies)
    dependencies = dependencies_of([*found.dependencies, *shown])
    typed = {claim.name for claim in found.components if claim.type}
    components: dict[str, Component] = {c.name: c for c in components_of(found.components, dependencies)}
    components.update({c.name: c for c in resolved.components if c.name not in typed})
    return build_topology(components.values(), dependencies)


def _left_open(wanted: list[str], found: Subgraph) -> tuple[str, ...]:
    unknown = [name for name in wanted if name not in found.costs]
    learned = sum(claim.source == LEARNED for claim in found.dependencies)
    said = (
        (found.left_out, f"the kept graph was cut at {len(found.costs)} components: {found.left_out} more lie as near"),
        (learned, f"{learned} of the dependencies are suggestions learned from metrics, not observed"),
        (len(unknown), f"the kept graph does not know: {_some(unknown)}"),
    )
    return tuple(text for count, text in said if count)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(sorted(names)[:MOST_NAMED])}{more}"
