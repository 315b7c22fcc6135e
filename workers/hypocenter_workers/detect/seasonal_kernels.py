"""The seasonal tier's inner loop: a tile of series at a time, row by row, all of a tile's state in one small buffer.

A tile is a cache-sized strip of series. Its state lies in one flat buffer at offsets that the compiler knows, so that
it can prove that the fields do not overlap and use the widest vector instructions; separate arrays would defeat that.
Everything is in single precision relative to each series' first value, which alone is kept in double.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# Arguments are arrays and scalars of the types that `seasonal.Seasonal` makes; numba infers them.

from __future__ import annotations

import math

import numpy as np

from hypocenter_workers.detect.compiling import compiled

TILE = 256
# The fields of a series' state: rows of the state's array, and strips of the buffer, in this order.
COUNT, AGE, LEVEL, SMOOTH, SPREAD = 0, 1, 2, 3, 4
ERROR_LEVEL, ERROR_DAY, ERROR_WEEK, ERROR_TREND = 5, 6, 7, 8
TAIL, EXCESS, RATE, FAST, AWAY = 9, 10, 11, 12, 13
FIELDS = 14
# Strips that hold the slots of the profile around one time, and the work of one row.
DAY_LOW, DAY_HIGH, WEEK_LOW, WEEK_HIGH = 14, 15, 16, 17
INPUT, WITH_DAY, WITH_WEEK, BEFORE_TREND, RESIDUAL = 18, 19, 20, 21, 22
STRIPS = 23

WARMING, MISSING, CONSTANT, DRIFTED, SUPPRESSED = 1, 2, 4, 8, 16

ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
ENDLESS = np.float32(1e30)
LN2 = np.float32(0.6931472)
# A level forgets half of the past in 288 rows or a day, whichever is longer.
ROW_GAIN = np.float32(0.6931472 / 288.0)
YOUNG_ROWS = np.float32(10.0)
# What is learned from one sample is at most this many usual residuals, or mean excesses of the tail.
CLIP_SPREADS = np.float32(10.0)
CLIP_EXCESSES = np.float32(6.0)
# A profile is trusted after so many days, and where it has made the residuals smaller by a tenth.
KNOWN_DAYS = np.float32(3.0)
KNOWN_WEEK_DAYS = np.float32(14.0)
BETTER = np.float32(0.9)
DAY_GAIN = np.float32(0.15)
WEEK_GAIN = np.float32(0.1)
WEEK = np.float32(7.0)
TWO = np.float32(2.0)
# Peaks over a threshold that one residual in fifty exceeds, with a tail a little heavier than exponential.
TAIL_SHARE = np.float32(0.02)
TAIL_MEMORY = np.float32(4000.0)
LEAST_RATE = np.float32(1.0 / 4000.0)
TAIL_GAIN = np.float32(24.0)
TAIL_GAIN_ROWS = np.float32(100.0)
TAIL_GAIN_LEAST = np.float32(0.006)
EXCESS_ROWS = np.float32(10.0)
EXCESS_GAIN_LEAST = np.float32(1.0 / 85.0)
RATE_ROWS = np.float32(50.0)
TAIL_SHAPE = 0.15
TAIL_SCORE = np.float32(1.69897)
TAIL_SIGMAS = 2.326
# A level is learned anew when the recent residuals, of about a dozen rows, have been in the tail for 144 rows.
FAST_GAIN = np.float32(0.056)
RELEARN_ROWS = np.float32(144.0)


@compiled
def score_rows(values, origin, met, clock, special, warm, profile, state, scores, expected, scale, flags):
    """Score a block and learn from it, row by row; `profile`, `state` and the last four arrays are written.

    `values` is [time, series], `origin` [series]; `met` [time, 4] holds the rows of `profile` [slots met, series] that
    each time lies between, of the day and of the week; `clock` [time, 3] the days since the row before, the share of a
    slot that is, and how far between the two slots the time lies; `state` is [FIELDS, series].
    """
    rows, series = values.shape
    strips = np.empty(STRIPS * TILE, np.float32)
    for first in range(0, series, TILE):
        width = min(TILE, series - first)
        _load(strips, state, first, width)
        for t in range(rows):
            if t == 0 or not _same(met, t, t - 1):
                _load_profile(strips, profile, met[t], first, width)
            _subtract(strips, values[t], origin, first, width)
            _predict(strips, clock[t, 2], width)
            _report(strips, origin, warm, first, width, scores[t], expected[t], scale[t], flags[t])
            _extremes(strips, warm, first, width, scores[t])
            if special[t]:
                _quiet(flags[t], first, width)
            _learn_tail(strips, width)
            _learn_errors(strips, clock[t, 0], width)
            _learn_profile(strips, clock[t, 0], ZERO if special[t] else clock[t, 1], clock[t, 2], width)
            _learn_level(strips, clock[t, 0], warm, width)
            if t == rows - 1 or not _same(met, t, t + 1):
                _store_profile(strips, profile, met[t], first, width)
        _store(strips, state, first, width)


@compiled
def _same(met, t, other):
    return met[t, 0] == met[other, 0] and met[t, 2] == met[other, 2]


@compiled
def _load(strips, state, first, width):
    for field in range(FIELDS):
        row = state[field]
        for j in range(width):
            strips[field * TILE + j] = row[first + j]


@compiled
def _store(strips, state, first, width):
    for field in range(FIELDS):
        row = state[field]
        for j in range(width):
            row[first + j] = strips[field * TILE + j]


@compiled
def _load_profile(strips, profile, rows, first, width):
    for k in range(4):
        slot = profile[rows[k]]
        for j in range(width):
            strips[(DAY_LOW + k) * TILE + j] = slot[first + j]


@compiled
def _store_profile(strips, profile, rows, first, width):
    for k in range(4):
        slot = profile[rows[k]]
        for j in range(width):
            slot[first + j] = strips[(DAY_LOW + k) * TILE + j]


@compiled
def _subtract(strips, values, origin, first, width):
    for j in range(width):
        strips[INPUT * TILE + j] = values[first + j] - origin[first + j]


@compiled
def _predict(strips, share, width):
    """Take the residual against the best predictor: the level alone, with the day, with the week; with the trend."""
    rest = ONE - share
    for j in range(width):
        age = strips[AGE * TILE + j]
        daily = strips[DAY_LOW * TILE + j] * rest + strips[DAY_HIGH * TILE + j] * share
        weekly = strips[WEEK_LOW * TILE + j] * rest + strips[WEEK_HIGH * TILE + j] * share
        level = strips[LEVEL * TILE + j]
        plain = strips[INPUT * TILE + j] - level
        with_day = plain - daily
        with_week = with_day - weekly
        error = strips[ERROR_LEVEL * TILE + j]
        better = (age >= KNOWN_DAYS) & (strips[ERROR_DAY * TILE + j] < BETTER * error)
        residual = with_day if better else plain
        error = strips[ERROR_DAY * TILE + j] if better else error
        better = (age >= KNOWN_WEEK_DAYS) & (strips[ERROR_WEEK * TILE + j] < BETTER * error)
        residual = with_week if better else residual
        error = strips[ERROR_WEEK * TILE + j] if better else error
        better = (age >= KNOWN_DAYS) & (strips[ERROR_TREND * TILE + j] < BETTER * error)
        strips[WITH_DAY * TILE + j] = with_day
        strips[WITH_WEEK * TILE + j] = with_week
        strips[BEFORE_TREND * TILE + j] = residual
        strips[RESIDUAL * TILE + j] = residual - (level - strips[SMOOTH * TILE + j]) if better else residual


@compiled
def _report(strips, origin, warm, first, width, scores, expected, scale, flags):
    """Write what is known of a row; the scores of residuals within the tail's threshold rise linearly to it."""
    for j in range(width):
        x = strips[INPUT * TILE + j]
        residual = strips[RESIDUAL * TILE + j]
        tail = strips[TAIL * TILE + j]
        inside = TAIL_SCORE * min(abs(residual) / max(tail, np.float32(1e-30)), ONE)
        scores[first + j] = np.nan if x != x else (inside if strips[COUNT * TILE + j] >= warm else ZERO)
    for j in range(width):
        x = strips[INPUT * TILE + j]
        known = x - strips[RESIDUAL * TILE + j]
        expected[first + j] = origin[first + j] + (strips[LEVEL * TILE + j] if x != x else known)
        scale[first + j] = strips[TAIL * TILE + j] / TAIL_SIGMAS
    for j in range(width):
        x = strips[INPUT * TILE + j]
        flag = MISSING if x != x else 0
        flag |= WARMING if strips[COUNT * TILE + j] < warm else 0
        flag |= CONSTANT if strips[SPREAD * TILE + j] == ZERO else 0
        flag |= DRIFTED if strips[AWAY * TILE + j] < ZERO else 0
        flags[first + j] = flag


