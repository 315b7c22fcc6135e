"""What held-back incidents say of a model of fault types before it serves: calibration, local features, the unknown.

Trees are grown again without some incidents and asked about these: once on the core alone and once on all features.
Local features are admitted where the second does surely better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.stated import number, truth, whole, within
from hypocenter_workers.learn.incident_features import is_local
from hypocenter_workers.learn.strangeness import KnownRoots
from hypocenter_workers.learn.type_trees import grow_types, look_at
from hypocenter_workers.learn.unknown import UNMEASURED, Doubt, fit_doubt
from hypocenter_workers.learn.validation import Fold, folds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypocenter_workers.learn.boosting import Floats, Ints
    from hypocenter_workers.learn.incident_features import IncidentFeatures
    from hypocenter_workers.learn.type_trees import Look, Settings, TypeTrees

FOLDS = 5
MOST_TRIED = 400
FEWEST_TRIED = 20
LEAST_CHANCE = 1e-4
# One-sided 95 %: better by more than chance makes of it.
SURELY = 1.64
_MEASURED = ("gain", "gain_error", "accuracy", "log_loss", "brier", "error")
# Beyond it the chances of many types come to 0.
_SHARPEST = 20.0
_TEMPERATURES = tuple(math.exp(k / 20) for k in range(-24, 25))


@dataclass(frozen=True)
class Trials:
    """What trials set and measured; NaN where too few incidents could be held back.

    Chances are raised to the power `sharpness` and made to sum to 1 again. `local` says whether local features serve;
    `gain` is by how much they lower the log-loss of a held-back incident, with its standard error. `log_loss`, `brier`
    and `error` (expected calibration error, ten bins) are after calibration.
    """

    sharpness: float = 1.0
    local: bool = True
    doubt: Doubt = UNMEASURED
    tried: int = 0
    gain: float = math.nan
    gain_error: float = math.nan
    accuracy: float = math.nan
    log_loss: float = math.nan
    brier: float = math.nan
    error: float = math.nan

    def admitted(self, feature: str) -> bool:
        """Say whether trees may look at a feature."""
        return self.local or not is_local(feature)

    def calibrated(self, chances: Floats) -> Floats:
        """Return chances that mean what they say, [incident, class]."""
        return sharpened(chances, self.sharpness)

    @classmethod
    def from_json(cls, stated: dict[str, Any]) -> Trials:
        """Read what `dataclasses.asdict` made. Raises KeyError, TypeError or ValueError for anything else."""
        sharpness = within(stated["sharpness"], 1 / _SHARPEST, _SHARPEST)
        doubt = Doubt.from_json(stated["doubt"])
        measured = (number(stated[name]) for name in _MEASURED)
        return cls(sharpness, truth(stated["local"]), doubt, whole(stated["tried"]), *measured)


UNTRIED = Trials()


@dataclass(frozen=True)
class Labelled:
    """Incidents with their types and roots, by place."""

    looks: Sequence[Look]
    types: Sequence[str]
    roots: Sequence[Sequence[str]]

    def grow(self, places: Ints, settings: Settings, admitted: Callable[[str], bool]) -> TypeTrees | None:
        """Grow trees on some of the incidents; None where these are of one type."""
        types = [self.types[at] for at in places]
        if len(set(types)) < 2:
            return None
        return grow_types(self._looks(places), types, self._roots(places), settings, admitted)

    def strangeness(self, trees: TypeTrees, learned: Ints, asked: Ints) -> Floats:
        """Return how strange some incidents are to trees that learned from others."""
        known = KnownRoots.of(trees, self._looks(learned), self._roots(learned))
        return known.strangeness(self._looks(asked))

    def _looks(self, places: Ints) -> list[Look]:
        return [self.looks[at] for at in places]

    def _roots(self, places: Ints) -> list[Sequence[str]]:
        return [self.roots[at] for at in places]


@dataclass(frozen=True)
class HeldBack:
    """What trees said of incidents that they had not met: their places, [incident, class] chances, strangeness."""

    places: Ints
    chances: Floats
    strange: Floats

    def sharpened(self, sharpness: float) -> HeldBack:
        """Return the same with calibrated chances."""
        return replace(self, chances=sharpened(self.chances, sharpness))

    def losses(self, truth: Ints) -> Floats:
        """Return the log-loss of every incident."""
        own = self.chances[np.arange(len(self.places)), truth[self.places]]
        return np.asarray(-np.log(np.clip(own, LEAST_CHANCE, 1.0)), np.float64)


def try_out(
    incidents: Sequence[IncidentFeatures], types: Sequence[str], roots: Sequence[Sequence[str]], settings: Settings
) -> Trials:
    """Hold incidents back, grow trees without them and measure what these say of them."""
    last = slice(max(0, len(incidents) - MOST_TRIED), None)
    looks = [look_at(i, r) for i, r in zip(incidents[last], roots[last], strict=True)]
    labelled = Labelled(looks, types[last], roots[last])
    classes = tuple(sorted(set(types)))
    times = [look.incident.began for look in labelled.looks]
    split = folds([look.incident.incident_id for look in labelled.looks], times, labelled.types, FOLDS)
    truth = np.array([classes.index(type_) for type_ in labelled.types], np.intp)
    whole = _hold_back(labelled, classes, split, settings, lambda _: True)
    if whole is None or len(whole.places) < FEWEST_TRIED:
        return UNTRIED
    core = _hold_back(labelled, classes, split, settings, lambda feature: not is_local(feature)) or whole
    gains = core.losses(truth) - whole.losses(truth)
    gain, spread = float(gains.mean()), float(gains.std(ddof=1) / math.sqrt(len(gains)))
    local = gain > SURELY * spread
    best = whole if local else core
    sharpness = _sharpness(best, truth)
    hidden = _try_hidden(labelled, classes, settings, lambda f: local or not is_local(f))
    doubt = fit_doubt(best.strange, *hidden)
    return Trials(sharpness, local, doubt, len(best.places), gain, spread, **_measured(best, truth, sharpness))


def _hold_back(
    labelled: Labelled,
    classes: Sequence[str],
    split: Sequence[Fold],
    settings: Settings,
    admitted: Callable[[str], bool],
) -> HeldBack | None:
    places: list[Ints] = []
    said: list[Floats] = []
    strange: list[Floats] = []
    for fold in split:
        trees = labelled.grow(fold.learned, settings, admitted)
        if trees is not None:
            places.append(fold.held)
            said.append(_over(classes, trees, [labelled.looks[at] for at in fold.held]))
            strange.append(labelled.strangeness(trees, fold.learned, fold.held))
    return HeldBack(np.concatenate(places), np.vstack(said), np.concatenate(strange)) if places else None


def _over(classes: Sequence[str], trees: TypeTrees, looks: Sequence[Look]) -> Floats:
    """Return [incident, class] chances over all classes, 0 for those that the trees have not met."""
    found = np.zeros((len(looks), len(classes)))
    found[:, [classes.index(each) for each in trees.classes]] = trees.chances(looks)
    return found


def sharpened(chances: Floats, sharpness: float) -> Floats:
    """Raise chances to a power and make every row sum to 1 again.

    >>> sharpened(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.941, 0.059]]
    """
    raised = np.clip(chances, 1e-12, 1.0) ** sharpness
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float64)


def _sharpness(held: HeldBack, truth: Ints) -> float:
    losses = [
        (float(held.sharpened(power).losses(truth).mean()), abs(math.log(power)), power) for power in _TEMPERATURES
    ]
    return min(losses)[2]


def _measured(held: HeldBack, truth: Ints, sharpness: float) -> dict[str, float]:
    sure = sharpened(held.chances, sharpness)
    true = truth[held.places]
    hits = sure.argmax(axis=1) == true
    wanted = np.eye(sure.shape[1])[true]
    return {
        "accuracy": float(hits.mean()),
        "log_loss": float(held.sharpened(sharpness).losses(truth).mean()),
        "brier": float(((sure - wanted) ** 2).sum(axis=1).mean()),
        "error": calibration_error(sure.max(axis=1), hits.astype(np.float64)),
    }


def calibration_error(chances: Floats, hits: Floats, bins: int = 10) -> float:
    """Return the expected calibration error: how far chances are from shares of hits, over bins of equal width.

    >>> calibration_error(np.array([0.9, 0.9]), np.array([1.0, 0.0]))
    0.4
    """
    bin_of = np.minimum((chances * bins).astype(int), bins - 1)
    gaps = [abs(float((chances[bin_of == b] - hits[bin_of == b]).sum())) for b in sorted(set(bin_of.tolist()))]
    return round(math.fsum(gaps) / len(chances), 12)


def _try_hidden(
    labelled: Labelled, classes: Sequence[str], settings: Settings, admitted: Callable[[str], bool]
) -> tuple[Floats, Floats]:
    """Hide groups of types, and incidents of the others; return how strange the others and the hidden ones are."""
    nothing = np.zeros(0)
    if len(classes) < 3:
        return nothing, nothing
    count = min(FOLDS, len(classes))
    group = np.array([classes.index(type_) % count for type_ in labelled.types])
    ids = [look.incident.incident_id for look in labelled.looks]
    known, hidden = [nothing], [nothing]
    for at, fold in enumerate(folds(ids, [None] * len(ids), labelled.types, count)):
        learned = fold.learned[group[fold.learned] != at]
        trees = labelled.grow(learned, settings, admitted)
        if trees is not None:
            known.append(labelled.strangeness(trees, learned, fold.held[group[fold.held] != at]))
            hidden.append(labelled.strangeness(trees, learned, np.flatnonzero(group == at)))
    return np.concatenate(known), np.concatenate(hidden)
