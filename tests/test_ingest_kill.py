"""kill -9 under load: what was acknowledged is there, each once; a hundred times with the soak profile."""

from __future__ import annotations

import random
import struct
import threading
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from hypocenter_server import HypocenterServer
from hypothesis import settings
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from retrying_sender import Acknowledged, Sender

from hypocenter.readers.selectors import parse_selector
from hypocenter.remote_write_encoding import HEADERS, encoded_labels, encoded_series, request_body
from hypocenter.stores.opening_metrics import open_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hypocenter.stores.metrics import Found, MetricsStore

KILLS = max(5, settings().max_examples // 25)
MOST_BETWEEN = 60
WRITERS, SERIES, SAMPLES = 3, 40, 3
SECOND_MS = 1_000
BIN_MS = 10_000


class Server(HypocenterServer):
    """A server whose senders wait while it is away."""

    def __init__(self, data_dir: Path) -> None:
        self._is_up = threading.Event()
        super().__init__(data_dir)
        self._is_up.set()

    def crash(self) -> None:
        self._is_up.clear()
        self.kill()
        self.start()
        self._is_up.set()

    def where(self) -> str:
        self._is_up.wait()
        return self.url


def written(writer: int, begin_ms: int, turn: int) -> bytes:
    """Return SAMPLES of each series; the value of a sample is its number."""
    numbers = range(turn * SAMPLES, (turn + 1) * SAMPLES)
    at_ms = [begin_ms + number * SECOND_MS for number in numbers]
    words = [int.from_bytes(struct.pack("<d", number), "little") for number in numbers]
    labels = [(("__name__", f"written_by_{writer}"), ("n", f"{series:02d}")) for series in range(SERIES)]
    return request_body(encoded_series(encoded_labels(each), at_ms, words) for each in labels)


def counted(begin_ms: int, turn: int) -> bytes:
    """Return a delta of turn + 1; three turns fall into one bin."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="orders")
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = AGGREGATION_TEMPORALITY_DELTA, True
    at_ns = (begin_ms + turn // 3 * BIN_MS) * 10**6
    metric.sum.data_points.add(as_int=turn + 1, time_unix_nano=at_ns, start_time_unix_nano=at_ns - 1)
    return request.SerializeToString()


@pytest.fixture
def begin_ms() -> int:
    return int(time.time() - 86_400) // 10 * 10 * 1000


def test_what_was_acknowledged_before_the_server_was_killed_is_there_once(
    tmp_path: Path, begin_ms: int, record_property: Callable[[str, object], None]
) -> None:
    server, acknowledged = Server(tmp_path / "data"), Acknowledged()
    writers = [
        Sender(server.where, "/api/v1/write", HEADERS, partial(written, number, begin_ms), acknowledged)
        for number in range(WRITERS)
    ]
    otlp = {"Content-Type": "application/x-protobuf"}
    counter = Sender(server.where, "/v1/metrics", otlp, partial(counted, begin_ms), acknowledged)
    try:
        crash_under_load(server, [*writers, counter], acknowledged)
    finally:
        server.kill()
    with closing(open_metrics(tmp_path / "data")) as store:
        for number, writer in enumerate(writers):
            assert_whole(store, number, writer.turns, begin_ms)
        totals = found(store, "orders_total")[0]
    assert totals.values.max() == counter.turns * (counter.turns + 1) / 2
    record_property("kills", KILLS)
    record_property("samples acknowledged", sum(writer.turns for writer in writers) * SERIES * SAMPLES)


def crash_under_load(server: Server, senders: Sequence[Sender], acknowledged: Acknowledged) -> None:
    """Crash the server time and again while all send, and return when what they sent last is acknowledged."""
    rng = random.Random()
    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        acknowledged.wait_for(rng.randint(1, MOST_BETWEEN))
        server.crash()
    acknowledged.wait_for(len(senders))
    for sender in senders:
        sender.stop()
    assert [sender.refused for sender in senders] == [[]] * len(senders)
    assert sum(sender.repeated for sender in senders) >= KILLS


def assert_whole(store: MetricsStore, writer: int, turns: int, begin_ms: int) -> None:
    numbers = np.arange(turns * SAMPLES)
    series = found(store, f"written_by_{writer}")
    assert len(series) == SERIES
    for each in series:
        assert np.array_equal(each.at_ms, begin_ms + numbers * SECOND_MS)
        assert np.array_equal(each.values, numbers)


def found(store: MetricsStore, name: str) -> list[Found]:
    whole = (0, 2**53)
    return list(store.read([one.number for one in store.series([parse_selector(name)], *whole)], *whole))


def traced(at_ms: int) -> bytes:
    """Return a call from one service to another, both of whose ends are there."""
    request = ExportTraceServiceRequest()
    ends = (("web", Span.SPAN_KIND_CLIENT, b"a", b""), ("cart", Span.SPAN_KIND_SERVER, b"b", b"a"))
    for service, kind, span, parent in ends:
        group = request.resource_spans.add()
        group.resource.attributes.add(key="service.name").value.string_value = service
        own = group.scope_spans.add().spans.add(
            trace_id=b"t" * 16, span_id=span * 8, parent_span_id=parent * 8, kind=kind
        )
        own.start_time_unix_nano, own.end_time_unix_nano = at_ms * 10**6, (at_ms + 5) * 10**6
    return request.SerializeToString()


@pytest.mark.parametrize("end", [HypocenterServer.stop, HypocenterServer.kill])
def test_spans_that_come_again_after_a_restart_change_no_count(
    tmp_path: Path, begin_ms: int, end: Callable[[HypocenterServer], object]
) -> None:
    body, server = traced(begin_ms), HypocenterServer(tmp_path / "data")
    told = [sent_and_ended(server, body, end)]
    for last in (HypocenterServer.kill, HypocenterServer.stop):
        server.start()
        told.append(sent_and_ended(server, body, last))
    assert told[1:] == told[:1] * 2
    assert told[0]["traces_spanmetrics_calls_total"] == 2.0
    assert told[0]["traces_service_graph_request_total"] == 1.0
    if end is HypocenterServer.stop:
        assert told[0]["traces_spanmetrics_self_seconds_count"] == 2.0


def sent_and_ended(
    server: HypocenterServer, body: bytes, end: Callable[[HypocenterServer], object]
) -> dict[str, float]:
    """Send spans, end the server, and return what all counters of a name stand at together."""
    headers = {"Content-Type": "application/x-protobuf"}
    try:
        assert httpx.post(f"{server.url}/v1/traces", content=body, headers=headers).status_code == 200
    finally:
        end(server)
    totals: dict[str, float] = {}
    with closing(open_metrics(server.data_dir)) as store:
        series = store.series([parse_selector('{__name__=~".+"}')], 0, 2**53)
        names = {each.number: dict(each.labels)["__name__"] for each in series}
        for each in store.read(list(names), 0, 2**53):
            totals[names[each.series]] = totals.get(names[each.series], 0.0) + float(each.values[-1])
    return totals
