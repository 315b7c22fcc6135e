"""The tail of a statistic, followed as it streams: a threshold, how often it is exceeded, by how much on average."""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# Arguments are arrays of the types that `calibrate` makes; numba infers them.

from __future__ import annotations

import math

from hypocenter_workers.detect.compiling import compiled

COUNT, SPREAD, TAIL, EXCESS, RATE = 0, 1, 2, 3, 4
FIELDS = 5

SHARE = 0.02
SHAPE = 0.15
MEMORY = 4000.0
YOUNG_ROWS = 10.0
SPREAD_GAIN = 0.6931472 / 288.0
CLIP_EXCESSES = 6.0
GAIN = 24.0
GAIN_ROWS = 100.0
GAIN_LEAST = 0.006
EXCESS_ROWS = 10.0
EXCESS_GAIN_LEAST = 1.0 / 85.0
RATE_ROWS = 50.0


@compiled
def calibrate_rows(statistic, warm, fields, scores):
    """Score [time, series] by each series' tail so far and learn from it; `fields` and `scores` are written."""
    rows, series = statistic.shape
    for j in range(series):
        for t in range(rows):
            x = statistic[t, j]
            if math.isnan(x):
                scores[t, j] = math.nan
            else:
                scores[t, j] = rarity(x, warm, fields, j)
                learn(x, fields, j)


@compiled
def rarity(x, warm, fields, j):
    """Return -log10 of the probability that series `j` has a value of at least `x`, 0 while it is warming."""
    count, tail, excess = fields[COUNT, j], fields[TAIL, j], fields[EXCESS, j]
    if count < warm or x <= 0.0:
        return 0.0
    if x <= tail:
        return -math.log10(SHARE) * x / tail
    if excess <= 0.0:
        # It has never been beyond: the rule of succession.
        return math.log10(count + 1.0)
    rate = min(max(fields[RATE, j], 1.0 / (count + 1.0)), SHARE)
    return math.log1p(SHAPE * (x - tail) / excess) / SHAPE / math.log(10.0) - math.log10(rate)


@compiled
def learn(x, fields, j):
    """Learn one value of series `j`; of an extreme one only what a usual extreme would have taught."""
    count = fields[COUNT, j] + 1.0
    spread, tail, excess = fields[SPREAD, j], fields[TAIL, j], fields[EXCESS, j]
    young = count <= YOUNG_ROWS
    seen = x if young or spread <= 0.0 else min(x, 10.0 * spread)
    spread += (seen - spread) * max(SPREAD_GAIN, 1.0 / count)
    if not young and excess > 0.0:
        x = min(x, tail + CLIP_EXCESSES * excess)
    unit = excess if excess > 0.0 else spread
    gain = unit * max(GAIN / (min(count, MEMORY) + GAIN_ROWS), GAIN_LEAST)
    tail = tail + gain * (1.0 - SHARE) if x > tail else max(tail - gain * SHARE, 0.0)
    over = x > tail
    rate = fields[RATE, j]
    if over:
        part = max(1.0 / (SHARE * count + EXCESS_ROWS), EXCESS_GAIN_LEAST) if excess > 0.0 else 1.0
        fields[EXCESS, j] = excess + (x - tail - excess) * part
    fields[COUNT, j] = count
    fields[SPREAD, j] = spread
    fields[TAIL, j] = tail
    fields[RATE, j] = rate + ((1.0 if over else 0.0) - rate) * max(1.0 / (count + RATE_ROWS), 1.0 / MEMORY)
