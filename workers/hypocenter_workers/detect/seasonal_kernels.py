"""The seasonal tier's inner loop: a tile of series at a time, row by row, all of a tile's state in one small buffer.

A tile is as many series as the cache bears, and enough that each stretch of memory is worth fetching ahead. Its state
lies in one flat buffer at offsets that the compiler knows, so that it can prove that the fields do not overlap and use
the widest vector instructions; separate arrays would defeat that. Everything is in single precision relative to each
series' first value, which alone is kept in double.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# Arguments are arrays and scalars of the types that `seasonal.Seasonal` makes; numba infers them.

from __future__ import annotations

import math

import numpy as np

from hypocenter_workers.detect.compiling import compiled

TILE = 1024
# Strips lie a little further apart than a power of two, or reads wait for writes to other strips at the same place.
PITCH = 1040
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

# Flags are added up as numbers of the same width as everything else.
WARMING, MISSING, CONSTANT, DRIFTED = np.float32(1.0), np.float32(2.0), np.float32(4.0), np.float32(8.0)
SUPPRESSED = np.uint8(16)

ZERO, ONE, TWO, FOUR, SIX = np.float32(0.0), np.float32(1.0), np.float32(2.0), np.float32(4.0), np.float32(6.0)
ENDLESS, MISSED = np.float32(1e30), np.float32(np.nan)
LN2 = np.float32(0.6931472)
# A level and a line forget half of the past in 288 rows or a day, whichever is longer; errors in about 140 rows.
ROW_GAIN = np.float32(0.6931472 / 288.0)
ERROR_GAIN = np.float32(0.005)
YOUNG_ROWS = np.float32(10.0)
# What is learned from one sample is at most the tail's threshold and six mean excesses; at first, ten usual errors.
CLIP_ERRORS, CLIP_EXCESSES = np.float32(10.0), np.float32(6.0)
# A profile is learned from its second day, or week, on, when there is a level to learn it from; it is trusted after
# two of them (but for rounding), and only where it has made the residuals smaller by a tenth.
DAY_FROM, DAY_KNOWN = np.float32(0.999), np.float32(2.999)
WEEK_FROM, WEEK_KNOWN = np.float32(6.999), np.float32(13.999)
BETTER = np.float32(0.9)
DAY_GAIN, WEEK_GAIN = np.float32(0.1), np.float32(0.15)
WEEK = np.float32(7.0)
# Peaks over a threshold that one residual in fifty exceeds, with a tail a little heavier than exponential.
TAIL_SHARE, TAIL_MEMORY = np.float32(0.02), np.float32(4000.0)
TAIL_GAIN, TAIL_GAIN_ROWS, TAIL_GAIN_LEAST = np.float32(24.0), np.float32(100.0), np.float32(0.006)
TAIL_HURRY, TAIL_PART = np.float32(20.0), np.float32(0.5)
EXCESS_ROWS, EXCESS_GAIN_LEAST = np.float32(10.0), np.float32(1.0 / 85.0)
RATE_ROWS, RATE_GAIN_LEAST = np.float32(50.0), np.float32(1.0 / 200.0)
TINY = np.float32(1e-9)
TAIL_SHAPE = 0.15
TAIL_SCORE = np.float32(1.69897)
TAIL_SIGMAS = 2.326
# How long the mean of about a dozen recent residuals has been twice as far out as the tail's threshold: after so many
# rows level, day and tail learn no more, as it is an anomaly; after two days and a half, which no weekend lasts, it is
# the new normal, and the level starts anew from there. The week and errors learn on, or weekends would never be known.
FAST_GAIN, PATIENCE = np.float32(0.0561257), np.float32(4.0)
HELD_ROWS, ANEW_ROWS, ANEW_DAYS = np.float32(12.0), np.float32(144.0), np.float32(2.5)


@compiled
def score_rows(
    values, origin, met, clock, special, warm, before, after, state, learned, scores, expected, scale, flags
):
    """Score a block and learn from it, row by row; `after`, `learned` and the last four arrays are written.

    `values` is [time, series], `origin` [series]; `met` [time, 4] holds the rows of the profile that each time lies
    between, of the day and of the week; `clock` [time, 3] the days since the row before, the share of a slot that is,
    and how far between the two slots the time lies; `before` and `after` are the profile's rows, [slots met, series] or
    a tuple of them, and the same array where a row may be met twice; `state` and `learned` are [FIELDS, series].
    """
    rows, series = values.shape
    strips = np.empty(STRIPS * PITCH, np.float32)
    for first in range(0, series, TILE):
        # Views that begin at the tile: an index that might be negative keeps a loop from being vectorised.
        width = min(TILE, series - first)
        tile = slice(first, first + width)
        _load(strips, state[:, tile], width)
        for t in range(rows):
            days, share = clock[t, 0], clock[t, 2]
            if t == 0 or not _same(met, t, t - 1):
                _load_profile(strips, before, met[t], tile, width)
            _subtract(strips, values[t, tile], origin[tile], width)
            _predict(strips, share, width)
            _choose(strips, width)
            _report(
                strips, origin[tile], warm, width, scores[t, tile], expected[t, tile], scale[t, tile], flags[t, tile]
            )
            _extremes(strips, warm, width, scores[t, tile])
            if special[t]:
                _quiet(flags[t, tile], width)
            _learn_profile(strips, warm, ZERO if special[t] else clock[t, 1], share, width)
            _learn_level(strips, warm, days, width)
            _learn_errors(strips, warm, width)
            _learn_tail(strips, width)
            _learn_anew(strips, warm, days, width)
            if t == rows - 1 or not _same(met, t, t + 1):
                _store_profile(strips, after, met[t], tile, width)
        _store(strips, learned[:, tile], width)


@compiled
def _same(met, t, other):
    return met[t, 0] == met[other, 0] and met[t, 2] == met[other, 2]


@compiled
def _copy(there, here, width):
    for j in range(width):
        there[j] = here[j]


@compiled
def _load(strips, state, width):
    for field in range(FIELDS):
        _copy(strips[field * PITCH : (field + 1) * PITCH], state[field], width)


@compiled
def _store(strips, learned, width):
    for field in range(FIELDS):
        _copy(learned[field], strips[field * PITCH : (field + 1) * PITCH], width)


@compiled
def _load_profile(strips, before, rows, tile, width):
    for k in range(4):
        _copy(strips[(DAY_LOW + k) * PITCH : (DAY_LOW + k + 1) * PITCH], before[rows[k]][tile], width)


@compiled
def _store_profile(strips, after, rows, tile, width):
    for k in range(4):
        _copy(after[rows[k]][tile], strips[(DAY_LOW + k) * PITCH : (DAY_LOW + k + 1) * PITCH], width)


@compiled
def _subtract(strips, values, origin, width):
    for j in range(width):
        x = np.float32(values[j] - origin[j])
        strips[INPUT * PITCH + j] = x if abs(x) < ENDLESS else MISSED


@compiled
def _predict(strips, share, width):
    """Take the residuals against the level and the line, and what day and week add to the level."""
    rest = ONE - share
    for j in range(width):
        x = strips[INPUT * PITCH + j]
        daily = strips[DAY_LOW * PITCH + j] * rest + strips[DAY_HIGH * PITCH + j] * share
        weekly = strips[WEEK_LOW * PITCH + j] * rest + strips[WEEK_HIGH * PITCH + j] * share
        plain = x - strips[LEVEL * PITCH + j]
        from_line = x - (strips[LINE * PITCH + j] + strips[SLOPE * PITCH + j])
        strips[PLAIN * PITCH + j] = plain
        strips[FROM_LINE * PITCH + j] = from_line
        strips[DAILY * PITCH + j] = daily
        strips[WEEKLY * PITCH + j] = weekly


@compiled
def _choose(strips, width):
    """Choose the predictor with the smallest errors; a new choice brings the tail to its scale."""
    for j in range(width):
        age = strips[AGE * PITCH + j]
        plain, from_line = strips[PLAIN * PITCH + j], strips[FROM_LINE * PITCH + j]
        daily, weekly = strips[DAILY * PITCH + j], strips[WEEKLY * PITCH + j]
        level, line = strips[LEVEL * PITCH + j], strips[LINE * PITCH + j] + strips[SLOPE * PITCH + j]
        error_line, error_day = strips[ERROR_LINE * PITCH + j], strips[ERROR_DAY * PITCH + j]
        error_level, error_week = strips[ERROR_LEVEL * PITCH + j], strips[ERROR_WEEK * PITCH + j]
        before = strips[CHOICE * PITCH + j]
        tail, excess = strips[TAIL * PITCH + j], strips[EXCESS * PITCH + j]
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
        strips[STEP * PITCH + j] = plain - season
        strips[RESIDUAL * PITCH + j] = from_line if choice == BY_LINE else plain - season
        strips[FORESEEN * PITCH + j] = line if choice == BY_LINE else level + season
        strips[ERROR * PITCH + j] = error
        strips[CHOICE * PITCH + j] = choice
        strips[TAIL * PITCH + j] = tail * factor
        strips[EXCESS * PITCH + j] = excess * factor


@compiled
def _report(strips, origin, warm, width, scores, expected, scale, flags):
    """Write what is known of a row; the scores of residuals within the tail's threshold rise linearly to it."""
    for j in range(width):
        x = strips[INPUT * PITCH + j]
        residual = strips[RESIDUAL * PITCH + j]
        tail = strips[TAIL * PITCH + j]
        inside = TAIL_SCORE * min(abs(residual) / max(tail, np.float32(1e-30)), ONE)
        scores[j] = np.nan if x != x else (inside if strips[COUNT * PITCH + j] >= warm else ZERO)
    for j in range(width):
        foreseen = strips[FORESEEN * PITCH + j] if strips[COUNT * PITCH + j] > ZERO else MISSED
        expected[j] = origin[j] + foreseen
        scale[j] = strips[TAIL * PITCH + j] / TAIL_SIGMAS
    for j in range(width):
        x = strips[INPUT * PITCH + j]
        flag = MISSING if x != x else ZERO
        flag += WARMING if strips[COUNT * PITCH + j] < warm else ZERO
        flag += CONSTANT if strips[ERROR_LEVEL * PITCH + j] == ZERO else ZERO
        flag += DRIFTED if strips[AWAY * PITCH + j] < ZERO else ZERO
        flags[j] = np.uint8(flag)


