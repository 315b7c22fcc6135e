"""A process that counts increments into a file beside a server of metrics, and dies amid sending them on.

`python dying_forwarder.py FOLDER URL TENANT persisted|sent ROUND`: it is killed once the samples were kept and not yet
sent, or once the server has them and that was not yet noted.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from split_store import BIN, NOW, NOW_MS, OPTIONS, alone

from hypocenter.batches import Batch, Samples
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.duckdb_outbox import Outbox
from hypocenter.stores.forwarding import Forwarder
from hypocenter.stores.prometheus_metrics import PrometheusMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypocenter.batches import Labels
    from hypocenter.stores.metrics import MetricsStore

SERIES = 3


class Deadly:
    """A server of metrics in whose writing the process dies."""

    def __init__(self, server: PrometheusMetrics, stage: str) -> None:
        self._server, self._stage = server, stage

    def write_totals(self, totals: Samples, labels_of: Callable[[int], Labels]) -> int:
        """Write totals, or not, and die."""
        if self._stage == "sent":
            self._server.write_totals(totals, labels_of)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0


def count(store: MetricsStore, tenant: str, number: int) -> None:
    """Count what each series gains in a round of two bins; a round that is counted again adds nothing."""
    series = store.number(alone("calls_total", SERIES, tenant)).repeat(2)
    at_ms = np.tile(np.array([0, BIN]), SERIES) + NOW_MS + 2 * number * BIN
    store.append([Batch(increments=Samples(series, at_ms, gained(number)), receipt=f"{tenant} {number}".encode())])


def gained(number: int) -> np.ndarray:
    """Return what each series gains in each bin of a round."""
    return np.arange(2.0 * SERIES) + number + 1


def main(folder: str, url: str, tenant: str, stage: str, number: int) -> None:
    """Count a round and die in sending it."""
    now = NOW + timedelta(milliseconds=2 * (number + 1) * BIN)
    outbox = Outbox()
    log = DuckDbMetrics(Path(folder), lambda: now, outbox=outbox)
    count(log, tenant, number)
    server = Deadly(PrometheusMetrics(url, OPTIONS, now=lambda: now), stage)
    Forwarder(log, outbox, server, lambda: now, timedelta(0)).turn()


if __name__ == "__main__":
    main(*sys.argv[1:5], int(sys.argv[5]))
