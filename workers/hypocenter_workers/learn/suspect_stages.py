"""What the ranker of suspects learns from, level by level, and what each level says of an incident's suspects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter_workers.learn.habits import Habits
from hypocenter_workers.learn.sign_logit import SignLogit, chosen
from hypocenter_workers.learn.suspect_features import log_odds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hypocenter.telemetry import Values
    from hypocenter_workers.learn.sign_logit import Roots
    from hypocenter_workers.learn.suspect_features import Suspects

    History = Sequence[Suspects]

PRIOR, CORE, LOCAL = "prior", "core", "local"
LEVELS = (PRIOR, CORE, LOCAL)
ROUNDS = 150
SEEDS = (1, 2, 3)
FOLDS = 5
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

    @classmethod
    def fit(cls, history: History, roots: Sequence[Roots]) -> Local:
        """Learn from incidents each of which has a root among its suspects."""
        return cls(Habits.learn(history), SignLogit.fit(history, roots))

    def features(self, suspects: Suspects) -> Values:
        """Return [component, feature]: of habits, and last the logarithm of the probability by marks."""
        return np.column_stack([self.habits.features(suspects), self.logit.features(suspects)])


@dataclass(frozen=True)
class Stages:
    """Boosted trees over the features of a level, in LightGBM's text format, one for every seed."""

    boosters: tuple[str, ...]
    local: Local | None = None

    @classmethod
    def fit(cls, history: History, roots: Sequence[Roots], level: str) -> Stages:
        """Fit a level on incidents each of which has a root among its suspects."""
        if level == PRIOR:
            return cls(())
        if level == CORE:
            return cls(_boost([suspects.core for suspects in history], history, roots))
        local = Local.fit(history, roots)
        habits = [local.habits.features(suspects, known=True) for suspects in history]
        told = _told_by_others(history, roots)
        known = [np.column_stack([one.core, *rest]) for one, *rest in zip(history, habits, told, strict=True)]
        return cls(_boost(known, history, roots), local)

    def utilities(self, suspects: Suspects) -> Values:
        """Return [component, part]: the prior's log-odds, what the trees say, and what the marks alone say."""
        parts = [log_odds(suspects.prior)]
        known = suspects.core
        if self.local is not None:
            own = self.local.features(suspects)
            known = np.column_stack([known, own])
            parts.append(own[:, -1])
        if self.boosters:
            parts.insert(1, self._boosted(known))
        return np.column_stack(parts)

    def _boosted(self, known: Values) -> Values:
        told = [booster.predict(known, raw_score=True, num_threads=1) for booster in self._loaded]
        return np.asarray(np.mean(told, axis=0))

    @cached_property
    def _loaded(self) -> tuple[Any, ...]:
        from lightgbm import Booster

        return tuple(Booster(model_str=text) for text in self.boosters)


def folds_of(incidents: int, folds: int = FOLDS, seed: int = 0) -> list[NDArray[np.intp]]:
    """Deal the places of incidents into folds of equal size, shuffled by `seed`."""
    shuffled = np.random.default_rng(seed).permutation(incidents)
    return [np.sort(shuffled[fold::folds]) for fold in range(min(folds, incidents))]


def held_back(
    history: History, roots: Sequence[Roots], told: Callable[[History, Sequence[Roots], History], list[Values]]
) -> list[Values]:
    """Ask of every incident what is told by those who learnt without it: `told(history, roots, asked)`."""
    found: list[Values] = [np.zeros(0)] * len(history)
    for fold in folds_of(len(history)):
        rest = np.setdiff1d(np.arange(len(history)), fold)
        answers = told([history[at] for at in rest], [roots[at] for at in rest], [history[at] for at in fold])
        for at, answer in zip(fold, answers, strict=True):
            found[at] = answer
    return found


def _told_by_others(history: History, roots: Sequence[Roots]) -> list[Values]:
    def told(rest: History, own: Sequence[Roots], asked: History) -> list[Values]:
        logit = SignLogit.fit(rest, own)
        return [logit.features(suspects) for suspects in asked]

    return held_back(history, roots, told)


def _boost(known: Sequence[Values], history: History, roots: Sequence[Roots]) -> tuple[str, ...]:
    import lightgbm

    label = np.ceil(chosen(history, roots))
    data = lightgbm.Dataset(
        np.vstack(known), label, group=[len(suspects.components) for suspects in history], free_raw_data=False
    )
    boosters = [lightgbm.train({**BOOSTING, "seed": seed}, data, ROUNDS) for seed in SEEDS]
    return tuple(booster.model_to_string() for booster in boosters)
