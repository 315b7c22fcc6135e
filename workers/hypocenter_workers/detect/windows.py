"""Which rows of a table are normal and which are the incident."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.telemetry import Times

NEIGHBOUR = np.timedelta64(300, "s")
LONGEST = np.timedelta64(900, "s")
LEAST_STEPS = 6
COARSE = np.timedelta64(30, "s")


@dataclass(frozen=True)
class Windows:
    """Row masks over one table: `before` holds no incident, `during` holds this one; a guard gap lies between."""

    before: NDArray[np.bool_]
    during: NDArray[np.bool_]
    step: np.timedelta64


def step_of(times: Times) -> np.timedelta64:
    """Return the usual distance between rows; one minute when there is a single row."""
    if len(times) < 2:
        return np.timedelta64(60, "s")
    steps = np.sort(np.diff(times))
    low, high = steps[(len(steps) - 1) // 2], steps[len(steps) // 2]
    # NumPy's median would load its masked arrays, which takes longer than a ranking.
    return np.timedelta64(low + (high - low) // 2)


def split(times: Times, onset: np.datetime64, neighbours: Sequence[np.datetime64] = ()) -> Windows:
    """Split the rows of a table at the onset.

    A coarse row covers the step that starts at its time, so one that begins before the onset may hold part of the
    incident: it belongs to neither side unless most of it lies after. Rows of `neighbours` (known faults nearby) are
    normal for nobody, and the incident ends where the next one begins.
    """
    step = step_of(times)
    coarse = step >= COARSE
    before = times + step <= onset if coarse else times < onset
    for start in neighbours:
        before &= ~((times + step > start) & (times < start + NEIGHBOUR)) if start < onset else True
    end = onset + max(LONGEST, LEAST_STEPS * step)
    end = min([end, *(start for start in neighbours if start > onset)])
    during = (times + step / 2 >= onset if coarse else times >= onset) & (times < end)
    return Windows(np.asarray(before), np.asarray(during), step)


def rows_of(mask: NDArray[np.bool_]) -> slice | NDArray[np.bool_]:
    """Return a mask of rows as a slice where they follow each other, so that they are looked at and not copied."""
    places = np.flatnonzero(mask)
    if len(places) == 0:
        return slice(0, 0)
    run = slice(int(places[0]), int(places[-1]) + 1)
    return run if mask[run].all() else mask
