"""Whether a fault is unlike any that was learned: how strange it is, beside incidents of known types held back.

What a model says of faults that it has never met is measured by hiding types from it: types are dealt into as many
groups as there are folds, and each fold's trees meet neither its incidents nor its group of types. How strange known
types are is measured on incidents held back from trees that know all types.

Source: Vovk, Gammerman and Shafer, Algorithmic learning in a random world, 2005 (conformal p-values).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.stated import number, within
from hypocenter_workers.learn.part_checks import MOST, finite
from hypocenter_workers.learn.strangeness import MOST_KEPT

if TYPE_CHECKING:
    from hypocenter_workers.learn.boosting import Floats

# How common faults of a new kind are taken to be, and how many known ones may be called new.
SHARE = 0.1
FALSE_ALARMS = 0.05
FEWEST = 10
_RIDGE = 1.0
_STEPS = 25
_ROUNDED = 1e-9
_UNSAID = math.log(SHARE / (1 - SHARE))
# Where no type could be hidden: a surprise as large as known faults reach on average, 1, leaves the chance about there.
_UNFITTED = (_UNSAID - 1.0, 1.0)


@dataclass(frozen=True)
class Doubt:
    """The chance that a fault is of no known type, from how strange it is; beyond `limit` it is said to be of none.

    `reached` is how strange known faults were that were held back, ascending; `weights` are those of a logistic
    regression on the surprise. `recall` is the share of hidden faults beyond the limit, `false_alarms` that of known
    ones, `precision` the share of hidden ones beyond it if `SHARE` of all were hidden; NaN where too few were there to
    measure.
    """

    reached: tuple[float, ...] = ()
    weights: tuple[float, float] = _UNFITTED
    limit: float = 1.0
    recall: float = float("nan")
    false_alarms: float = float("nan")
    precision: float = float("nan")

    def chances(self, strange: Floats) -> Floats:
        """Return the chance of every incident from what `KnownRoots.strangeness` says of it."""
        return _chances(surprise(strange, np.array(self.reached)), self.weights)

    @classmethod
    def from_json(cls, stated: dict[str, Any]) -> Doubt:
        """Read what `dataclasses.asdict` made. Raises KeyError, TypeError or ValueError for anything else."""
        reached = stated["reached"]
        read = tuple(sorted(finite(reached, min(len(reached), MOST_KEPT), 0.0, 1.0 + _ROUNDED)))
        low, slope = finite(stated["weights"], 2)
        kept = ("reached", "weights", "limit")
        measured = {name: number(value) for name, value in stated.items() if name not in kept}
        return cls(read, (low, within(slope, 0.0, MOST)), within(stated["limit"], 0.0, 1.0), **measured)


UNMEASURED = Doubt()


def surprise(strange: Floats, known: Floats, *, known_themselves: bool = False) -> Floats:
    """Return -ln of the p-value of every incident: of the share of known ones as strange, itself being counted.

    `known_themselves` says that it is one of these. Where none are known it is 1, what known ones have on average.

    >>> surprise(np.array([3.0, 0.0]), np.array([0.0, 1.0, 2.0])).round(2).tolist()
    [1.39, -0.0]
    """
    if not known.size:
        return np.ones(len(strange))
    added = int(not known_themselves)
    as_strange = len(known) - np.searchsorted(np.sort(known), strange, "left") + added
    return np.asarray(-np.log(as_strange / (len(known) + added)), np.float64)


def fit_doubt(held: Floats, known: Floats, hidden: Floats) -> Doubt:
    """Learn what chance a surprise stands for, and how much known faults reach, from how strange incidents are.

    `held` are faults of known types held back from trees that know all types; `known` and `hidden` are asked of trees
    from which the types of the second were hidden.
    """
    if len(held) < FEWEST:
        return UNMEASURED
    reached = tuple(np.sort(held).tolist())
    weights, hidden_surprise = _UNFITTED, np.zeros(0)
    if min(len(known), len(hidden)) >= FEWEST:
        hidden_surprise = surprise(hidden, known)
        weights = _fitted(surprise(known, known, known_themselves=True), hidden_surprise)
    at_held = _chances(surprise(held, held, known_themselves=True), weights)
    limit = _limit(at_held)
    wrong = float((at_held > limit).mean())
    if not len(hidden_surprise):
        return Doubt(reached, weights, limit, false_alarms=wrong)
    recall = float((_chances(hidden_surprise, weights) > limit).mean())
    said = SHARE * recall + (1 - SHARE) * wrong
    return Doubt(reached, weights, limit, recall, wrong, SHARE * recall / said if said > 0 else float("nan"))


def _limit(chances: Floats) -> float:
    """Return what at most `FALSE_ALARMS` of such as these are beyond, one more being like them; 1 for too few."""
    place = math.ceil((len(chances) + 1) * (1 - FALSE_ALARMS))
    return float(np.sort(chances)[place - 1]) if place <= len(chances) else 1.0


def _chances(surprises: Floats, weights: tuple[float, float]) -> Floats:
    low, slope = weights
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(low + slope * surprises, -50, 50))), np.float64)


def _fitted(known: Floats, hidden: Floats) -> tuple[float, float]:
    """Fit the chance of being hidden to the surprise; hidden ones that surprise less than known ones teach nothing."""
    new = np.concatenate([np.zeros(len(known)), np.ones(len(hidden))])
    weights = np.where(new == 1, SHARE / len(hidden), (1 - SHARE) / len(known)) * len(new)
    low, slope = _logistic(np.concatenate([known, hidden])[:, None], new, weights)
    return (low, slope) if slope > 0 else (_UNSAID, 0.0)


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
