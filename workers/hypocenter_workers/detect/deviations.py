"""How far each series of an incident stands from its own normal: what ranking reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_graph.deviation import Deviation
from hypocenter_workers.detect import counts, normal, robust
from hypocenter_workers.detect.floors import TINY, Floors
from hypocenter_workers.detect.windows import Windows, rows_of, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from hypocenter.telemetry import SeriesTable, Values

SUSTAINED = np.timedelta64(180, "s")
LEAST_SUSTAINED_ROWS = 2
LEAST_SUSTAINED = np.timedelta64(60, "s")
LEAST_FRESH = np.timedelta64(300, "s")
LEAST_BLOCKS = 5
WANDERING = 0.97
SILENT_BEFORE = 0.9
SILENT_ROWS = 8


@dataclass(frozen=True)
class Moved:
    """Levels and distances of some series of a table, one entry per series."""

    before: NDArray[np.float64]
    after: NDArray[np.float64]
    z: NDArray[np.float64]
    silent: NDArray[np.bool_]


class Known:
    """What is the same whatever the onset: `references` are fault-free tables of the table's kind."""

    def __init__(self, table: SeriesTable, references: Sequence[SeriesTable]) -> None:
        counted = np.array([s.kind in counts.COUNTS for s in table.series], dtype=bool)
        self.levels = Levels(_only(table, ~counted), references)
        self.counts = _only(table, counted)
        self.history_of_counts = stack(self.counts, references)
        self.order = np.argsort(np.concatenate([np.flatnonzero(~counted), np.flatnonzero(counted)]))


