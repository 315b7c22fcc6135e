"""One scale for every detector: -log10 of the probability that a statistic is at least as large as it is now.

Peaks over a threshold (Pickands, 1975; streaming after Siffer et al., 2017): the threshold that one value in fifty
exceeds is followed by stochastic approximation, what lies beyond it has a generalised Pareto tail a little heavier than
exponential, whose mean excess is learned from clipped values. A score of 3 means one sample in a thousand, for every
series and every statistic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.telemetry import Values

WARM = 200


def begin(series: int) -> Values:
    """Return what is known of the tails of a number of series at first: nothing; [fields, series]."""
    from hypocenter_workers.detect.calibrate_kernels import FIELDS, RATE, SHARE

    fields = np.zeros((FIELDS, series))
    fields[RATE] = SHARE
    return fields


def calibrated(statistic: Values, tails: Values, warm: int = WARM) -> tuple[NDArray[np.float64], Values]:
    """Return the scores of a non-negative statistic [time, series] and what is known of its tails afterwards.

    Scores are 0 for a series' first `warm` values and NaN where the statistic is; `tails` is left as it was.

    >>> scores, tails = calibrated(np.abs(np.random.default_rng(1).normal(size=(1000, 1))), begin(1))
    >>> float(calibrated(np.array([[0.0], [8.0]]), tails)[0][1, 0]) > 4
    True
    """
    from hypocenter_workers.detect.calibrate_kernels import calibrate_rows

    learned = np.array(tails, dtype=np.float64)
    scores = np.empty(statistic.shape)
    calibrate_rows(np.asarray(statistic, dtype=np.float64), float(warm), learned, scores)
    return scores, learned
