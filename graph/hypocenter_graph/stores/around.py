"""What lies one step from a component, as arrays: a walk looks at thousands of steps and keeps a few."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_graph.claims import LEARNED, Interval, lasting
from hypocenter_graph.stores.records import FOREVER, micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hypocenter_graph.claims import DependencyClaim
    from hypocenter_graph.stores.contract import View

    Mask = NDArray[np.bool_]

_OTHER, _FIRST, _LAST, _LASTING, _LEARNED, _SURE, _BUSY, _WAY, _CLAIM = range(9)
_FORWARD, _BACK, _SELF = range(3)
_MOMENT = timedelta(microseconds=1)
_NEVER: tuple[Interval | None, ...] = (None,)


@dataclass(frozen=True, slots=True)
class Around:
    """Steps from one component: one row for each interval of each claim, in the order of `claims`.

    A row tells where the step leads (an id), from when to when it was seen, whether it is held to exist for longer,
    whether it is learned, its confidence and rate, its way (back is against a dependency that blame passes both ways;
    a call to oneself leads nowhere) and the place of its claim. What was never seen has a row that no view shows.
    """

    rows: NDArray[np.float64]
    claims: Sequence[DependencyClaim]


def around(name: str, near: Mapping[str, Iterable[DependencyClaim]], ids: Mapping[str, int]) -> Around:
    """Put into arrays the steps from `name`: to each component near it, the claims that lead there."""
    pairs = [(other, claim) for other, claims in near.items() for claim in claims]
    rows = [
        (ids[other], *_row(name, other, claim, interval), number)
        for number, (other, claim) in enumerate(pairs)
        for interval in claim.seen or _NEVER
    ]
    return Around(np.array(rows, dtype=float).reshape(-1, 9), [claim for _, claim in pairs])


def _row(name: str, other: str, claim: DependencyClaim, seen: Interval | None) -> tuple[float, ...]:
    way = _SELF if name == other else _FORWARD if claim.caller == name else _BACK
    first, last = (micros(seen.first), micros(seen.last)) if seen else (np.inf, -np.inf)
    learned = claim.source == LEARNED
    return first, last, _lasts(claim), learned, claim.confidence, claim.calls_per_s or 0.0, way


def _lasts(claim: DependencyClaim) -> bool:
    """Whether it is held to exist for a while after it was last seen."""
    return bool(lasting(claim.source, _MOMENT))


class Steps:
    """Steps of several components, one after the other."""

    def __init__(self, parts: Sequence[Around]) -> None:
        self._parts = parts
        self._rows = np.concatenate([part.rows for part in parts]) if parts else np.empty((0, 9))
        self._ends = np.cumsum([len(part.rows) for part in parts])
        self.others = self._rows[:, _OTHER].astype(np.int64)

    @property
    def leading(self) -> Mask:
        """Whether each step leads to another component."""
        return np.asarray(self._rows[:, _WAY] != _SELF)

    @property
    def forward(self) -> Mask:
        """Whether each step goes the way its dependency points."""
        return np.asarray(self._rows[:, _WAY] != _BACK)

    def shown(self, wanted: Mask, view: View) -> NDArray[np.int64]:
        """Return the places of the wanted steps that a view shows."""
        places = np.flatnonzero(wanted)
        rows = self._rows[places]
        inside = np.asarray((rows[:, _FIRST] <= FOREVER) & (view.learned | (rows[:, _LEARNED] == 0)))
        if view.at is not None:
            until, since = micros(view.at), micros(view.at - view.expiry)
            inside &= (rows[:, _FIRST] <= until) & (rows[:, _LAST] >= np.where(rows[:, _LASTING], since, until))
        return np.asarray(places[inside])

    def claims(self, places: NDArray[np.int64]) -> list[DependencyClaim]:
        """Return the claims of steps at rising places, each once."""
        owners = np.searchsorted(self._ends, places, side="right")
        numbers = self._rows[places, _CLAIM].astype(np.int64)
        # Rows of one claim are neighbours.
        new = np.r_[True, (np.diff(owners) != 0) | (np.diff(numbers) != 0)][: len(places)]
        parts = self._parts
        return [parts[o].claims[n] for o, n in zip(owners[new].tolist(), numbers[new].tolist(), strict=True)]

    def by_part(self, places: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Yield for each component what its steps at rising places lead to, as ids."""
        yield from np.split(self.others[places], np.searchsorted(places, self._ends[:-1]))

    def best(self, places: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Return ids of the best `most` others of these steps, those that tie for the last places, and how many came.

        Best is the highest confidence and then the highest rate, each the most that any step to the other has. All of
        the first are in, and the places left over are for some of the tied.
        """
        others, row = np.unique(self.others[places], return_inverse=True)
        if len(others) <= most:
            return others, others[:0], len(others)
        worth = np.zeros((2, len(others)))
        np.maximum.at(worth[0], row, self._rows[places, _SURE])
        np.maximum.at(worth[1], row, self._rows[places, _BUSY])
        order = np.lexsort((-worth[1], -worth[0]))
        last = worth[:, order[most - 1]] if most else np.array([np.inf, np.inf])
        tied = (worth[0] == last[0]) & (worth[1] == last[1])
        better = (worth[0] > last[0]) | ((worth[0] == last[0]) & (worth[1] > last[1]))
        return others[better], others[tied], len(others)
