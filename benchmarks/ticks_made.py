"""Scrapes of services that time by time say more: five metrics each, one of them a counter."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
NAMES = ("queue_length", "http_requests_total", "process_resident_memory_bytes", "workers_busy", "cache_entries")
TICK_S, SCRAPE_MS, SETTLE = 60, 15_000, timedelta(seconds=30)
SCRAPES = TICK_S * 1000 // SCRAPE_MS


class Timed(NamedTuple):
    """A tick of all shards: when each was done after it was sent, and what workers and servers used of the cores."""

    done_s: list[float]
    workers_s: float
    servers_s: float

    @property
    def seconds(self) -> float:
        """How long all took."""
        return max(self.done_s)


def shards_of(size: int) -> int:
    """Return among how many shards so many series are divided: what a shard costs by itself is little in 5,000."""
    return min(max(size // 5_000, 2), 16)


class Sink(Protocol):
    """Where scrapes are written."""

    def take(self, at_ms: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Keep [scrape, series] of some times, so that whoever reads sees them."""


class Made:
    """Series of as many services as are needed for `size`, written to `sink`."""

    def __init__(self, sink: Sink, size: int) -> None:
        self._sink, self._rng = sink, np.random.default_rng(1)
        self._base = self._rng.uniform(10, 100, size)
        self._scrapes = 0

    @property
    def now(self) -> datetime:
        """When the steps that were written are settled."""
        return START + timedelta(milliseconds=self._scrapes * SCRAPE_MS) + SETTLE

    def write(self, steps: int) -> None:
        """Write the scrapes of so many steps more."""
        for _ in range(steps):
            number = self._scrapes + np.arange(SCRAPES)
            noise = self._rng.standard_normal((SCRAPES, len(self._base)), np.float32)
            values = np.round(self._base * (1 + 0.05 * noise), 3)
            values[:, 1 :: len(NAMES)] += 1e3 * number[:, None]
            self._sink.take(int(START.timestamp() * 1000) + number * SCRAPE_MS + 1, values)
            self._scrapes += SCRAPES


def labels(at: int) -> tuple[tuple[str, str], ...]:
    """Return the labels of a series by its place."""
    service = at // len(NAMES)
    more = {"service_name": f"service-{service}", "job": "shop", "namespace": f"team-{service % 7}"}
    return tuple(sorted({"__name__": NAMES[at % len(NAMES)], **more}.items()))


def import_lines(size: int) -> list[str]:
    """Return of each series what stands before its values in a line that VictoriaMetrics imports."""
    return [f'{{"metric":{json.dumps(dict(labels(at)))},"values":' for at in range(size)]
