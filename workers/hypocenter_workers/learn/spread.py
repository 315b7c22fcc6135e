"""How features of incidents are spread: kept with a model, so that later incidents can be compared with training."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_workers.learn.drift import Floats, bins_of
from hypocenter_workers.learn.incident_features import is_local

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypocenter.model_card import FeatureBins
    from hypocenter_workers.learn.incident_features import Features

MOST_FEATURES = 40


def core_of(features: Features) -> Features:
    """Return features without those that hold names of one installation."""
    return {name: value for name, value in features.items() if not is_local(name)}


def spread_of(rows: Sequence[Features]) -> dict[str, FeatureBins]:
    """Return the spread of the features that most incidents show; an incident that does not show one counts as 0."""
    shown = Counter(name for row in rows for name in row)
    common = sorted(shown, key=lambda name: (-shown[name], name))[:MOST_FEATURES]
    return {name: bins_of(values) for name, values in columns_of(rows, sorted(common)).items()}


def columns_of(rows: Sequence[Features], names: Iterable[str]) -> dict[str, Floats]:
    """Return one value an incident for each of the named features.

    >>> columns_of([{"a": 2.0}, {}], ["a"])
    {'a': array([2., 0.])}
    """
    return {name: np.array([row.get(name, 0.0) for row in rows]) for name in names}
