"""Ticks by threads of one process that holds the samples itself, as `hypocenter serve` does."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ticks_made import START, TICK_S, Made, Timed, labels, shards_of

from hypocenter.batches import Batch, Samples
from hypocenter.rhythm import Rhythm
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.opening import open_records
from hypocenter.stores.retention import MetricsLimits
from hypocenter_workers.ticks.shards import Roster
from hypocenter_workers.ticks.states import FileStates
from hypocenter_workers.ticks.tick import Place, Ticked, tick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class Within:
    """One process with open stores, and the series that they hold."""

    def __init__(self, place: Place, made: Made) -> None:
        self._place, self._made, self.state_bytes = place, made, 0.0

    def tick(self, threads: int, steps: int = 1) -> Timed:
        """Write `steps` more, tick every shard and return what that took."""
        self._made.write(steps)
        done: list[float] = []
        begun, used = time.perf_counter(), time.process_time()

        def one(shard: int) -> Ticked:
            ticked = tick(self._place, shard, self._made.now)
            done.append(time.perf_counter() - begun)
            return ticked

        with ThreadPoolExecutor(threads) as pool:
            shards = list(pool.map(one, range(self._place.roster.shards)))
        assert all(each.is_committed for each in shards)
        self.state_bytes = sum(each.state_bytes for each in shards)
        return Timed(done, time.process_time() - used, 0.0)


@contextmanager
def within(size: int) -> Iterator[Within]:
    """Open stores in a folder, and close them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        limits = replace(MetricsLimits(), max_series=2 * size)
        with (
            closing(DuckDbMetrics(folder / "metrics", lambda: START + timedelta(days=1), limits)) as metrics,
            closing(open_records(str(folder / "records.db"), "bench")) as records,
        ):
            rhythm = Rhythm(timedelta(seconds=TICK_S), learn=timedelta(hours=1))
            states, roster = FileStates(folder / "states"), Roster(metrics, shards_of(size))
            yield Within(Place(metrics, records.detections, states, roster, rhythm), Made(_Append(metrics, size), size))


class _Append:
    def __init__(self, metrics: DuckDbMetrics, size: int) -> None:
        self._metrics, self._numbers = metrics, metrics.number([labels(at) for at in range(size)])

    def take(self, at_ms: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Append [scrape, series]."""
        for at, row in zip(at_ms.tolist(), values, strict=True):
            times = np.full(len(self._numbers), at)
            self._metrics.append([Batch(Samples(self._numbers, times, row))])
