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
COUNT, AGE, LEVEL, LINE, SLOPE = 0, 1, 2, 3, 4
ERROR_LEVEL, ERROR_LINE, ERROR_DAY, ERROR_WEEK, CHOICE = 5, 6, 7, 8, 9
TAIL, EXCESS, RATE, FAST, AWAY = 10, 11, 12, 13, 14
FIELDS = 15
# Strips that hold the slots of the profile around one time, and the work of one row.
DAY_LOW, DAY_HIGH, WEEK_LOW, WEEK_HIGH = 15, 16, 17, 18
INPUT, PLAIN, FROM_LINE, DAILY, WEEKLY = 19, 20, 21, 22, 23
STEP, RESIDUAL, FORESEEN, ERROR = 24, 25, 26, 27
STRIPS = 28
# The predictors, by their number in CHOICE.
BY_LEVEL, BY_LINE, BY_DAY, BY_WEEK = np.float32(0.0), np.float32(1.0), np.float32(2.0), np.float32(3.0)

WARMING, MISSING, CONSTANT, DRIFTED, SUPPRESSED = 1, 2, 4, 8, 16

ZERO, ONE, TWO, FOUR, SIX = np.float32(0.0), np.float32(1.0), np.float32(2.0), np.float32(4.0), np.float32(6.0)
ENDLESS = np.float32(1e30)
MISSED = np.float32(np.nan)
LN2 = np.float32(0.6931472)
# A level and a line forget half of the past in 288 rows or a day, whichever is longer; errors in 288 rows.
ROW_GAIN = np.float32(0.6931472 / 288.0)
YOUNG_ROWS = np.float32(10.0)
# What is learned from one sample is at most the tail's threshold and six mean excesses; at first, ten usual errors.
CLIP_ERRORS = np.float32(10.0)
CLIP_EXCESSES = np.float32(6.0)
# A profile is learned from its second day, or week, on, when there is a level to learn it from; it is trusted after
# two of them (but for rounding), and only where it has made the residuals smaller by a tenth.
DAY_FROM, DAY_KNOWN = np.float32(0.999), np.float32(2.999)
WEEK_FROM, WEEK_KNOWN = np.float32(6.999), np.float32(13.999)
BETTER = np.float32(0.9)
DAY_GAIN = np.float32(0.1)
WEEK_GAIN = np.float32(0.15)
WEEK = np.float32(7.0)
# Peaks over a threshold that one residual in fifty exceeds, with a tail a little heavier than exponential.
TAIL_SHARE = np.float32(0.02)
TAIL_MEMORY = np.float32(4000.0)
TAIL_GAIN = np.float32(24.0)
TAIL_GAIN_ROWS = np.float32(100.0)
TAIL_GAIN_LEAST = np.float32(0.006)
TAIL_HURRY = np.float32(20.0)
TAIL_PART = np.float32(0.5)
EXCESS_ROWS = np.float32(10.0)
EXCESS_GAIN_LEAST = np.float32(1.0 / 85.0)
RATE_ROWS = np.float32(50.0)
RATE_GAIN_LEAST = np.float32(1.0 / 500.0)
TINY = np.float32(1e-9)
TAIL_SHAPE = 0.15
TAIL_SCORE = np.float32(1.69897)
TAIL_SIGMAS = 2.326
# How long the mean of about a dozen recent residuals has been in the tail: after so many rows nothing more is learned,
# as it is an anomaly; after so many more it is the new normal, and the level starts anew from there.
FAST_GAIN = np.float32(0.0561257)
HELD_ROWS = np.float32(12.0)
ANEW_ROWS = np.float32(144.0)


@compiled
def score_rows(values, origin, met, clock, special, warm, profile, state, learned, scores, expected, scale, flags):
    """Score a block and learn from it, row by row; `profile` and the last five arrays are written.

    `values` is [time, series], `origin` [series]; `met` [time, 4] holds the rows of `profile` [slots met, series] that
    each time lies between, of the day and of the week; `clock` [time, 3] the days since the row before, the share of a
    slot that is, and how far between the two slots the time lies; `state` and `learned` are [FIELDS, series].
    """
    rows, series = values.shape
    strips = np.empty(STRIPS * TILE, np.float32)
    for first in range(0, series, TILE):
        width = min(TILE, series - first)
        _load(strips, state, first, width)
        for t in range(rows):
            days, share = clock[t, 0], clock[t, 2]
            if t == 0 or not _same(met, t, t - 1):
                _load_profile(strips, profile, met[t], first, width)
            _subtract(strips, values[t], origin, first, width)
            _predict(strips, share, width)
            _choose(strips, width)
            _report(strips, origin, warm, first, width, scores[t], expected[t], scale[t], flags[t])
            _extremes(strips, warm, first, width, scores[t])
            if special[t]:
                _quiet(flags[t], first, width)
            _learn_profile(strips, warm, ZERO if special[t] else clock[t, 1], share, width)
            _learn_level(strips, warm, days, width)
            _learn_errors(strips, warm, width)
            _learn_tail(strips, width)
            _learn_anew(strips, warm, days, width)
            if t == rows - 1 or not _same(met, t, t + 1):
                _store_profile(strips, profile, met[t], first, width)
        _store(strips, learned, first, width)


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
def _store(strips, learned, first, width):
    for field in range(FIELDS):
        row = learned[field]
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
        x = np.float32(values[first + j] - origin[first + j])
        strips[INPUT * TILE + j] = x if abs(x) < ENDLESS else MISSED


