"""When an incident began, found in the data: the moment from which many components at once left their normal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import MetricKind
from hypocenter_graph.deviation import UNUSUAL
from hypocenter_workers.detect import robust
from hypocenter_workers.detect.counts import COUNTS
from hypocenter_workers.detect.deviations import stack
from hypocenter_workers.detect.floors import TINY, floors
from hypocenter_workers.detect.windows import NEIGHBOUR, step_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from hypocenter.telemetry import SeriesTable, Values

CAPPED = 30.0
AFTER = np.timedelta64(180, "s")
LEAST_AFTER_ROWS = 2
BEFORE_TIMES_AFTER = 5
BEFORE_ALERT = np.timedelta64(3600, "s")
LEAST_OWN_ROWS = 8
FIRST_SIGNS = np.timedelta64(300, "s")
EARLIEST = 0.1
REGULAR = 0.9
LEAST_SILENT_ROWS = 3
MOST_ONSETS = 5
CLOSE_UP = 0.25
MINUTES = np.timedelta64(360, "s")
LEAST_UNCERTAINTY_S = 60.0
QUIET_KINDS = COUNTS | {MetricKind.OTHER, MetricKind.TRAFFIC}


@dataclass(frozen=True, slots=True)
class Onset:
    """The start of an incident and how far off it may be, in seconds.

    `height` says how much changed there, next to the moment at which most did.
    """

    at: np.datetime64
    uncertainty_s: float
    height: float = 1.0


def find_onsets(
    tables: Sequence[SeriesTable],
    references: Sequence[SeriesTable],
    neighbours: Sequence[np.datetime64] = (),
    alerted: np.datetime64 | None = None,
    within: np.timedelta64 = BEFORE_ALERT,
) -> tuple[Onset, ...]:
    """Find when the incident may have begun: where the number of unwell components rises and stays, highest first.

    `alerted` is when somebody noticed: the incident began at most `within` before and not after. Spans or log lines of
    a small part of the time were recorded for the sake of the incident, which therefore began in that part: in its
    middle, give or take half of it, where it is a matter of minutes. At most five moments that lie apart, none when
    nothing is out of its normal.
    """
    table = telling(tables)
    if table is None or len(table.times) < 2:
        return ()
    allowed = _allowed(table, neighbours, alerted, within)
    close = _close_up(table, tables)
    if 0 < (allowed & close).sum() * step_of(table.times) <= MINUTES and not close.all():
        return (_middle(table.times[allowed & close]),)
    shift = _shift(table, references, neighbours)
    total = np.where(allowed & close if (allowed & close & (shift.total > 0)).any() else allowed, shift.total, 0.0)
    peaks = _peaks(total, int(FIRST_SIGNS / step_of(table.times)))
    return _apart([_onset(table, shift, total, best) for best in peaks])


def _middle(times: NDArray[np.datetime64]) -> Onset:
    half_s = float((times[-1] - times[0]) / np.timedelta64(2, "s"))
    return Onset(times[len(times) // 2], max(half_s, LEAST_UNCERTAINTY_S))


def _apart(onsets: Sequence[Onset]) -> tuple[Onset, ...]:
    """Leave out the onsets that are followed back to near one before them: the shoulders of a peak."""
    kept: list[Onset] = []
    for onset in onsets:
        if all(abs(onset.at - other.at) > FIRST_SIGNS for other in kept):
            kept.append(onset)
    return tuple(kept)


def _peaks(total: NDArray[np.float64], apart: int) -> Iterator[int]:
    """Yield the highest rows, each further than `apart` rows from those before."""
    left = total.copy()
    for _ in range(MOST_ONSETS):
        best = int(left.argmax())
        if left[best] <= 0:
            return
        yield best
        left[max(0, best - apart) : best + apart + 1] = 0.0


def _onset(table: SeriesTable, shift: Shift, total: NDArray[np.float64], best: int) -> Onset:
    first = _first_sign(shift, best, int(FIRST_SIGNS / step_of(table.times)))
    step = float(step_of(table.times) / np.timedelta64(1, "s"))
    uncertainty_s = step * max(1.0, _width(total, best) / 2, best - first)
    return Onset(table.times[first], uncertainty_s, float(total[best] / total.max()))


def _close_up(table: SeriesTable, tables: Sequence[SeriesTable]) -> NDArray[np.bool_]:
    """Return the rows that the shortest of other modalities covers; all of them where none is much shorter."""
    others = [t for t in tables if t.modality != table.modality and len(t.times) > 1]
    shortest = min(others, key=lambda t: t.times[-1] - t.times[0], default=table)
    length = table.times[-1] - table.times[0]
    if shortest.times[-1] - shortest.times[0] > CLOSE_UP * length:
        return np.ones(len(table.times), dtype=bool)
    step = step_of(table.times)
    return np.asarray((table.times >= shortest.times[0] - step) & (table.times <= shortest.times[-1]))


def telling(tables: Sequence[SeriesTable]) -> SeriesTable | None:
    """Return the table to look for the onset in: metrics, or else whatever is longest; None where none has series."""
    return max((t for t in tables if t.series), key=lambda t: (t.modality == "metrics", len(t.times)), default=None)


@dataclass(frozen=True)
class Shift:
    """How far the rows after each row stand from those before it.

    `total` sums over components; `z` holds the series in units of their noise, `far` how far each moved.
    """

    total: NDArray[np.float64]
    z: Values
    far: Values


def _first_sign(shift: Shift, best: int, reach: int) -> int:
    """Return the first row of the climb that leads to the best row: a ramp shows before it is steepest.

    Each series that moved is followed back for as long as it is out of where it was; the earliest tenth decides.
    """
    start = max(0, best - reach)
    moved = np.flatnonzero(shift.far[best] > 0)
    if start == best or not len(moved):
        return best
    was = _before(shift.z[: start + 1, moved], reach)[-1] if start else shift.z[0, moved]
    outside = np.abs(shift.z[start:best, moved] - was) > UNUSUAL
    unbroken = np.logical_and.accumulate(outside[::-1], axis=0).sum(axis=0)
    return best - int(np.quantile(unbroken, 1.0 - EARLIEST, method="lower"))


def _width(shift: NDArray[np.float64], best: int) -> int:
    """Count the rows around the best that are nearly as good a start."""
    near = shift > 0.8 * shift[best]
    left = best - int(np.argmin(near[best::-1])) if not near[: best + 1].all() else -1
    right = best + int(np.argmin(near[best:])) if not near[best:].all() else len(near)
    return right - left - 1


def _shift(table: SeriesTable, references: Sequence[SeriesTable], neighbours: Sequence[np.datetime64]) -> Shift:
    """Measure, at each row, how far the rows after it stand from the rows before it."""
    history = stack(table, [r for r in references if r.modality == table.modality])
    known = table.values if len(table.times) >= LEAST_OWN_ROWS or not len(history) else history
    level = robust.median(known)
    moves = np.diff(known, axis=0) / np.sqrt(2.0)
    noise = robust.scale(moves, np.zeros(moves.shape[1]))
    scale = np.fmax(np.fmax(noise, floors(table.series, known, history)), TINY)
    z = np.clip(np.nan_to_num((table.values - level) / scale), -CAPPED, CAPPED)
    z[_fallen_silent(table.values)] = CAPPED
    z[:, [s.kind in QUIET_KINDS for s in table.series]] = 0.0
    z[_hidden(table, neighbours)] = 0.0
    rows = max(LEAST_AFTER_ROWS, int(np.ceil(AFTER / step_of(table.times))))
    far = np.log1p(np.clip(np.abs(_after(z, rows) - _before(z, rows * BEFORE_TIMES_AFTER)) - UNUSUAL, 0.0, None))
    components = np.unique([s.component for s in table.series], return_inverse=True)[1]
    total = np.asarray(_by_component(far, components).sum(axis=1))
    total[: min(rows, len(z) // 3)] = 0.0
    total[len(z) - LEAST_AFTER_ROWS + 1 :] = 0.0
    return Shift(total, z, far)


def _fallen_silent(values: Values) -> NDArray[np.bool_]:
    """Return where series that used to report have stopped for good: [time, series]."""
    there = np.isfinite(values)
    last = len(values) - 1 - np.argmax(there[::-1], axis=0)
    regular = there.sum(axis=0) >= REGULAR * (last + 1)
    stopped = regular & (last < len(values) - LEAST_SILENT_ROWS) & there.any(axis=0)
    return np.asarray((np.arange(len(values))[:, None] > last) & stopped)


def _after(z: Values, rows: int) -> Values:
    """Mean of each row and those that follow it, up to `rows` of them."""
    total = np.vstack([np.zeros((1, z.shape[1])), np.cumsum(z, axis=0)])
    start = np.arange(len(z))
    end = np.minimum(start + rows, len(z))
    return np.asarray((total[end] - total[start]) / (end - start)[:, None])


def _before(z: Values, rows: int) -> Values:
    """Mean of the up to `rows` rows before each row; the first row has its own value."""
    total = np.vstack([np.zeros((1, z.shape[1])), np.cumsum(z, axis=0)])
    end = np.arange(len(z))
    start = np.maximum(end - rows, 0)
    means = (total[end] - total[start]) / np.maximum(end - start, 1)[:, None]
    means[0] = z[0]
    return np.asarray(means)


def _by_component(far: Values, components: NDArray[np.int64]) -> Values:
    """Average each component's three furthest series: one noisy series is not an unwell component."""
    columns = []
    for component in range(components.max(initial=-1) + 1):
        own = np.sort(far[:, components == component], axis=1)[:, -3:]
        columns.append(own.mean(axis=1))
    return np.column_stack(columns)


def _allowed(
    table: SeriesTable, neighbours: Sequence[np.datetime64], alerted: np.datetime64 | None, within: np.timedelta64
) -> NDArray[np.bool_]:
    allowed = ~_hidden(table, neighbours)
    if alerted is not None:
        near = (table.times <= alerted) & (table.times >= alerted - within)
        allowed &= near if near.any() else True
    return allowed


def _hidden(table: SeriesTable, neighbours: Sequence[np.datetime64]) -> NDArray[np.bool_]:
    """Return the rows that known faults nearby have spoilt."""
    step = step_of(table.times)
    hidden = np.zeros(len(table.times), dtype=bool)
    for start in neighbours:
        hidden |= (table.times + step > start) & (table.times < start + NEIGHBOUR)
    return hidden
