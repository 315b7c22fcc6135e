"""How far each series of an incident stands from its own normal: what ranking reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.catalog import KINDS
from hypocenter.model import MetricKind, Series
from hypocenter_graph.deviation import Deviation
from hypocenter_workers.detect import normal, robust
from hypocenter_workers.detect.windows import Windows, split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.telemetry import SeriesTable, Values

COUNTS = frozenset({MetricKind.LOG_LINES, MetricKind.OPERATION})
SUSTAINED = np.timedelta64(180, "s")
LEAST_SUSTAINED_ROWS = 2
LEAST_SUSTAINED = np.timedelta64(60, "s")
LEAST_FRESH = np.timedelta64(300, "s")
LEAST_BLOCKS = 5
WANDERING = 0.97
LEAST_SHARE = 0.002
# Below these nobody would look twice; they keep a series that was always zero from being infinitely unusual.
UNIT_FLOORS = {"s": 1e-3, "share": 0.01, "1/s": 0.01, "cores": 0.005, "bytes": 1e6, "bytes/s": 1e3, "count": 0.5}
PEER_FLOOR = 0.02
SILENT_BEFORE = 0.9
SILENT_ROWS = 8
TINY = 1e-9


@dataclass(frozen=True)
class Moved:
    """Levels and distances of the series of one table, one entry per series."""

    before: NDArray[np.float64]
    after: NDArray[np.float64]
    z: NDArray[np.float64]
    silent: NDArray[np.bool_]


class Known:
    """What is the same whatever the onset: `history` are the table's fault-free references, [rows of all, series]."""

    def __init__(self, table: SeriesTable, references: Sequence[SeriesTable]) -> None:
        self._values = table.values
        self._sustained: dict[int, Values] = {}
        self.history = stack(table, references)
        self.calm = robust.median(self.history)
        self._blocks = _split(self.history, references)
        self._strays: dict[int, list[Values]] = {}

    @cached_property
    def spread(self) -> NDArray[np.float64]:
        """The robust scale of each series."""
        return robust.scale(self.history, self.calm)

    def strays_before(self, before: NDArray[np.bool_], length: int) -> Values:
        """Return how far the levels over `length` of the rows `before` lie from that of all of them.

        Those rows are most often the first ones of the table, whose levels are the same for every onset.
        """
        rows = int(before.sum())
        if rows <= length or not before[:rows].all():
            return _strays(self._values[before], length)
        if length not in self._sustained:
            self._sustained[length] = robust.rolling_median(self._values, length)
        return np.abs(self._sustained[length][: rows - length + 1] - robust.median(self._values[:rows]))

    def strays(self, length: int) -> list[Values]:
        """Return how far each reference's levels over `length` rows lie from its own, in the unit of the series."""
        if length not in self._strays:
            self._strays[length] = [_strays(block, length) for block in self._blocks]
        return self._strays[length]


def deviations(
    table: SeriesTable,
    references: Sequence[SeriesTable],
    onset: np.datetime64,
    neighbours: Sequence[np.datetime64] = (),
) -> tuple[Deviation, ...]:
    """Measure every series of a table against its normal, as `deviations_at` does."""
    return deviations_at(onset, table, Known(table, references), neighbours)


def deviations_at(
    onset: np.datetime64, table: SeriesTable, known: Known, neighbours: Sequence[np.datetime64] = ()
) -> tuple[Deviation, ...]:
    """Measure every series of a table against its normal, learned before the onset and from fault-free references.

    A level is compared with two normals, the rows before the onset (is it new?) and all that is known (is it
    unusual?); the smaller distance counts, and none when the two disagree on the direction. Counts of log lines and
    operations are compared within their component, so that more or less work alone moves none of them.
    """
    windows = split(table.times, onset, neighbours)
    return _measured(table, windows, known) if windows.during.any() else ()


def _measured(table: SeriesTable, windows: Windows, known: Known) -> tuple[Deviation, ...]:
    counted = np.array([s.kind in COUNTS for s in table.series], dtype=bool)
    levels = _levels(table, windows, known)
    counts = _counts(table, windows, known.history)
    moved = Moved(*(np.where(counted, c, v) for c, v in zip(_columns(counts), _columns(levels), strict=True)))
    return tuple(_deviation(table.series[j], moved, j) for j in range(len(table.series)))


