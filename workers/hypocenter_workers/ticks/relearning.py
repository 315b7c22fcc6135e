"""States learned from stored samples: of series that are new to a shard, and of all when its state was lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hypocenter_workers.ticks.learned import arranged, begin
from hypocenter_workers.ticks.plan import LOOK_BACK, read_block
from hypocenter_workers.ticks.scoring import score
from hypocenter_workers.ticks.steps import milliseconds, times_of

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from hypocenter_workers.ticks.learned import Learned
    from hypocenter_workers.ticks.plan import Block, Plan
    from hypocenter_workers.ticks.tick import Place

# So many raw values are held at a time.
MOST_CELLS = 4_000_000
MOST_STEPS = 1440


def completed(place: Place, plan: Plan, watermark: datetime, kept: Learned | None) -> tuple[Learned, int]:
    """Return the states of a plan's series, and how many had to be learned; the others are those that were kept."""
    if kept is None:
        return learned(place, plan, watermark), len(plan.series)
    if np.array_equal(kept.keys, plan.keys):
        return kept, 0
    missing = np.flatnonzero(~np.isin(plan.keys, kept.keys))
    return arranged(plan.keys, [kept, learned(place, plan.only(missing), watermark)]), len(missing)


def learned(place: Place, plan: Plan, watermark: datetime) -> Learned:
    """Return what a plan's stored samples before a watermark teach; of it nothing is told. Raises SourceError."""
    step_ms, end_ms = place.rhythm.step_ms, milliseconds(watermark)
    start_ms = _first_ms(plan, milliseconds(place.rhythm.learned_from(watermark)), end_ms, step_ms)
    steps = min(max(MOST_CELLS // max(plan.raw_series, 1), LOOK_BACK), MOST_STEPS)
    known: Learned | None = None
    for first_ms in range(start_ms, end_ms, steps * step_ms):
        rows = min(steps, (end_ms - first_ms) // step_ms)
        block = read_block(place.metrics, plan, first_ms, rows, step_ms)
        # That nothing was counted before anything ever was is not what is normal.
        skipped = 0 if known else _empty(block)
        if skipped < rows:
            before = known or begun(place, plan.keys, first_ms + skipped * step_ms)
            times = times_of(first_ms, rows, step_ms)
            _, after = score(place.watching, block.values[skipped:], times[skipped:], before)
            known = replace(after, counts=block.samples[-LOOK_BACK:])
    return known or begun(place, plan.keys, end_ms)


def _empty(block: Block) -> int:
    """Return how many steps lie before the first that has samples."""
    there = block.samples[LOOK_BACK:] > 0
    return int(there.argmax()) if there.any() else len(there)


def _first_ms(plan: Plan, wanted_ms: int, end_ms: int, step_ms: int) -> int:
    """Return the first step to learn from: no sooner than wanted, nor than any series may have samples."""
    since = int(plan.since_ms.min(initial=end_ms)) // step_ms * step_ms
    return min(max(wanted_ms, since), end_ms)


def begun(place: Place, keys: NDArray[np.uint64], first_ms: int) -> Learned:
    """Return what is known of series that are looked at from a step on."""
    before = np.datetime64(first_ms - place.rhythm.step_ms, "ms")
    how = place.watching
    return begin(keys, how.detector, how.stage, before, LOOK_BACK)
