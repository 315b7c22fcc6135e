"""LightGBM, loaded where it is used: boosted trees over classes of incidents.

Source: Ke et al., LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 2017.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hypocenter.errors import InputError
from hypocenter_workers.learn.part_checks import reading
from hypocenter_workers.learn.tree_text import checked

if TYPE_CHECKING:
    from types import ModuleType

    import lightgbm
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


def load_lightgbm() -> ModuleType:
    """Return the module. Raises InputError where the shared library that it needs is missing."""
    try:
        import lightgbm
    except OSError as error:
        raise InputError(
            f"LightGBM cannot be loaded ({error}); install the OpenMP runtime: apt-get install libgomp1, or on "
            "other systems libgomp or libomp"
        ) from error
    return lightgbm


def can_load() -> bool:
    """Say whether LightGBM can be loaded here."""
    try:
        load_lightgbm()
    except InputError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees are grown: few leaves and strong shrinkage, since incidents are few and their features many."""

    rounds: int = 120
    num_leaves: int = 7
    learning_rate: float = 0.06
    feature_fraction: float = 0.3
    bagging_fraction: float = 0.8
    bagging_freq: int = 1
    min_data_in_leaf: int = 3
    lambda_l2: float = 1.0
    max_bin: int = 31
    min_data_in_bin: int = 1


@dataclass(frozen=True, slots=True)
class Rows:
    """What trees are grown on: [row, column] features, the class of every row and its weight."""

    features: csr_matrix
    classes: Ints
    weights: Floats


def grow(rows: Rows, number_of_classes: int, growth: Growth, *, seed: int, threads: int) -> lightgbm.Booster:
    """Grow trees that tell classes apart. The same rows, seed and number of threads give the same trees."""
    module = load_lightgbm()
    settings: dict[str, Any] = asdict(growth)
    rounds = settings.pop("rounds")
    parameters = {
        **settings,
        "objective": "multiclass",
        "num_class": number_of_classes,
        "seed": seed,
        "num_threads": threads,
        "deterministic": True,
        "force_col_wise": True,
        "feature_pre_filter": False,
        "verbosity": -1,
    }
    data = module.Dataset(rows.features, rows.classes, weight=rows.weights, params=parameters, free_raw_data=True)
    booster: lightgbm.Booster = module.train(parameters, data, rounds)
    return booster


def chances(booster: lightgbm.Booster, features: csr_matrix, threads: int = 1) -> Floats:
    """Return [row, class] probabilities."""
    return np.asarray(booster.predict(features, num_threads=threads), np.float64).reshape(features.shape[0], -1)


def contributions(booster: lightgbm.Booster, features: csr_matrix, number_of_classes: int) -> Floats:
    """Return [row, class, column]: by how much each feature moved each class, in log-odds (TreeSHAP).

    Source: Lundberg et al., Consistent individualized feature attribution for tree ensembles, 2018.
    """
    found = booster.predict(features, pred_contrib=True, num_threads=1)
    dense = np.asarray(found.todense()) if hasattr(found, "todense") else found
    if isinstance(dense, list):
        dense = np.hstack([part.toarray() for part in dense])
    shaped = np.asarray(dense, np.float64).reshape(features.shape[0], number_of_classes, features.shape[1] + 1)
    return shaped[:, :, :-1]


def to_text(booster: lightgbm.Booster) -> str:
    """Return a model in LightGBM's text format."""
    text: str = booster.model_to_string()
    return text


def from_text(text: str, name: str, columns: int, outputs: int = 1) -> lightgbm.Booster:
    """Read LightGBM's text format, of trees over so many columns that give so many outputs a row.

    Raises InputError naming the part when it is none.
    """
    module = load_lightgbm()
    with reading(name, "model in LightGBM's text format"):
        sound = checked(text, columns, outputs)
        try:
            booster: lightgbm.Booster = module.Booster(model_str=sound)
        except module.basic.LightGBMError as error:
            raise ValueError(str(error)) from error
        if (booster.num_feature(), booster.num_model_per_iteration()) != (columns, outputs):
            raise ValueError("it is of other features or classes than it says")
    return booster
