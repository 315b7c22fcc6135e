"""When an incident may have begun, and what moved if it did: moments around a start, since none is known exactly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_graph.rank import Assumed, rank_over
from hypocenter_workers.detect.anomalies import moment
from hypocenter_workers.detect.deviations import Known, deviations_at
from hypocenter_workers.detect.onset import Onset, telling
from hypocenter_workers.detect.windows import step_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.telemetry import SeriesTable, Signals
    from hypocenter_graph.deviation import Deviation
    from hypocenter_graph.rank import Context
    from hypocenter_graph.topology import Topology

EARLIER = np.timedelta64(240, "s")
LATER = np.timedelta64(120, "s")
APART = np.timedelta64(60, "s")
SECOND = np.timedelta64(1, "s")
STATED_OFF_S = 150.0
PAST = 2.0
MOST_MEASURED = 30_000


def plausible_starts(tables: Sequence[SeriesTable], start: np.datetime64) -> tuple[np.datetime64, ...]:
    """Return `start` and then the other moments at which the incident may have begun, in order of time.

    They lie a row apart, and a minute at least, from four minutes before to two minutes after it: people state when
    they noticed. At least one lies on either side. Of a large system only the nearest are tried, since each costs as
    much as the first.
    """
    apart = _apart(tables)
    earlier, later = max(1, int(EARLIER / apart)), max(1, int(LATER / apart))
    most = MOST_MEASURED // max(1, sum(len(table.series) for table in tables))
    nearest = sorted((k for k in range(-earlier, later + 1) if k), key=lambda k: (abs(k), k))
    return (start, *(start + k * apart for k in sorted(nearest[: max(0, most - 1)])))


def _apart(tables: Sequence[SeriesTable]) -> np.timedelta64:
    table = telling(tables)
    return APART if table is None else max(APART, step_of(table.times))


class Movements:
    """How far every series moved, as if the incident had begun at one moment or another; each is measured once.

    `neighbours` are known faults nearby.
    """

    def __init__(self, resolved: Signals, neighbours: Sequence[np.datetime64] = ()) -> None:
        self._resolved = resolved
        self._neighbours = neighbours
        self._known: dict[tuple[int, int], Known] = {}
        self._measured: dict[np.datetime64, tuple[Deviation, ...]] = {}

    def at(self, start: np.datetime64) -> tuple[Deviation, ...]:
        """Measure every series as if the incident had begun at `start`."""
        if start not in self._measured:
            tables = range(len(self._resolved.tables))
            self._measured[start] = tuple(d for number in tables for d in self._of_table(number, start))
        return self._measured[start]

    def around(self, starts: Sequence[np.datetime64], uncertainty_s: float = 0.0) -> tuple[Assumed, ...]:
        """Measure every series from each of `starts`, which get less likely with their distance from the first.

        The first may be off by `uncertainty_s`, in seconds.
        """
        off = [abs(float((start - starts[0]) / SECOND)) / (STATED_OFF_S + uncertainty_s) for start in starts]
        return tuple(Assumed(moment(s), self.at(s), math.exp(-far)) for s, far in zip(starts, off, strict=True))

    def _of_table(self, number: int, start: np.datetime64) -> tuple[Deviation, ...]:
        table = self._resolved.tables[number]
        references = self._references(table, start)
        key = (number, len(references))
        if key not in self._known:
            self._known[key] = Known(table, references)
        return deviations_at(start, table, self._known[key], self._neighbours)

    def _references(self, table: SeriesTable, start: np.datetime64) -> list[SeriesTable]:
        """Return the references of a table's kind that lie before the incident; later ones only where none does."""
        same = [r for r in self._resolved.reference if r.modality == table.modality and len(r.times)]
        ordered = sorted(same, key=lambda r: r.times[-1])
        return [r for r in ordered if r.times[-1] < start] or ordered


def likeliest(
    tables: Sequence[SeriesTable], begins: Sequence[Onset], moved: Movements, topology: Topology, context: Context
) -> Onset:
    """Return the moment at which much changed, from which there is much to explain, and which is not long past.

    An incident is looked into while it lasts or soon after: by the longer ago, next to all that is looked at, the less
    likely it is the one that is meant.
    """
    table = telling(tables)
    if len(begins) == 1 or table is None:
        return begins[0]
    length = table.times[-1] - table.times[0]
    past = [float((table.times[-1] - begin.at) / length) for begin in begins]
    priors = [begin.height**2 * math.exp(-PAST * ago) for begin, ago in zip(begins, past, strict=True)]
    assumed = [Assumed(moment(b.at), moved.at(b.at), prior) for b, prior in zip(begins, priors, strict=True)]
    return begins[rank_over(assumed, topology, context)[1]]


def best_start(
    tables: Sequence[SeriesTable], starts: Sequence[np.datetime64], best: int, uncertainty_s: float
) -> Onset:
    """Return the start that explains most: as uncertain as the first was, and by a row at least."""
    table = telling(tables)
    row_s = 0.0 if table is None else float(step_of(table.times) / SECOND)
    moved_s = 0.0 if best == 0 else float(_apart(tables) / SECOND)
    return Onset(starts[best], max(uncertainty_s, row_s, moved_s))
