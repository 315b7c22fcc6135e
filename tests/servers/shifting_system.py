"""A small system whose steps are known: ten components with a gauge and a counter, of which one spikes, one shifts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import Batch, Samples
from hypocenter_workers.ticks.steps import milliseconds

if TYPE_CHECKING:
    from hypocenter.stores.metrics import MetricsStore

START = datetime(2026, 3, 2, tzinfo=UTC)
STEP, STEPS, CALM = timedelta(seconds=60), 330, 245
START_MS, STEP_MS = milliseconds(START), 60_000
END = START + STEPS * STEP
SERIES = 30


def fill(store: MetricsStore) -> None:
    """Write STEPS steps: `service-3` spikes at 250, `service-5` has four times the requests from 262 on.

    `service-6` has a gap from 100 to 120.
    """
    rng = np.random.default_rng(5)
    gauges, rates = 50 + 3 * rng.normal(size=(STEPS, 10)), 20 + rng.normal(size=(STEPS, 10))
    gauges[250:254, 3] += 80
    gauges[100:120, 6] = np.nan
    rates[262:, 5] *= 4
    names: list[tuple[str, dict[str, str]]] = [("queue_length", {}), ("http_requests_total", {"code": "200"})]
    labels = [
        tuple(sorted({"__name__": name, "service_name": f"service-{number}", **more}.items()))
        for name, more in names
        for number in range(10)
    ]
    values = np.hstack([gauges, np.cumsum(rates * 60, axis=0)])
    steps, columns = np.nonzero(np.isfinite(values))
    numbers = store.number(labels)
    store.append([Batch(Samples(numbers[columns], START_MS + steps * STEP_MS + 7_000, values[steps, columns]))])
