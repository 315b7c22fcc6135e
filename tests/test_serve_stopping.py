"""A server that is stopped or killed: what it acknowledged is there, each once, and its folder is free again."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from hypocenter_server import HypocenterServer
from waiting import awaited

from hypocenter.readers.selectors import parse_selector
from hypocenter.remote_write_encoding import HEADERS, encoded_labels, encoded_series, request_body
from hypocenter.stores.opening_metrics import open_metrics
from hypocenter_workers.learn.model_file import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hypocenter.stores.metrics import MetricsStore, StoredSeries

WRITE = "/api/v1/write"
SENDERS = 4


def _body(name: str, at_ms: int, value: float) -> bytes:
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    return request_body([encoded_series(encoded_labels([("__name__", name), ("job", "shop")]), [at_ms], [bits])])


def _kept(data_dir: Path) -> dict[str, list[float]]:
    """Return the values of each metric as they are kept, in order of time."""
    with closing(open_metrics(data_dir)) as store:
        names = {each.number: dict(each.labels)["__name__"] for each in _series(store)}
        return {names[found.series]: found.values.tolist() for found in store.read(list(names), 0, sys.maxsize)}


def _series(store: MetricsStore) -> Sequence[StoredSeries]:
    return store.series([parse_selector('{job="shop"}')], 0, sys.maxsize)


class Sender(threading.Thread):
    """Sends 0, 1, 2 and so on as samples of a metric, until the server is gone; `acknowledged` is how many."""

    def __init__(self, url: str, name: str, begin_ms: int) -> None:
        super().__init__(name=name)
        self._url, self._begin_ms = url, begin_ms
        self.acknowledged = 0

    def run(self) -> None:
        with httpx.Client(base_url=self._url, headers=HEADERS, timeout=60) as client:
            try:
                while client.post(WRITE, content=_body(self.name, self._at(), self.acknowledged)).status_code == 204:
                    self.acknowledged += 1
            except httpx.TransportError:
                return

    def _at(self) -> int:
        return self._begin_ms + self.acknowledged


@pytest.mark.parametrize("how", [SIGTERM, SIGKILL])
def test_what_was_acknowledged_is_there_each_once(hypocenter_server: HypocenterServer, how: Signals) -> None:
    begin_ms = int(time.time() * 1000) - 3_600_000
    senders = [Sender(hypocenter_server.url, f"sender_{number}", begin_ms) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    awaited(lambda: all(sender.acknowledged >= 20 for sender in senders))
    hypocenter_server.process.send(how)
    assert hypocenter_server.process.wait() == (-SIGKILL if how is SIGKILL else 0)
    for sender in senders:
        sender.join()
    kept = _kept(hypocenter_server.data_dir)
    for sender in senders:
        # One more may be there than was acknowledged: its answer was under way.
        wanted = [float(number) for number in range(sender.acknowledged + 1)]
        assert kept[sender.name] in (wanted, wanted[:-1])


def test_what_is_being_sent_is_finished_and_a_second_signal_ends_at_once(hypocenter_server: HypocenterServer) -> None:
    server = hypocenter_server
    body = _body("slow", int(time.time() * 1000), 7.0)
    with _half_sent(server, body) as connection:
        server.process.send(SIGINT)
        awaited(lambda: not _accepts(server.url))
        connection.sendall(body[3:])
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 204 ")
    assert server.process.wait() == 0
    assert _kept(server.data_dir) == {"slow": [7.0]}
    server.start()
    with _half_sent(server, body):
        server.process.send(SIGTERM)
        awaited(lambda: not _accepts(server.url))
        assert server.process.exit_code is None
        server.process.send(SIGTERM)
        assert server.process.wait() == -SIGTERM
    assert _kept(server.data_dir) == {"slow": [7.0]}


def test_a_task_of_detection_that_does_not_end_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who reads the model, as detection does at its start, waits until the pipe is closed.
    pipe = tmp_path / "stuck" / MANIFEST
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    monkeypatch.setenv("HYPOCENTER_MODEL", str(pipe.parent))
    with HypocenterServer(tmp_path / "data", "--detection") as server:
        with _written(pipe):
            body = _body("last", int(time.time() * 1000), 7.0)
            assert httpx.post(f"{server.url}{WRITE}", content=body, headers=HEADERS, timeout=60).status_code == 204
            server.process.send(SIGTERM)
            assert server.process.wait() == 0
        assert "amid work" in server.process.said()
        assert _kept(server.data_dir) == {"last": [7.0]}


def test_what_does_not_come_to_its_end_is_left_and_the_next_start_has_all_that_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPOCENTER_STOP_SECONDS", "2")
    change = {"component": "cart", "at": time.time(), "type": "deploy", "title": "kept"}
    with HypocenterServer(tmp_path / "data") as server:
        assert httpx.post(f"{server.url}/api/v1/changes", json=change).is_success
        with closing(sqlite3.connect(tmp_path / "data" / "records.db", isolation_level=None)) as locking:
            # Whoever writes waits for longer than the server may take.
            locking.execute("BEGIN IMMEDIATE")
            body = json.dumps({**change, "title": "waits"}).encode()
            with _half_sent(server, body, "/api/v1/changes", {"Content-Type": "application/json"}) as connection:
                connection.sendall(body[3:])
                server.process.send(SIGTERM)
                assert server.process.wait() == 1
            assert "took longer than 2 s" in server.process.said()
        server.start()
        told = httpx.get(f"{server.url}/api/v1/changes").raise_for_status().json()["items"]
        assert [each["title"] for each in told] == ["kept"]


@contextmanager
def _written(pipe: Path) -> Iterator[None]:
    """Hold a named pipe open for writing from the moment at which somebody reads it."""
    opened: list[int] = []

    def is_read() -> bool:
        with suppress(OSError):
            opened.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(opened)

    awaited(is_read)
    try:
        yield
    finally:
        os.close(opened[0])


def _half_sent(
    server: HypocenterServer, body: bytes, path: str = WRITE, headers: Mapping[str, str] = HEADERS
) -> socket.socket:
    """Return a connection on which a request has begun to come, of which the server knows."""
    place = urlsplit(server.url)
    connection = socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=60)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head += f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n"
    expecting = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n"
    connection.sendall(expecting.encode())
    assert connection.recv(1 << 16).startswith(b"HTTP/1.1 100 ")
    connection.sendall(body[:3])
    return connection


def _accepts(url: str) -> bool:
    place = urlsplit(url)
    try:
        socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=60).close()
    except OSError:
        return False
    return True


def test_no_other_process_takes_its_folder_or_its_port(hypocenter_server: HypocenterServer, tmp_path: Path) -> None:
    def refused(data_dir: Path, listen: str) -> str:
        program = Path(sys.executable).with_name("hypocenter")
        command = [program, "serve", "--data-dir", data_dir, "--listen", listen]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert (ended.returncode, ended.stdout) == (2, "")
        return ended.stderr

    place = hypocenter_server.url.removeprefix("http://")
    told = refused(hypocenter_server.data_dir, "127.0.0.1:0")
    assert f"process {hypocenter_server.process.pid}" in told
    assert "name another" in refused(tmp_path / "other", place)
    assert "--open" in refused(tmp_path / "other", "0.0.0.0:0")
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "cannot hold data" in refused(tmp_path / "file", "127.0.0.1:0")
    assert httpx.get(f"{hypocenter_server.url}/readyz").status_code == 200
