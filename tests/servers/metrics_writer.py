"""A process that writes metrics to a folder until it is killed, and prints what it was told to be durable.

Batch n holds the value n of each series n milliseconds after its day's start, and adds 1 to a counter; days go round,
so that closed days are sorted again and again while it writes.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import numpy as np

from hypocenter.batches import Batch, Samples
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.group_commit import GroupCommit

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY_MS = 86_400_000
DAYS = 3
SERIES = 200
COUNTER = (("__name__", "batches_total"),)


def labels(at: int) -> tuple[tuple[str, str], ...]:
    """The labels of a series."""
    return (("__name__", "value"), ("at", str(at)))


def time_of(number: int) -> int:
    """When the samples of a batch are: one day after the other."""
    return (int(NOW.timestamp() * 1000) // DAY_MS - number % DAYS) * DAY_MS + number


def batch(store: DuckDbMetrics, number: int) -> Batch:
    """Batch `number`, as it is sent and sent again."""
    series = store.number([labels(at) for at in range(SERIES)])
    at_ms = np.full(SERIES, time_of(number))
    counter = store.number([COUNTER])
    samples = Samples(series, at_ms, np.full(SERIES, float(number)))
    return Batch(samples, Samples(counter, at_ms[:1], np.ones(1)), receipt=f"batch {number}".encode())


def main(folder: Path, first: int) -> None:
    """Write batches from `first` on and print the number of each that is durable."""
    store = DuckDbMetrics(folder, lambda: NOW)
    writer = GroupCommit(store)

    def tend() -> None:
        while True:
            store.tick()

    Thread(target=tend, daemon=True).start()
    while True:
        futures = [(number, writer.submit(batch(store, number))) for number in range(first, first + 4)]
        for number, future in futures:
            future.result()
            print(number, flush=True)
        first += 4


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
