"""How much of what history teaches may serve: nothing, its name-free core, or also what holds here alone.

Each level is tried on later incidents, or where times are not known on others, that it was not fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_workers.learn.conditional_logit import fit_weights
from hypocenter_workers.learn.gate import Comparison, compare, reciprocal_rank
from hypocenter_workers.learn.sign_logit import chosen
from hypocenter_workers.learn.suspect_stages import CORE, LEVELS, LOCAL, PRIOR, SEEDS, Stages
from hypocenter_workers.learn.validation import folds

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from hypocenter.telemetry import Values
    from hypocenter_workers.learn.sign_logit import Roots
    from hypocenter_workers.learn.suspect_features import Suspects
    from hypocenter_workers.learn.suspect_stages import History
    from hypocenter_workers.learn.validation import Fold

FOLDS = 5
MOST_TRIED = 600
# What held in fewer systems is not believed of another.
FEWEST_SYSTEMS = 5
ABROAD = "core in other systems"
# The first guess is the trees alone, as sure as they are; the ridge says how many incidents' worth it weighs.
_FIRST_GUESS = {CORE: (0.0, 1.0), LOCAL: (0.0, 1.0, 0.0)}
_RIDGE = 1.0


@dataclass(frozen=True)
class Admission:
    """The level that may serve, how what it says is joined, and the comparisons that decided.

    `abroad` says whether it may serve in systems that it did not learn from.
    """

    level: str
    weights: tuple[float, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    abroad: bool = False


@dataclass(frozen=True)
class _Tried:
    """One level on incidents held back: `said[i]` is [component, part], and `fold[i]` says in which round.

    `known[round]` are the rounds whose incidents that round learned from: all others, or where times are known all
    earlier ones.
    """

    incidents: tuple[Suspects, ...]
    roots: tuple[Roots, ...]
    said: tuple[Values, ...]
    fold: tuple[int, ...]
    known: tuple[frozenset[int], ...]


def admit(history: History, roots: Sequence[Roots], most: str = LOCAL) -> Admission:
    """Say which level up to `most` may serve: of those that beat the prior for sure, the one that reached most.

    Every incident must have a root among its suspects.
    """
    parts = _folds(history)
    best, compared = Admission(PRIOR), []
    gain = 0.0
    for level in LEVELS[1 : LEVELS.index(most) + 1]:
        tried = _try(history, roots, level, parts)
        comparison = compare((level, _reached(tried, level)), (PRIOR, _reached_by_prior(tried)))
        compared.append(comparison)
        if comparison.admitted and comparison.gain > gain:
            best, gain = Admission(level, _weights(tried, level)), comparison.gain
    if best.level == CORE and len({suspects.system for suspects in history}) >= FEWEST_SYSTEMS:
        compared.append(_compared_abroad(history, roots))
        return Admission(CORE, best.weights, tuple(compared), compared[-1].admitted)
    return Admission(best.level, best.weights, tuple(compared))


def _compared_abroad(history: History, roots: Sequence[Roots]) -> Comparison:
    """Compare the core with the prior in systems that were left out whole."""
    parts = folds([suspects.system for suspects in history], [None] * len(history), [""] * len(history), FOLDS)
    tried = _try(history, roots, CORE, parts)
    return compare((ABROAD, _reached(tried, CORE)), (PRIOR, _reached_by_prior(tried)))


def ungated(history: History, roots: Sequence[Roots], most: str = LOCAL) -> Admission:
    """Let a level through without a comparison: to measure what the gate may keep from serving."""
    return Admission(most, _weights(_try(history, roots, most, _folds(history)), most), abroad=True)


def _folds(history: History) -> list[Fold]:
    """Return the rounds in which incidents are held back, the latest first, until `MOST_TRIED` are."""
    groups = [f"{suspects.system}/{suspects.incident_id}" for suspects in history]
    latest = folds(groups, [suspects.at for suspects in history], [""] * len(history), FOLDS)[::-1]
    tried = np.cumsum([0, *(len(fold.held) for fold in latest)])
    return [fold for fold, before in zip(latest, tried, strict=False) if before < MOST_TRIED]


def _try(history: History, roots: Sequence[Roots], level: str, parts: Sequence[Fold]) -> _Tried:
    held = [int(at) for fold in parts for at in fold.held]
    said = []
    for fold in parts:
        stages = Stages.fit([history[at] for at in fold.learned], [roots[at] for at in fold.learned], level, SEEDS[:1])
        said += [stages.utilities(history[at]) for at in fold.held]
    rounds = [number for number, fold in enumerate(parts) for _ in fold.held]
    known = tuple(_known(fold, parts) for fold in parts)
    return _Tried(tuple(history[at] for at in held), tuple(roots[at] for at in held), tuple(said), tuple(rounds), known)


def _known(fold: Fold, parts: Sequence[Fold]) -> frozenset[int]:
    learned = set(fold.learned.tolist())
    return frozenset(number for number, other in enumerate(parts) if learned.issuperset(other.held.tolist()))


def _weights(tried: _Tried, level: str, rounds: Collection[int] | None = None) -> tuple[float, ...]:
    """Weigh what the parts say by how well they say it, in some rounds, of incidents that they were not fitted on."""
    kept = [at for at, number in enumerate(tried.fold) if rounds is None or number in rounds]
    first_guess = np.array(_FIRST_GUESS[level])
    if not kept:
        return tuple(first_guess)
    said = np.vstack([tried.said[at] for at in kept])
    sizes = np.array([len(tried.said[at]) for at in kept])
    right = chosen([tried.incidents[at] for at in kept], [tried.roots[at] for at in kept])
    return tuple(map(float, fit_weights(said, sizes, right, _RIDGE, first_guess)))


def _reached(tried: _Tried, level: str) -> list[float]:
    """Return the reciprocal rank of the root in each incident, by weights fitted on rounds that could be known."""
    weights = [np.array(_weights(tried, level, rounds)) for rounds in tried.known]
    told = [said @ weights[number] for said, number in zip(tried.said, tried.fold, strict=True)]
    return _places(tried, told)


def _reached_by_prior(tried: _Tried) -> list[float]:
    return _places(tried, [np.array(suspects.prior) for suspects in tried.incidents])


def _places(tried: _Tried, told: Sequence[Values]) -> list[float]:
    return [
        reciprocal_rank(scores.tolist(), [component in own for component in suspects.components])
        for scores, suspects, own in zip(told, tried.incidents, tried.roots, strict=True)
    ]
