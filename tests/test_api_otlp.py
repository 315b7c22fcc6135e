"""The routes of OTLP/HTTP answer as its specification says, in the encoding of the request, when all is kept."""

from __future__ import annotations

import asyncio
import gzip
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event, Semaphore
from typing import TYPE_CHECKING

import cramjam
import httpx
import pytest
from asgi_client import AsgiClient
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from otlp_metric_bodies import AT_MS, AT_NS, json_of, request_of

from hypocenter.api.app import create_app
from hypocenter.api.bodies import LARGE
from hypocenter.api.intake import BodyLimits, Intake
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.group_commit import GroupCommit
from hypocenter.stores.opening import open_records
from hypocenter.stores.retention import MetricsLimits
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from google.protobuf.message import Message
    from numpy.typing import NDArray

    from hypocenter.batches import Labels, SeriesIndex
    from hypocenter.stores.opening import SqlRecords

NOW = datetime.fromtimestamp(AT_MS / 1000, UTC)
PROTOBUF, JSON = "application/x-protobuf", "application/json"
RESPONSES: dict[str, type[Message]] = {
    "metrics": ExportMetricsServiceResponse,
    "traces": ExportTraceServiceResponse,
    "logs": ExportLogsServiceResponse,
}


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[DuckDbMetrics]:
    with closing(DuckDbMetrics(tmp_path / "metrics", lambda: NOW)) as store:
        yield store


@pytest.fixture(scope="module")
def opened_records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlRecords]:
    with closing(open_records(str(tmp_path_factory.mktemp("records") / "all.db"))) as records:
        yield records


@pytest.fixture
def intake(opened_records: SqlRecords, metrics: DuckDbMetrics) -> Iterator[Intake]:
    with closing(GroupCommit(metrics)) as writer:
        yield Intake(metrics, writer, opened_records, MemoryStore(), lambda: NOW, BodyLimits(seconds=5))


@pytest.fixture
def client(intake: Intake) -> AsgiClient:
    return AsgiClient(create_app(intake))


def gauge(name: str, value: float, time_ns: int = AT_NS) -> pb.Metric:
    metric = pb.Metric(name=name)
    metric.gauge.data_points.add(as_double=value, time_unix_nano=time_ns)
    return metric


def kept(metrics: DuckDbMetrics, name: str) -> list[float]:
    found = metrics.series([parse_selector(name)], 0, sys.maxsize)
    read = metrics.read([one.number for one in found], 0, sys.maxsize)
    return [value for each in read for value in each.values.tolist()]


@pytest.mark.parametrize("path", ["/v1/metrics", "/otlp/v1/metrics", "/api/v1/otlp/v1/metrics"])
@pytest.mark.parametrize("kind", [PROTOBUF, JSON, "application/json; charset=utf-8"])
@pytest.mark.parametrize("packing", ["identity", "gzip", "zstd"])
def test_what_is_sent_is_kept_when_it_is_answered(
    client: AsgiClient, metrics: DuckDbMetrics, path: str, kind: str, packing: str
) -> None:
    request = request_of(gauge("level", 2.5))
    body = request.SerializeToString() if kind == PROTOBUF else json_of(request)
    pack = {"gzip": gzip.compress, "zstd": lambda body: bytes(cramjam.zstd.compress(body))}.get(packing, bytes)
    answer = client.post(path, pack(body), {"Content-Type": kind, "Content-Encoding": packing})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind.partition(";")[0]
    assert answer.content == (b"" if kind == PROTOBUF else b"{}")
    assert kept(metrics, "level") == [2.5]


@pytest.mark.parametrize("signal", RESPONSES)
def test_an_empty_request_succeeds(client: AsgiClient, signal: str) -> None:
    for kind, body in ((PROTOBUF, b""), (JSON, b"{}")):
        answer = client.post(f"/v1/{signal}", body, {"Content-Type": kind})
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.json() == {}


