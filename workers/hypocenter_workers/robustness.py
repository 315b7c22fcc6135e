"""The robustness ladder: would the same component be first if a little less were known, or a little of it wrong?"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from math import fsum
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import Trial
from hypocenter_graph.rank import rank_over
from hypocenter_graph.topology import build_topology
from hypocenter_workers.detect.windows import step_of
from hypocenter_workers.perturb import ALERTS_OF
from hypocenter_workers.wrong_edges import by_shape, wrong_among

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hypocenter.model import Dependency
    from hypocenter.telemetry import SeriesTable
    from hypocenter_graph.deviation import Deviation
    from hypocenter_graph.rank import Assumed, Context, Ranking
    from hypocenter_graph.topology import Topology

WITHOUT = {"logs": "without log lines", "traces": "without traces", "metrics": "without metrics"}
SHOWN_BY = {"logs": "", "traces": "spans", "metrics": "labels"}
OFF = np.timedelta64(120, "s")
WRONG_SHARE = 0.2
DRAWS = 3


@dataclass(frozen=True)
class Basis:
    """What a ranking is made from: what moved from each start it may have had, graph, and what else is known."""

    starts: tuple[Assumed, ...]
    topology: Topology
    context: Context


@dataclass(frozen=True)
class Rung:
    """A change of the basis in words, and the changed bases: several where chance decides what is changed."""

    change: str
    bases: tuple[Basis, ...]


def ranking_of(basis: Basis) -> Ranking:
    """Rank by the evidence alone."""
    return rank_over(basis.starts, basis.topology, basis.context)[0]


def robustness(
    first: str | None, rungs: Iterable[Rung], rank: Callable[[Basis], Ranking] = ranking_of
) -> tuple[Trial, ...]:
    """Rank again on every rung, and compare the first suspect with `first`, the one that the verdict puts there.

    Where a rung holds several bases, the component that is first most often counts. A verdict without a suspect has no
    ladder.
    """
    if first is None:
        return ()
    found = ((rung.change, Counter(_first(rank(b)) for b in rung.bases).most_common(1)[0][0]) for rung in rungs)
    return tuple(Trial(change, cause, cause == first) for change, cause in found)


def ladder(
    basis: Basis,
    tables: Sequence[SeriesTable],
    start: np.datetime64 | None,
    measured_from: Callable[[np.datetime64], tuple[Assumed, ...]],
) -> Iterator[Rung]:
    """Yield the rungs that an incident has: nothing is taken away that was not there, or that was all there was.

    `tables` are what the deviations were measured on, and `measured_from` measures them as if another moment than
    `start` had been stated.
    """
    for modality, change in WITHOUT.items():
        less = _without(basis, tables, modality)
        if _heard(less) < _heard(basis) and _heard(less):
            yield Rung(change, (less,))
    if start is not None and any(assumed.deviations for assumed in basis.starts):
        yield from _at_other_starts(basis, tables, start, measured_from)
    if round(WRONG_SHARE * len(basis.topology.dependencies)):
        yield Rung("with a fifth of the edges wrong", tuple(_with_wrong_edges(basis)))
    if basis.topology.dependencies:
        yield Rung("without the graph", (_without_graph(basis),))


def _first(ranking: Ranking) -> str | None:
    best = next(iter(ranking.scored), None)
    return best.component if best is not None and best.score > 0 else None


def _heard(basis: Basis) -> int:
    return sum(len(start.deviations) for start in basis.starts) + len(basis.context.alerts)


def _only(basis: Basis, keep: Callable[[Deviation], bool]) -> tuple[Assumed, ...]:
    return tuple(replace(start, deviations=tuple(filter(keep, start.deviations))) for start in basis.starts)


def _without(basis: Basis, tables: Sequence[SeriesTable], modality: str) -> Basis:
    """Return the basis without a modality, the alerts on it, and the edges that nothing else shows."""
    gone = {series for table in tables if table.modality == modality for series in table.series}
    alerts = tuple(alert for alert in basis.context.alerts if alert.modality != ALERTS_OF[modality])
    edges = [edge for edge in basis.topology.dependencies if edge.source != SHOWN_BY[modality]]
    return Basis(
        _only(basis, lambda d: d.series not in gone) if gone else basis.starts,
        _with_edges(basis.topology, edges),
        replace(basis.context, alerts=alerts),
    )


def _with_edges(topology: Topology, edges: Sequence[Dependency]) -> Topology:
    same = len(edges) == len(topology.dependencies)
    return topology if same else build_topology(topology.components.values(), edges)


def _at_other_starts(
    basis: Basis,
    tables: Sequence[SeriesTable],
    start: np.datetime64,
    measured_from: Callable[[np.datetime64], tuple[Assumed, ...]],
) -> Iterator[Rung]:
    """Two minutes earlier and later, and a row at least: less than a row changes nothing."""
    off = max(OFF, _step(tables)).astype("timedelta64[ns]")
    minutes = f"{off / np.timedelta64(1, 'm'):g} min"
    for moved, change in ((-off, f"with the start {minutes} earlier"), (off, f"with the start {minutes} later")):
        yield Rung(change, (replace(basis, starts=measured_from(start + moved)),))


def _step(tables: Sequence[SeriesTable]) -> np.timedelta64:
    filled = [table for table in tables if table.series]
    metrics = [table for table in filled if table.modality == "metrics"]
    return max((step_of(table.times) for table in metrics or filled), default=OFF)


def _with_wrong_edges(basis: Basis) -> Iterator[Basis]:
    edges = by_shape(basis.topology.dependencies, _unwell(basis.starts[0].deviations if basis.starts else ()))
    for draw in range(DRAWS):
        wrong = wrong_among(edges, WRONG_SHARE, draw)
        yield replace(basis, topology=build_topology(basis.topology.components.values(), wrong))


def _unwell(deviations: Iterable[Deviation]) -> dict[str, float]:
    """How far each component is from its normal, to tell components apart by something else than their names."""
    found: dict[str, list[float]] = defaultdict(list)
    for deviation in deviations:
        found[deviation.series.component].append(abs(deviation.z))
    return {component: round(fsum(found[component]), 6) for component in found}


def _without_graph(basis: Basis) -> Basis:
    own = _only(basis, lambda d: d.series.peer is None)
    alerts = tuple(replace(alert, peer=None, host=None) for alert in basis.context.alerts)
    components = basis.topology.components.values()
    return Basis(own, build_topology(components, ()), replace(basis.context, alerts=alerts))