@compiled
def _predict(strips, share, width):
    """Take the residuals against the level and the line, and what day and week add to the level."""
    rest = ONE - share
    for j in range(width):
        x = strips[INPUT * TILE + j]
        daily = strips[DAY_LOW * TILE + j] * rest + strips[DAY_HIGH * TILE + j] * share
        weekly = strips[WEEK_LOW * TILE + j] * rest + strips[WEEK_HIGH * TILE + j] * share
        plain = x - strips[LEVEL * TILE + j]
        from_line = x - (strips[LINE * TILE + j] + strips[SLOPE * TILE + j])
        strips[PLAIN * TILE + j] = plain
        strips[FROM_LINE * TILE + j] = from_line
        strips[DAILY * TILE + j] = daily
        strips[WEEKLY * TILE + j] = weekly


@compiled
def _choose(strips, width):
    """Choose the predictor with the smallest errors; a new choice brings the tail to its scale."""
    for j in range(width):
        age = strips[AGE * TILE + j]
        plain, from_line = strips[PLAIN * TILE + j], strips[FROM_LINE * TILE + j]
        daily, weekly = strips[DAILY * TILE + j], strips[WEEKLY * TILE + j]
        level, line = strips[LEVEL * TILE + j], strips[LINE * TILE + j] + strips[SLOPE * TILE + j]
        error_line, error_day = strips[ERROR_LINE * TILE + j], strips[ERROR_DAY * TILE + j]
        error_level, error_week = strips[ERROR_LEVEL * TILE + j], strips[ERROR_WEEK * TILE + j]
        before = strips[CHOICE * TILE + j]
        tail, excess = strips[TAIL * TILE + j], strips[EXCESS * TILE + j]
        error, choice = error_level, BY_LEVEL
        better = (age >= DAY_KNOWN) & (error_line < BETTER * error)
        error, choice = error_line if better else error, BY_LINE if better else choice
        better = (age >= DAY_KNOWN) & (error_day < BETTER * error)
        error, choice = error_day if better else error, BY_DAY if better else choice
        better = (age >= WEEK_KNOWN) & (error_week < BETTER * error)
        error, choice = error_week if better else error, BY_WEEK if better else choice
        season = daily if choice == BY_DAY else (daily + weekly if choice == BY_WEEK else ZERO)
        former = error_line if before == BY_LINE else error_level
        former = error_day if before == BY_DAY else (error_week if before == BY_WEEK else former)
        factor = error / former if (choice != before) & (former > ZERO) else ONE
        strips[STEP * TILE + j] = plain - season
        strips[RESIDUAL * TILE + j] = from_line if choice == BY_LINE else plain - season
        strips[FORESEEN * TILE + j] = line if choice == BY_LINE else level + season
        strips[ERROR * TILE + j] = error
        strips[CHOICE * TILE + j] = choice
        strips[TAIL * TILE + j] = tail * factor
        strips[EXCESS * TILE + j] = excess * factor


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
        foreseen = strips[FORESEEN * TILE + j] if strips[COUNT * TILE + j] > ZERO else MISSED
        expected[first + j] = origin[first + j] + foreseen
        scale[first + j] = strips[TAIL * TILE + j] / TAIL_SIGMAS
    for j in range(width):
        x = strips[INPUT * TILE + j]
        flag = MISSING if x != x else 0
        flag |= WARMING if strips[COUNT * TILE + j] < warm else 0
        flag |= CONSTANT if strips[ERROR_LEVEL * TILE + j] == ZERO else 0
        flag |= DRIFTED if strips[AWAY * TILE + j] < ZERO else 0
        flags[first + j] = flag


