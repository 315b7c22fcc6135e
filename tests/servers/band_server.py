"""The query API over the known system of `shifting_system`, whose questions a worker answers at once."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from query_client import sources_of
from shifting_system import END, fill

from hypocenter.errors import SourceError
from hypocenter.rhythm import Rhythm
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.retention import MetricsLimits
from hypocenter.stores.work_board import MemoryBoard
from hypocenter_workers.live_stores import GivenStores
from hypocenter_workers.live_work import LiveWork
from hypocenter_workers.ticks.states import FileStates

if TYPE_CHECKING:
    from pathlib import Path

    from hypocenter.api.query.sources import QuerySources
    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.stores.records import Records

NOW = END + timedelta(seconds=31)
RHYTHM = Rhythm(learn=timedelta(days=1), shards=4)


def band_sources(records: Records, folder: Path, away: MetricsStore | None = None) -> QuerySources:
    """Return sources whose clock stands where the last step of the system is settled; `away`: instead of its store."""
    metrics, board = away or MemoryMetrics(lambda: NOW, MetricsLimits()), MemoryBoard()
    if away is None:
        fill(metrics)
    stores = GivenStores(metrics, records, None, FileStates(folder), board)
    work = LiveWork(stores, lambda: NOW, RHYTHM)

    def send(order: str, name: Any, question: Any) -> None:
        assert order == "hypocenter.bands"
        # A worker would log it.
        with suppress(SourceError):
            work.bands(name, question)

    return sources_of(records, board=board, metrics=metrics, now=lambda: NOW, send=send)
