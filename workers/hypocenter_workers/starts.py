"""When an incident may have begun, and what moved if it did: moments around a start, since none is known exactly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_graph.rank import Assumed
from hypocenter_workers.detect.anomalies import moment
from hypocenter_workers.detect.deviations import deviations_from
from hypocenter_workers.detect.onset import Onset, telling
from hypocenter_workers.detect.windows import step_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.telemetry import SeriesTable, Signals

EARLIER = np.timedelta64(240, "s")
LATER = np.timedelta64(120, "s")
APART = np.timedelta64(60, "s")
SECOND = np.timedelta64(1, "s")
STATED_OFF_S = 150.0
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


def measure_from(
    resolved: Signals,
    starts: Sequence[np.datetime64],
    neighbours: Sequence[np.datetime64],
    uncertainty_s: float = math.inf,
    known: Sequence[Assumed] = (),
) -> tuple[Assumed, ...]:
    """Measure how far every series moved, once for each of `starts`; `neighbours` are known faults nearby.

    How likely a start is falls with its distance from the first, which may be off by `uncertainty_s`, in seconds.
    Starts that are `known` are not measured again.
    """
    if not starts:
        return ()
    found = {assumed.onset: assumed.deviations for assumed in known}
    new = [start for start in starts if moment(start) not in found]
    by_table = [
        list(deviations_from(table, _references(table, resolved, starts[0]), new, neighbours))
        for table in resolved.tables
    ]
    for k, start in enumerate(new):
        found[moment(start)] = tuple(d for measured in by_table for d in measured[k])
    off = [abs(float((start - starts[0]) / SECOND)) / (STATED_OFF_S + uncertainty_s) for start in starts]
    return tuple(Assumed(moment(s), found[moment(s)], math.exp(-far)) for s, far in zip(starts, off, strict=True))


def _references(table: SeriesTable, resolved: Signals, start: np.datetime64) -> list[SeriesTable]:
    """Return the references of a table's kind that lie before the incident; later ones only where there is no other."""
    same = [r for r in resolved.reference if r.modality == table.modality and len(r.times)]
    earlier = [r for r in same if r.times[-1] < start]
    return earlier or same


def best_start(
    tables: Sequence[SeriesTable], starts: Sequence[np.datetime64], best: int, uncertainty_s: float
) -> Onset:
    """Return the start that explains most: as uncertain as it was, and as it was moved, but for what was stated."""
    if best == 0:
        return Onset(starts[0], uncertainty_s)
    return Onset(starts[best], max(uncertainty_s, float(_apart(tables) / np.timedelta64(1, "s"))))