@compiled
def _extremes(strips, warm, first, width, scores):
    """Score the few residuals beyond the threshold by their generalised Pareto tail."""
    for j in range(width):
        excess = abs(strips[RESIDUAL * TILE + j]) - strips[TAIL * TILE + j]
        if excess > ZERO and strips[COUNT * TILE + j] >= warm:
            count = strips[COUNT * TILE + j]
            mean = strips[EXCESS * TILE + j]
            rate = min(max(strips[RATE * TILE + j], ONE / (count + ONE)), TAIL_SHARE)
            if mean > ZERO:
                scores[first + j] = math.log1p(TAIL_SHAPE * excess / mean) / TAIL_SHAPE / math.log(10.0) - math.log10(
                    rate
                )
            else:
                # It has never been beyond: the rule of succession.
                scores[first + j] = math.log10(count + ONE)


@compiled
def _quiet(flags, first, width):
    for j in range(width):
        flags[first + j] |= SUPPRESSED


@compiled
def _learn_tail(strips, width):
    """Follow the threshold, how often residuals exceed it, and by how much on average."""
    for j in range(width):
        x = strips[INPUT * TILE + j]
        count = strips[COUNT * TILE + j] + ONE
        spread = strips[SPREAD * TILE + j]
        tail = strips[TAIL * TILE + j]
        mean = strips[EXCESS * TILE + j]
        rate = strips[RATE * TILE + j]
        size = abs(strips[RESIDUAL * TILE + j])
        present = x == x
        clipped = min(size, tail + CLIP_EXCESSES * mean)
        size = clipped if (count > YOUNG_ROWS) & (mean > ZERO) else size
        unit = mean if mean > ZERO else spread
        gain = unit * max(TAIL_GAIN / (min(count, TAIL_MEMORY) + TAIL_GAIN_ROWS), TAIL_GAIN_LEAST)
        raised = tail + gain * (ONE - TAIL_SHARE) if size > tail else max(tail - gain * TAIL_SHARE, ZERO)
        over = size > raised
        share = ONE if over else ZERO
        learned = rate + (share - rate) * max(ONE / (count + RATE_ROWS), LEAST_RATE)
        part = max(ONE / (TAIL_SHARE * count + EXCESS_ROWS), EXCESS_GAIN_LEAST) if mean > ZERO else ONE
        grown = mean + (size - raised - mean) * part
        strips[TAIL * TILE + j] = raised if present else tail
        strips[RATE * TILE + j] = learned if present else rate
        strips[EXCESS * TILE + j] = grown if present & over else mean


