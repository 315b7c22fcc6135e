"""kill -9 under load: what was acknowledged is there, each once; a hundred times with the soak profile."""

from __future__ import annotations

import random
import struct
import threading
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypocenter_server import HypocenterServer
from hypothesis import settings
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA
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
