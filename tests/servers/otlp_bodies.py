"""Frames of spans and log lines as the OTLP requests that exporters would send of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from hypocenter.signals.spans import read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

INTERNAL, SERVER, CLIENT = 1, 2, 3


def kinds_of(spans: pd.DataFrame) -> NDArray[np.int64]:
    """Return the kind that an SDK would give each span of a frame that states none."""
    tree = read_tree(spans)
    entry = tree.crosses | (tree.parent_row < 0)
    return np.where(entry, SERVER, np.where(tree.is_client, CLIENT, INTERNAL))


def span_bodies(spans: pd.DataFrame, kinds: NDArray[np.int64], every_s: float = 5.0) -> Iterator[bytes]:
    """Yield what the services send: each the spans that ended in the same `every_s` seconds, by that time."""
    begins = spans["time"].astype("int64").to_numpy()
    begins = begins * (10**9 // _per_second(spans["time"]))
    ends = begins + (spans["duration_us"].to_numpy() * 1000).astype(np.int64)
    flush = (ends // int(every_s * 1e9)).astype(np.int64)
    columns = {name: spans[name].tolist() for name in ("trace", "span", "parent", "service", "operation", "error")}
    for _, rows in spans.assign(flush=flush, row=np.arange(len(spans))).groupby(["flush", "service"])["row"]:
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        group.resource.attributes.add(key="service.name").value.string_value = columns["service"][rows.iloc[0]]
        into = group.scope_spans.add().spans
        for row in rows:
            span = into.add(
                trace_id=_id(columns["trace"][row], 16),
                span_id=_id(columns["span"][row], 8),
                parent_span_id=b"" if columns["parent"][row] == -1 else _id(columns["parent"][row], 8),
                name=columns["operation"][row],
                kind=int(kinds[row]),
                start_time_unix_nano=int(begins[row]),
                end_time_unix_nano=int(ends[row]),
            )
            span.status.code = 2 if columns["error"][row] else 0
        yield request.SerializeToString()


def line_bodies(lines: pd.DataFrame, every_s: float = 5.0) -> Iterator[bytes]:
    """Yield what the services send: each the lines of the same `every_s` seconds."""
    times = lines["time"].astype("int64").to_numpy() * (10**9 // _per_second(lines["time"]))
    flush = (times // int(every_s * 1e9)).astype(np.int64)
    for _, part in lines.assign(flush=flush, ns=times).groupby(["flush", "service"]):
        request = ExportLogsServiceRequest()
        group = request.resource_logs.add()
        group.resource.attributes.add(key="service.name").value.string_value = part["service"].iloc[0]
        into = group.scope_logs.add().log_records
        for at_ns, severity, message in zip(part["ns"], part["severity"], part["message"], strict=True):
            into.add(time_unix_nano=int(at_ns), severity_text=severity).body.string_value = message
        yield request.SerializeToString()


def _per_second(times: pd.Series) -> int:
    return {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[times.dt.unit]


def _id(number: int, size: int) -> bytes:
    return (int(number) + 1).to_bytes(size, "big")
