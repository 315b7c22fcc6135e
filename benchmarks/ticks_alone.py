"""Scoring by processes that read and keep nothing: how many times as fast as one two can be on this machine."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from hypocenter_workers.ticks.learned import begin
from hypocenter_workers.ticks.plan import LOOK_BACK
from hypocenter_workers.ticks.scoring import score, watching

STEP_S, SERIES, STEPS, TURNS = 60, 5_000, 10, 100
START = np.datetime64("2026-03-02T12:00", "ns")


def scored(workers: int, turns: int) -> float:
    """Return the seconds in which so many processes score a block each, `turns` times."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        list(pool.map(_scores, [1] * workers))
        begun = time.perf_counter()
        list(pool.map(_scores, [turns] * workers))
        return time.perf_counter() - begun


def _scores(turns: int) -> None:
    how, step = watching(STEP_S), np.timedelta64(STEP_S, "s")
    known = begin(np.arange(SERIES, dtype=np.uint64), how.detector, how.stage, START - step, LOOK_BACK)
    values = 50 + np.random.default_rng(1).standard_normal((STEPS, SERIES))
    for turn in range(turns):
        times = START + (turn * STEPS + np.arange(STEPS)) * step
        _, known = score(how, values, times, known)