def _columns(moved: Moved) -> tuple[NDArray[np.float64], ...]:
    return moved.before, moved.after, moved.z, moved.silent.astype(float)


def _deviation(series: Series, moved: Moved, j: int) -> Deviation:
    return Deviation(
        series, float(moved.before[j]), float(moved.after[j]), float(moved.z[j]), silent=bool(moved.silent[j])
    )


def stack(table: SeriesTable, references: Sequence[SeriesTable]) -> Values:
    """Bring the references to the columns of the table: [rows of all references, series]."""
    column = {series: j for j, series in enumerate(table.series)}
    blocks = []
    for reference in references:
        block = np.full((len(reference.times), len(column)), np.nan)
        pairs = [(column[s], j) for j, s in enumerate(reference.series) if s in column]
        if pairs:
            here, there = np.array(pairs).T
            block[:, here] = reference.values[:, there]
        blocks.append(block)
    return np.vstack(blocks) if blocks else np.empty((0, len(column)))


def _levels(table: SeriesTable, windows: Windows, known: Known) -> Moved:
    before_rows = table.values[windows.before]
    floor = _floors(table.series, robust.median(before_rows), known.calm)
    recent = normal.learn(before_rows, table.times[windows.before], floor)
    usual = known.calm if len(known.history) else robust.median(before_rows)
    level = _level(recent.level, usual, known.calm, long_enough=bool(len(before_rows) * windows.step >= LEAST_FRESH))
    wide = known.spread if len(before_rows) < normal.LEAST_ROWS else floor
    scale = np.fmax(np.fmax(recent.scale, wide), TINY)
    season = normal.expected(recent, table.times[windows.during]) - recent.level
    rows = table.values[windows.during] - np.nan_to_num(season)
    after = _furthest(rows, level, _sustained_rows(table, windows))
    wander = _wandering(known, windows, _sustained_rows(table, windows))
    z = np.nan_to_num(_nearest((after - level) / scale, (after - usual) / scale))
    z = np.sign(z) * np.clip(np.abs(z) - wander / scale, 0.0, None)
    enough = len(before_rows) >= SILENT_ROWS
    reported = np.isfinite(before_rows).mean(axis=0) if enough else np.zeros(len(level))
    return Moved(level, after, z, np.isnan(rows).all(axis=0) & (reported > SILENT_BEFORE))


def _level(
    recent: NDArray[np.float64], usual: NDArray[np.float64], calm: NDArray[np.float64], *, long_enough: bool
) -> NDArray[np.float64]:
    """Where the series stood: before the onset if that is known for some minutes, else in fault-free references.

    A fault is rarely felt at the very second that somebody wrote down: a minute of history may be all incident.
    """
    best = recent if long_enough else np.where(np.isfinite(calm), calm, recent)
    return np.where(np.isfinite(best), best, usual)


def _nearest(fresh: NDArray[np.float64], unusual: NDArray[np.float64]) -> NDArray[np.float64]:
    nearest = np.where(np.abs(fresh) < np.abs(unusual), fresh, unusual)
    return np.where(np.sign(fresh) == np.sign(unusual), nearest, 0.0)


def _split(history: Values, references: Sequence[SeriesTable]) -> list[Values]:
    ends = np.cumsum([len(reference.times) for reference in references])
    return np.split(history, ends[:-1]) if len(ends) else []


def _sustained_rows(table: SeriesTable, windows: Windows) -> int:
    """Return how many rows count as "stayed there": three rows or a minute; all of a window of spans or lines."""
    if table.modality != "metrics":
        return int(windows.during.sum())
    return max(
        LEAST_SUSTAINED_ROWS,
        min(3, int(np.ceil(SUSTAINED / windows.step))),
        int(np.ceil(LEAST_SUSTAINED / windows.step)),
    )


def _wandering(known: Known, windows: Windows, length: int) -> NDArray[np.float64]:
    """Return how far each series strays by itself in as many normal rows as the incident has, in its own unit.

    The furthest of many rows is far even when nothing happened; what is normal for it is read off blocks of normal
    rows of the same number, each against the level of its own table. Zero where too few blocks are known.
    """
    rows, before = int(windows.during.sum()), known.strays_before(windows.before, length)
    furthest = [f for strays in (before, *known.strays(length)) for f in _furthest_of(strays, rows)]
    if len(furthest) < LEAST_BLOCKS:
        return np.zeros(before.shape[1])
    return np.asarray(np.quantile(np.array(furthest), WANDERING, axis=0))


