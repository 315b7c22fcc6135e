"""What each component of an installation shows in any incident: marks that it always bears say little of a new one.

Nothing here knows which component was to blame.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.stated import texts, whole, within
from hypocenter_workers.learn.local_signs import ASKED, OWN_CALL, SERVED, UNFELT, Operations, marks_of
from hypocenter_workers.learn.part_checks import MOST, finite
from hypocenter_workers.learn.signs import LOG, METRIC, TRACE
from hypocenter_workers.learn.suspect_features import places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypocenter.telemetry import Values
    from hypocenter_workers.learn.local_signs import Mark
    from hypocenter_workers.learn.suspect_features import Suspects

GROUPS = (METRIC, TRACE, LOG, ASKED)
_GROUP_OF = {OWN_CALL: TRACE, SERVED: ASKED}
_LEAST_SPREAD = 0.25
_ABOUT = ("novelty", "absence", "newest", "more than usual", "novelty below the most", "novelty place")
NAMES = (
    *(f"{of} {group}" for of in _ABOUT for group in GROUPS),
    "served",
    "served unfelt",
)


@dataclass(frozen=True)
class Habits:
    """How often each component bore each mark in `incidents` incidents, and how many marks of each group it bore.

    `sums` and `squares` are of the counts of marks by group, [group], per component.
    """

    incidents: int
    operations: Operations
    borne: Mapping[str, Mapping[Mark, int]]
    sums: Mapping[str, Values]
    squares: Mapping[str, Values]

    @classmethod
    def learn(cls, history: Sequence[Suspects]) -> Habits:
        """Count the marks of every component over all incidents."""
        operations = Operations.learn(suspects.signs for suspects in history)
        borne: dict[str, Counter[Mark]] = {}
        sums: dict[str, Values] = {}
        squares: dict[str, Values] = {}
        for suspects in history:
            for component, marks in marks_of(suspects.signs, operations).items():
                borne.setdefault(component, Counter()).update(marks)
                counts = _counts(marks)
                sums[component] = sums.get(component, 0.0) + counts
                squares[component] = squares.get(component, 0.0) + counts**2
        return cls(len(history), operations, borne, sums, squares)

    def features(self, suspects: Suspects, *, known: bool = False) -> Values:
        """Return [component, feature], named by `NAMES`; `known` leaves out the incident itself, which was counted."""
        marks = marks_of(suspects.signs, self.operations)
        rows = [self._of(component, marks.get(component, set()), known) for component in suspects.components]
        found = np.array(rows).reshape(len(rows), 4 * len(GROUPS) + 2)
        novelty = found[:, : len(GROUPS)]
        below = novelty - novelty.max(axis=0, initial=0.0)
        place = np.column_stack([places(column) for column in novelty.T])
        return np.column_stack([found[:, :-2], below, place, found[:, -2:]])

    def _of(self, component: str, marks: set[Mark], known: bool) -> list[float]:
        others = self.incidents - known
        borne = self.borne.get(component, {})
        novelty, newest, counts = [0.0] * len(GROUPS), [0.0] * len(GROUPS), [0.0] * len(GROUPS)
        absence = list(self._all_missed[known].get(component, novelty))
        served = unfelt = 0
        for mark in sorted(marks):
            at, times = _group(mark), borne.get(mark, 0)
            new = -math.log((times - known + 0.5) / (others + 1.0))
            novelty[at] += new
            newest[at] = max(newest[at], new)
            counts[at] += 1.0
            absence[at] -= _missed(times, others)
            served += mark[0] == SERVED
            unfelt += mark[-1] == UNFELT
        return [*novelty, *absence, *newest, *self._excess(component, np.array(counts), known), served, unfelt]

    @cached_property
    def _all_missed(self) -> tuple[dict[str, list[float]], ...]:
        """The absence, by group, of a component that bears none of its marks: by all incidents, and by all but one."""
        return tuple({c: self._missed_by(c, self.incidents - known) for c in self.borne} for known in (False, True))

    def _missed_by(self, component: str, others: int) -> list[float]:
        missed = [0.0] * len(GROUPS)
        for mark, times in sorted(self.borne[component].items()):
            missed[_group(mark)] += _missed(times, others)
        return missed

    def _excess(self, component: str, counts: Values, known: bool) -> Values:
        """Return how many standard deviations more marks a component bears than it does on average."""
        others = max(1, self.incidents - known)
        mean = (self.sums.get(component, 0.0) - known * counts) / others
        square = (self.squares.get(component, 0.0) - known * counts**2) / others
        return np.asarray((counts - mean) / np.sqrt(np.maximum(square - mean**2, 0.0) + _LEAST_SPREAD))

    def to_json(self) -> dict[str, Any]:
        """Return all of it as what JSON can hold."""
        return {
            "incidents": self.incidents,
            "server": dict(self.operations.server),
            "borne": {c: [[list(mark), n] for mark, n in sorted(by.items())] for c, by in sorted(self.borne.items())},
            "sums": {c: list(map(float, self.sums[c])) for c in sorted(self.sums)},
            "squares": {c: list(map(float, self.squares[c])) for c in sorted(self.squares)},
        }

    @classmethod
    def from_json(cls, stated: Mapping[str, Any]) -> Habits:
        """Read what `to_json` wrote. Raises KeyError, TypeError, ValueError or AttributeError for anything else."""
        incidents = whole(stated["incidents"], 1)
        sums, squares = (
            {c: np.array(finite(of, len(GROUPS), 0.0, MOST**2)) for c, of in stated[name].items()}
            for name in ("sums", "squares")
        )
        borne = {c: dict(_times(mark, n, incidents) for mark, n in by) for c, by in stated["borne"].items()}
        return cls(incidents, Operations.from_json(stated["server"]), borne, sums, squares)


def _times(mark: Any, times: Any, incidents: int) -> tuple[Mark, int]:
    """Read how often a mark was there: no more often than there were incidents."""
    if not mark:
        raise ValueError("a mark says nothing")
    return texts(mark), int(within(whole(times), 0, incidents))


def _missed(times: int, others: int) -> float:
    """Return how surprising it is that a mark is not there which was there so many times."""
    return -math.log(1.0 - times / (others + 1.5))


def _group(mark: Mark) -> int:
    name = _GROUP_OF.get(mark[0], mark[0])
    return GROUPS.index(name) if name in GROUPS else 0


def _counts(marks: set[Mark]) -> Values:
    counts = np.zeros(len(GROUPS))
    for mark in marks:
        counts[_group(mark)] += 1.0
    return counts