def _partly_bad(signal: str) -> bytes:
    """A request of two, of which one has no time or no id."""
    if signal == "metrics":
        return request_of(gauge("level", 1.0), gauge("late", 1.0, time_ns=0)).SerializeToString()
    if signal == "traces":
        traces = ExportTraceServiceRequest()
        spans = traces.resource_spans.add().scope_spans.add().spans
        for trace in (b"t" * 16, b""):
            spans.add(trace_id=trace, span_id=b"s" * 8, start_time_unix_nano=AT_NS, end_time_unix_nano=AT_NS + 1)
        return traces.SerializeToString()
    logs = ExportLogsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add().log_records
    for at in (AT_NS, 0):
        records.add(time_unix_nano=at).body.string_value = "failed"
    return logs.SerializeToString()


@pytest.mark.parametrize("signal", RESPONSES)
def test_what_is_turned_down_is_told_as_partial_success(client: AsgiClient, signal: str) -> None:
    answer = client.post(f"/v1/{signal}", _partly_bad(signal), {"Content-Type": PROTOBUF})
    assert answer.status_code == 200
    told = RESPONSES[signal].FromString(answer.content).partial_success  # type: ignore[attr-defined]
    assert next(iter(told.ListFields()))[1] == 1
    assert told.error_message


def test_a_partial_success_in_json_names_what_was_turned_down(client: AsgiClient) -> None:
    body = json_of(request_of(gauge("level", 1.0), gauge("late", 1.0, time_ns=0)))
    told = client.post("/v1/metrics", body, {"Content-Type": JSON}).json()["partialSuccess"]
    assert told["rejectedDataPoints"] == "1"
    assert "timeUnixNano" in told["errorMessage"]


def test_what_the_store_refuses_is_a_partial_success(client: AsgiClient, metrics: DuckDbMetrics) -> None:
    for value, rejected in ((1.0, {}), (1.0, {}), (2.0, {"rejectedDataPoints": "1"})):
        answer = client.post("/v1/metrics", json_of(request_of(gauge("level", value))), {"Content-Type": JSON})
        assert answer.status_code == 200
        told = answer.json().get("partialSuccess", {})
        assert {name: told[name] for name in told if name != "errorMessage"} == rejected
    assert "another value at this time" in told["errorMessage"]
    assert kept(metrics, "level") == [1.0]


def test_deltas_sent_twice_are_counted_once(client: AsgiClient, metrics: DuckDbMetrics) -> None:
    metric = pb.Metric(name="jobs")
    metric.sum.data_points.add(as_int=3, time_unix_nano=AT_NS)
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, pb.AGGREGATION_TEMPORALITY_DELTA
    body = request_of(metric).SerializeToString()
    for _ in range(2):
        assert client.post("/v1/metrics", body, {"Content-Type": PROTOBUF}).status_code == 200
    assert kept(metrics, "jobs_total") == [3.0]


def _status(content: bytes) -> dict[int, object]:
    """The fields of a small protobuf message: numbers and texts."""
    found: dict[int, object] = {}
    while content:
        number, kind, content = content[0] >> 3, content[0] & 7, content[1:]
        if kind == 0:
            found[number], content = content[0], content[1:]
        else:
            size, at = content[0], 1
            if size > 0x7F:
                size, at = (size & 0x7F) | content[1] << 7, 2
            found[number], content = content[at : at + size].decode(), content[at + size :]
    return found


@pytest.mark.parametrize("signal", RESPONSES)
def test_bad_data_is_told_by_a_status_in_the_encoding_of_the_request(client: AsgiClient, signal: str) -> None:
    answer = client.post(f"/v1/{signal}", b"\xff\xff", {"Content-Type": PROTOBUF})
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROTOBUF)
    assert _status(answer.content)[1] == 3
    assert _status(answer.content)[2]
    answer = client.post(f"/v1/{signal}", b"{", {"Content-Type": JSON})
    assert (answer.status_code, answer.headers["content-type"]) == (400, JSON)
    assert answer.json()["code"] == 3
    assert answer.json()["message"]