def _strays(values: Values, length: int) -> Values:
    return np.abs(robust.rolling_median(values, length) - robust.median(values)) if len(values) else values


def _furthest_of(strays: Values, rows: int) -> list[NDArray[np.float64]]:
    """Return the furthest stray of each block of so many rows."""
    count = len(strays) // max(rows, 1)
    blocks = strays[: count * rows].reshape(count, rows, strays.shape[1])
    return [np.nan_to_num(block).max(axis=0) for block in blocks]


def floors(series: Sequence[Series], before: Values, history: Values) -> NDArray[np.float64]:
    """Return the least scale of each series: a share of its own level, and of what the metric is elsewhere."""
    return _floors(series, robust.median(before), robust.median(history))


def _floors(series: Sequence[Series], before: NDArray[np.float64], calm: NDArray[np.float64]) -> NDArray[np.float64]:
    level = np.abs(np.where(np.isfinite(before), before, calm))
    own = np.array([KINDS[s.kind].floor for s in series]) * np.nan_to_num(level)
    metrics = np.array([s.metric for s in series])
    typical = np.zeros(len(series))
    for metric in np.unique(metrics):
        same = metrics == metric
        typical[same] = np.nan_to_num(np.nanmedian(level[same])) if np.isfinite(level[same]).any() else 0.0
    shares = np.array([KINDS[s.kind].group == "errors" and s.unit == "share" for s in series], dtype=bool)
    least = np.array([UNIT_FLOORS.get(s.unit, 0.0) for s in series])
    return np.where(shares, LEAST_SHARE, np.fmax(np.fmax(own, PEER_FLOOR * typical), least))


def _furthest(rows: Values, level: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Return where each series went and stayed for `length` rows, furthest from its level."""
    smooth = robust.rolling_median(rows, length)
    distance = np.where(np.isfinite(smooth), np.abs(smooth - level), -1.0)
    return np.asarray(np.take_along_axis(smooth, distance.argmax(axis=0)[None, :], axis=0)[0])


def _counts(table: SeriesTable, windows: Windows, history: Values) -> Moved:
    """Compare counts within their component: what share of its lines or operations is each, before and after?"""
    seconds = float(windows.step / np.timedelta64(1, "s"))
    known = np.vstack([history, table.values[windows.before]])
    # Whole numbers again: a rate times its seconds is off by what floats lose, and sums of it by their order.
    before = np.rint(np.nansum(known, axis=0) * seconds)
    after = np.rint(np.nansum(table.values[windows.during], axis=0) * seconds)
    owner = np.unique([s.component for s in table.series], return_inverse=True)[1]
    counted = np.array([s.kind in COUNTS for s in table.series], dtype=float)
    total_before = np.bincount(owner, before * counted)[owner]
    total_after = np.bincount(owner, after * counted)[owner]
    share = (total_after + 1) / (total_before + total_after + 2)
    z = _two_rates(before, after, share)
    known_s, during_s = max(len(known), 1) * seconds, max(int(windows.during.sum()), 1) * seconds
    z = np.where((total_before > 0) & (total_after > 0), z, 0.0)
    return Moved(before / known_s, after / during_s, z, np.zeros(len(z), dtype=bool))


def _two_rates(
    before: NDArray[np.float64], after: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the signed root of the likelihood ratio that `after` is not its share of both counts (a G-test).

    Unlike a difference over its standard error it stays sharp at counts near zero: a statement that used to come ten
    times and comes no more is worth more than one that came ten times less out of a hundred.
    """
    both = before + after
    expected_before, expected_after = both * (1 - share), both * share
    ratio = _log_term(before, expected_before) + _log_term(after, expected_after)
    return np.asarray(np.sign(after - expected_after) * np.sqrt(2.0 * np.clip(ratio, 0.0, None)))


def _log_term(count: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    positive = (count > 0) & (expected > 0)
    ratio = np.where(positive, count / np.where(positive, expected, 1.0), 1.0)
    return np.asarray(np.where(positive, count * np.log(ratio), 0.0))
