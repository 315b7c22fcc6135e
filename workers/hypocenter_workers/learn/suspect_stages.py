"""What the ranker of suspects learns from, level by level, and what each level says of an incident's suspects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter_workers.learn.boosting import from_text, load_lightgbm, to_text
from hypocenter_workers.learn.habits import NAMES as HABITS
from hypocenter_workers.learn.habits import Habits
from hypocenter_workers.learn.sign_logit import MarkedHistory, SignLogit, chosen
from hypocenter_workers.learn.suspect_features import CORE as CORE_FEATURES
from hypocenter_workers.learn.suspect_features import log_odds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.telemetry import Values
    from hypocenter_workers.learn.sign_logit import Roots
    from hypocenter_workers.learn.suspect_features import Suspects

    History = Sequence[Suspects]

PRIOR, CORE, LOCAL = "prior", "core", "local"
LEVELS = (PRIOR, CORE, LOCAL)
# How many parts of `Stages.utilities` a level joins by weights.
WEIGHTS = {PRIOR: 0, CORE: 2, LOCAL: 3}
BOOSTER = "suspects-{}.txt"
ROUNDS = 150
SEEDS = (1, 2, 3)
FOLDS, FEWEST_FOLDS, MANY = 5, 2, 2000
BOOSTING = {
    "objective": "lambdarank",
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "lambdarank_truncation_level": 5,
    "bin_construct_sample_cnt": 20_000,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


@dataclass(frozen=True)
class Local:
    """What holds in one installation alone: its habits, and the marks that told a root."""

    habits: Habits
    logit: SignLogit

    def features(self, suspects: Suspects) -> Values:
        """Return [component, feature]: of habits, and last the logarithm of the probability by marks."""
        return np.column_stack([self.habits.features(suspects), self.logit.features(suspects)])


@dataclass(frozen=True)
class Stages:
    """Boosted trees over the features of a level, in LightGBM's text format, one for every seed."""

    boosters: tuple[str, ...]
    local: Local | None = None

    @classmethod
    def fit(cls, history: History, roots: Sequence[Roots], level: str, seeds: Sequence[int] = SEEDS) -> Stages:
        """Fit a level on incidents each of which has a root among its suspects."""
        if level == PRIOR:
            return cls(())
        right = chosen(history, roots)
        if level == CORE:
            return cls(_boost([suspects.core for suspects in history], right, seeds))
        habits, marked = Habits.learn(history), MarkedHistory.of(history, roots)
        told = marked.told_by_others(_dealt(len(history)))
        known = [
            np.column_stack([suspects.core, habits.features(suspects, known=True), own])
            for suspects, own in zip(history, told, strict=True)
        ]
        return cls(_boost(known, right, seeds), Local(habits, marked.fit()))

    def utilities(self, suspects: Suspects) -> Values:
        """Return [component, part]: the prior's log-odds, what the trees say, and what the marks alone say.

        Raises InputError when the trees cannot be read.
        """
        parts = [log_odds(suspects.prior)]
        known = suspects.core
        if self.local is not None:
            own = self.local.features(suspects)
            known = np.column_stack([known, own])
            parts.append(own[:, -1])
        if self.boosters:
            parts.insert(1, self._boosted(known))
        return np.column_stack(parts)

    def check(self) -> None:
        """Read the trees. Raises InputError naming the part where they cannot be, or are of other features."""
        for _ in self._loaded:
            pass

    def _boosted(self, known: Values) -> Values:
        told = [booster.predict(known, raw_score=True, num_threads=1) for booster in self._loaded]
        return np.asarray(np.mean(told, axis=0))

    @cached_property
    def _loaded(self) -> tuple[Any, ...]:
        columns = len(CORE_FEATURES) + (len(HABITS) + 1 if self.local else 0)
        return tuple(from_text(text, BOOSTER.format(number), columns) for number, text in enumerate(self.boosters))


def _dealt(incidents: int) -> list[NDArray[np.intp]]:
    """Deal the places of incidents into folds of equal size, shuffled."""
    shuffled = np.random.default_rng(0).permutation(incidents)
    folds = min(incidents, FOLDS if incidents <= MANY else FEWEST_FOLDS)
    return [np.sort(shuffled[fold::folds]) for fold in range(folds)]


def _boost(known: Sequence[Values], right: Values, seeds: Sequence[int]) -> tuple[str, ...]:
    lightgbm = load_lightgbm()
    data = lightgbm.Dataset(np.vstack(known), np.ceil(right), group=list(map(len, known)), free_raw_data=False)
    boosters = [lightgbm.train({**BOOSTING, "seed": seed}, data, ROUNDS) for seed in seeds]
    return tuple(map(to_text, boosters))
