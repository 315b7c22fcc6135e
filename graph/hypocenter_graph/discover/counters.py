"""Counters of calls to sightings: a dependency is there while the counters that count it rise."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_graph.discover.sightings import Link, Sighting, interval_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hypocenter.telemetry import RawTable, Values
    from hypocenter_graph.claims import Interval

# A counter that rests for more than so many steps between samples is taken to have stopped counting.
PAUSE_STEPS = 10


def pause_of(table: RawTable) -> timedelta:
    """Return the longest rest of a counter that does not end an interval: `PAUSE_STEPS` median steps of the table."""
    if len(table.times) < 2:
        return timedelta(0)
    step = np.median(np.diff(table.times.astype("datetime64[us]").astype(np.int64)))
    return timedelta(microseconds=int(step) * PAUSE_STEPS)


def counted(table: RawTable, columns: Mapping[Link, Sequence[int]], rated: bool = True) -> Iterator[Sighting]:
    """Yield when the counters in each link's columns rose, and the sum of their rates when one last did.

    A fall is a reset to zero. An interval begins at the sample before the first that is higher. A counter that appears
    later than the table begins has risen from zero. One sample alone, above zero, shows the link at its time, at an
    unknown rate; so do all where `rated` says that what is counted is not calls.
    """
    from hypocenter.signals.counters import rates

    gained = _gains(table.values)
    per_s = rates(table.values, table.times) if rated else np.full_like(table.values, np.nan)
    at_ns = table.times.astype("datetime64[ns]").astype(np.int64)
    pause_ns = pause_of(table) // timedelta(microseconds=1) * 1000
    for link, places in columns.items():
        risen = gained[:, list(places)] > 0
        rows = np.flatnonzero(risen.any(axis=1))
        if len(rows):
            last = per_s[rows[-1], list(places)][risen[rows[-1]]]
            rate = None if np.isnan(last).all() else float(np.nansum(last))
            yield Sighting(link, _intervals(rows, at_ns, pause_ns), rate)


def _gains(values: Values) -> Values:
    """Increase of each counter at each sample, [time, series], its first one counted where it is new or alone."""
    from hypocenter.signals.counters import increases

    known = ~np.isnan(values)
    gained = increases(values)
    if not len(values):
        return gained
    first = known.argmax(axis=0)
    columns = np.flatnonzero(known.any(axis=0) & ((first > 0) | (known.sum(axis=0) == 1)))
    gained[first[columns], columns] = values[first[columns], columns]
    return gained


def _intervals(rows: NDArray[np.intp], at_ns: NDArray[np.int64], pause_ns: int) -> tuple[Interval, ...]:
    ends = at_ns[rows]
    before = at_ns[np.maximum(rows - 1, 0)]
    # A hole in the samples says nothing of when within it the counter rose.
    begins = np.where(ends - before <= pause_ns, before, ends)
    new = np.append(True, begins[1:] - ends[:-1] > pause_ns)
    lasts = np.append(np.flatnonzero(new)[1:] - 1, len(rows) - 1)
    return tuple(interval_of(begins[one], ends[last]) for one, last in zip(np.flatnonzero(new), lasts, strict=True))