@compiled
def _learn_errors(strips, days, width):
    """Learn how large the residuals of each predictor are."""
    for j in range(width):
        x = strips[INPUT * TILE + j]
        count = strips[COUNT * TILE + j] + ONE
        spread = strips[SPREAD * TILE + j]
        level = strips[LEVEL * TILE + j]
        smooth = strips[SMOOTH * TILE + j]
        with_day = abs(strips[WITH_DAY * TILE + j])
        with_week = abs(strips[WITH_WEEK * TILE + j])
        straight = abs(strips[BEFORE_TREND * TILE + j] - (level - smooth))
        error_level = strips[ERROR_LEVEL * TILE + j]
        error_day = strips[ERROR_DAY * TILE + j]
        error_week = strips[ERROR_WEEK * TILE + j]
        error_trend = strips[ERROR_TREND * TILE + j]
        limit = CLIP_SPREADS * spread if (count > YOUNG_ROWS) & (spread > ZERO) else ENDLESS
        gain = max(min(ROW_GAIN, LN2 * days), ONE / count)
        present = x == x
        by_level = error_level + gain * (min(abs(x - level), limit) - error_level)
        by_day = error_day + gain * (min(with_day, limit) - error_day)
        by_week = error_week + gain * (min(with_week, limit) - error_week)
        by_trend = error_trend + gain * (min(straight, limit) - error_trend)
        strips[ERROR_LEVEL * TILE + j] = by_level if present else error_level
        strips[ERROR_DAY * TILE + j] = by_day if present else error_day
        strips[ERROR_WEEK * TILE + j] = by_week if present else error_week
        strips[ERROR_TREND * TILE + j] = by_trend if present else error_trend


