"""Anomalies of the series that moved: onset, peak and band of each, and the charts that show them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import Anomaly, Chart, Direction
from hypocenter_workers.detect import normal
from hypocenter_workers.detect.floors import TINY, floors
from hypocenter_workers.detect.windows import Windows, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from hypocenter.model import Series
    from hypocenter.telemetry import SeriesTable

BAND = 3.0
MOST_POINTS = 240
CONTEXT = 2.0
EARLIER = np.timedelta64(1800, "s")
MOSTLY = 0.6


@dataclass(frozen=True)
class Scoring:
    """Some series of one table, scored over all its rows against the normal learned before the onset."""

    table: SeriesTable
    columns: Mapping[Series, int]
    windows: Windows
    scored: normal.Scored


def score_tables(
    tables: Sequence[SeriesTable],
    wanted: Iterable[Series],
    onset: np.datetime64,
    neighbours: Sequence[np.datetime64] = (),
) -> tuple[Scoring, ...]:
    """Score the wanted series of each table; the others are not looked at."""
    chosen = set(wanted)
    narrow = [_only(table, [j for j, s in enumerate(table.series) if s in chosen]) for table in tables]
    return tuple(_score(table, onset, neighbours) for table in narrow if table.series)


def _only(table: SeriesTable, places: Sequence[int]) -> SeriesTable:
    return replace(table, series=tuple(table.series[j] for j in places), values=table.values[:, list(places)])


def _score(table: SeriesTable, onset: np.datetime64, neighbours: Sequence[np.datetime64]) -> Scoring:
    windows = split(table.times, onset, neighbours)
    before = table.values[windows.before]
    floor = np.fmax(floors(table.series, before, before), TINY)
    learned = normal.learn(before, table.times[windows.before], floor)
    scored = normal.score_block(table.values, table.times, learned)
    return Scoring(table, {s: j for j, s in enumerate(table.series)}, windows, scored)


def find_anomalies(scorings: Iterable[Scoring]) -> tuple[Anomaly, ...]:
    """Return one anomaly per scored series that left its band during the incident, most unlikely first.

    Its onset may lie before the incident's: whoever was unwell earlier is told apart from who fell ill with the rest.
    """
    found = [_anomaly(scoring, series, j) for scoring in scorings for series, j in scoring.columns.items()]
    return tuple(sorted((a for a in found if a), key=lambda a: (-a.score, a.series.name)))


def _anomaly(scoring: Scoring, series: Series, j: int) -> Anomaly | None:
    rows = np.flatnonzero(scoring.windows.during)
    values, centre = scoring.table.values[rows, j], scoring.scored.expected[rows, j]
    scale = scoring.scored.scale[rows, j]
    outside = np.abs(values - centre) > BAND * scale
    if not outside.any():
        return None
    scores = np.nan_to_num(scoring.scored.scores[rows, j], nan=-1.0)
    peak = int(scores.argmax())
    first = _first_sign(scoring, j, rows[_first_lasting(outside)])
    return Anomaly(
        series=series,
        onset=moment(scoring.table.times[first]),
        peak=moment(scoring.table.times[rows[peak]]),
        score=float(scores[peak]),
        value=float(values[peak]),
        expected=float(centre[peak]),
        low=float(centre[peak] - BAND * scale[peak]),
        high=float(centre[peak] + BAND * scale[peak]),
        direction=Direction.UP if values[peak] > centre[peak] else Direction.DOWN,
    )


def _first_lasting(outside: NDArray[np.bool_]) -> int:
    """Return the first row outside the band that is followed by another, else the first at all."""
    lasting = outside[:-1] & outside[1:]
    return int(lasting.argmax()) if lasting.any() else int(outside.argmax())


def _first_sign(scoring: Scoring, j: int, first: int) -> int:
    """Follow an anomaly back from its first row during the incident for as long as most rows lie outside the band."""
    times = scoring.table.times
    start = int(np.searchsorted(times, times[first] - EARLIER))
    rows = np.arange(start, first)
    values, centre = scoring.table.values[rows, j], scoring.scored.expected[rows, j]
    outside = np.abs(values - centre) > BAND * scoring.scored.scale[rows, j]
    back = np.cumsum(outside[::-1]) / np.arange(1, len(rows) + 1)
    mostly = np.flatnonzero((back >= MOSTLY) & outside[::-1])
    return first - int(mostly[-1]) - 1 if len(mostly) else first


def draw_chart(scorings: Iterable[Scoring], series: Series, onset: np.datetime64, caption: str) -> Chart | None:
    """Return the chart of one series around the incident, or None when no scored table holds it."""
    for scoring in scorings:
        if series in scoring.columns:
            return _chart(scoring, series, onset, caption)
    return None


def _chart(scoring: Scoring, series: Series, onset: np.datetime64, caption: str) -> Chart:
    rows = _rows_to_draw(scoring, onset)
    j = scoring.columns[series]
    centre, scale = scoring.scored.expected[rows, j], scoring.scored.scale[rows, j]
    return Chart(
        series=series,
        times=tuple(moment(t) for t in scoring.table.times[rows]),
        values=_points(scoring.table.values[rows, j]),
        expected=_points(centre),
        low=_points(centre - BAND * scale),
        high=_points(centre + BAND * scale),
        onset=moment(onset),
        caption=caption,
    )


def _rows_to_draw(scoring: Scoring, onset: np.datetime64) -> NDArray[np.int64]:
    """Choose the rows from some time before the onset to the end, thinned to what a chart can show."""
    times = scoring.table.times
    after = max(times[-1] - onset, np.timedelta64(600, "s"))
    shown = np.flatnonzero(times >= onset - CONTEXT * after)
    return np.asarray(shown[:: max(1, len(shown) // MOST_POINTS)], dtype=np.int64)


def _points(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(float(v) if np.isfinite(v) else None for v in values)


def moment(time: np.datetime64) -> datetime:
    """Return a time of a table as an aware datetime, UTC, to the microsecond."""
    return datetime.fromtimestamp(int(time.astype("datetime64[us]").astype(np.int64)) / 1e6, tz=UTC)


def instant(at: datetime) -> np.datetime64:
    """Return an aware datetime as a time of a table."""
    return np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "ns")