@compiled
def _extremes(strips, warm, width, scores):
    """Score the few residuals beyond the threshold by their generalised Pareto tail."""
    for j in range(width):
        tail = strips[TAIL * PITCH + j]
        beyond = abs(strips[RESIDUAL * PITCH + j]) - tail
        # One branch, not two: before the warm-up ends the first alone would be a guess at every sample.
        if (beyond > ZERO) & (strips[COUNT * PITCH + j] >= warm):
            seldom = ONE / (strips[COUNT * PITCH + j] + ONE)
            # A threshold of nothing is that of a series that mostly stands still: how often it moves is what counts.
            rate = TAIL_SHARE if tail > ZERO else min(max(strips[RATE * PITCH + j], seldom), TAIL_SHARE)
            excess = strips[EXCESS * PITCH + j]
            # Where nothing was ever beyond, the rule of succession is all that can be said.
            rare = math.log1p(TAIL_SHAPE * beyond / excess) / TAIL_SHAPE if excess > ZERO else math.log(rate / seldom)
            scores[j] = (rare - math.log(rate)) / math.log(10.0)


@compiled
def _quiet(flags, width):
    for j in range(width):
        flags[j] |= SUPPRESSED


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
        x = strips[INPUT * PITCH + j]
        age = strips[AGE * PITCH + j]
        from_day = strips[PLAIN * PITCH + j] - strips[DAILY * PITCH + j]
        from_week = from_day - strips[WEEKLY * PITCH + j]
        day_low = strips[DAY_LOW * PITCH + j]
        day_high = strips[DAY_HIGH * PITCH + j]
        week_low = strips[WEEK_LOW * PITCH + j]
        week_high = strips[WEEK_HIGH * PITCH + j]
        count = strips[COUNT * PITCH + j] + ONE
        limit = _limit(count, warm, strips[TAIL * PITCH + j], strips[EXCESS * PITCH + j], strips[ERROR * PITCH + j])
        limit *= PATIENCE
        present = x == x
        day_gain = max(DAY_GAIN, ONE / max(ONE + age - DAY_FROM, ONE))
        week_gain = max(WEEK_GAIN, ONE / max(ONE + (age - WEEK_FROM) / WEEK, ONE))
        # Twice the slot's share: each sample moves only its part of two slots.
        by_day = min(TWO * share_of_slot * day_gain, ONE) * _clip(from_day, limit)
        by_week = min(TWO * share_of_slot * week_gain, ONE) * _clip(from_week, limit)
        by_day = by_day if present & (strips[AWAY * PITCH + j] < HELD_ROWS) & (age >= DAY_FROM) else ZERO
        by_week = by_week if present & (age >= WEEK_FROM) else ZERO
        strips[DAY_LOW * PITCH + j] = day_low + rest * by_day
        strips[DAY_HIGH * PITCH + j] = day_high + share * by_day
        strips[WEEK_LOW * PITCH + j] = week_low + rest * by_week
        strips[WEEK_HIGH * PITCH + j] = week_high + share * by_week


