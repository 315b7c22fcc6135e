"""Whether a fault is unlike any that was learned: how sure the trees are of it, and how near its nearest neighbour is.

What a model says of faults that it has never met is measured by hiding types from it: types are dealt into as many
groups as there are folds, and each fold's trees meet neither its incidents nor its group of types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.stated import number, within
from hypocenter_workers.learn.part_checks import finite

if TYPE_CHECKING:
    from hypocenter_workers.learn.boosting import Floats

# How common faults of a new kind are taken to be, and how many known ones may be called new.
SHARE = 0.1
FALSE_ALARMS = 0.05
FEWEST = 10
_RIDGE = 1.0
_STEPS = 25
_SIGNS = 3


@dataclass(frozen=True)
class Doubt:
    """The chance that a fault is of no known type, from its signs: a logistic regression; `limit` is where to say so.

    `recall` is the share of hidden faults beyond the limit, `false_alarms` that of known ones, `precision` the share of
    hidden ones beyond it if `SHARE` of all were hidden; NaN where too few were there to measure.
    """

    weights: tuple[float, ...]
    limit: float
    recall: float = float("nan")
    false_alarms: float = float("nan")
    precision: float = float("nan")

    def chances(self, signs: Floats) -> Floats:
        """Return the chance of every row of `doubt_signs`."""
        weights = np.asarray(self.weights)
        exponents = np.clip(signs @ weights[1:] + weights[0], -50, 50)
        return np.asarray(1.0 / (1.0 + np.exp(-exponents)), np.float64)

    @classmethod
    def from_json(cls, stated: dict[str, Any]) -> Doubt:
        """Read what `dataclasses.asdict` made. Raises KeyError, TypeError or ValueError for anything else."""
        weights = finite(stated["weights"], 1 + _SIGNS)
        measured = {name: number(value) for name, value in stated.items() if name not in ("weights", "limit")}
        return cls(weights, within(stated["limit"], 0.0, 1.0), **measured)


UNMEASURED = Doubt((-2.2, -0.5, 0.3, -1.0), 0.5)


def doubt_signs(chances: Floats, nearness: Floats) -> Floats:
    """Return [incident, sign]: log-odds of the likeliest type, entropy, nearness to the nearest past incident."""
    most = np.clip(chances.max(axis=1), 1e-4, 1 - 1e-4)
    bounded = np.clip(chances, 1e-9, 1.0)
    entropy = -(bounded * np.log(bounded)).sum(axis=1)
    return np.column_stack([np.log(most / (1 - most)), entropy, nearness])


def fit_doubt(known: Floats, hidden: Floats) -> Doubt:
    """Learn to tell hidden types from known ones by their signs, both [incident, sign]."""
    if len(known) < FEWEST or len(hidden) < FEWEST:
        return UNMEASURED
    signs = np.vstack([known, hidden])
    new = np.concatenate([np.zeros(len(known)), np.ones(len(hidden))])
    weights = np.where(new == 1, SHARE / len(hidden), (1 - SHARE) / len(known)) * len(new)
    fitted = Doubt(_logistic(signs, new, weights), 0.0)
    at_known, at_hidden = fitted.chances(known), fitted.chances(hidden)
    limit = float(np.quantile(at_known, 1 - FALSE_ALARMS))
    recall, wrong = float((at_hidden > limit).mean()), float((at_known > limit).mean())
    said = SHARE * recall + (1 - SHARE) * wrong
    return Doubt(fitted.weights, limit, recall, wrong, SHARE * recall / said if said > 0 else float("nan"))


def _logistic(signs: Floats, new: Floats, weights: Floats) -> tuple[float, ...]:
    """Fit a weighted logistic regression with a small ridge by Newton's method."""
    rows = np.column_stack([np.ones(len(signs)), signs])
    found = np.zeros(rows.shape[1])
    ridge = np.diag([0.0] + [_RIDGE] * signs.shape[1])
    for _ in range(_STEPS):
        chances = 1.0 / (1.0 + np.exp(-np.clip(rows @ found, -50, 50)))
        slope = rows.T @ (weights * (new - chances)) - ridge @ found
        bend = (rows * (weights * chances * (1 - chances))[:, None]).T @ rows + ridge + 1e-9 * np.eye(len(found))
        found = found + np.linalg.solve(bend, slope)
    return tuple(float(weight) for weight in found)
