"""Trivial rankings, as strong as they can honestly be made: what any root-cause method has to beat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import DependencyType
from hypocenter.telemetry import Values
from hypocenter_workers.scoring import Ranking, ranking_of

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from hypocenter.model import Series
    from hypocenter.telemetry import Case, SeriesTable, Signals, Times

Deviate = Callable[[Values, Values], Values]
THRESHOLD = 3.0
WALK_THRESHOLD = 10.0
ALERT_DEVIATION = 10.01
FAULT_LENGTH = np.timedelta64(5, "m")
SCALE_FLOOR = 0.1
ROUNDING = 1e-12
_MOMENT = "datetime64[ns]"


@dataclass(frozen=True)
class Situation:
    """What a baseline may look at: the case, its signals and the moment at which the incident is said to start."""

    case: Case
    signals: Signals
    start: datetime | None


def candidates(case: Case, signals: Signals) -> tuple[str, ...]:
    """List what could be blamed: every component that is declared, in the graph, or has a series or an alert."""
    edges = signals.dependencies
    names = {component.name for component in (*case.components, *signals.components)}
    names |= {end for edge in edges for end in (edge.caller, edge.callee)}
    names |= {series.component for table in signals.tables for series in table.series}
    return tuple(sorted(names | {alert.component for alert in case.alerts}))


def random(situation: Situation) -> Ranking:
    """Tie all components: its exact expectation is k of n, or nothing where the root is not among them."""
    return ranking_of(dict.fromkeys(candidates(situation.case, situation.signals), 0.0))


def largest_z(situation: Situation) -> Ranking:
    """Rank a component by the largest deviation of its series; with alerts alone, by having one.

    The deviation of a series is the mean |z| of the incident, by the mean and standard deviation of its normal, the
    scale being at least a tenth of the mean: among the variants tried, the strongest over all data sets.
    """
    return _ranked(situation, max, component_deviations(situation))


def nsigma(situation: Situation) -> Ranking:
    """Rank by the largest |z| of any sample, as published: no floor under the scale (Li et al., KDD 2022)."""
    return _ranked(situation, max, component_deviations(situation, nsigma_deviations))


def robust_z(situation: Situation) -> Ranking:
    """Rank as `nsigma` does, by median and interquartile range: RobustScorer (Pham et al., FSE 2024)."""
    return _ranked(situation, max, component_deviations(situation, robust_deviations))


def most_anomalous(situation: Situation) -> Ranking:
    """Rank a component by how many of its series deviate by more than 3, plus its alerts."""
    return _ranked(situation, _anomalies, component_deviations(situation))


def deepest_anomalous(situation: Situation) -> Ranking:
    """Walk from the symptom along anomalous components and rank the farthest one first.

    Anomalous is a deviation above 10 (with 3, noise carries the walk everywhere). Then come the anomalous components
    that the walk does not reach, then the others; equals are ordered by their deviation.
    """
    found = component_deviations(situation)
    worst = {component: max(deviations) for component, deviations in found.items()}
    sick = {component for component, deviation in worst.items() if deviation > WALK_THRESHOLD}
    callees = _callees(situation.signals)
    reached = _depths({caller: group & sick for caller, group in callees.items()}, _entries(situation, callees))
    keys = {
        component: (component in sick, reached.get(component, -1) * (component in sick), worst.get(component, 0.0))
        for component in candidates(situation.case, situation.signals)
    }
    order = {key: float(place) for place, key in enumerate(sorted(set(keys.values())))}
    return ranking_of({component: order[key] for component, key in keys.items()})


BASELINES: Mapping[str, Callable[[Situation], Ranking]] = {
    "random": random,
    "largest-z": largest_z,
    "nsigma": nsigma,
    "robust-z": robust_z,
    "most-anomalous": most_anomalous,
    "deepest-anomalous": deepest_anomalous,
}


def _ranked(situation: Situation, score: Callable[[list[float]], float], found: Mapping[str, list[float]]) -> Ranking:
    scores = dict.fromkeys(candidates(situation.case, situation.signals), 0.0)
    return ranking_of(scores | {component: float(score(values)) for component, values in found.items() if values})


def _anomalies(deviations: Iterable[float]) -> int:
    return sum(deviation > THRESHOLD for deviation in deviations)


def component_deviations(situation: Situation, deviate: Deviate | None = None) -> dict[str, list[float]]:
    """Return the deviations of each component's series; an alert counts as one just above every threshold."""
    found: dict[str, list[float]] = {}
    for alert in situation.case.alerts:
        found.setdefault(alert.component, []).append(ALERT_DEVIATION)
    for table in situation.signals.tables if situation.start is not None else ():
        for series, deviation in zip(table.series, _table_deviations(situation, table, deviate), strict=True):
            if np.isfinite(deviation):
                found.setdefault(series.component, []).append(float(deviation))
    return found