@compiled
def _learn_level(strips, warm, days, width):
    """Learn the level, and the line by least squares with forgetting: exactly so at first, then with fixed gains."""
    for j in range(width):
        x = strips[INPUT * PITCH + j]
        level = strips[LEVEL * PITCH + j]
        line = strips[LINE * PITCH + j]
        slope = strips[SLOPE * PITCH + j]
        step = strips[STEP * PITCH + j]
        from_line = strips[FROM_LINE * PITCH + j]
        count = strips[COUNT * PITCH + j] + ONE
        limit = _limit(count, warm, strips[TAIL * PITCH + j], strips[EXCESS * PITCH + j], strips[ERROR * PITCH + j])
        present = x == x
        learns = present & (strips[AWAY * PITCH + j] < HELD_ROWS)
        gain = max(min(ROW_GAIN, LN2 * days), ONE / count)
        pairs = count * (count + ONE)
        line_gain = min(max((FOUR * count - TWO) / pairs, TWO * gain - gain * gain), ONE)
        slope_gain = max(SIX / pairs, gain * gain) if count > ONE else ZERO
        by_level = _clip(step, limit) if learns else ZERO
        by_line = _clip(from_line, limit) if learns else ZERO
        strips[LEVEL * PITCH + j] = level + gain * by_level
        strips[LINE * PITCH + j] = line + slope + line_gain * by_line if present else line
        strips[SLOPE * PITCH + j] = slope + slope_gain * by_line


