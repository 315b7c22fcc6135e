"""Residuals from a seasonal decomposition: each series against its own level, trend and time of day.

With two days of history or more the daily profile comes from STL (Cleveland et al., 1990, as statsmodels has it) on
the series' slots of the day; with less there is no season to know, and the level of the last hour stands alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_workers.detect import decompose, robust
from hypocenter_workers.detect.windows import rows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.telemetry import Times, Values

RECENT_S = 3_600.0
LEAST_ROWS = 8
FURTHEST = 1e80


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
    residuals = values if len(profile) == 1 else values - decompose.seasonal(profile, times)
    level = _recent_level(residuals, times)
    return Normal(level=level, scale=np.fmax(robust.scale(residuals, level), floor), profile=profile)


def score_block(values: Values, times: Times, state: Normal) -> Scored:
    """Score a block of [time, series] against what was learned; pure.

    The tail is Student's t with four degrees of freedom: metrics have heavier tails than a normal distribution, and
    ten scales off should page somebody without being called impossible.
    """
    centre = expected(state, times)
    z = np.abs(values - centre) / np.where(state.scale > 0, state.scale, np.nan)
    return Scored(-np.log10(np.clip(tail(z), 1e-300, 1.0)), centre, np.broadcast_to(state.scale, values.shape))


def tail(z: Values) -> Values:
    """Return how likely Student's t with four degrees of freedom is as far from 0 as `z`, to either side.

    Closed form (Abramowitz and Stegun, 26.7.4: 1 - sin a (1 + cos^2 a / 2) with tan a = z / 2), written without the
    difference, which would lose the far tail.

    >>> tail(np.array([0.0, 2.7764451])).round(6).tolist()
    [1.0, 0.05]
    """
    far = np.minimum(np.abs(z), FURTHEST)
    hypotenuse = np.hypot(far, 2.0)
    sine, cosine_squared = far / hypotenuse, (2.0 / hypotenuse) ** 2
    return np.asarray(cosine_squared**2 * (3.0 + cosine_squared) / 4.0 / (1.0 + sine * (1.0 + cosine_squared / 2.0)))


def expected(state: Normal, times: Times) -> Values:
    """Return what each series should be at each time: [time, series]."""
    return np.asarray(state.level + decompose.seasonal(state.profile, times))


def _recent_level(residuals: Values, times: Times) -> NDArray[np.float64]:
    if len(times) == 0:
        return robust.median(residuals)
    recent = residuals[rows_of(times > times[-1] - np.timedelta64(int(RECENT_S), "s"))]
    enough = np.isfinite(recent).sum(axis=0) >= LEAST_ROWS
    level = robust.median(recent)
    return level if enough.all() else np.where(enough, level, robust.median(residuals))
