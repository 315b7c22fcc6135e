"""Probabilities as scores: what the calibration of a ranking would have to read in order to say them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_graph.calibration import strengths_of
from hypocenter_graph.fitted import BELIEFS

if TYPE_CHECKING:
    from hypocenter.telemetry import Values
    from hypocenter_graph.rank import Ranking

_LEAST_ELSEWHERE = 1e-6


def scores_of(ranking: Ranking, chances: Values) -> list[float]:
    """Return for each probability the score whose share it is, as `hypocenter_graph.calibration.shares` computes them.

    Odds beyond those that the calibration tells apart (its `MOST_CERTAIN`) keep their order and are said smaller.
    """
    strengths = strengths_of(ranking)
    belief = BELIEFS[strengths.world]
    doubt = belief["doubt"] + belief["richness"] * strengths.richness
    elsewhere = max(1.0 - math.fsum(chances), _LEAST_ELSEWHERE)
    with np.errstate(divide="ignore"):
        log_odds = (np.log(chances) - math.log(elsewhere) + doubt) / belief["sharpness"]
    return [float(score) for score in 1.0 / (1.0 + np.exp(-log_odds))]
