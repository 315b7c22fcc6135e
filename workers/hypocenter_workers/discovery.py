"""What labels of kept series show of a system, kept in the graph: components, who calls whom, what runs where."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from hypocenter.batches import is_counted
from hypocenter.errors import HypocenterError
from hypocenter.model import ComponentType
from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS, is_pseudo
from hypocenter.signals.counted import recipes_of_counted
from hypocenter.signals.identify import hosts, identify
from hypocenter.signals.labelled import dependencies_shown, recipes_of
from hypocenter.stores.work_board import Figure
from hypocenter_graph.claims import LABELS, Interval
from hypocenter_graph.discover.sightings import Link, Sighting, gathered, is_name
from hypocenter_graph.importing import plan_import, write_import
from hypocenter_workers.ticks.shards import NO_TIME
from hypocenter_workers.ticks.steps import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hypocenter.model import Dependency
    from hypocenter.signals.aggregate import Recipe
    from hypocenter.stores.work_board import WorkBoard
    from hypocenter_graph.claims import Discovered
    from hypocenter_graph.stores.contract import GraphStore
    from hypocenter_workers.known_graph import KnownGraph
    from hypocenter_workers.ticks.shards import Member, Members, Roster

logger = logging.getLogger(__name__)
# Whoever sends names without end fills neither the memory nor the graph.
MOST = 50_000
DISCOVERED = Figure("discovered")
Fact = TypeVar("Fact", "Dependency", str)
Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """What series of a shard show, each with the numbers of those that show it; `hosts` are machines."""

    dependencies: Mapping[Dependency, Numbers]
    components: Mapping[str, Numbers]
    hosts: frozenset[str]


def shown_by(members: Members, most: int) -> Shown:
    """Return what labels of a shard's series show, by the rules by which an investigation reads them.

    Of components, and of dependencies, there are at most `most`.
    """
    labels = [dict(member.series.labels) for member in members.series]
    scraped, counted = ([at for at, one in enumerate(labels) if is_counted(one) is kind] for kind in (False, True))
    columns = identify([labels[at] for at in scraped], DEFAULT_COMPONENT_LABELS, None, members.components)
    told, heard_of = recipes_of(columns), recipes_of_counted([labels[at] for at in counted])
    speaking = {recipe.series.component for recipe in told}
    numbers = [members.series[at].series.number for at in scraped]
    edges = ((edge, numbers[one.at]) for one in columns for edge in dependencies_shown([one], speaking))
    own = (*_speakers(told, scraped, members.series), *_speakers(heard_of, counted, members.series))
    return Shown(_by_fact(edges, most), _by_fact(own, most), frozenset(hosts(columns)))


def _speakers(recipes: Iterable[Recipe], places: Sequence[int], series: Sequence[Member]) -> Iterator[tuple[str, int]]:
    for recipe in recipes:
        if not is_pseudo(recipe.series.component) and is_name(recipe.series.component):
            yield from ((recipe.series.component, series[places[row]].series.number) for row in recipe.used)


def _by_fact(pairs: Iterable[tuple[Fact, int]], most: int) -> dict[Fact, Numbers]:
    found: dict[Fact, set[int]] = {}
    for fact, number in pairs:
        if fact in found or len(found) < most:
            found.setdefault(fact, set()).add(number)
    return {fact: tuple(numbers) for fact, numbers in found.items()}


class Discovery:
    """What labels show of all series of a roster, read anew for shards whose series changed alone.

    Of components, and of dependencies, at most `most` are told.
    """

    def __init__(self, roster: Roster, most: int = MOST) -> None:
        self.roster = roster
        self._most = most
        self._known: dict[int, tuple[int, Shown]] = {}

    def found(self, until_ms: int) -> Discovered:
        """Return the claims that labels make at a time, each as seen when a series was last heard of that shows it.

        Raises SourceError when the series cannot be listed.
        """
        parts = [self._shown(shard, until_ms) for shard in range(self.roster.shards)]
        edges = self._seen([one.dependencies for one in parts])
        alone = self._seen([one.components for one in parts])
        machines = frozenset[str]().union(*(one.hosts for one in parts))
        sightings = [Sighting(Link(edge.caller, edge.callee, edge.type), seen) for edge, seen in edges.items()]
        found = gathered(LABELS, LABELS, sightings, alone)
        typed = (replace(c, type=ComponentType.HOST) if c.name in machines else c for c in found.components)
        return replace(found, components=tuple(typed))

    def _shown(self, shard: int, until_ms: int) -> Shown:
        members = self.roster.members(shard, until_ms)
        key, known = self._known.get(shard, (-1, None))
        if known is None or key != members.key:
            known = shown_by(members, self._most)
            self._known[shard] = members.key, known
        return known

    def _seen(self, parts: Sequence[Mapping[Fact, Numbers]]) -> dict[Fact, tuple[Interval, ...]]:
        newest: dict[Fact, int] = {}
        for part in parts:
            for fact, numbers in part.items():
                if fact in newest or len(newest) < self._most:
                    newest[fact] = max(self.roster.heard(numbers), newest.get(fact, NO_TIME))
        return {fact: (_at(heard_ms),) for fact, heard_ms in newest.items() if heard_ms != NO_TIME}


def _at(at_ms: int) -> Interval:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return Interval(moment, moment)


def discover(discovery: Discovery, graph: KnownGraph | None, board: WorkBoard, until: datetime) -> None:
    """Keep in the graph what labels of the series show that have samples up to a time, once for each listing of them.

    A graph that takes nothing is asked again the next time. Raises SourceError for the metrics or the board.
    """
    listed = discovery.roster.listed(milliseconds(until)) / 1000
    if graph is None or listed <= (board.levels().get(DISCOVERED) or 0.0):
        return
    found = discovery.found(milliseconds(until))
    try:
        _write(graph, found)
    except HypocenterError as error:
        logger.warning("the graph did not take what labels show, and is asked again: %s", error)
    else:
        board.put(DISCOVERED, listed)


def _write(graph: KnownGraph, found: Discovered) -> None:
    if isinstance(graph.store, HypocenterError):
        raise graph.store
    store: GraphStore = graph.store
    write_import(store, plan_import(store.claims(), [found], graph.view.expiry))
