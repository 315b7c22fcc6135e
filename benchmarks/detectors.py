"""The project's own detectors, by name, in the harness of the labelled series: each with its settings as shipped."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nab import Floats, Labelled

    from hypocenter_workers.detect.contract import Detector, Scored

TABLE = {
    "seasonal": ("hypocenter_workers.detect.seasonal", "Seasonal"),
    "forest": ("hypocenter_workers.detect.forest", "Forest"),
    "ensemble": ("hypocenter_workers.detect.ensemble", "Ensemble"),
}


def shipped() -> dict[str, Detector]:
    """Return the detectors that this version has, by name."""
    return {name: getattr(importlib.import_module(m), attribute)() for name, (m, attribute) in TABLE.items() if has(m)}


def has(module: str) -> bool:
    """Return whether this version has a module; print it when not."""
    if find_spec(module) is None:
        print(f"skipped: {module} is not in this version")
        return False
    return True


def scored(detector: Detector, one: Labelled) -> Scored:
    """Return a series scored from its first row on, as [time, 1]."""
    return detector.score_block(one.values[:, None], one.times, detector.begin(1))


def scores(detector: Detector, one: Labelled) -> Floats:
    """Return the score of each row."""
    return np.asarray(scored(detector, one).scores[:, 0], dtype=np.float64)


def alerts(detector: Detector, one: Labelled, threshold: float) -> Floats:
    """Return the score of each row behind the event stage: rows that belong to an event already told are lowered."""
    from hypocenter_workers.detect.events import Events

    stage = Events(threshold)
    found = scored(detector, one)
    told = stage.tell_block(found, one.values[:, None], one.times, stage.begin())
    return np.asarray(stage.alert_scores(np.asarray(found.scores, dtype=np.float64), told.flags)[:, 0])
