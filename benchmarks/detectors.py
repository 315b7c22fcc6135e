"""The project's own detectors, by name, in the harness of the labelled series: each with its settings as shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter_workers.detect.ensemble import Ensemble
from hypocenter_workers.detect.events import Events
from hypocenter_workers.detect.forest import Forest
from hypocenter_workers.detect.seasonal import Seasonal

if TYPE_CHECKING:
    from nab import Floats, Labelled

    from hypocenter_workers.detect.contract import Detector, Scored


def shipped() -> dict[str, Detector]:
    """Return the tiers, and all detectors of a series as one, by name."""
    detectors: tuple[Detector, ...] = (Seasonal(), Forest(), Ensemble())
    return {detector.name: detector for detector in detectors}


def scored(detector: Detector, one: Labelled) -> Scored:
    """Return a series scored from its first row on, as [time, 1]."""
    return detector.score_block(one.values[:, None], one.times, detector.begin(1))


def scores(detector: Detector, one: Labelled) -> Floats:
    """Return the score of each row."""
    return np.asarray(scored(detector, one).scores[:, 0], dtype=np.float64)


def alerts(detector: Detector, one: Labelled, threshold: float) -> Floats:
    """Return the score of each row behind the event stage: rows that belong to an event already told are lowered."""
    stage = Events(threshold)
    found = scored(detector, one)
    told = stage.tell_block(found, one.values[:, None], one.times, stage.begin())
    return np.asarray(stage.alert_scores(np.asarray(found.scores, dtype=np.float64), told.flags)[:, 0])
