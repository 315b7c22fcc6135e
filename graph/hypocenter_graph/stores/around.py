"""What lies one step from a component, as arrays: a walk looks at thousands of steps and keeps a few."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_graph.claims import is_plain
from hypocenter_graph.stores.records import FOREVER, micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from hypocenter_graph.claims import DependencyClaim
    from hypocenter_graph.stores.contract import View

_OTHER, _FIRST, _LAST, _SIMPLE, _SURE, _BUSY, _WAY = range(7)
_FORWARD, _BACK, _SELF = range(3)


@dataclass(frozen=True, slots=True)
class Around:
    """Steps in the order of `claims`: one row each of where it leads (an id), its outer bounds, its worth, its way.

    A step is simple when its outer bounds say whether a view shows it.
    A step back passes a dependency that blame passes both ways; a call to oneself leads nowhere.
    """

    rows: NDArray[np.float64]
    claims: Sequence[DependencyClaim]

    @property
    def others(self) -> NDArray[np.int64]:
        """The id of what each step leads to."""
        return self.rows[:, _OTHER].astype(np.int64)

    @property
    def leading(self) -> NDArray[np.bool_]:
        """Whether each step leads to another component."""
        return np.asarray(self.rows[:, _WAY] != _SELF)

    @property
    def forward(self) -> NDArray[np.bool_]:
        """Whether each step goes the way its dependency points."""
        return np.asarray(self.rows[:, _WAY] != _BACK)

    def shown(self, view: View) -> NDArray[np.bool_]:
        """Return for each step whether a view shows it."""
        until, since = (FOREVER, -FOREVER) if view.at is None else (micros(view.at), micros(view.at - view.expiry))
        inside = np.asarray(self.rows[:, _FIRST] <= until) & (self.rows[:, _LAST] >= since)
        for row in np.flatnonzero(inside & (self.rows[:, _SIMPLE] == 0)).tolist():
            inside[row] = view.shows(self.claims[row])
        return inside


def around(name: str, near: Mapping[str, Iterable[DependencyClaim]], ids: Mapping[str, int]) -> Around:
    """Put into arrays the steps from `name`: to each component near it, the claims that lead there."""
    pairs = [(other, claim) for other, claims in near.items() for claim in claims]
    rows = [(ids[other], *_row(name, other, claim)) for other, claim in pairs]
    return Around(np.array(rows, dtype=float).reshape(-1, 7), [claim for _, claim in pairs])


def _row(name: str, other: str, claim: DependencyClaim) -> tuple[float, ...]:
    way = _SELF if name == other else _FORWARD if claim.caller == name else _BACK
    return (*_bounds(claim), claim.confidence, claim.calls_per_s or 0.0, way)


def _bounds(claim: DependencyClaim) -> tuple[int, int, bool]:
    first = min((micros(i.first) for i in claim.seen), default=FOREVER)
    last = max((micros(i.last) for i in claim.seen), default=-FOREVER)
    return first, last, is_plain(claim)


def joined(parts: Sequence[Around]) -> Around:
    """Put the steps of several components one after the other."""
    rows = np.concatenate([part.rows for part in parts]) if parts else np.empty((0, 7))
    return Around(rows, list(chain.from_iterable(part.claims for part in parts)))


def best(steps: Around, wanted: NDArray[np.bool_], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return ids of the best `most` others of the wanted steps, those that tie for the last places, and how many came.

    Best is the highest confidence and then the highest rate, each the most that any step to the other has. All of
    the first are in, and the places left over are for some of the tied.
    """
    others, row = np.unique(steps.others[wanted], return_inverse=True)
    if len(others) <= most:
        return others, others[:0], len(others)
    worth = np.zeros((2, len(others)))
    np.maximum.at(worth[0], row, steps.rows[wanted, _SURE])
    np.maximum.at(worth[1], row, steps.rows[wanted, _BUSY])
    order = np.lexsort((-worth[1], -worth[0]))
    last = worth[:, order[most - 1]] if most else np.array([np.inf, np.inf])
    tied = (worth[0] == last[0]) & (worth[1] == last[1])
    better = (worth[0] > last[0]) | ((worth[0] == last[0]) & (worth[1] > last[1]))
    return others[better], others[tied], len(others)
