"""Which incidents are held back from a model to judge it: later ones where times are known, and never half of one."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

Places = NDArray[np.intp]
FIRST_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Fold:
    """Places of incidents: those learned from, and those held back."""

    learned: Places
    held: Places


def folds(groups: Sequence[str], times: Sequence[datetime | None], strata: Sequence[str], count: int) -> list[Fold]:
    """Split incidents `count` times. Rows of one group stay together.

    With every time known each fold learns from what came before and is judged on the next stretch, the first two fifths
    being held back by none; else all are held back once, every stratum (a type of fault) spread over the folds.
    """
    if all(time is not None for time in times) and len(set(times)) > count:
        return _forward(groups, [time for time in times if time is not None], count)
    return _spread(groups, strata, count)


def _forward(groups: Sequence[str], times: Sequence[datetime], count: int) -> list[Fold]:
    first: dict[str, datetime] = {}
    for group, time in zip(groups, times, strict=True):
        first[group] = min(time, first.get(group, time))
    order = sorted(first, key=lambda group: (first[group], group))
    edges = [round(len(order) * (FIRST_SHARE + (1 - FIRST_SHARE) * k / count)) for k in range(count + 1)]
    place = {group: at for at, group in enumerate(order)}
    at = np.array([place[group] for group in groups])
    found = [
        Fold(np.flatnonzero(at < low), np.flatnonzero((at >= low) & (at < high)))
        for low, high in itertools.pairwise(edges)
    ]
    return [fold for fold in found if fold.learned.size and fold.held.size]


def _spread(groups: Sequence[str], strata: Sequence[str], count: int) -> list[Fold]:
    members: dict[str, set[str]] = defaultdict(set)
    of_group: dict[str, str] = {}
    for group, stratum in sorted(zip(groups, strata, strict=True)):
        of_group.setdefault(group, stratum)
    for group, stratum in of_group.items():
        members[stratum].add(group)
    fold_of: dict[str, int] = {}
    for stratum in sorted(members):
        for group in _shuffled(members[stratum]):
            fold_of[group] = len(fold_of) % count
    at = np.array([fold_of[group] for group in groups])
    found = [Fold(np.flatnonzero(at != k), np.flatnonzero(at == k)) for k in range(count)]
    return [fold for fold in found if fold.learned.size and fold.held.size]


def _shuffled(groups: set[str]) -> list[str]:
    """Return groups in an order that says nothing of them and is always the same."""
    ordered = sorted(groups)
    order = np.random.default_rng(len(ordered)).permutation(len(ordered))
    return [ordered[at] for at in order]
