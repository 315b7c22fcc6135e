"""A situation as the wide table that packages of root-cause ranking read: one column per series, no gaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hypocenter.model import DependencyType, MetricKind
from hypocenter_workers.baselines import candidates, windows
from hypocenter_workers.scoring import ranking_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from hypocenter.model import Series
    from hypocenter.telemetry import SeriesTable, Signals, Values
    from hypocenter_workers.baselines import Situation
    from hypocenter_workers.scoring import Ranking

SHORT = {MetricKind.MEMORY: "mem", MetricKind.ERRORS: "error"}


@dataclass(frozen=True)
class Frame:
    """The metrics of one incident: `values` is [row, series] without NaN.

    The first `history` rows are fault-free ones of other times, then come those of the window before the incident,
    and rows from `start` on are the incident. `edges` are `(caller, callee)`, and `symptom` is where it is felt.
    """

    series: tuple[Series, ...]
    values: Values
    history: int
    start: int
    edges: tuple[tuple[str, str], ...]
    symptom: str | None
    symptom_metric: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """Return a column name per series that tells packages its kind, by which some convert or choose columns."""
        return tuple(f"s{place}_{SHORT.get(one.kind, one.kind.value)}" for place, one in enumerate(self.series))

    @property
    def normal(self) -> Values:
        """Return the rows before the incident, history included: [row, series]."""
        return self.values[: self.start]

    @property
    def incident(self) -> Values:
        """Return the rows of the incident: [row, series]."""
        return self.values[self.start :]

    def without_history(self) -> Frame:
        """Return the window alone."""
        return Frame(self.series, self.values[self.history :], 0, self.start - self.history, *self._places())

    def columns(self, wanted: Iterable[int]) -> Frame:
        """Return the frame with these series alone, in the order given."""
        places = list(wanted)
        series = tuple(self.series[place] for place in places)
        return Frame(series, self.values[:, places], self.history, self.start, *self._places())

    def _places(self) -> tuple[tuple[tuple[str, str], ...], str | None, str | None]:
        return self.edges, self.symptom, self.symptom_metric


def frame_of(situation: Situation) -> Frame | None:
    """Return the metrics around the start as one frame; None where there are none on both sides of it.

    Gaps take the value before them, then the one after them; series that never move or never report are left out.
    """
    table = next((table for table in situation.signals.tables if table.modality == "metrics"), None)
    if table is None or situation.start is None:
        return None
    masked = np.array([_moment(other) for other in situation.case.masked], "datetime64[ns]")
    before, after = windows(table.times, _moment(situation.start), masked)
    history = _history(table, situation.signals)
    start = len(history) + int(before.sum())
    if start < 2 or not after.any():
        return None
    filled = _filled(np.concatenate([history, table.values[before], table.values[after]]))
    moving = np.isfinite(filled).all(axis=0) & (np.ptp(filled, axis=0) > 0)
    series = tuple(one for one, moves in zip(table.series, moving, strict=True) if moves)
    edges = _calls(situation.signals)
    return Frame(series, filled[:, moving], len(history), start, edges, *_symptom(situation, edges))


def component_ranking(situation: Situation, scores: Mapping[str, float]) -> Ranking:
    """Rank components by score; those that a method does not name tie behind those that it does."""
    least = min(scores.values(), default=0.0) - 1.0
    named = candidates(situation.case, situation.signals)
    return ranking_of(dict.fromkeys(named, least) | dict(scores))


def best_of(series: Iterable[Series], scores: Iterable[float]) -> dict[str, float]:
    """Return the highest score of each component's series; scores that are not numbers count as none."""
    best: dict[str, float] = {}
    for one, score in zip(series, scores, strict=True):
        if not np.isnan(score):
            best[one.component] = max(float(score), best.get(one.component, float(score)))
    return best


def _history(table: SeriesTable, signals: Signals) -> Values:
    names = [one.name for one in table.series]
    frames = [
        pd.DataFrame(other.values, columns=[one.name for one in other.series]).reindex(columns=names).to_numpy()
        for other in signals.reference
        if other.modality == table.modality
    ]
    return np.concatenate([np.empty((0, len(names))), *frames])


def _filled(values: Values) -> Values:
    return np.asarray(pd.DataFrame(values).ffill().bfill().to_numpy(), dtype=np.float64)


def _calls(signals: Signals) -> tuple[tuple[str, str], ...]:
    calls = {(edge.caller, edge.callee) for edge in signals.dependencies if edge.type is not DependencyType.INSTANCE_OF}
    return tuple(sorted((caller, callee) for caller, callee in calls if caller != callee))


def _symptom(situation: Situation, edges: tuple[tuple[str, str], ...]) -> tuple[str | None, str | None]:
    """Return component and metric of the symptom: as stated, else the caller that nobody calls and that calls most."""
    if situation.case.target is not None:
        return situation.case.target.component, situation.case.target.metric
    called = {callee for _, callee in edges}
    out = [caller for caller, _ in edges if caller not in called]
    return min(out, key=lambda one: (-out.count(one), one), default=None), None


def _moment(at: datetime) -> np.datetime64:
    return np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "ns")