@pytest.mark.parametrize("kind", ["", "text/plain", "application/xml"])
@pytest.mark.parametrize("signal", RESPONSES)
def test_another_content_type_is_not_taken(client: AsgiClient, signal: str, kind: str) -> None:
    answer = client.post(f"/v1/{signal}", b"{}", {"Content-Type": kind} if kind else {})
    assert answer.status_code == 415
    assert "application/x-protobuf" in answer.json()["message"]


class HeldIndex:
    """Numbers series, those of a metric `held` when it is told to go on."""

    def __init__(self, index: SeriesIndex) -> None:
        self._index, self.begun, self.go_on = index, Semaphore(0), Event()

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        if any(value == "held" for one in labels for _, value in one):
            self.begun.release()
            self.go_on.wait(30)
        return self._index.number(labels)


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_two_large_bodies_are_decoded_at_once_and_a_third_waits(intake: Intake, kind: str) -> None:
    index = HeldIndex(intake.index)
    app = create_app(replace(intake, index=index))

    def body(name: str, size: int) -> bytes:
        request = request_of(gauge(name, 1.0))
        request.resource_metrics[0].scope_metrics[0].metrics[0].description = "x" * size
        return request.SerializeToString() if kind == PROTOBUF else json_of(request)

    async def run() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://h") as client:

            async def post(name: str, size: int) -> int:
                return (
                    await client.post("/v1/metrics", content=body(name, size), headers={"Content-Type": kind})
                ).status_code

            large = [asyncio.create_task(post("held", LARGE + at)) for at in range(3)]
            try:
                for _ in range(2):
                    assert await asyncio.to_thread(index.begun.acquire, timeout=30)
                # By the time that these are durable, the third would have begun if it could.
                smaller = [await post(f"level{at}", LARGE >> 1) for at in range(9)]
                assert not index.begun.acquire(blocking=False)
            finally:
                index.go_on.set()
            return smaller + [await each for each in large]

    assert asyncio.run(run()) == [200] * 12


def test_a_content_encoding_that_is_not_known_is_not_taken(client: AsgiClient) -> None:
    answer = client.post("/v1/metrics", b"", {"Content-Type": PROTOBUF, "Content-Encoding": "brotli"})
    assert answer.status_code == 415
    assert _status(answer.content)[1] == 3


@pytest.mark.parametrize("packing", ["identity", "gzip"])
@pytest.mark.parametrize("signal", RESPONSES)
def test_what_is_too_large_is_413_packed_or_not(intake: Intake, signal: str, packing: str) -> None:
    client = AsgiClient(create_app(replace(intake, limits=BodyLimits(sent=1000, unpacked=1000))))
    body = b"\0" * 5000 if packing == "identity" else gzip.compress(b"\0" * 5000)
    answer = client.post(f"/v1/{signal}", body, {"Content-Type": JSON, "Content-Encoding": packing})
    assert (answer.status_code, answer.json()["code"]) == (413, 8)
    assert "1,000 bytes" in answer.json()["message"]
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("signal", ["metrics", "logs"])
def test_a_full_store_is_503_and_asks_to_come_again(opened_records: SqlRecords, tmp_path: Path, signal: str) -> None:
    with (
        closing(DuckDbMetrics(tmp_path / "full", lambda: NOW, MetricsLimits(disk_bytes=1))) as full,
        closing(GroupCommit(full)) as writer,
    ):
        client = AsgiClient(create_app(Intake(full, writer, opened_records, MemoryStore(), lambda: NOW)))
        answer = client.post(f"/v1/{signal}", _partly_bad(signal), {"Content-Type": PROTOBUF})
    assert (answer.status_code, _status(answer.content)[1]) == (503, 14)
    assert int(answer.headers["retry-after"]) > 0
