"""Compile every kernel ahead of its first use: `python -m hypocenter_workers.detect.prepare`, as an image does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_workers.detect.ensemble import Ensemble
from hypocenter_workers.detect.events import Events
from hypocenter_workers.detect.joint_forest import JointForest
from hypocenter_workers.detect.shift import Shift
from hypocenter_workers.detect.silence import Silence

if TYPE_CHECKING:
    from hypocenter_workers.detect.contract import Detector

ROWS = 4


def prepare() -> None:
    """Score a few samples with every detector, which compiles it where that was not done before."""
    times = np.datetime64("2026-01-01", "ns") + np.arange(ROWS) * np.timedelta64(60, "s")
    values = np.arange(float(ROWS * 2)).reshape(ROWS, 2)
    detectors: tuple[Detector, ...] = (Ensemble(), JointForest(), Shift(), Silence())
    for detector in detectors:
        scored = detector.score_block(values, times, detector.begin(2))
    stage = Events(threshold=3.0)
    stage.tell_block(scored, values, times, stage.begin())


if __name__ == "__main__":
    print("Compiling the detectors ...", file=sys.stderr)
    prepare()