def _table_deviations(situation: Situation, table: SeriesTable, deviate: Deviate | None) -> Values:
    assert situation.start is not None
    start, masked = _moment(situation.start), np.array([_moment(other) for other in situation.case.masked], _MOMENT)
    before, after = windows(table.times, start, masked)
    normal = np.concatenate([table.values[before], _reference_of(table, situation.signals)])
    return (deviate or mean_deviations)(normal, table.values[after])


def mean_deviations(normal: Values, incident: Values) -> Values:
    """Return the mean |z| of each series, [series], NaN where nothing can be compared; both tables [time, series].

    A scale is at least a tenth of the mean's size, and 1 where that is 0 too.
    """
    mean, spread = _moments(normal)
    z = _z(incident, mean, np.maximum(spread, SCALE_FLOOR * np.abs(mean)))
    return _moments(z)[0]


def nsigma_deviations(normal: Values, incident: Values) -> Values:
    """Return the largest |z| of each series by mean and standard deviation; a series that was constant has scale 1."""
    return _largest(_z(incident, *_moments(normal)))


def robust_deviations(normal: Values, incident: Values) -> Values:
    """Return the largest |z| of each series by median and interquartile range; an empty range becomes 1."""
    return _largest(_z(incident, *_quartiles(normal)))


def _z(incident: Values, centre: Values, scale: Values) -> Values:
    return np.asarray(np.abs(incident - centre) / np.where(scale > 0, scale, 1.0))


def _moment(at: datetime) -> np.datetime64:
    return np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "ns")


def windows(times: Times, start: np.datetime64, masked: Times) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows are normal and which are the incident.

    Normal is what came before `start`, without the five minutes after each masked fault; the incident lasts to the
    next masked fault or the end.
    """
    spoiled = np.zeros(len(times), dtype=bool)
    for moment in masked:
        spoiled |= (times >= moment) & (times < moment + FAULT_LENGTH)
    later = masked[masked > start]
    after = (times >= start) & (times < later.min() if len(later) else True)
    return (times < start) & ~spoiled, after


def _moments(normal: Values) -> tuple[Values, Values]:
    known = np.isfinite(normal)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, normal, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (normal - mean) ** 2, 0.0).sum(axis=0) / count)
    # What is left of a constant series is rounding, not spread.
    return np.where(known.any(axis=0), mean, np.nan), np.where(spread > ROUNDING * np.abs(mean), spread, 0.0)


def _quartiles(normal: Values) -> tuple[Values, Values]:
    low, middle, high = (np.full(normal.shape[1], np.nan) for _ in range(3))
    known = np.isfinite(normal).any(axis=0)
    if known.any():
        low[known], middle[known], high[known] = np.nanpercentile(normal[:, known], [25, 50, 75], axis=0)
    return middle, high - low


def _largest(scores: Values) -> Values:
    known = np.isfinite(scores)
    return np.where(known.any(axis=0), np.where(known, scores, -np.inf).max(axis=0, initial=-np.inf), np.nan)


def _reference_of(table: SeriesTable, signals: Signals) -> Values:
    """Stack the fault-free rows of the same series, in the table's column order, NaN where a frame lacks one."""
    frames = [_aligned(frame, table.series) for frame in signals.reference if frame.modality == table.modality]
    return np.concatenate([np.empty((0, len(table.series))), *frames])


def _aligned(frame: SeriesTable, wanted: tuple[Series, ...]) -> Values:
    column = {series.name: index for index, series in enumerate(frame.series)}
    picks = np.array([column.get(series.name, -1) for series in wanted], dtype=int)
    values = np.full((len(frame.times), len(wanted)), np.nan)
    values[:, picks >= 0] = frame.values[:, picks[picks >= 0]]
    return values


def _callees(signals: Signals) -> dict[str, set[str]]:
    callees: dict[str, set[str]] = {}
    for edge in signals.dependencies:
        if edge.caller != edge.callee and edge.type is not DependencyType.INSTANCE_OF:
            callees.setdefault(edge.caller, set()).add(edge.callee)
    return callees


def _entries(situation: Situation, callees: Mapping[str, set[str]]) -> set[str]:
    """Return where the walk begins: the symptom if the case states one, else what nobody calls."""
    target = situation.case.target
    if target is not None and target.component in callees:
        return {target.component}
    called = {callee for group in callees.values() for callee in group}
    return set(callees) - called or set(callees)


def _depths(callees: Mapping[str, set[str]], entries: set[str]) -> dict[str, int]:
    depth = dict.fromkeys(entries, 0)
    wave = set(entries)
    while wave:
        reached = {callee for component in wave for callee in callees.get(component, ())} - depth.keys()
        depth |= dict.fromkeys(reached, max(depth.values()) + 1)
        wave = reached
    return depth
