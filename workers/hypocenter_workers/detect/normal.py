"""Residuals from a seasonal decomposition: each series against its own level, trend and time of day.

With two days of history or more the daily profile comes from STL (Cleveland et al., 1990, as statsmodels has it) on
the series' slots of the day; with less there is no season to know, and the level of the last hour stands alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_workers.detect import decompose, robust

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.telemetry import Times, Values

RECENT_S = 3_600.0
LEAST_ROWS = 8
TAIL_FREEDOM = 4.0


@dataclass(frozen=True)
class Normal:
    """What a detector has learned of a block of series: all arrays, one entry or column per series.

    `profile` is [slot of the day, series], in the unit of the series, one row of zeros where no season is known.
    """

    level: NDArray[np.float64]
    scale: NDArray[np.float64]
    profile: Values


@dataclass(frozen=True)
class Scored:
    """A scored block: -log10 tail probability, expected value and scale, each [time, series]; NaN where no sample."""

    scores: Values
    expected: Values
    scale: Values


def learn(values: Values, times: Times, floor: NDArray[np.float64]) -> Normal:
    """Learn the normal of each column of [time, series] from rows that hold no incident.

    `floor` is the least scale of each series, in its unit. A series with no sample learns a NaN level.
    """
    profile = decompose.daily_profile(values, times)
    residuals = values - decompose.seasonal(profile, times)
    level = _recent_level(residuals, times)
    return Normal(level=level, scale=np.fmax(robust.scale(residuals, level), floor), profile=profile)


def score_block(values: Values, times: Times, state: Normal) -> Scored:
    """Score a block of [time, series] against what was learned; pure.

    The tail is Student's t with four degrees of freedom: metrics have heavier tails than a normal distribution, and
    ten scales off should page somebody without being called impossible.
    """
    from scipy.special import stdtr

    centre = expected(state, times)
    z = np.abs(values - centre) / np.where(state.scale > 0, state.scale, np.nan)
    tail = np.clip(2.0 * stdtr(TAIL_FREEDOM, -z), 1e-300, 1.0)
    return Scored(-np.log10(tail), centre, np.broadcast_to(state.scale, values.shape))


def expected(state: Normal, times: Times) -> Values:
    """Return what each series should be at each time: [time, series]."""
    return np.asarray(state.level + decompose.seasonal(state.profile, times))


def _recent_level(residuals: Values, times: Times) -> NDArray[np.float64]:
    level = robust.median(residuals)
    if len(times) == 0:
        return level
    recent = residuals[times > times[-1] - np.timedelta64(int(RECENT_S), "s")]
    enough = np.isfinite(recent).sum(axis=0) >= LEAST_ROWS
    return np.where(enough, robust.median(recent), level)
