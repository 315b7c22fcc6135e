"""The compiled walk over scores that opens, merges, tells and ends events; see `events` for what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hypocenter_workers.detect.compiling import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUIET = 0
ALERT = 1
TOLD = 2
NEVER = np.int64(np.iinfo(np.int64).min)
UP = 1
DOWN = 2
MOST_CALM_BEFORE = 1
MOST_RAISED = 6.0


class Block(NamedTuple):
    """What one walk reads: [time, series] each, `times` in ns; `kinds` and `muted` may have one row or one column."""

    scores: NDArray[np.float64]
    values: NDArray[np.float64]
    expected: NDArray[np.float64]
    scale: NDArray[np.float64]
    kinds: NDArray[np.uint8]
    muted: NDArray[np.bool_]
    times: NDArray[np.int64]


class Limits(NamedTuple):
    """The settings of `events.Events`, times in ns."""

    threshold: float
    sign: float
    margin: float
    growth: float
    settle: int
    quiet: int
    quiet_rows: int
    lost: int
    calm: int
    budget: int
    surcharge: float


@compiled
def open_event(event: Any, series: int, time: int) -> None:
    """Fill a record with an event that has shown its first sign."""
    event.series = series
    event.onset = time
    event.alert = NEVER
    event.end = NEVER
    event.last = NEVER
    event.returned = NEVER
    event.heard = time
    event.told_at = NEVER
    event.told = 0.0
    event.score = -1.0
    event.rows = 0
    event.calm = 0
    event.escalations = 0
    event.directions = 0


@compiled
def has_ended(event: Any, time: int, limits: Limits) -> bool:
    """Return whether calm has lasted long enough to end an event, or its series was lost from sight before now."""
    if event.alert == NEVER:
        return bool(event.calm > MOST_CALM_BEFORE)
    return bool(event.calm >= limits.quiet_rows and time - event.last >= limits.quiet)


@compiled
def is_worse(event: Any, score: float, direction: int, time: int, limits: Limits) -> bool:
    """Return whether a row over the threshold is clearly worse than what people were told of its event."""
    if time - event.told_at < limits.settle:
        return False
    if event.directions & direction == 0:
        return True
    return bool(score >= max(event.told + limits.margin, event.told * limits.growth))


@compiled
def tell(event: Any, score: float, direction: int, time: int, limits: Limits) -> int:
    """Decide whether a row over the threshold alerts, and note in its event what is known of it from then on."""
    if event.alert == NEVER:
        event.alert = time
    elif is_worse(event, score, direction, time, limits):
        event.escalations += 1
    else:
        if time - event.told_at < limits.settle:
            event.told = max(event.told, score)
        return TOLD
    event.told = max(event.told, score)
    event.told_at = time
    event.directions |= direction
    return ALERT


@compiled
def raised(spent: NDArray[Any], k: int, time: int, limits: Limits) -> float:
    """Return by how much the threshold of a series is still raised by what it has told before."""
    if k < 0:
        return 0.0
    return float(max(spent[k].raised - limits.surcharge * (time - spent[k].at) / limits.budget, 0.0))


@compiled
def observe(event: Any, block: Block, row: int, limits: Limits, more: float) -> int:
    """Let an event see one row of its series; returns whether it alerts, was told already, or neither.

    `more` is what its first alert takes beyond the threshold.
    """
    column, time = event.series, block.times[row]
    score, value, expected = block.scores[row, column], block.values[row, column], block.expected[row, column]
    direction = UP if value > expected else DOWN
    event.heard = time
    if score > event.score:
        event.peak, event.score, event.direction = time, score, direction
        event.value, event.expected, event.scale = value, expected, block.scale[row, column]
        event.kind = block.kinds[min(row, len(block.kinds) - 1), min(column, block.kinds.shape[1] - 1)]
    if not score >= limits.threshold:
        event.calm = 0 if event.alert == NEVER and score >= limits.sign else event.calm + 1
        return QUIET
    if event.alert != NEVER and time - event.last > limits.calm:
        event.returned = time
    event.last = time
    event.rows += 1
    event.calm = 0
    if block.muted[min(row, len(block.muted) - 1), min(column, block.muted.shape[1] - 1)]:
        return TOLD
    if event.alert == NEVER and score < limits.threshold + more:
        return TOLD
    return tell(event, score, direction, time, limits)


@compiled
def with_room(records: NDArray[Any], count: int) -> NDArray[Any]:
    """Return records with room for one more than `count`."""
    if count < len(records):
        return records
    larger = np.empty(2 * len(records) + 16, records.dtype)
    larger[:count] = records[:count]
    return larger


@compiled
def close(
    events: NDArray[Any], ended: NDArray[Any], place: NDArray[np.int32], k: int, count: int, done: int
) -> tuple[NDArray[Any], int, int]:
    """Take event `k` out of the `count` under way, and keep it among the `done` that ended if people were told."""
    place[events[k].series] = -1
    if events[k].alert != NEVER:
        ended = with_room(ended, done)
        ended[done] = events[k]
        ended[done].end = events[k].last
        done += 1
    if k < count - 1:
        events[k] = events[count - 1]
        place[events[k].series] = k
    return ended, count - 1, done


@compiled
def spend(
    spent: NDArray[Any], place: NDArray[np.int32], series: int, time: int, count: int, limits: Limits
) -> tuple[NDArray[Any], int]:
    """Raise the threshold of a series that has alerted, for as long as the budget grants no other alert."""
    k = place[series]
    before = raised(spent, k, time, limits)
    if k < 0:
        spent = with_room(spent, count)
        k, place[series], count = count, count, count + 1
        spent[k].series = series
    spent[k].raised = min(before + limits.surcharge, MOST_RAISED)
    spent[k].at = time
    return spent, count


@compiled
def places(records: NDArray[Any], columns: int) -> NDArray[np.int32]:
    """Return where the record of each series is, -1 for none."""
    found = np.full(columns, -1, np.int32)
    for k in range(len(records)):
        found[records[k].series] = k
    return found


@compiled
def walk(
    block: Block, known: NDArray[Any], paid: NDArray[Any], limits: Limits
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.uint8]]:
    """Walk over a block row by row.

    `known` are the events under way, `paid` what series have told lately; returns both as they are afterwards, in
    between the events that ended and were told of, and per row and series whether it alerts (1) or is over the
    threshold without alerting (2).
    """
    rows, columns = block.scores.shape
    marks = np.zeros((rows, columns), np.uint8)
    place, purse = places(known, columns), places(paid, columns)
    events, ended = with_room(known.copy(), len(known)), np.empty(16, known.dtype)
    spent, bills = with_room(paid.copy(), len(paid)), len(paid)
    count, done = len(known), 0
    for row in range(rows):
        time = block.times[row]
        for column in range(columns):
            score, k = block.scores[row, column], place[column]
            if np.isnan(score) or (k < 0 and score < limits.sign):
                continue
            if k >= 0 and time - events[k].heard >= limits.lost:
                ended, count, done = close(events, ended, place, k, count, done)
                k = -1
            if k < 0 and score >= limits.sign:
                events = with_room(events, count)
                k, count = count, count + 1
                place[column] = k
                open_event(events[k], column, time)
            if k >= 0:
                marks[row, column] = observe(events[k], block, row, limits, raised(spent, purse[column], time, limits))
                if marks[row, column] == ALERT:
                    spent, bills = spend(spent, purse, column, time, bills, limits)
                if has_ended(events[k], time, limits):
                    ended, count, done = close(events, ended, place, k, count, done)
    return events[:count], ended[:done], spent[:bills], marks
