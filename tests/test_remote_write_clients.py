"""Remote write by clients that others wrote: Debian's Prometheus, the official Go library, generated code."""

from __future__ import annotations

import json
import math
import re
import struct
import subprocess
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import cramjam
import httpx
import pytest
from documented import pasted
from hypocenter_server import HypocenterServer
from server_process import ServerProcess, free_port

from hypocenter.api.tokens import TokenFile
from hypocenter.batches import STALE_BITS
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.opening_metrics import open_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from prompb import Messages

    from hypocenter.stores.metrics import Found

PATIENCE_S = 60
SECOND = {
    "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "2.0.0",
}
STALE = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HypocenterServer]:
    server = HypocenterServer(tmp_path / "data")
    yield server
    server.stop()


@pytest.fixture
def begin_ms() -> int:
    return int(time.time()) * 1000 - 60_000


def kept(server: HypocenterServer, name: str) -> list[tuple[dict[str, str], Found]]:
    """Return the series of a name that the server left behind, which is stopped."""
    server.stop()
    whole = (0, 2**53)
    with closing(open_metrics(server.data_dir)) as store:
        series = store.series([parse_selector(name)], *whole)
        samples = store.read([one.number for one in series], *whole)
        return [(dict(one.labels), found) for one, found in zip(series, samples, strict=True)]


def test_the_official_client_is_told_what_was_written_and_finds_it_kept(
    server: HypocenterServer, official_sender: Path, begin_ms: int
) -> None:
    command = [str(official_sender), server.url, str(begin_ms)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"Samples": 4, "Histograms": 1, "Exemplars": 0}
    ((labels, queue),) = kept(server, "queue_length")
    assert labels == {"__name__": "queue_length", "job": "shop"}
    assert queue.at_ms.tolist() == [begin_ms, begin_ms + 1000, begin_ms + 2000]
    assert queue.values.view("<u8").tolist() == [*bits(3.0, 0.0), STALE_BITS]
    assert [found.values.tolist() for _, found in kept(server, "orders_total")] == [[7.0]]
    assert [found.values.tolist() for _, found in kept(server, "wait_seconds_count")] == [[5.0]]
    assert [found.values.tolist() for _, found in kept(server, "wait_seconds_sum")] == [[2.5]]
    buckets = {labels["le"]: found.values.tolist() for labels, found in kept(server, "wait_seconds_bucket")}
    assert [buckets[le] for le in ("0.25", "0.5", "1", "+Inf")] == [[1.0], [4.0], [5.0], [5.0]]


def bits(*values: float) -> list[int]:
    return [int.from_bytes(struct.pack("<d", value), "little") for value in values]


def sent(prompb: Messages, server: HypocenterServer, *series: tuple[list[str], list[tuple[float, int]]]) -> Any:
    message, symbols = prompb.request(), {"": 0}
    for texts, samples in series:
        added = message.timeseries.add(labels_refs=[symbols.setdefault(text, len(symbols)) for text in texts])
        for value, at_ms in samples:
            added.samples.add(value=value, timestamp=at_ms)
    message.symbols.extend(symbols)
    body = bytes(cramjam.snappy.compress_raw(message.SerializeToString()))
    return httpx.post(f"{server.url}/api/v1/write", content=body, headers=SECOND, timeout=PATIENCE_S)


def counts(reply: Any) -> list[str]:
    return [
        reply.headers[f"x-prometheus-remote-write-{kind}-written"] for kind in ("samples", "histograms", "exemplars")
    ]


def test_valid_series_are_kept_beside_invalid_ones_and_the_sender_is_told(
    server: HypocenterServer, prompb: Messages, begin_ms: int
) -> None:
    good, bad = ["__name__", "good"], ["job", "nameless"]
    reply = sent(prompb, server, (good, [(1.0, begin_ms)]), (bad, [(2.0, begin_ms), (3.0, begin_ms + 1)]))
    assert (reply.status_code, counts(reply)) == (400, ["1", "0", "0"])
    assert "no __name__" in reply.text
    reply = sent(prompb, server, (good, [(1.0, begin_ms), (STALE, begin_ms + 1000)]))
    assert (reply.status_code, counts(reply), reply.text) == (204, ["2", "0", "0"], "")
    ((_, found),) = kept(server, "good")
    assert found.values.view("<u8").tolist() == [*bits(1.0), STALE_BITS]


def test_prometheus_set_up_as_documented_writes_what_it_scrapes(require: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "hypocenter-token").write_text(
        TokenFile(tmp_path / "data").create("tests", datetime.now(UTC)), encoding="utf-8"
    )
    server, port = HypocenterServer(tmp_path / "data"), free_port()
    config = pasted("prometheus", 0, server=server.url.removeprefix("http://"), folder=f"{tmp_path}/")
    config["global"] = {"scrape_interval": "1s"}
    config["scrape_configs"] = [{"job_name": "itself", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
    (tmp_path / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    command = [
        require("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with ServerProcess(command, "Server is ready to receive web requests", tmp_path) as prometheus:
        until(lambda: succeeded(port) > 500)
        prometheus.stop()
    up = [(labels, found) for labels, found in kept(server, "up")]
    assert [labels for labels, _ in up] == [{"__name__": "up", "instance": f"127.0.0.1:{port}", "job": "itself"}]
    assert set(up[0][1].values.tolist()) == {1.0}
    ((_, scraped),) = kept(server, "prometheus_tsdb_head_series")
    assert len(scraped.values) == len(up[0][1].values)
    assert not any(math.isnan(value) for value in scraped.values)


def succeeded(port: int) -> float:
    """Return how many samples Prometheus sent and was told that they are kept; none may have failed."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S).text
    told = {
        name: float(found[1])
        if (found := re.search(rf"^prometheus_remote_storage_{name}{{.*}} (\S+)$", text, re.M))
        else 0.0
        for name in ("samples_total", "samples_failed_total", "samples_dropped_total", "samples_pending")
    }
    assert told["samples_failed_total"] == 0
    return told["samples_total"] - told["samples_pending"]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s"
        threading.Event().wait(0.1)
