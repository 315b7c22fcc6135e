"""Sightings: the single moments at which a source showed something, gathered into intervals, counts and claims."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_graph.claims import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Traffic that pauses this long has stopped, as far as one reading of spans can tell.
LONGEST_PAUSE = timedelta(minutes=15)


def intervals_of(
    group: NDArray[np.int64], at_ns: NDArray[np.int64], pause: timedelta = LONGEST_PAUSE
) -> dict[int, tuple[Interval, ...]]:
    """Return the intervals in which each group was seen, in order of time, split where it paused longer than `pause`.

    `group[i]` was seen at `at_ns[i]`, nanoseconds since 1970; the order of sightings does not matter.

    >>> minute = 60 * 10**9
    >>> seen = intervals_of(np.array([0, 0, 0]), np.array([40, 0, 1]) * minute)
    >>> [(each.first.minute, each.last.minute) for each in seen[0]]
    [(0, 1), (40, 40)]
    """
    if not len(group):
        return {}
    order = np.lexsort((at_ns, group))
    groups, moments = group[order], at_ns[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (np.diff(groups) != 0) | (np.diff(moments) > pause / timedelta(microseconds=1) * 1000)
    firsts = np.flatnonzero(begins)
    lasts = np.append(firsts[1:], len(order)) - 1
    found: dict[int, list[Interval]] = {}
    for owner, first, last in zip(groups[firsts].tolist(), moments[firsts], moments[lasts], strict=True):
        found.setdefault(owner, []).append(interval_of(first, last))
    return {owner: tuple(intervals) for owner, intervals in found.items()}


def interval_of(first_ns: np.int64, last_ns: np.int64) -> Interval:
    """Return the interval between two times in nanoseconds since 1970, to the microsecond."""
    from hypocenter.readers.times import as_datetime

    return Interval(as_datetime(np.datetime64(int(first_ns), "ns")), as_datetime(np.datetime64(int(last_ns), "ns")))
