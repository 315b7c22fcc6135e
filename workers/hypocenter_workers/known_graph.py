"""The kept graph around an incident, joined with what the incident's own telemetry shows."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypocenter.errors import SourceError
from hypocenter.settings import read
from hypocenter_graph.claims import LEARNED, DependencyClaim
from hypocenter_graph.resolve import components_of, dependencies_of
from hypocenter_graph.topology import Topology, build_topology
from hypocenter_graph.walks import MOST_COMPONENTS, incident_subgraph

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from hypocenter.telemetry import Signals
    from hypocenter_graph.stores.contract import GraphStore, View
    from hypocenter_graph.walks import Subgraph

MOST_NAMED = 5
_BEFORE_IT_KNEW = ("the kept graph knew nothing of this when it began; what it knew at other times is used",)
_NEVER_KNEW = ("the kept graph knows nothing of this; only what the telemetry shows is used",)


@dataclass(frozen=True)
class KnownGraph:
    """A graph that is kept, and how it is looked at; `view.at` is set to each incident's onset.

    The store is an error where the graph could not be opened.
    """

    store: GraphStore | SourceError
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

    view = view_as_of(None, learned=learned)
    try:
        store = open_graph(where, create=False)
    except SourceError as error:
        yield KnownGraph(error, view)
        return
    with closing(store):
        yield KnownGraph(store, view)


def check(graph: KnownGraph | None) -> None:
    """Ask a graph something small, where there is one; raises SourceError when it cannot be asked."""
    if graph is None:
        return
    if isinstance(graph.store, SourceError):
        raise graph.store
    graph.store.named(["hypocenter"])


def topology_around(
    resolved: Signals, seeds: Iterable[str], at: datetime | None, graph: KnownGraph | None
) -> tuple[Topology, tuple[str, ...]]:
    """Return the topology of an incident, and what of the kept graph could not be used, one sentence each.

    It joins what the telemetry shows with the kept graph around `seeds`, most relevant first, as it was `at` then, or
    where it knew nothing of them then, as it ever was. A graph that cannot be asked leaves what the telemetry shows:
    an incident is never without a verdict for it.
    """
    own = build_topology(resolved.components, resolved.dependencies)
    if graph is None:
        return own, ()
    wanted = list(dict.fromkeys(seeds))
    try:
        if isinstance(graph.store, SourceError):
            raise graph.store
        known_as = graph.store.named(wanted)
        asked = list(dict.fromkeys(known_as.get(name, name) for name in wanted))
        found = incident_subgraph(graph.store, asked, replace(graph.view, at=at))
        then = bool(found.components)
        found = found if then else incident_subgraph(graph.store, asked, replace(graph.view, at=None))
    except SourceError as error:
        return own, (f"the kept graph could not be asked, only what the telemetry shows is used: {error}",)
    if not found.components:
        return own, _NEVER_KNEW
    names = _names_of_the_telemetry(wanted, known_as)
    unknown = [name for name in asked[:MOST_COMPONENTS] if name not in found.costs]
    doubles = sorted(name for name, component in known_as.items() if names.get(component) != name)
    spots = _left_open(found, unknown, doubles)
    return _joined(resolved, _renamed(found, names)), spots if then else (*_BEFORE_IT_KNEW, *spots)


def _names_of_the_telemetry(wanted: Sequence[str], known_as: Mapping[str, str]) -> dict[str, str]:
    """Return what the telemetry calls components of the graph that it does not call by their own names."""
    names: dict[str, str] = {}
    for name in wanted:
        if name in known_as and known_as[name] not in wanted:
            names.setdefault(known_as[name], name)
    return names


def _renamed(found: Subgraph, names: Mapping[str, str]) -> Subgraph:
    return replace(
        found,
        components=tuple(replace(c, name=names.get(c.name, c.name)) for c in found.components),
        dependencies=tuple(
            replace(d, caller=names.get(d.caller, d.caller), callee=names.get(d.callee, d.callee))
            for d in found.dependencies
        ),
    )


def _joined(resolved: Signals, found: Subgraph) -> Topology:
    """Join both; a component's type is that which the graph was told, else what the telemetry knows or shows."""
    shown = (DependencyClaim(d.caller, d.callee, d.type, d.source) for d in resolved.dependencies)
    dependencies = dependencies_of([*found.dependencies, *shown])
    typed = {claim.name for claim in found.components if claim.type}
    kept = {component.name: component for component in components_of(found.components, dependencies)}
    for component in resolved.components:
        if component.name not in typed:
            kept[component.name] = replace(kept.get(component.name, component), type=component.type)
    return build_topology(kept.values(), dependencies)


def _left_open(found: Subgraph, unknown: list[str], doubles: list[str]) -> tuple[str, ...]:
    learned = sum(claim.source == LEARNED for claim in found.dependencies)
    said = (
        (found.left_out, f"the kept graph was cut at {len(found.costs)} components: {found.left_out} more lie as near"),
        (learned, f"{learned} of the dependencies are suggestions learned from metrics, not observed"),
        (len(unknown), f"the kept graph does not know: {_some(unknown)}"),
        (len(doubles), f"the kept graph knows these by other names that are in the telemetry too: {_some(doubles)}"),
    )
    return tuple(text for count, text in said if count)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(sorted(names)[:MOST_NAMED])}{more}"
