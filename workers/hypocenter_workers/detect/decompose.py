"""Daily and weekly profiles from history, by STL (Cleveland et al., 1990, as statsmodels has it).

A profile is what the time of day, or of the week, adds to a series' level. `daily_profile` takes what an
investigation has: some days. `refit` takes weeks: in local time, holidays and gaps left out, and outliers before STL
sees them, since in a handful of weeks its own robust weights cannot tell an outlier from a habit. One STL with the
period of a week stands for MSTL (Bandara et al., 2021) here: a weekly profile holds the daily one, MSTL's result is
the same within the noise, and it takes thirty times as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_workers.detect import robust
from hypocenter_workers.detect.calendar import DAYS_PER_WEEK, EPOCH_WEEKDAY, Calendar

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hypocenter.telemetry import Times, Values

DAY_S = 86_400.0
SLOT_S = 300.0
LEAST_DAYS = 2.0
LEAST_WEEKS = 2.0
LEAST_SLOTS = 4
OUTER_ITERATIONS = 3
# Over how many of its cycles a profile is smoothed: habits of a week last about a season, those of a day a month.
SMOOTHED_WEEKS, SMOOTHED_DAYS = 11, 35
OUTLIER_SCALES = 6.0


@dataclass(frozen=True)
class Decomposition:
    """What history says of a block of series, in their units, all per series.

    `profile` is [kinds of day x slots per day, series], Monday first, or [slots per day, series], with a mean of 0 and
    all 0 where no season is known; `level` is that of the last day, `trend` its change per day over the last week;
    `scale` is robust, of the samples about trend and profile. A series without a sample has a NaN level.
    """

    profile: Values
    level: NDArray[np.float64]
    trend: NDArray[np.float64]
    scale: NDArray[np.float64]


def refit(values: Values, times: Times, calendar: Calendar, per_day: int, weekly: bool = True) -> Decomposition:
    """Decompose history [time, series] at rising UTC times into profile, level, trend and scale.

    `per_day` slots of local time make a day, seven days a week when `weekly`. Less than two weeks of history repeat
    the daily profile on every day of the week, less than two days show no season.
    """
    kinds = DAYS_PER_WEEK if weekly else 1
    days = _days_of(times)
    fitted = DAYS_PER_WEEK if weekly and days >= LEAST_WEEKS * DAYS_PER_WEEK else 1
    count = min(per_day, _slots_per_day(times, 0.0)) if days >= LEAST_DAYS else 0
    if count < LEAST_SLOTS:
        return _without_season(values, kinds * per_day)
    history = _lay(values, times, calendar, count, fitted)
    mended, drift = _mended(history)
    profile, trend = _fit(mended - drift, history)
    residuals = values - profile[history.row % len(profile)]
    about_trend = residuals - (trend + drift)[history.row - history.known.start]
    slope = _slope(mended - profile[_rows(history) % len(profile)], count)
    return Decomposition(
        profile=np.tile(_resampled(profile, fitted * per_day), (kinds // fitted, 1)),
        level=_last_level(residuals, times, slope),
        trend=slope,
        scale=robust.scale(about_trend, np.zeros(values.shape[1])),
    )


@dataclass(frozen=True)
class _History:
    """Slot means on whole cycles: [cycle, slot of the cycle, series], NaN where there is nothing to learn from.

    A cycle is a week from Monday on, or a day. `row` is the row of each sample in the cycles laid end to end; `known`
    are the rows between the first and the last sample.
    """

    means: Values
    row: NDArray[np.int64]
    per_day: int
    known: slice


def _lay(values: Values, times: Times, calendar: Calendar, count: int, kinds: int) -> _History:
    slots, day = calendar.slots(times, count), calendar.days(times)
    monday = (int(day.min()) + EPOCH_WEEKDAY) // DAYS_PER_WEEK * DAYS_PER_WEEK - EPOCH_WEEKDAY
    row = (day - monday) * count + slots.place.astype(np.int64)
    period = kinds * count
    rows = -(-int(row.max() + 1) // period) * period
    off = (day + EPOCH_WEEKDAY) % DAYS_PER_WEEK != slots.day
    learned = ~slots.special & ~(off & (kinds > 1))
    means = _slot_means(values[learned], row[learned]).reindex(range(rows)).to_numpy()
    known = slice(int(row.min()), int(row.max()) + 1)
    return _History(means.reshape(rows // period, period, -1), row, count, known)


def _mended(history: _History) -> tuple[Values, Values]:
    """Return the slots between first and last sample, outliers and gaps filled, and their drift: [slot, series].

    The drift is a steady climb and level shifts; STL's trend is too smooth to follow them, and would leave what it
    misses in the profile.
    """
    climb = _climb(history)
    flat = history.means - climb
    usual = _usual(flat, history.per_day)
    off = flat - usual
    by_day = off.reshape(-1, history.per_day, off.shape[-1])
    level = _daily_level(by_day)
    spread = by_day - level[:, None, :]
    scale = robust.median(np.abs(spread.reshape(-1, off.shape[-1]))) * robust.MAD_TO_SIGMA
    kept = np.where(np.abs(spread) <= OUTLIER_SCALES * scale, by_day, np.nan)
    rows = _rows(history)
    filled = _between(kept.reshape(-1, off.shape[-1])[rows]) + usual[rows % len(usual)]
    climbed = climb.reshape(-1, off.shape[-1])[rows]
    return filled + climbed, climbed + _shifts(level, scale)[rows // history.per_day]


def _climb(history: _History) -> Values:
    """Return a straight line, 0 at first, as steep as the median change from one cycle to the next, as `means` is."""
    cycles, period, series = history.means.shape
    daily = robust.median(np.moveaxis(history.means.reshape(-1, history.per_day, series), 1, 0))
    days = period // history.per_day
    slope = np.nan_to_num(robust.median(daily[days:] - daily[:-days])) / period
    return np.asarray(np.arange(cycles * period).reshape(cycles, period, 1) * slope)


def _usual(means: Values, per_day: int) -> Values:
    """Return the median of each slot of the cycle, [slot, series], of [cycle, slot, series] without a trend.

    The time of day, whatever the day, has a vote beside the weeks: of two weeks that differ it tells the usual one.
    """
    _, period, series = means.shape
    if period == per_day:
        return _between(robust.median(means))
    daily = robust.median(means.reshape(-1, per_day, series))
    return _between(robust.median(np.concatenate([means, np.tile(daily, (1, period // per_day, 1))])))


def _daily_level(by_day: Values) -> Values:
    """Return the median over the week around each day, [day, series], so that a day out of line stands out whole."""
    daily = robust.median(np.moveaxis(by_day, 1, 0))
    edge = np.full((DAYS_PER_WEEK // 2, daily.shape[1]), np.nan)
    return _between(robust.rolling_median(np.concatenate([edge, daily, edge]), DAYS_PER_WEEK))


def _shifts(level: Values, scale: NDArray[np.float64]) -> Values:
    """Return by how much the level has jumped since the first day, [day, series]."""
    jumps = np.diff(level, axis=0, prepend=level[:1])
    return np.cumsum(np.where(np.abs(jumps) > OUTLIER_SCALES * scale, jumps, 0.0), axis=0)


def _rows(history: _History) -> NDArray[np.int64]:
    return np.arange(history.known.start, history.known.stop)


def _between(rows: Values | pd.DataFrame) -> Values:
    """Return rows with gaps filled linearly, level at both ends; a column without a value stays NaN."""
    import pandas as pd

    return pd.DataFrame(rows).interpolate(limit_direction="both").to_numpy()


def _fit(by_slot: Values, history: _History) -> tuple[Values, Values]:
    """Return the seasonal part of the last cycle, centred, from its first slot on, and the trend, [slot, series]."""
    from statsmodels.tsa.seasonal import STL

    period = history.means.shape[1]
    smoothed = SMOOTHED_WEEKS if period > history.per_day else SMOOTHED_DAYS
    profile, trend = np.zeros((period, by_slot.shape[1])), by_slot.copy()
    last = np.arange(history.known.stop - period, history.known.stop) % period
    jump = max(1, period // 8)
    for column in _moving(by_slot):
        smoother = STL(by_slot[:, column], period, smoothed, seasonal_deg=0, trend_jump=jump, low_pass_jump=jump)
        found = smoother.fit(inner_iter=2, outer_iter=0)
        middle = float(found.seasonal[-period:].mean())
        profile[last, column] = found.seasonal[-period:] - middle
        trend[:, column] = found.trend + middle
    return profile, trend


def _moving(by_slot: Values) -> NDArray[np.int64]:
    """Return the columns that hold numbers and not only one."""
    return np.flatnonzero(np.isfinite(by_slot).all(axis=0) & (np.ptp(by_slot, axis=0) > 0))


def _slope(by_slot: Values, per_day: int) -> NDArray[np.float64]:
    """Return the change per day over the last week, by Theil and Sen: the median of the slopes between any two days."""
    days = min(DAYS_PER_WEEK, len(by_slot) // per_day)
    daily = robust.median(np.moveaxis(by_slot[-days * per_day :].reshape(days, per_day, -1), 1, 0))
    early, late = np.triu_indices(days, k=1)
    return robust.median((daily[late] - daily[early]) / (late - early)[:, None])


def _last_level(residuals: Values, times: Times, slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the level at the last time: the median of the last day, carried along the slope."""
    left = (times[-1] - times) / np.timedelta64(1, "D")
    last = left < 1.0
    return robust.median(residuals[last] + left[last, None] * slope)


