"""Which marks tell a root cause in one installation: a sparse conditional logit over marks, with and without names."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.stated import texts, within
from hypocenter_workers.learn.conditional_logit import fit_weights, log_chances
from hypocenter_workers.learn.local_signs import Operations, marks_of
from hypocenter_workers.learn.part_checks import MOST
from hypocenter_workers.learn.signs import TRACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hypocenter.telemetry import Values
    from hypocenter_workers.learn.suspect_features import Suspects

    Roots = Sequence[str]
    Places = NDArray[np.intp]
    Key = tuple[str, ...]

RIDGE = 1.0
ANYBODY = ""


@dataclass(frozen=True)
class SignLogit:
    """Weights of marks: of a mark on whomever bears it, and of that mark on one component alone."""

    operations: Operations
    weights: Mapping[Key, float]

    def features(self, suspects: Suspects) -> Values:
        """Return the logarithm of every suspect's probability, by its marks alone."""
        told = [sum(self.weights.get(key, 0.0) for key in keys) for keys in _keys(suspects, self.operations)]
        return log_chances(np.array(told))

    def to_json(self) -> dict[str, Any]:
        """Return all of it as what JSON can hold."""
        return {"server": dict(self.operations.server), "weights": [[list(k), w] for k, w in self.weights.items()]}

    @classmethod
    def from_json(cls, stated: Mapping[str, Any]) -> SignLogit:
        """Read what `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        weights = {texts(key): within(weight, -MOST, MOST) for key, weight in stated["weights"]}
        return cls(Operations.from_json(stated["server"]), weights)


@dataclass(frozen=True)
class MarkedHistory:
    """A history's marks as numbers: `known` is a sparse [suspect, mark], and who was a root is `right`.

    The suspects of incident i are the rows from `starts[i]` to `starts[i + 1]`; each incident has a root among them.
    """

    operations: Operations
    marks: tuple[Key, ...]
    known: Any
    right: Values
    starts: Places

    @classmethod
    def of(cls, history: Sequence[Suspects], roots: Sequence[Roots]) -> MarkedHistory:
        """Read the marks of every suspect."""
        from scipy.sparse import csr_matrix

        operations = Operations.learn(suspects.signs for suspects in history)
        column: dict[Key, int] = {}
        indices: list[int] = []
        ends = [0]
        for suspects in history:
            for keys in _keys(suspects, operations):
                indices += [column.setdefault(key, len(column)) for key in keys]
                ends.append(len(indices))
        known = csr_matrix((np.ones(len(indices)), indices, ends), shape=(len(ends) - 1, len(column)))
        starts = np.cumsum([0, *(len(suspects.components) for suspects in history)])
        return cls(operations, tuple(column), known, chosen(history, roots), starts)

    def fit(self) -> SignLogit:
        """Fit on all incidents."""
        weights = self._weights(np.arange(len(self.starts) - 1))
        return SignLogit(self.operations, dict(zip(self.marks, map(float, weights), strict=True)))

    def told_by_others(self, folds: Iterable[Places]) -> list[Values]:
        """Return what `SignLogit.features` would be of every incident, had it been fitted without its fold."""
        incidents = np.arange(len(self.starts) - 1)
        told: dict[int, Values] = {}
        for fold in folds:
            weights = self._weights(np.setdiff1d(incidents, fold))
            told |= {int(at): log_chances(self.known[self._rows([at])] @ weights) for at in fold}
        return [told[at] for at in range(len(incidents))]

    def _rows(self, incidents: Iterable[int]) -> Places:
        return np.concatenate([np.arange(self.starts[at], self.starts[at + 1]) for at in incidents])

    def _weights(self, incidents: Places) -> Values:
        rows, sizes = self._rows(incidents), np.diff(self.starts)[incidents]
        return fit_weights(self.known[rows], sizes, self.right[rows], RIDGE)


def chosen(history: Iterable[Suspects], roots: Iterable[Roots]) -> Values:
    """Share 1 among the roots of each incident, over the suspects of all incidents."""
    found = []
    for suspects, own in zip(history, roots, strict=True):
        right = np.array([component in own for component in suspects.components], dtype=np.float64)
        found.append(right / right.sum())
    return np.concatenate(found)


def _keys(suspects: Suspects, operations: Operations) -> Iterator[list[Key]]:
    """Yield for every suspect what has a weight: its name, its marks, and who asked for what it serves."""
    marks = marks_of(suspects.signs, operations)
    asked: dict[str, set[Key]] = defaultdict(set)
    for sign in suspects.signs:
        if sign.modality == TRACE and sign.peer and sign.peer != sign.component:
            asked[sign.component].add((TRACE, sign.name, sign.state, sign.peer))
    for component in suspects.components:
        own = sorted(marks.get(component, ()))
        named = [*own, *sorted(asked.get(component, ()))]
        yield [(component,), *((ANYBODY, *mark) for mark in own), *((component, *mark) for mark in named)]
