"""Pushed spans and log lines, counted: what a request of them comes to in the store of metrics and in the graph."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from concurrent.futures import CancelledError
from dataclasses import dataclass
from hashlib import blake2b
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from hypocenter.api.sightings import Sightings
from hypocenter.batches import Batch
from hypocenter.errors import HypocenterError
from hypocenter.ingest.otlp_logs import decode_logs
from hypocenter.ingest.otlp_status import Rejected
from hypocenter.ingest.otlp_traces import decode_traces
from hypocenter.signals.increments import Numbering, Tally
from hypocenter.signals.log_counts import LogCounter
from hypocenter.signals.span_counts import SpanCounter

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from datetime import datetime
    from types import TracebackType

    from hypocenter.api.intake import Writer
    from hypocenter.batches import Samples, SeriesIndex, Taken
    from hypocenter.ingest.otlp_status import Encoding
    from hypocenter_graph.stores.contract import GraphStore

TICK_S = 2.0
MOST_DUE = 200_000
MOST_MET = 100_000
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CountedRequest:
    """What a request comes to: what is to be written before it is acknowledged, and what of it was turned down."""

    batch: Batch
    rejected: Rejected


class Counting:
    """Counts the spans and log lines of requests; safe to share between threads, and slow enough to want one.

    What a request tells by itself is its batch, with a receipt: sent twice, it is counted once. What its spans tell
    together with those of other requests is submitted beside it, and again if it could not be written. As a context, a
    thread counts spans that waited in vain, also when nothing comes any more; at its end all that wait are counted.
    `clock` tells seconds and never goes back.
    `lost` counts series of ten seconds that were let go because the store took nothing for long, or no more series.
    """

    def __init__(
        self,
        index: SeriesIndex,
        writer: Writer,
        graph: GraphStore,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lost = 0
        self._clock = clock
        self.sightings = Sightings(graph, now)
        self._writer = writer
        self._lock = Lock()
        self._numbering = Numbering(index)
        self._spans = SpanCounter(self.sightings.peers, self.sightings.related)
        self._lines = LogCounter()
        self._met: OrderedDict[bytes, None] = OrderedDict()
        self._ended = Event()
        self._thread = Thread(target=self._tick, name="counting")

    def __enter__(self) -> Counting:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._settle(None)
        self.sightings.flush()

    @property
    def waiting(self) -> int:
        """How many spans wait for others."""
        return self._spans.waiting

    def spans(self, body: bytes, encoding: Encoding) -> CountedRequest:
        """Count the spans of a request; dependencies never seen before are in the graph when this returns.

        Raises InputError, LimitError.
        """
        decoded = decode_traces(body, encoding)
        with self._lock:
            counted = self._counted(self._spans.count(decoded.spans), body, b"spans", decoded.rejected)
            self._spans.meet(decoded.spans if self._is_first(counted.batch.receipt) else (), self._clock())
        for cells, (first_ns, last_ns) in decoded.places.items():
            self.sightings.placed(cells, first_ns, last_ns)
        self._submit_due()
        self.sightings.write_new()
        return counted

    def log_lines(self, body: bytes, encoding: Encoding) -> CountedRequest:
        """Count the log lines of a request. Raises InputError, LimitError."""
        decoded = decode_logs(body, encoding)
        with self._lock:
            return self._counted(self._lines.count(decoded.lines), body, b"log lines", decoded.rejected)

    def _is_first(self, receipt: bytes) -> bool:
        """Whether the spans of a request have not met others yet: it may come again when they wait no more."""
        if receipt in self._met:
            return False
        self._met[receipt] = None
        if len(self._met) > MOST_MET:
            self._met.popitem(last=False)
        return True

    def _counted(self, tally: Tally, body: bytes, what: bytes, rejected: Rejected) -> CountedRequest:
        receipt = blake2b(body, digest_size=16, person=what).digest()
        batch = Batch(increments=self._increments(tally), receipt=receipt)
        if self._numbering.limited is not None:
            told = f"{self._numbering.left_out} counts left out: {self._numbering.limited}"
            rejected = Rejected(rejected.number, f"{rejected.message}; {told}" if rejected.message else told)
        return CountedRequest(batch, rejected)

    def _increments(self, tally: Tally) -> Samples:
        """Return the increments of a tally; those of series beyond the limit are lost."""
        increments = self._numbering.samples(tally)
        self.lost += self._numbering.left_out
        return increments

    def _tick(self) -> None:
        while not self._ended.wait(TICK_S):
            self._settle(self._clock())
            self.sightings.refresh()

    def _settle(self, now_s: float | None) -> None:
        with self._lock:
            self._spans.settle(now_s)
        self._submit_due()

    def _submit_due(self) -> None:
        """Submit what spans told together, before the batch of the request that completed it."""
        with self._lock:
            due = self._spans.drained()
            if not len(due):
                return
            try:
                future = self._writer.submit(Batch(increments=self._increments(due)))
            except HypocenterError as error:
                self._keep(due, error)
                return
        future.add_done_callback(lambda done: self._written(due, done))

    def _written(self, due: Tally, done: Future[Taken]) -> None:
        error = CancelledError() if done.cancelled() else done.exception()
        if error is not None:
            with self._lock:
                self._keep(due, error)

    def _keep(self, due: Tally, error: BaseException) -> None:
        """Keep what could not be written for the next time, as long as there is room."""
        if len(self._spans.due) + len(due) > MOST_DUE:
            self.lost += len(due)
            logger.warning("counts of calls are lost, as the store takes nothing: %s", error)
        else:
            self._spans.due.add(due)
