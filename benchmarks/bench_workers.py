"""Ticks over many series: read, score, keep the state in Redis, commit; by number of series and of workers."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import results
from redis import Redis

from hypocenter.batches import Batch, Samples
from hypocenter.rhythm import Rhythm
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.opening import open_records
from hypocenter.stores.retention import MetricsLimits
from hypocenter_workers.ticks.shards import Roster
from hypocenter_workers.ticks.states import RedisStates
from hypocenter_workers.ticks.tick import Place, Ticked, tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

SERVERS = Path(__file__).parents[1] / "tests" / "servers"
SIZES = (1_000, 10_000, 100_000, 800_000)
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
NAMES = ("queue_length", "http_requests_total", "process_resident_memory_bytes", "workers_busy", "cache_entries")
TICK_S, SCRAPE_MS, SHARDS, TICKS = 60, 15_000, 16, 4
NOTE = (
    "Series of five metrics (one of them a counter) of a fifth as many services, each a signal of its own, scraped "
    "each 15 s into the DuckDB file of a data directory; states in a Redis server on the same two cores, positions and "
    "anomalies in SQLite. A tick is all that `hypocenter_workers.ticks.tick.tick` does for each of 16 shards: the "
    "samples of a step of 60 s are read, made into signals and scored, the state is loaded and kept, the shard is "
    "moved on. `s` is the median of four ticks of all shards and `longest s` the longest, after two that are not "
    "counted; `margin` is how often the longest fits into the step, `CPU s` what the process used, without "
    "Redis. "
    "`to anomaly p99` is how long after it is settled (30 s after its end) a step's anomalies are committed, over "
    "shards and ticks. Workers are threads of one process. Bars: a margin of 3 with 100,000 series on two workers, and "
    "1.8 times as fast as with one."
)


def main() -> None:
    """Measure each size with one worker and with two, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="most series (default: %(default)s)")
    parser.add_argument("--dry", action="store_true", help="show, but keep no result")
    parser.add_argument("data", nargs="?", help="not used: the samples are made")
    asked = parser.parse_args()
    rows = [row for size in SIZES if size <= asked.most for row in _measured(size)]
    if not asked.dry:
        results.keep("workers", rows, note=NOTE)


def _measured(size: int) -> Iterator[dict[str, object]]:
    with _place(size) as (place, metrics):
        made = _Made(metrics, size)
        made.write(3)
        _round(place, made.now, 2)
        alone = 0.0
        for workers in (1, 2):
            ticks = [_timed(place, made, workers) for _ in range(1 + TICKS)][1:]
            alone = alone or float(np.median([one.seconds for one in ticks]))
            yield _row(size, workers, ticks, alone)


class _Timed(NamedTuple):
    """A tick of all shards: how long it took, what it used of the cores, and when each shard was done."""

    seconds: float
    cpu_s: float
    done_s: list[float]
    shards: list[Ticked]


def _timed(place: Place, made: _Made, workers: int) -> _Timed:
    made.write(1)
    done: list[float] = []
    begun, used = time.perf_counter(), time.process_time()
    shards = _round(place, made.now, workers, lambda: done.append(time.perf_counter() - begun))
    assert all(one.is_committed and one.steps == 1 for one in shards)
    return _Timed(time.perf_counter() - begun, time.process_time() - used, done, shards)


def _round(place: Place, now: datetime, workers: int, done: Callable[[], None] = lambda: None) -> list[Ticked]:
    def one(shard: int) -> Ticked:
        ticked = tick(place, shard, now)
        done()
        return ticked

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, range(SHARDS)))


def _row(size: int, workers: int, ticks: list[_Timed], alone: float) -> dict[str, object]:
    took, longest = float(np.median([one.seconds for one in ticks])), max(one.seconds for one in ticks)
    cpu_s = float(np.median([one.cpu_s for one in ticks]))
    row: dict[str, object] = {
        "series": size,
        "workers": workers,
        "s": round(took, 2),
        "longest s": round(longest, 2),
        "margin": round(TICK_S / longest, 1),
        "to anomaly p99": round(float(np.quantile([at for one in ticks for at in one.done_s], 0.99)), 2),
        "CPU s": round(cpu_s, 2),
        "CPU µs a series": round(cpu_s / size * 1e6, 1),
        "times one worker": round(alone / took, 2),
        "state MB": round(sum(each.state_bytes for each in ticks[-1].shards) / 1e6, 1),
    }
    print(row, flush=True)
    return row


@contextmanager
def _place(size: int) -> Iterator[tuple[Place, DuckDbMetrics]]:
    with tempfile.TemporaryDirectory() as name, _redis(Path(name)) as url, Redis.from_url(url) as redis:
        folder = Path(name)
        limits = replace(MetricsLimits(), max_series=2 * size)
        with (
            closing(DuckDbMetrics(folder / "metrics", lambda: START + timedelta(days=1), limits)) as metrics,
            closing(open_records(str(folder / "records.db"), "bench")) as records,
        ):
            roster = Roster(metrics, SHARDS)
            rhythm = Rhythm(timedelta(seconds=TICK_S), learn=timedelta(hours=1))
            yield Place(metrics, records.detections, RedisStates(redis, "bench"), roster, rhythm), metrics


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    from server_process import ServerProcess, free_port

    port = free_port()
    command = [str(shutil.which("redis-server")), "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with ServerProcess([*command, "--appendonly", "no"], "eady to accept connections", folder):
        yield f"redis://127.0.0.1:{port}/0"


class _Made:
    """Series of services, and samples of them as time goes on."""

    def __init__(self, metrics: DuckDbMetrics, size: int) -> None:
        self._metrics, self._rng = metrics, np.random.default_rng(1)
        self._numbers: NDArray[np.int64] = metrics.number([_labels(at) for at in range(size)])
        self._base = self._rng.uniform(10, 100, size)
        self._scrapes = 0

    @property
    def now(self) -> datetime:
        """When the steps that were written are settled."""
        return START + timedelta(milliseconds=self._scrapes * SCRAPE_MS) + timedelta(seconds=30)

    def write(self, steps: int) -> None:
        """Write the scrapes of so many steps more."""
        start_ms = int(START.timestamp() * 1000)
        for _ in range(steps * TICK_S * 1000 // SCRAPE_MS):
            at_ms = np.full(len(self._numbers), start_ms + self._scrapes * SCRAPE_MS + 1)
            values = self._base * (1 + 0.05 * self._rng.standard_normal(len(self._base)))
            values[1 :: len(NAMES)] += 1e3 * self._scrapes
            self._metrics.append([Batch(Samples(self._numbers, at_ms, values))])
            self._scrapes += 1


def _labels(at: int) -> tuple[tuple[str, str], ...]:
    more = {"service_name": f"service-{at // len(NAMES)}", "job": "shop", "namespace": f"team-{at % 7}"}
    return tuple(sorted({"__name__": NAMES[at % len(NAMES)], **more}.items()))


if __name__ == "__main__":
    sys.path.insert(0, str(SERVERS))
    main()
