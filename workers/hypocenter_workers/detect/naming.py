"""What an event is, once all of it is seen: how many rows stood out, when a silence began, whether a level jumped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter_workers.detect import robust
from hypocenter_workers.detect.anomalies import BAND
from hypocenter_workers.detect.events import COLLECTIVE_ROWS, Event, Kind
from hypocenter_workers.detect.shift import onset_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.telemetry import Times, Values
    from hypocenter_workers.detect.contract import Scored

    Mask = NDArray[np.bool_]

# A value is ordinary when the series was often enough lower and higher than it, of late: four weeks of 5-minute rows,
# looked up once a day.
ORDINARY = (0.01, 0.99)
REMEMBERED_ROWS = 8_064
ROWS_AT_ONCE = 288
# A change is dated among the rows until its peak and so many before its first sign; fewer after it tell nothing.
ROWS_BEFORE = 144
ROWS_AFTER = 288
LEAST_ROWS_AFTER = 8


class Seen(NamedTuple):
    """What events are told apart by: [time, series]; `outside` marks rows out of their band, see `ordinary`."""

    times: Times
    values: Values
    expected: Values
    outside: Mask
    ordinary: Mask


def seen(values: Values, times: Times, scored: Scored, limit: float) -> Seen:
    """Return what a scored block shows of its events; values are looked up only near scores of `limit`."""
    outside = np.abs(values - scored.expected) > BAND * scored.scale
    return Seen(times, values, scored.expected, outside, _ordinary(values, scored, limit))


def _ordinary(values: Values, scored: Scored, limit: float) -> Mask:
    """Return where a value, if unusual, is so at its time alone."""
    ordinary = np.zeros(values.shape, dtype=np.bool_)
    for start in range(0, len(values), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        if (scored.scores[rows] >= limit).any():
            low, high = robust.quantiles(values[max(start - REMEMBERED_ROWS, 0) : start], ORDINARY)
            ordinary[rows] = (values[rows] >= low) & (values[rows] <= high)
    return ordinary


def named(event: Event, seen: Seen) -> Event:
    """Return an event under the name that all of its rows give it."""
    if event.kind is Kind.COLLECTIVE:
        return _by_rows(event, seen)
    if event.kind is Kind.SILENCE:
        return _since_last_sample(event, seen)
    return _dated(event, seen) if event.kind is Kind.SHIFT else event


def _by_rows(event: Event, seen: Seen) -> Event:
    """Return an event of a row or two outside the expected band as one of single samples.

    A detector that looks at several rows at once stays surprised while the unusual one is among them.
    """
    last = seen.times[-1] if event.end is None else event.end
    rows = slice(_row(seen, event.onset), _row(seen, last) + 1)
    few = np.flatnonzero(seen.outside[rows, event.series])
    if not 0 < len(few) < COLLECTIVE_ROWS:
        return event
    usual = bool(seen.ordinary[rows, event.series][few].all())
    return replace(event, kind=Kind.CONTEXTUAL if usual else Kind.POINT)


def _since_last_sample(event: Event, seen: Seen) -> Event:
    """Return a silence that opened an event as one that began with the first sample that did not come."""
    onset = _row(seen, event.onset)
    heard = np.flatnonzero(np.isfinite(seen.values[: onset + 1, event.series]))
    missed = int(heard[-1]) + 1 if len(heard) else 0
    return replace(event, onset=seen.times[missed]) if missed <= onset else event


def _dated(event: Event, seen: Seen) -> Event:
    """Return a shift with the interval in which it began, as a ramp where that is likelier.

    What was expected follows a new level in time: rows behind the peak would tell of a change back.
    """
    first, last = _row(seen, event.onset), _row(seen, event.peak)
    if last - first < LEAST_ROWS_AFTER:
        return event
    rows = slice(max(first - ROWS_BEFORE, 0), min(last, first + ROWS_AFTER) + 1)
    left = seen.values[rows, event.series] - seen.expected[rows, event.series]
    onset = onset_interval(left, seen.times[rows])
    return event if onset is None else replace(event, kind=onset.kind, began=(onset.earliest, onset.latest))


def _row(seen: Seen, time: np.datetime64) -> int:
    return int(np.searchsorted(seen.times, time))
