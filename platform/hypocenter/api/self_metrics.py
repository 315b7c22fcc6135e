"""What the server tells of itself to a Prometheus that scrapes it."""

from __future__ import annotations

import time
from collections import Counter as Tally
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hypocenter.api.bounded import PATIENCE_S, Bounded
from hypocenter.errors import HypocenterError
from hypocenter.stores.metrics import BusyError, FullError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Future

    from prometheus_client import Metric
    from starlette.types import Scope

    from hypocenter.api.intake import Writer
    from hypocenter.batches import Batch, Taken
    from hypocenter.stores.metrics import MetricsStore

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
OTHER = "other"


class RequestMetrics:
    """Counts requests by the path of their route and status; those that no route takes are counted together."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "hypocenter_http_requests", "Requests answered.", ("path", "status"), registry=registry
        )
        self._seconds = Histogram(
            "hypocenter_http_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ("path",),
            registry=registry,
            buckets=_SECONDS,
        )

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request; status 499 is a client that went away."""
        path = scope.get("route_path") or OTHER
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)


class CountedWriter:
    """A Writer that counts what it passes on to another, and what became of it."""

    def __init__(self, writer: Writer, registry: CollectorRegistry) -> None:
        self._writer = writer
        self._batches = Counter(
            "hypocenter_batches", "Batches by what became of them.", ("outcome",), registry=registry
        )
        self._written = Counter("hypocenter_samples_written", "Samples and increments made durable.", registry=registry)
        self._refused = Counter(
            "hypocenter_samples_refused", "Samples that the store refused, by reason.", ("reason",), registry=registry
        )
        self._waiting = Gauge("hypocenter_samples_waiting", "Samples that wait to be made durable.", registry=registry)
        self._seconds = Histogram(
            "hypocenter_commit_seconds",
            "Time in which a batch was made durable, its waiting included.",
            registry=registry,
            buckets=_SECONDS,
        )

    def submit(self, batch: Batch) -> Future[Taken]:
        """Queue a batch as the other writer does."""
        begun, size = time.perf_counter(), len(batch)
        try:
            future = self._writer.submit(batch)
        except (BusyError, FullError) as error:
            self._batches.labels(_outcome(error)).inc()
            raise
        self._waiting.inc(size)
        future.add_done_callback(lambda done: self._note(done, size, time.perf_counter() - begun))
        return future

    def _note(self, done: Future[Taken], size: int, seconds: float) -> None:
        self._waiting.dec(size)
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            self._batches.labels(_outcome(error)).inc()
            return
        taken = done.result()
        self._seconds.observe(seconds)
        self._batches.labels("written").inc()
        self._written.inc(taken.written)
        for reason, count in _reasons(taken).items():
            self._refused.labels(reason).inc(count)


def _outcome(error: BaseException | None) -> str:
    """Return what became of a batch that was not written.

    >>> _outcome(FullError()), _outcome(BusyError()), _outcome(ValueError())
    ('full', 'busy', 'failed')
    """
    if isinstance(error, FullError):
        return "full"
    return "busy" if isinstance(error, BusyError) else "failed"


def _reasons(taken: Taken) -> Mapping[str, int]:
    """Return how many were refused for which reason; those beyond the examples count as theirs, where it is one."""
    told = Tally(example.reason for example in taken.examples)
    rest = taken.refused - sum(told.values())
    if rest > 0:
        told[next(iter(told)) if len(told) == 1 else "several"] += rest
    return told


class StoreMetrics(Collector):
    """Asks the store what it holds whenever somebody scrapes, and waits for `patience_s` at most."""

    def __init__(self, store: MetricsStore, patience_s: float = PATIENCE_S) -> None:
        self._usage = Bounded(store.usage, patience_s)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of the store; where it does not answer, that alone."""
        try:
            usage = self._usage.answer()
        except HypocenterError:
            return [_gauge("up", "Whether the store of metrics answers.", 0)]
        held = [
            _gauge("up", "Whether the store of metrics answers.", 1),
            _gauge("full", "Whether the store takes no more.", bool(usage.full)),
            _gauge("series", "Series that are kept.", usage.series),
            _gauge("bytes", "Bytes that the store takes.", usage.bytes),
        ]
        ends = {"oldest": usage.oldest_ms, "newest": usage.newest_ms}
        help_text = "Time of the {} sample that is kept, in seconds since 1970."
        return held + [
            _gauge(f"{end}_timestamp_seconds", help_text.format(end), at_ms / 1000)
            for end, at_ms in ends.items()
            if at_ms is not None
        ]


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"hypocenter_store_{name}", help_text, value=value)


def new_registry() -> CollectorRegistry:
    """Return a registry of one server, with what is known of its process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
