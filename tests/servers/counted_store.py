"""Requests of spans and log lines counted into a store of metrics on disk, and read back as an investigation would."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.api.counting import Counting
from hypocenter.batches import Taken
from hypocenter.ingest.otlp_status import Encoding
from hypocenter.readers.prometheus_samples import table_of
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.group_commit import GroupCommit
from hypocenter.stores.metrics import BusyError
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hypocenter.batches import Batch, Labels
    from hypocenter.readers.grid import Samples
    from hypocenter.telemetry import RawTable

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_LAST_MS = 4 * 10**12


class Index:
    """Numbers series as they come."""

    def __init__(self) -> None:
        self.known: dict[Labels, int] = {}

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        """Return the number of each series."""
        return np.array([self.known.setdefault(one, len(self.known)) for one in labels], np.int64)


class Taking:
    """A writer that adds up what series gained, each receipt once.

    First it refuses as many batches as it is told (`busy`), fails at as many (`failing`), and takes as many of which it
    tells that it failed (`unsure`).
    """

    def __init__(self, busy: int = 0, failing: int = 0, unsure: int = 0) -> None:
        self._busy, self._failing, self._unsure = busy, failing, unsure
        self.gained: dict[int, float] = {}
        self._receipts: set[bytes] = set()

    def submit(self, batch: Batch) -> Future[Taken]:
        """Take a batch at once."""
        done: Future[Taken] = Future()
        if self._busy:
            self._busy -= 1
            raise BusyError
        if self._failing:
            self._failing -= 1
            done.set_exception(BusyError())
            return done
        taken = self._taken(batch)
        if self._unsure:
            self._unsure -= 1
            done.set_exception(BusyError())
        else:
            done.set_result(taken)
        return done

    def _taken(self, batch: Batch) -> Taken:
        if batch.receipt in self._receipts:
            return Taken(len(batch), is_again=True)
        self._receipts.add(batch.receipt)
        for series, value in zip(batch.increments.series.tolist(), batch.increments.values.tolist(), strict=True):
            self.gained[series] = self.gained.get(series, 0.0) + value
        return Taken(len(batch))


class CountedStore:
    """A store in `folder` whose clock stands at `now`, into which requests are counted."""

    def __init__(self, folder: Path, now: datetime = NOON + timedelta(minutes=1)) -> None:
        self.metrics = DuckDbMetrics(folder, lambda: now)
        self.writer = GroupCommit(self.metrics)
        self.graph = MemoryStore()
        self.now = now

    def take(self, traces: Iterable[bytes] = (), logs: Iterable[bytes] = ()) -> int:
        """Count requests as if they came within one moment, and then all spans that still wait.

        Returns how many of their spans and lines were turned down.
        """
        with Counting(self.metrics, self.writer, self.graph, lambda: self.now, lambda: 0.0) as counting:
            spans = [counting.spans(body, Encoding.PROTOBUF) for body in traces]
            lines = [counting.log_lines(body, Encoding.PROTOBUF) for body in logs]
            # All are submitted before the first is waited for, so that few transactions write them.
            written = [self.writer.submit(counted.batch) for counted in (*spans, *lines)]
            asked = zip(spans, written, strict=False)
            together = [joint for counted, future in asked for joint in counting.meet(counted, future.result())]
        assert not any(future.result().refused for future in (*written, *together))
        return sum(counted.rejected.number for counted in (*spans, *lines))

    def series(self) -> Mapping[Labels, Samples]:
        """Return all that was written, times in ns, in order of labels."""
        self.writer.close()
        found = self.metrics.series([parse_selector('{__name__=~".+"}')], 0, _LAST_MS)
        labels = {each.number: each.labels for each in found}
        series = {
            labels[each.series]: (each.at_ms * 10**6, each.values)
            for each in self.metrics.read(sorted(labels), 0, _LAST_MS)
        }
        return {key: series[key] for key in sorted(series)}

    def totals(self) -> Mapping[Labels, float]:
        """Return what each counter stands at in the end."""
        return {labels: float(values[-1]) for labels, (_, values) in self.series().items()}

    def table(self, beside: Mapping[Labels, Samples] | None = None) -> RawTable:
        """Return all that was written, and other series beside it, on one grid."""
        table, _ = table_of({**(beside or {}), **self.series()}, "the store")
        return table

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self.writer.close()
        self.metrics.close()