@compiled
def _extremes(strips, warm, first, width, scores):
    """Score the few residuals beyond the threshold by their generalised Pareto tail."""
    for j in range(width):
        beyond = abs(strips[RESIDUAL * TILE + j]) - strips[TAIL * TILE + j]
        if beyond > ZERO and strips[COUNT * TILE + j] >= warm:
            seldom = ONE / (strips[COUNT * TILE + j] + ONE)
            rate = min(max(strips[RATE * TILE + j], seldom), TAIL_SHARE)
            excess = strips[EXCESS * TILE + j]
            # Where nothing was ever beyond, the rule of succession is all that can be said.
            rare = math.log1p(TAIL_SHAPE * beyond / excess) / TAIL_SHAPE if excess > ZERO else math.log(rate / seldom)
            scores[first + j] = (rare - math.log(rate)) / math.log(10.0)


@compiled
def _quiet(flags, first, width):
    for j in range(width):
        flags[first + j] |= SUPPRESSED


@compiled
def _limit(count, warm, tail, excess, error):
    """Return how much one residual may teach."""
    known = tail + CLIP_EXCESSES * excess if count > warm else CLIP_ERRORS * error
    return known if (count > YOUNG_ROWS) & (excess > ZERO) & (error > ZERO) else ENDLESS


@compiled
def _clip(x, limit):
    return min(max(x, -limit), limit)


@compiled
def _learn_profile(strips, warm, share_of_slot, share, width):
    """Learn the slots around this time: means of the first days, then slower."""
    rest = ONE - share
    for j in range(width):
        x = strips[INPUT * TILE + j]
        age = strips[AGE * TILE + j]
        from_day = strips[PLAIN * TILE + j] - strips[DAILY * TILE + j]
        from_week = from_day - strips[WEEKLY * TILE + j]
        day_low = strips[DAY_LOW * TILE + j]
        day_high = strips[DAY_HIGH * TILE + j]
        week_low = strips[WEEK_LOW * TILE + j]
        week_high = strips[WEEK_HIGH * TILE + j]
        count = strips[COUNT * TILE + j] + ONE
        limit = _limit(count, warm, strips[TAIL * TILE + j], strips[EXCESS * TILE + j], strips[ERROR * TILE + j])
        learns = (x == x) & (strips[AWAY * TILE + j] < HELD_ROWS)
        day_gain = max(DAY_GAIN, ONE / max(ONE + age - DAY_FROM, ONE))
        week_gain = max(WEEK_GAIN, ONE / max(ONE + (age - WEEK_FROM) / WEEK, ONE))
        # Twice the slot's share: each sample moves only its part of two slots.
        by_day = min(TWO * share_of_slot * day_gain, ONE) * _clip(from_day, limit)
        by_week = min(TWO * share_of_slot * week_gain, ONE) * _clip(from_week, limit)
        by_day = by_day if learns & (age >= DAY_FROM) else ZERO
        by_week = by_week if learns & (age >= WEEK_FROM) else ZERO
        strips[DAY_LOW * TILE + j] = day_low + rest * by_day
        strips[DAY_HIGH * TILE + j] = day_high + share * by_day
        strips[WEEK_LOW * TILE + j] = week_low + rest * by_week
        strips[WEEK_HIGH * TILE + j] = week_high + share * by_week


@compiled
def _learn_level(strips, warm, days, width):
    """Learn the level, and the line by least squares with forgetting: exactly so at first, then with fixed gains."""
    for j in range(width):
        x = strips[INPUT * TILE + j]
        level = strips[LEVEL * TILE + j]
        line = strips[LINE * TILE + j]
        slope = strips[SLOPE * TILE + j]
        step = strips[STEP * TILE + j]
        from_line = strips[FROM_LINE * TILE + j]
        count = strips[COUNT * TILE + j] + ONE
        limit = _limit(count, warm, strips[TAIL * TILE + j], strips[EXCESS * TILE + j], strips[ERROR * TILE + j])
        present = x == x
        learns = present & (strips[AWAY * TILE + j] < HELD_ROWS)
        gain = max(min(ROW_GAIN, LN2 * days), ONE / count)
        pairs = count * (count + ONE)
        line_gain = min(max((FOUR * count - TWO) / pairs, TWO * gain - gain * gain), ONE)
        slope_gain = max(SIX / pairs, gain * gain) if count > ONE else ZERO
        by_level = _clip(step, limit) if learns else ZERO
        by_line = _clip(from_line, limit) if learns else ZERO
        strips[LEVEL * TILE + j] = level + gain * by_level
        strips[LINE * TILE + j] = line + slope + line_gain * by_line if present else line
        strips[SLOPE * TILE + j] = slope + slope_gain * by_line


