"""Ticks over many series, by worker processes over servers and by threads of one process: read, score, write."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ticks_made import Timed

SERVERS = Path(__file__).parents[1] / "tests" / "servers"
APART, WITHIN = "processes, VictoriaMetrics", "threads, DuckDB"
ALONE = "processes that only score"
SIZES = {APART: (1_000, 10_000, 100_000, 800_000), WITHIN: (1_000, 10_000, 100_000)}
WORKERS = (1, 2)
# Ticks that are not counted, and that are; of very many series fewer, which take as long.
TURNS, TURNS_OF_MANY, MANY = (3, 10), (2, 5), 500_000
COLUMNS = (
    "workers are",
    "series",
    "workers",
    "s",
    "longest s",
    "margin",
    "to anomaly p99",
    "CPU s",
    "servers' CPU s",
    "CPU µs a series",
    "times one worker",
    "most times one",
    "state MB",
)
NOTE = (
    "Series of five metrics (one of them a counter) of a fifth as many services, each a signal of its own, scraped "
    "each 15 s, divided among a shard for each 5,000 of them, 2 at least and 16 at most (HYPOCENTER_SHARDS). A tick "
    "of all shards reads the samples of a step of 60 s, makes signals of them and scores them, "
    "loads and keeps the state, and moves the shard on. **Processes**: `hypocenter worker` with one and two jobs, each "
    "a process, takes ticks that Celery carries over Redis; samples are in VictoriaMetrics, positions and anomalies in "
    "PostgreSQL, states in Redis, and all of these servers share the two cores with the workers. **Threads**: those of "
    "one process that holds the samples in DuckDB and states in files, as `hypocenter serve` does. `s` is the mean "
    "of ten ticks of all shards (five of 800,000 series and more), one in five of which lists all series as well, and "
    "`longest s` the longest, after some that are not counted; `margin` is how often "
    "the longest fits into the step. `to anomaly p99` is how long after it is settled (30 s after its end) a step's "
    "anomalies are committed, over shards and ticks. `CPU s` is what the workers used, `servers' CPU s` the others; "
    "`most times one` is how many times as fast two workers could be on two cores beside those servers: both cores, "
    "less what the servers use, in what one worker uses. **Only score**: processes that hold their blocks and share "
    "nothing; what two of them reach of twice is what the cores of this machine give. Bars: a margin of 3 with "
    "100,000 series on two workers, 1.8 times as fast as with one, and a cost of a series that does not grow with "
    "their number."
)


def main() -> None:
    """Measure each size with one worker and with two, in both places, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=SIZES[APART][-1], help="most series (default: %(default)s)")
    parser.add_argument("--million", action="store_true", help="measure 1,000,000 series as well")
    parser.add_argument("--dry", action="store_true", help="show, but keep no result")
    parser.add_argument("data", nargs="?", help="not used: the samples are made")
    asked = parser.parse_args()
    sizes = [*(size for size in SIZES[APART] if size <= asked.most), *([1_000_000] if asked.million else [])]
    rows = [row for size in sizes for row in _apart(size)]
    rows += [row for size in SIZES[WITHIN] if size <= asked.most for row in _within(size)]
    rows += _alone()
    if not asked.dry:
        results.keep("workers", rows, note=NOTE)


def _apart(size: int) -> Iterator[results.Row]:
    from ticks_apart import platform

    with platform(size) as place:
        alone: Sequence[Timed] = ()
        for workers in WORKERS:
            with place.worker(workers) as started:
                ticks = _ticks(size, partial(place.tick, started.pid), not alone)
            alone = alone or ticks
            yield _row(APART, size, workers, ticks, alone, place.state_bytes())


def _within(size: int) -> Iterator[results.Row]:
    from ticks_within import within

    with within(size) as place:
        alone: Sequence[Timed] = ()
        for workers in WORKERS:
            ticks = _ticks(size, partial(place.tick, workers), not alone)
            alone = alone or ticks
            yield _row(WITHIN, size, workers, ticks, alone, place.state_bytes)


def _alone() -> Iterator[results.Row]:
    """Yield what one process takes for two blocks, and two for one each."""
    from ticks_alone import SERIES, TURNS, scored

    one = scored(1, 2 * TURNS) / TURNS
    for workers, took in zip(WORKERS, (one, scored(2, TURNS) / TURNS), strict=True):
        known = {"workers are": ALONE, "series": 2 * SERIES, "workers": workers, "s": took}
        yield {**dict.fromkeys(COLUMNS), **known, "times one worker": round(one / took, 2)}


def _ticks(size: int, tick: Callable[[int], Timed], begins: bool) -> Sequence[Timed]:
    """Return the ticks that count; where the series begin there are some steps to learn from at first."""
    warm, counted = TURNS if size < MANY else TURNS_OF_MANY
    return [tick(3 if begins and not at else 1) for at in range(warm + counted)][warm:]


def _row(
    where: str, size: int, workers: int, ticks: Sequence[Timed], alone: Sequence[Timed], state_bytes: float
) -> results.Row:
    took, longest = _mean([one.seconds for one in ticks]), max(one.seconds for one in ticks)
    cpu_s, servers_s = _mean([one.workers_s for one in ticks]), _mean([one.servers_s for one in ticks])
    cells = (
        where,
        size,
        workers,
        round(took, 2),
        round(longest, 2),
        round(60 / longest, 1),
        round(float(np.quantile([at for one in ticks for at in one.done_s], 0.99)), 2),
        round(cpu_s, 2),
        round(servers_s, 2),
        round((cpu_s + servers_s) / size * 1e6, 1),
        round(_mean([one.seconds for one in alone]) / took, 2),
        round(2 * _mean([one.seconds for one in alone]) / (cpu_s + servers_s), 2),
        round(state_bytes / 1e6, 1),
    )
    row: results.Row = dict(zip(COLUMNS, cells, strict=True))
    print(row, flush=True)
    return row


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


if __name__ == "__main__":
    sys.path.insert(0, str(SERVERS))
    main()
