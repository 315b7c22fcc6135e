"""Which marks tell a root cause in one installation: a sparse conditional logit over marks, with and without names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter_workers.learn.conditional_logit import fit_weights, log_chances
from hypocenter_workers.learn.local_signs import SERVED, Operations, marks_of
from hypocenter_workers.learn.signs import TRACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hypocenter.telemetry import Values
    from hypocenter_workers.learn.suspect_features import Suspects

    Roots = Sequence[str]
    Key = tuple[str, ...]

RIDGE = 1.0
ANYBODY = ""


@dataclass(frozen=True)
class SignLogit:
    """Weights of marks: of a mark on whomever bears it, and of that mark on one component alone."""

    operations: Operations
    weights: Mapping[Key, float]

    @classmethod
    def fit(cls, history: Sequence[Suspects], roots: Sequence[Roots]) -> SignLogit:
        """Fit on incidents each of which has a root among its suspects."""
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
        sizes = np.array([len(suspects.components) for suspects in history])
        fitted = fit_weights(known, sizes, chosen(history, roots), RIDGE)
        return cls(operations, dict(zip(column, map(float, fitted), strict=True)))

    def features(self, suspects: Suspects) -> Values:
        """Return the logarithm of every suspect's probability, by its marks alone."""
        told = [sum(self.weights.get(key, 0.0) for key in keys) for keys in _keys(suspects, self.operations)]
        return log_chances(np.array(told))

    def to_json(self) -> dict[str, Any]:
        """Return all of it as what JSON can hold."""
        return {"server": dict(self.operations.server), "weights": [[list(k), w] for k, w in self.weights.items()]}

    @classmethod
    def from_json(cls, stated: Mapping[str, Any]) -> SignLogit:
        """Read what `to_json` wrote."""
        return cls(Operations(stated["server"]), {tuple(key): float(weight) for key, weight in stated["weights"]})


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
    asked: dict[str, set[Key]] = {}
    for sign in suspects.signs:
        if sign.modality == TRACE and sign.peer and sign.peer != sign.component:
            asked.setdefault(sign.component, set()).add((TRACE, sign.name, sign.state, sign.peer))
    for component in suspects.components:
        own = sorted(marks.get(component, ()))
        named = [*own, *sorted(asked.get(component, ()))]
        yield [(component,), *((ANYBODY, *mark) for mark in own), *((component, *mark) for mark in named)]


__all__ = ["SERVED", "SignLogit", "chosen"]