@compiled
def _learn_errors(strips, warm, width):
    """Learn how large the residuals of each predictor are."""
    for j in range(width):
        x = strips[INPUT * TILE + j]
        plain = strips[PLAIN * TILE + j]
        from_line = strips[FROM_LINE * TILE + j]
        from_day = plain - strips[DAILY * TILE + j]
        from_week = from_day - strips[WEEKLY * TILE + j]
        error_level = strips[ERROR_LEVEL * TILE + j]
        error_line = strips[ERROR_LINE * TILE + j]
        error_day = strips[ERROR_DAY * TILE + j]
        error_week = strips[ERROR_WEEK * TILE + j]
        count = strips[COUNT * TILE + j] + ONE
        limit = _limit(count, warm, strips[TAIL * TILE + j], strips[EXCESS * TILE + j], strips[ERROR * TILE + j])
        learns = (x == x) & (strips[AWAY * TILE + j] < HELD_ROWS)
        gain = max(ROW_GAIN, ONE / count)
        by_level = error_level + gain * (min(abs(plain), limit) - error_level)
        by_line = error_line + gain * (min(abs(from_line), limit) - error_line)
        by_day = error_day + gain * (min(abs(from_day), limit) - error_day)
        by_week = error_week + gain * (min(abs(from_week), limit) - error_week)
        strips[ERROR_LEVEL * TILE + j] = by_level if learns else error_level
        strips[ERROR_LINE * TILE + j] = by_line if learns else error_line
        strips[ERROR_DAY * TILE + j] = by_day if learns else error_day
        strips[ERROR_WEEK * TILE + j] = by_week if learns else error_week


@compiled
def _learn_tail(strips, width):
    """Follow the threshold, how often residuals exceed it, and by how much on average."""
    for j in range(width):
        x = strips[INPUT * TILE + j]
        count = strips[COUNT * TILE + j] + ONE
        error = strips[ERROR * TILE + j]
        tail = strips[TAIL * TILE + j]
        excess = strips[EXCESS * TILE + j]
        rate = strips[RATE * TILE + j]
        away = strips[AWAY * TILE + j]
        size = abs(strips[RESIDUAL * TILE + j])
        learns = (x == x) & (away < HELD_ROWS)
        clipped = min(size, tail + CLIP_EXCESSES * excess)
        size = clipped if (count > YOUNG_ROWS) & (excess > ZERO) else size
        unit = excess if excess > ZERO else error
        gain = max(TAIL_GAIN / (min(count, TAIL_MEMORY) + TAIL_GAIN_ROWS), TAIL_GAIN_LEAST)
        # A threshold that nothing reaches any more comes down in a hurry: residuals have become smaller.
        hurry = min(max(TAIL_SHARE / max(rate, TINY), ONE), TAIL_HURRY)
        down = gain * TAIL_SHARE * hurry * max(unit, TAIL_PART * tail)
        moved = tail + gain * unit * (ONE - TAIL_SHARE) if size > tail else max(tail - down, ZERO)
        over = size > moved
        share = ONE if over else ZERO
        learned = rate + (share - rate) * max(ONE / (count + RATE_ROWS), RATE_GAIN_LEAST)
        part = max(ONE / (TAIL_SHARE * count + EXCESS_ROWS), EXCESS_GAIN_LEAST) if excess > ZERO else ONE
        grown = excess + (size - moved - excess) * part
        strips[TAIL * TILE + j] = moved if learns else tail
        strips[RATE * TILE + j] = learned if learns else rate
        strips[EXCESS * TILE + j] = grown if learns & over else excess


@compiled
def _learn_anew(strips, warm, days, width):
    """Count the rows that the recent residuals have been in the tail; when they stay, start level and line there."""
    for j in range(width):
        x = strips[INPUT * TILE + j]
        present = x == x
        count = strips[COUNT * TILE + j] + (ONE if present else ZERO)
        age = strips[AGE * TILE + j]
        level = strips[LEVEL * TILE + j]
        line = strips[LINE * TILE + j]
        fast = strips[FAST * TILE + j]
        away = strips[AWAY * TILE + j]
        tail = strips[TAIL * TILE + j]
        moved = fast + FAST_GAIN * (strips[RESIDUAL * TILE + j] - fast)
        fast = moved if present else fast
        out = (away < ZERO) | ((abs(fast) > tail) & (count > warm))
        counted = away + ONE if out else max(away - TWO, ZERO)
        away = counted if present else away
        anew = away >= ANEW_ROWS
        strips[COUNT * TILE + j] = count
        strips[AGE * TILE + j] = age + (days if present else ZERO)
        strips[LEVEL * TILE + j] = level + fast if anew else level
        strips[LINE * TILE + j] = line + fast if anew else line
        strips[FAST * TILE + j] = ZERO if anew else fast
        strips[AWAY * TILE + j] = -ANEW_ROWS if anew else away