def _resampled(profile: Values, slots: int) -> Values:
    """Return a profile on more slots, linear between the middles of its own; it goes round."""
    place = (np.arange(slots) + 0.5) * len(profile) / slots - 0.5
    low = np.floor(place).astype(np.int64)
    share = (place - low)[:, None]
    return np.asarray(profile[low % len(profile)] * (1 - share) + profile[(low + 1) % len(profile)] * share)


def _without_season(values: Values, slots: int) -> Decomposition:
    level = robust.median(values)
    none = np.zeros(values.shape[1])
    return Decomposition(np.zeros((slots, values.shape[1])), level, none, robust.scale(values, level))


def _days_of(times: Times) -> float:
    """Return how many days the rows stand for, each for one median step."""
    return (_seconds(times[-1] - times[0]) + _step_s(times)) / DAY_S if len(times) > 1 else 0.0


def _slots_per_day(times: Times, least_s: float) -> int:
    return int(DAY_S // max(least_s, _step_s(times)))


def _step_s(times: Times) -> float:
    return _seconds(np.median(np.diff(times)))


def _seconds(span: np.timedelta64) -> float:
    return float(span / np.timedelta64(1, "s"))


def _slot_means(values: Values, row: NDArray[np.int64]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(values).groupby(row).mean()


def daily_profile(values: Values, times: Times) -> Values:
    """Return the profile of the UTC day of some days of [time, series]: [slot, series], one row of zeros if unknown.

    Slots last five minutes, or one step where that is longer. Nothing is known from less than two days.
    """
    none = np.zeros((1, values.shape[1]))
    if len(times) < 2 or _seconds(times[-1] - times[0]) < LEAST_DAYS * DAY_S:
        return none
    count = _slots_per_day(times, SLOT_S)
    return none if count < LEAST_SLOTS else _robust_daily(*_by_slot(values, times, count), count)


def seasonal(profile: Values, times: Times) -> Values:
    """Return what a profile of the UTC day adds at each time: [time, series]."""
    return profile[Calendar().slots(times, len(profile)).place.astype(np.int64)]


def _by_slot(values: Values, times: Times, count: int) -> tuple[Values, int]:
    """Average the rows of each slot since midnight of the first day, gaps filled along time.

    Returns [slots, series] and the number of the first slot.
    """
    calendar = Calendar()
    day = calendar.days(times)
    number = (day - day[0]) * count + calendar.slots(times, count).place.astype(np.int64)
    first, last = int(number[0]), int(number[-1])
    return _between(_slot_means(values, number).reindex(range(first, last + 1))), first


def _robust_daily(by_slot: Values, first: int, count: int) -> Values:
    from statsmodels.tsa.seasonal import STL

    profile = np.zeros((count, by_slot.shape[1]))
    last_day = (first + np.arange(len(by_slot) - count, len(by_slot))) % count
    jump = max(1, count // 8)
    for column in _moving(by_slot):
        fit = STL(
            by_slot[:, column], period=count, robust=True, seasonal_jump=1, trend_jump=jump, low_pass_jump=jump
        ).fit(inner_iter=2, outer_iter=OUTER_ITERATIONS)
        profile[last_day, column] = fit.seasonal[-count:]
    return profile
