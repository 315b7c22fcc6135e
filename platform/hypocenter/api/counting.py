"""Pushed spans and log lines, counted: what a request of them comes to in the store of metrics and in the graph."""

from __future__ import annotations

import logging
import time
import uuid
from concurrent.futures import CancelledError
from dataclasses import dataclass
from hashlib import blake2b
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

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
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from datetime import datetime
    from types import TracebackType

    from hypocenter.api.intake import Writer
    from hypocenter.batches import Samples, SeriesIndex, Taken
    from hypocenter.ingest.otlp_status import Encoding
    from hypocenter.signals.span_window import Span
    from hypocenter_graph.stores.contract import GraphStore

TICK_S = 2.0
MOST_DUE = 200_000
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CountedRequest:
    """What a request comes to: what is to be written before it is acknowledged, and what of it was turned down.

    `spans` are to meet those of other requests once that is written.
    """

    batch: Batch
    rejected: Rejected
    spans: Sequence[Span] = ()


class Joint(NamedTuple):
    """What spans told together, and of how many series of ten seconds that is."""

    batch: Batch
    cells: int


class Counting:
    """Counts the spans and log lines of requests; safe to share between threads, and slow enough to want one.

    What a request tells by itself is its batch, with a receipt: sent twice, it is counted once. Its spans meet those of
    other requests when that batch is durable and was not known, so that they meet once, whenever it comes again. What
    they tell together is submitted as soon as they have, and again, with a receipt of its own, if it could not be
    written; what still waits when the process is killed is not counted. As a context, a thread counts spans that waited
    in vain, also when nothing comes any more; at its end all that wait are counted.
    `clock` tells seconds and never goes back; `fresh` names a batch for good.
    `lost` counts series of ten seconds that were let go because the store took nothing for long, or no more series.
    """

    def __init__(
        self,
        index: SeriesIndex,
        writer: Writer,
        graph: GraphStore,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        fresh: Callable[[], bytes] = lambda: uuid.uuid4().bytes,
    ) -> None:
        self.lost = 0
        self._clock, self._fresh = clock, fresh
        self.sightings = Sightings(graph, now)
        self._writer = writer
        self._lock = Lock()
        self._numbering = Numbering(index)
        self._spans = SpanCounter(self.sightings.peers, self.sightings.related)
        self._lines = LogCounter()
        self._unwritten: list[Joint] = []
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
        """Count the spans of a request, each by itself. Raises InputError, LimitError."""
        decoded = decode_traces(body, encoding)
        with self._lock:
            batch, rejected = self._counted(self._spans.count(decoded.spans), body, b"spans", decoded.rejected)
        for cells, (first_ns, last_ns) in decoded.places.items():
            self.sightings.placed(cells, first_ns, last_ns)
        return CountedRequest(batch, rejected, decoded.spans)

    def meet(self, request: CountedRequest, taken: Taken) -> Sequence[Future[Taken]]:
        """Bring the spans of a request together with others, unless what became of its batch tells that they have met.

        Dependencies never seen before are in the graph when this returns; what spans told together is durable when the
        futures have ended, and is kept for the next time where one fails.
        """
        with self._lock:
            self._spans.meet(() if taken.is_again else request.spans, self._clock())
        written = self._submit_due()
        self.sightings.write_new()
        return written

    def log_lines(self, body: bytes, encoding: Encoding) -> CountedRequest:
        """Count the log lines of a request. Raises InputError, LimitError."""
        decoded = decode_logs(body, encoding)
        with self._lock:
            return CountedRequest(
                *self._counted(self._lines.count(decoded.lines), body, b"log lines", decoded.rejected)
            )

    def _counted(self, tally: Tally, body: bytes, what: bytes, rejected: Rejected) -> tuple[Batch, Rejected]:
        receipt = blake2b(body, digest_size=16, person=what).digest()
        batch = Batch(increments=self._increments(tally), receipt=receipt)
        if self._numbering.limited is not None:
            told = f"{self._numbering.left_out} counts left out: {self._numbering.limited}"
            rejected = Rejected(rejected.number, f"{rejected.message}; {told}" if rejected.message else told)
        return batch, rejected

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

    def _submit_due(self) -> Sequence[Future[Taken]]:
        """Submit what could not be written before, as it was, and what spans told together since."""
        with self._lock:
            due, self._unwritten = self._unwritten, []
            told = self._spans.drained()
            if len(told):
                due.append(Joint(Batch(increments=self._increments(told), receipt=self._fresh()), len(told)))
        return [future for joint in due if (future := self._submitted(joint)) is not None]

    def _submitted(self, joint: Joint) -> Future[Taken] | None:
        try:
            future = self._writer.submit(joint.batch)
        except HypocenterError as error:
            self._keep(joint, error)
            return None
        future.add_done_callback(lambda done: self._written(joint, done))
        return future

    def _written(self, joint: Joint, done: Future[Taken]) -> None:
        error = CancelledError() if done.cancelled() else done.exception()
        if error is not None:
            self._keep(joint, error)

    def _keep(self, joint: Joint, error: BaseException) -> None:
        """Keep what could not be written for the next time, as it is, as long as there is room."""
        with self._lock:
            if sum(each.cells for each in self._unwritten) + joint.cells > MOST_DUE:
                self.lost += joint.cells
                logger.warning("counts of calls are lost, as the store takes nothing: %s", error)
            else:
                self._unwritten.append(joint)
