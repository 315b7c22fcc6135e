"""A store of metrics on a server with a file beside it, and what a test writes to and reads of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import Batch, Samples
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.opening_metrics import open_beside
from hypocenter.stores.prometheus_metrics import PrometheusMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hypocenter.batches import Labels
    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.stores.split import SplitMetrics

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
MINUTE, BIN = 60_000, 10_000
OPTIONS = PrometheusOptions(timeout_s=20.0)


def opened(url: str, folder: Path, **more: object) -> SplitMetrics:
    remote = PrometheusMetrics(url, OPTIONS, now=lambda: NOW, **more)
    return open_beside(remote, folder, lambda: NOW)


def of(name: str, count: int, tenant: str) -> list[Labels]:
    return [(("__name__", name), ("pod", f"cart-{at}"), ("run", tenant)) for at in range(count)]


def alone(name: str, count: int, tenant: str) -> list[Labels]:
    """Series that are asked for as no others are: VictoriaMetrics answers from memory for a while."""
    return [(("__name__", name), ("pod", f"{tenant}-{at}"), ("run", tenant)) for at in range(count)]


def batch(numbers: Sequence[int], at_ms: Sequence[int], values: Sequence[float]) -> Batch:
    return Batch(Samples(np.array(numbers, np.int64), np.array(at_ms, np.int64), np.array(values, np.float64)))


def read(store: MetricsStore, selector: str, start: int, end: int) -> dict[str, list[tuple[int, float]]]:
    """Samples by pod, times in ms from NOW."""
    series = store.series([parse_selector(selector)], NOW_MS + start, NOW_MS + end)
    found = {one.series: one for one in store.read([one.number for one in series], NOW_MS + start, NOW_MS + end)}
    assert list(found) == sorted(found) == [one.number for one in series]
    return {
        dict(one.labels)["pod"]: list(
            zip((found[one.number].at_ms - NOW_MS).tolist(), found[one.number].values.tolist(), strict=True)
        )
        for one in series
    }
