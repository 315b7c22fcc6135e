"""What was forwarded to a server of metrics before a backup, after it, and by what was restored: each gain once."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from split_store import BIN, NOW, NOW_MS, OPTIONS, alone
from waiting import awaited

from hypocenter.batches import Batch, Samples
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.duckdb_file import FILE
from hypocenter.stores.forwarding_reading import ForwardedMetrics
from hypocenter.stores.opening_metrics import open_beside
from hypocenter.stores.prometheus_metrics import PrometheusMetrics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from victoria_metrics import VictoriaMetrics

    from hypocenter.stores.split import SplitMetrics

GAIN = 7.0
DAY_MS = 86_400_000


class Counting:
    """A process that counts into a file and forwards to a server; another one takes its place on a copy of the file."""

    def __init__(self, url: str, folder: Path, tenant: str) -> None:
        self._url, self._tenant, self._opened = url, tenant, ExitStack()
        self.now, self.gained = NOW, 0.0
        self.store = self._open(folder)

    def _open(self, folder: Path) -> SplitMetrics:
        remote = PrometheusMetrics(self._url, OPTIONS, now=lambda: self.now)
        return self._opened.enter_context(closing(open_beside(remote, folder, lambda: self.now)))

    def count(self, *bins: int) -> None:
        """Count a gain in each bin from NOW on."""
        numbers = self.store.number(alone("calls_total", 1, self._tenant)).repeat(len(bins))
        gains = Samples(numbers, NOW_MS + np.array(bins) * BIN, np.full(len(bins), GAIN))
        self.store.append([Batch(increments=gains)])
        self.gained += GAIN * len(bins)

    def forward(self, at_bin: int) -> None:
        """Send what is due at the end of a bin."""
        self.now = NOW + timedelta(milliseconds=at_bin * BIN)
        self.store.forwarder.turn()

    def copy(self, folder: Path) -> None:
        """Copy the file as a backup does."""
        folder.mkdir()
        self.store.copy_into(folder / FILE)

    def restored(self, folder: Path, at_bin: int) -> None:
        """Begin anew on a copy, at a later time."""
        self._opened.close()
        self.now = NOW + timedelta(milliseconds=at_bin * BIN)
        self.store = self._open(folder)

    def close(self) -> None:
        self._opened.close()


@pytest.fixture
def counting(victoria_metrics: VictoriaMetrics, tmp_path: Path, tenant: str) -> Iterator[Counting]:
    with closing(Counting(victoria_metrics.url, tmp_path / "data", tenant)) as counting:
        yield counting


def increase(server: VictoriaMetrics, tenant: str, at: datetime) -> float:
    """Return how much the counters rose, by what the server itself makes of their samples."""
    server.flush()
    asked = {"query": f'sum(increase(calls_total{{run="{tenant}"}}[1h]))', "time": str(at.timestamp()), "nocache": "1"}
    found = httpx.get(f"{server.url}/api/v1/query", params=asked).raise_for_status().json()["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0


def gains(server: VictoriaMetrics, tenant: str, now: datetime) -> dict[int, float]:
    """Return what was gained by the bin, as workers that run apart read it of the server."""
    remote = PrometheusMetrics(server.url, OPTIONS, now=lambda: now)
    with closing(ForwardedMetrics(remote)) as store:
        wanted = [parse_selector(f'calls_total{{run="{tenant}"}}')]
        numbers = [each.number for each in store.series(wanted, NOW_MS - DAY_MS, NOW_MS + DAY_MS)]
        found = store.read_columns(numbers, NOW_MS - DAY_MS, NOW_MS + DAY_MS)
    order = np.argsort(found.at_ms)
    return dict(zip(((found.at_ms[order] - NOW_MS) // BIN).tolist(), found.values[order].tolist(), strict=True))


def test_counters_rise_after_a_restore_by_what_was_counted(
    counting: Counting, victoria_metrics: VictoriaMetrics, tmp_path: Path, tenant: str
) -> None:
    counting.count(1, 2, 3)
    counting.forward(6)
    # What waits to be sent is sent by the process that goes on.
    counting.count(4, 5, 6)
    counting.copy(tmp_path / "kept")
    counting.forward(9)
    counting.count(7, 8, 9)
    counting.forward(12)
    before = counting.gained
    awaited(lambda: increase(victoria_metrics, tenant, counting.now) == before)
    counting.restored(tmp_path / "kept", 30)
    counting.forward(35)
    counting.count(36, 37)
    # Of the time before it was restored, which has its samples.
    counting.count(8)
    counting.forward(45)
    awaited(lambda: increase(victoria_metrics, tenant, counting.now) == counting.gained)
    told = gains(victoria_metrics, tenant, counting.now)
    assert {at: gain for at, gain in told.items() if at < 30} == dict.fromkeys(range(1, 10), GAIN)
    assert sum(told.values()) == counting.gained


def test_the_same_file_goes_on_with_what_was_not_sent(
    counting: Counting, victoria_metrics: VictoriaMetrics, tmp_path: Path, tenant: str
) -> None:
    counting.count(1, 2, 3)
    counting.forward(6)
    counting.count(4, 5)
    counting.copy(tmp_path / "kept")
    counting.restored(tmp_path / "data", 20)
    counting.forward(20)
    awaited(lambda: increase(victoria_metrics, tenant, counting.now) == counting.gained)
    assert gains(victoria_metrics, tenant, counting.now) == dict.fromkeys(range(1, 6), GAIN)