class Levels:
    """The series of one table that have a level, and what is known of them whatever the onset."""

    def __init__(self, table: SeriesTable, references: Sequence[SeriesTable]) -> None:
        self.table = table
        self.floors = Floors(table.series)
        self.history = stack(table, references)
        self.calm = robust.median(self.history)
        self._blocks = _split(self.history, references)
        self._sustained: dict[int, Values] = {}
        self._furthest: dict[tuple[int, int], list[Values]] = {}

    @cached_property
    def spread(self) -> NDArray[np.float64]:
        """The robust scale of each series."""
        return robust.scale(self.history, self.calm)

    def smooth(self, rows: slice | NDArray[np.bool_], length: int) -> Values:
        """Return the medians over `length` consecutive of some rows; those that follow each other share theirs."""
        if isinstance(rows, slice) and rows.stop - rows.start > length:
            if length not in self._sustained:
                self._sustained[length] = robust.rolling_median(self.table.values, length)
            return self._sustained[length][rows.start : rows.stop - length + 1]
        return robust.rolling_median(self.table.values[rows], length)

    def wandering(
        self, before: NDArray[np.bool_], stood: NDArray[np.float64], length: int, rows: int
    ) -> NDArray[np.float64]:
        """Return how far each series strays by itself in as many normal rows as the incident has, in its own unit.

        The furthest of many rows is far even when nothing happened; what is normal for it is read off blocks of normal
        rows of the same number, each against the level of its own table. Zero where too few blocks are known. `stood`
        are the levels of the rows `before`; a stray lasts for `length` rows.
        """
        known = [int(before.sum()), *(len(block) for block in self._blocks)]
        if sum(_strays(count, length) // rows for count in known) < LEAST_BLOCKS:
            return np.zeros(len(self.table.series))
        own = [furthest_strays(self.smooth(rows_of(before), length), stood, rows)] if known[0] else []
        furthest = np.concatenate([*own, *self._furthest_in_references(length, rows)])
        return np.asarray(np.quantile(furthest, WANDERING, axis=0))

    def _furthest_in_references(self, length: int, rows: int) -> list[Values]:
        if (length, rows) not in self._furthest:
            self._furthest[length, rows] = [
                furthest_strays(robust.rolling_median(block, length), robust.median(block), rows)
                for block in self._blocks
                if len(block)
            ]
        return self._furthest[length, rows]


def _strays(rows: int, length: int) -> int:
    """Return how many medians over `length` rows there are of so many rows; one where they are fewer."""
    return max(1, rows - length + 1) if rows else 0


def furthest_strays(smooth: Values, level: NDArray[np.float64], rows: int) -> Values:
    """Return how far [time, series] strays from its level at most in each block of so many rows: [blocks, series]."""
    count = len(smooth) // rows
    found = np.empty((count, smooth.shape[1]))
    for few in robust.few_series(smooth):
        strays = np.abs(smooth[: count * rows, few] - level[few])
        found[:, few] = np.fmax.reduce(strays.reshape(count, rows, strays.shape[1]), axis=1, initial=0.0)
    return found


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
    return tuple(_measured(table, windows, known)) if windows.during.any() else ()


def _measured(table: SeriesTable, windows: Windows, known: Known) -> Iterator[Deviation]:
    parts = [
        _levels(known.levels, windows) if known.levels.table.series else NOTHING,
        _counts(known.counts, windows, known.history_of_counts) if known.counts.series else NOTHING,
    ]
    columns = [np.concatenate(joined)[known.order].tolist() for joined in zip(*map(_columns, parts), strict=True)]
    for series, before, after, z, silent in zip(table.series, *columns, strict=True):
        yield Deviation(series, before, after, z, silent=silent)


def _columns(moved: Moved) -> tuple[NDArray[np.float64] | NDArray[np.bool_], ...]:
    return moved.before, moved.after, moved.z, moved.silent


def _only(table: SeriesTable, wanted: NDArray[np.bool_]) -> SeriesTable:
    if wanted.all():
        return table
    series = tuple(table.series[j] for j in np.flatnonzero(wanted))
    return replace(table, series=series, values=table.values[:, wanted])


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


def _levels(known: Levels, windows: Windows) -> Moved:
    table, before, during = known.table, rows_of(windows.before), rows_of(windows.during)
    before_rows = table.values[before]
    stood = robust.median(before_rows)
    floor = known.floors.at(stood, known.calm)
    recent = normal.learn(before_rows, table.times[before], floor)
    usual = known.calm if len(known.history) else stood
    level = _level(recent.level, usual, known.calm, long_enough=bool(len(before_rows) * windows.step >= LEAST_FRESH))
    wide = known.spread if len(before_rows) < normal.LEAST_ROWS else floor
    scale = np.fmax(np.fmax(recent.scale, wide), TINY)
    length = _sustained_rows(table, windows)
    after = _furthest(_without_season(known, recent, during, length), level)
    wander = known.wandering(windows.before, stood, length, int(windows.during.sum()))
    z = np.nan_to_num(_nearest((after - level) / scale, (after - usual) / scale))
    z = np.sign(z) * np.clip(np.abs(z) - wander / scale, 0.0, None)
    enough = len(before_rows) >= SILENT_ROWS
    reported = np.isfinite(before_rows).mean(axis=0) if enough else np.zeros(len(level))
    silent = np.isnan(table.values[during]).all(axis=0) & (reported > SILENT_BEFORE)
    return Moved(level, after, z, silent)


def _without_season(known: Levels, recent: normal.Normal, during: slice | NDArray[np.bool_], length: int) -> Values:
    """Return where the series went and stayed for `length` rows, less what the time of day adds."""
    if len(recent.profile) == 1:
        return known.smooth(during, length)
    season = normal.expected(recent, known.table.times[during]) - recent.level
    return robust.rolling_median(known.table.values[during] - np.nan_to_num(season), length)


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


def _furthest(smooth: Values, level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where each series was furthest from its level."""
    found = np.empty(len(level))
    for few in robust.few_series(smooth):
        distance = np.abs(smooth[:, few] - level[few])
        distance[~np.isfinite(smooth[:, few])] = -1.0
        found[few] = np.take_along_axis(smooth[:, few], distance.argmax(axis=0)[None], axis=0)[0]
    return found


def _counts(table: SeriesTable, windows: Windows, history: Values) -> Moved:
    """Compare counts within their component: what share of its lines or operations is each, before and after?"""
    seconds = float(windows.step / np.timedelta64(1, "s"))
    known = np.vstack([history, table.values[windows.before]])
    before, after = counts.whole(known, seconds), counts.whole(table.values[windows.during], seconds)
    known_s, during_s = max(len(known), 1) * seconds, max(int(windows.during.sum()), 1) * seconds
    z = counts.g_test([s.component for s in table.series], before, after)
    return Moved(before / known_s, after / during_s, z, np.zeros(len(z), dtype=bool))


NOTHING = Moved(np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=bool))