@compiled
def _learn_errors(strips, warm, width):
    """Learn how large the residuals of each predictor are."""
    for j in range(width):
        x = strips[INPUT * PITCH + j]
        plain = strips[PLAIN * PITCH + j]
        from_line = strips[FROM_LINE * PITCH + j]
        from_day = plain - strips[DAILY * PITCH + j]
        from_week = from_day - strips[WEEKLY * PITCH + j]
        error_level = strips[ERROR_LEVEL * PITCH + j]
        error_line = strips[ERROR_LINE * PITCH + j]
        error_day = strips[ERROR_DAY * PITCH + j]
        error_week = strips[ERROR_WEEK * PITCH + j]
        count = strips[COUNT * PITCH + j] + ONE
        limit = _limit(count, warm, strips[TAIL * PITCH + j], strips[EXCESS * PITCH + j], strips[ERROR * PITCH + j])
        limit *= PATIENCE
        present = x == x
        gain = max(ERROR_GAIN, ONE / count)
        by_level = error_level + gain * (min(abs(plain), limit) - error_level)
        by_line = error_line + gain * (min(abs(from_line), limit) - error_line)
        by_day = error_day + gain * (min(abs(from_day), limit) - error_day)
        by_week = error_week + gain * (min(abs(from_week), limit) - error_week)
        strips[ERROR_LEVEL * PITCH + j] = by_level if present else error_level
        strips[ERROR_LINE * PITCH + j] = by_line if present else error_line
        strips[ERROR_DAY * PITCH + j] = by_day if present else error_day
        strips[ERROR_WEEK * PITCH + j] = by_week if present else error_week


@compiled
def _learn_tail(strips, width):
    """Follow the threshold, how often residuals exceed it, and by how much on average."""
    for j in range(width):
        x = strips[INPUT * PITCH + j]
        count = strips[COUNT * PITCH + j] + ONE
        error = strips[ERROR * PITCH + j]
        tail = strips[TAIL * PITCH + j]
        excess = strips[EXCESS * PITCH + j]
        rate = strips[RATE * PITCH + j]
        away = strips[AWAY * PITCH + j]
        size = abs(strips[RESIDUAL * PITCH + j])
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
        strips[TAIL * PITCH + j] = moved if learns else tail
        strips[RATE * PITCH + j] = learned if learns else rate
        strips[EXCESS * PITCH + j] = grown if learns & over else excess


@compiled
def _learn_anew(strips, warm, days, width):
    """Count the rows that the recent residuals have been in the tail; when they stay, start level and line there."""
    for j in range(width):
        x = strips[INPUT * PITCH + j]
        present = x == x
        count = strips[COUNT * PITCH + j] + (ONE if present else ZERO)
        age = strips[AGE * PITCH + j]
        level = strips[LEVEL * PITCH + j]
        line = strips[LINE * PITCH + j]
        fast = strips[FAST * PITCH + j]
        away = strips[AWAY * PITCH + j]
        tail = strips[TAIL * PITCH + j]
        moved = fast + FAST_GAIN * (strips[RESIDUAL * PITCH + j] - fast)
        fast = moved if present else fast
        far = abs(fast) > TWO * tail
        out = (away < ZERO) | (far & (count > warm))
        counted = away + ONE if out else max(away - TWO, ZERO)
        away = counted if present else away
        anew = away * max(days, TINY) >= max(ANEW_DAYS, ANEW_ROWS * days)
        strips[COUNT * PITCH + j] = count
        strips[AGE * PITCH + j] = age + (days if present else ZERO)
        strips[LEVEL * PITCH + j] = level + fast if anew else level
        strips[LINE * PITCH + j] = line + fast if anew else line
        strips[FAST * PITCH + j] = ZERO if anew else fast
        strips[AWAY * PITCH + j] = -ANEW_ROWS if anew else away
