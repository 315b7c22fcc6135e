"""Compile every kernel ahead of its first use: `python -m hypocenter_workers.detect.prepare`, as an image does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hypocenter.readers.series_tables import series_of
from hypocenter_workers.detect.calendar import Calendar
from hypocenter_workers.detect.ensemble import Ensemble
from hypocenter_workers.detect.joint_forest import JointForest
from hypocenter_workers.detect_table import default_detector, detect

if TYPE_CHECKING:
    from hypocenter_workers.detect.contract import Detector

ROWS = 300
SHIFT = 250


def prepare() -> None:
    """Detect a shift in two small series and score one row more, which compiles what was not compiled before."""
    times = np.datetime64("2026-01-01", "ns") + np.arange(ROWS) * np.timedelta64(3600, "s")
    row = np.arange(float(ROWS))
    moved = np.where(row < SHIFT, 0.0, 90.0)
    values = np.column_stack([row % 7 + moved, row % 5 + moved])
    frame = pd.DataFrame({"time": pd.DatetimeIndex(times, tz="UTC"), "a": values[:, 0], "b": values[:, 1]})
    detect(series_of(frame, "two series"), default_detector(Calendar()))
    detectors: tuple[Detector, ...] = (Ensemble(), JointForest())
    for detector in detectors:
        detector.score_block(values[:1], times[:1], detector.begin(2))


if __name__ == "__main__":
    print("Compiling the detectors ...", file=sys.stderr)
    prepare()
