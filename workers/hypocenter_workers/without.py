"""Where the symptom would be without each of the first suspects: from the tables of an incident to their sentences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import MetricKind
from hypocenter_graph.counterfactual import LEVEL, Levels, blames, counterfactual, telling
from hypocenter_workers.detect import decompose
from hypocenter_workers.detect.windows import split
from hypocenter_workers.forecast import forecast, joined, window_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from hypocenter.model import Counterfactual, Series, Suspect, Target
    from hypocenter.telemetry import SeriesTable, Values
    from hypocenter_graph.rank import Ranking
    from hypocenter_graph.topology import Topology
    from hypocenter_workers.forecast import Forecast

TOLD = 3
GUARD = np.timedelta64(60, "s")


@dataclass(frozen=True)
class Telemetry:
    """The resolved tables of an incident, when it began, and other known faults nearby.

    `starts` are the moments at which it may have begun instead, `at` among them, each with how much it counts.
    """

    tables: Sequence[SeriesTable]
    at: np.datetime64
    neighbours: Sequence[np.datetime64] = ()
    starts: Sequence[tuple[np.datetime64, float]] = ()


def with_counterfactuals(
    suspects: Sequence[Suspect], ranking: Ranking, topology: Topology, target: Target | None, seen: Telemetry
) -> tuple[Suspect, ...]:
    """Return the suspects, the first of them with where the symptom would be without them, where that is known."""
    told = [
        replace(suspect, counterfactual=next(_told(suspect, ranking, topology, target, seen), None))
        if suspect.score > 0
        else suspect
        for suspect in suspects[:TOLD]
    ]
    return (*told, *suspects[TOLD:])


def levels(series: Series, seen: Telemetry, *, by_load: bool = True) -> Levels | None:
    """Return where a series stood during the incident and where its history says it would have.

    History ends a minute before the incident begins: a forecast is made for each moment at which it may have, and they
    are joined. The daily season counts from two days of history on, and load does when `by_load`. None where no table
    has the series, or too little of it.
    """
    table = _table_of(series, seen)
    if table is None:
        return None
    column = table.series.index(series)
    load = _load_of(series.component, table) if by_load else None
    chosen = table.values[:, [column] if load is None else [column, load]]
    windows = split(table.times, seen.at, seen.neighbours)
    starts = sorted((min(start, seen.at), weight) for start, weight in seen.starts or [(seen.at, 1.0)])
    history = [windows.before & (table.times + GUARD <= start) for start, _ in starts]
    season = decompose.seasonal(decompose.daily_profile(chosen[history[0]], table.times[history[0]]), table.times)
    rows = np.flatnonzero(windows.during)[: window_rows(int(history[0].sum()), int(windows.during.sum()))]
    made = [_from(before, rows, chosen - season, int(windows.before.sum())) for before in history]
    known = [(one, weight) for one, (_, weight) in zip(made, starts, strict=True) if one is not None]
    if not known:
        return None
    added = float(np.mean(np.broadcast_to(season, chosen.shape)[rows, 0]))
    span = joined([one for one, _ in known], [weight for _, weight in known], LEVEL)
    return Levels(series, known[0][0].observed + added, span.middle + added, span.low + added, span.high + added)


def _from(before: NDArray[np.bool_], rows: NDArray[np.intp], bare: Values, sound: int) -> Forecast | None:
    """Forecast `rows` of the first column from those `before`, of `sound` ones in all; a second column is load."""
    loads = (bare[before, 1], bare[rows, 1]) if bare.shape[1] > 1 else None
    return forecast(bare[before, 0], bare[rows, 0], loads, sound - int(before.sum()))


def _told(
    suspect: Suspect, ranking: Ranking, topology: Topology, target: Target | None, seen: Telemetry
) -> Iterator[Counterfactual]:
    brings_load = any(e.channel == "traffic" and e.supports for e in suspect.evidence)
    for blame in blames(suspect.component, ranking, topology, target):
        for deviation in sorted(telling(blame.symptom), key=lambda d: _first_row(d.series, seen)):
            known = levels(deviation.series, seen, by_load=not brings_load)
            said = counterfactual(blame, known) if known is not None else None
            if said is not None:
                yield said


def _table_of(series: Series, seen: Telemetry) -> SeriesTable | None:
    return next((table for table in seen.tables if series in table.series), None)


def _first_row(series: Series, seen: Telemetry) -> np.datetime64:
    """Return since when a series is known, for the longest history says most."""
    table = _table_of(series, seen)
    return table.times[0] if table is not None and len(table.times) else seen.at


def _load_of(component: str, table: SeriesTable) -> int | None:
    """Return the column of the requests that a component serves, the busiest where there are several."""
    served = [
        j
        for j, s in enumerate(table.series)
        if s.component == component and s.kind is MetricKind.TRAFFIC and s.peer is None and s.side != "client"
    ]
    return max(served, key=lambda j: (_level(table.values, j), -j), default=None)


def _level(values: Values, column: int) -> float:
    known = values[np.isfinite(values[:, column]), column]
    return float(known.mean()) if len(known) else -1.0