@compiled
def _learn_profile(strips, days, share_of_slot, share, width):
    """Learn the slots around this time: means of the first days, then slower."""
    rest = ONE - share
    for j in range(width):
        x = strips[INPUT * TILE + j]
        count = strips[COUNT * TILE + j] + ONE
        spread = strips[SPREAD * TILE + j]
        age = strips[AGE * TILE + j]
        with_day = strips[WITH_DAY * TILE + j]
        with_week = strips[WITH_WEEK * TILE + j]
        day_low = strips[DAY_LOW * TILE + j]
        day_high = strips[DAY_HIGH * TILE + j]
        week_low = strips[WEEK_LOW * TILE + j]
        week_high = strips[WEEK_HIGH * TILE + j]
        limit = CLIP_SPREADS * spread if (count > YOUNG_ROWS) & (spread > ZERO) else ENDLESS
        present = x == x
        by_day = min(share_of_slot * max(DAY_GAIN, ONE / (ONE + age)), ONE) * min(max(with_day, -limit), limit)
        by_week = min(share_of_slot * max(WEEK_GAIN, ONE / (TWO + age / WEEK)), ONE) * min(
            max(with_week, -limit), limit
        )
        by_day = by_day if present else ZERO
        by_week = by_week if present else ZERO
        strips[DAY_LOW * TILE + j] = day_low + rest * by_day
        strips[DAY_HIGH * TILE + j] = day_high + share * by_day
        strips[WEEK_LOW * TILE + j] = week_low + rest * by_week
        strips[WEEK_HIGH * TILE + j] = week_high + share * by_week
        strips[AGE * TILE + j] = age + (days if present else ZERO)


@compiled
def _learn_level(strips, days, warm, width):
    """Learn level, its smooth twin (their distance is the trend), spread; and start anew where they have moved away."""
    for j in range(width):
        x = strips[INPUT * TILE + j]
        present = x == x
        count = strips[COUNT * TILE + j] + (ONE if present else ZERO)
        spread = strips[SPREAD * TILE + j]
        level = strips[LEVEL * TILE + j]
        smooth = strips[SMOOTH * TILE + j]
        limit = CLIP_SPREADS * spread if (count > YOUNG_ROWS) & (spread > ZERO) else ENDLESS
        gain = max(min(ROW_GAIN, LN2 * days), ONE / max(count, ONE)) if present else ZERO
        size = min(abs(x - level), limit) if present else ZERO
        step = min(max(strips[BEFORE_TREND * TILE + j], -limit), limit) if present else ZERO
        moved = level + gain * step
        smooth += gain * (moved - smooth)
        fast = strips[FAST * TILE + j]
        fast += FAST_GAIN * (strips[RESIDUAL * TILE + j] - fast) if present else ZERO
        away = strips[AWAY * TILE + j]
        out = (abs(fast) > strips[TAIL * TILE + j]) & (count > warm) & (away >= ZERO)
        nearer = min(away + ONE, ZERO) if away < ZERO else max(away - TWO, ZERO)
        away = away if not present else (away + ONE if out else nearer)
        anew = away >= RELEARN_ROWS
        strips[COUNT * TILE + j] = count
        strips[SPREAD * TILE + j] = spread + gain * (size - spread)
        strips[LEVEL * TILE + j] = moved + fast if anew else moved
        strips[SMOOTH * TILE + j] = smooth + fast if anew else smooth
        strips[FAST * TILE + j] = ZERO if anew else fast
        strips[AWAY * TILE + j] = -RELEARN_ROWS if anew else away
