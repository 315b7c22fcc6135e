"""Compile what ticks need ahead of the first: `python -m hypocenter_workers.ticks.prepare`, as an image does."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import numpy as np

from hypocenter.batches import Batch, Samples
from hypocenter.rhythm import Rhythm
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter_workers.detect.prepare import prepare as prepare_detectors
from hypocenter_workers.ticks.learned import begin
from hypocenter_workers.ticks.plan import LOOK_BACK, plan_of, read_block
from hypocenter_workers.ticks.scoring import score, watching
from hypocenter_workers.ticks.shards import Roster
from hypocenter_workers.ticks.steps import times_of

STEPS = 10
END = datetime(2026, 1, 1, tzinfo=UTC)


def prepare() -> None:
    """Score some steps of a gauge and a counter, which compiles what was not compiled before."""
    end_ms, step_ms = int(END.timestamp() * 1000), Rhythm().step_ms
    start_ms = end_ms - STEPS * step_ms
    metrics = MemoryMetrics(lambda: END)
    numbers = metrics.number([(("__name__", name), ("service", "one")) for name in ("queue_length", "calls_total")])
    at_ms = np.repeat(start_ms + step_ms * np.arange(STEPS), len(numbers))
    metrics.append([Batch(Samples(np.tile(numbers, STEPS), at_ms, np.arange(float(len(at_ms)))))])
    plan = plan_of(Roster(metrics, 1).members(0, end_ms), 0, 1)
    block, how = read_block(metrics, plan, start_ms, STEPS, step_ms), watching(step_ms // 1000)
    before = np.datetime64(start_ms - step_ms, "ms")
    known = begin(plan.keys, how.detector, how.stage, before, LOOK_BACK)
    score(how, block.values, times_of(start_ms, STEPS, step_ms), known)


if __name__ == "__main__":
    print("Compiling the detectors ...", file=sys.stderr)
    prepare_detectors()
    prepare()
