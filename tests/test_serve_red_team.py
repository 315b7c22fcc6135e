"""What a hostile or broken client sends to a real server: it is refused with 4xx, and the server goes on."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING

import cramjam
import httpx
import pytest
import raw_http
from hypocenter_server import HypocenterServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import awaited

from hypocenter.remote_write_encoding import HEADERS, request_body

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITE = "/api/v1/write"
MOST = 1 << 20
HEAD = (
    b"POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
)
ZEROS = 64 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HypocenterServer]:
    """A server that takes bodies of a MiB."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HYPOCENTER_MAX_BODY_BYTES", str(MOST))
        server = HypocenterServer(tmp_path_factory.mktemp("red-team"))
    with server:
        yield server
        assert server.process.exit_code is None, server.process.said()
        assert "Traceback" not in server.process.said()


@pytest.fixture(autouse=True)
def _goes_on(server: HypocenterServer) -> Iterator[None]:
    yield
    assert httpx.get(f"{server.url}/readyz").json()["ready"]
    assert httpx.post(server.url + WRITE, content=request_body([]), headers=HEADERS).status_code == 204


def _memory(server: HypocenterServer) -> int:
    """Return the most memory that the server ever took, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


SNAPPY_BOMB = bytes(cramjam.snappy.compress_raw(bytes(ZEROS)))
BODIES = {
    "too long as sent": (b"x" * (MOST + 1), "snappy", 413),
    "a snappy bomb": (SNAPPY_BOMB[:MOST], "snappy", 413),
    "a snappy block that claims 4 GiB": (b"\xff\xff\xff\xff\x0f\x00", "snappy", 413),
    "a framed snappy bomb": (bytes(cramjam.snappy.compress(bytes(ZEROS)))[:MOST], "snappy", 413),
    "no snappy": (b"\x05abc", "snappy", 400),
    "nothing at all": (b"", "snappy", 400),
    "no protobuf": (bytes(cramjam.snappy.compress_raw(b"\xff" * 100)), "snappy", 400),
    "another encoding": (gzip.compress(b""), "gzip", 415),
    "an encoding of an encoding": (request_body([]), "snappy, snappy", 415),
    "an unknown encoding": (request_body([]), "\\x00", 415),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_remote_write_is_refused(server: HypocenterServer, name: str) -> None:
    body, encoding, status = BODIES[name]
    before = _memory(server)
    answer = httpx.post(server.url + WRITE, content=body, headers=HEADERS | {"Content-Encoding": encoding})
    assert (answer.status_code, "retry-after" in answer.headers) == (status, False)
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "0"
    assert _memory(server) - before < ZEROS // 2


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_for_otlp_takes_no_memory(server: HypocenterServer, encoding: str) -> None:
    bomb = gzip.compress(bytes(ZEROS)) if encoding == "gzip" else bytes(cramjam.zstd.compress(bytes(ZEROS)))
    before = _memory(server)
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": encoding}
    assert httpx.post(f"{server.url}/v1/metrics", content=bomb, headers=headers).status_code == 413
    assert _memory(server) - before < ZEROS // 2


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/json", "application/x-protobuf;proto=other", "application/x-protobufs", "a" * 9000],
)
def test_a_type_that_is_not_taken_is_told(server: HypocenterServer, content_type: str) -> None:
    headers = HEADERS | {"Content-Type": content_type}
    answer = httpx.post(server.url + WRITE, content=request_body([]), headers=headers)
    assert answer.status_code == 415
    assert len(answer.content) < 500


def test_a_body_that_is_announced_as_too_long_is_refused_before_it_comes(server: HypocenterServer) -> None:
    for length in (MOST + 1, 10**18, 2**64 - 1):
        assert raw_http.statuses(server.url, HEAD + b"Content-Length: %d\r\n\r\n" % length, ends=True)[:1] == [413]


def test_a_body_in_chunks_is_held_to_the_limit(server: HypocenterServer) -> None:
    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    said = raw_http.statuses(
        server.url, HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n", *[piece] * 20
    )
    assert said == [413]


SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEADS = {
    "two lengths": HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n",
    "a length and chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and a length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "an encoding that hides chunks": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a length below zero": HEAD + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": HEAD + b"Content-Length: +4\r\n\r\nabcd",
    "a length in hex": HEAD + b"Content-Length: 0x4\r\n\r\nabcd",
    "a length past any number": HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
    "a space before the colon": HEAD + b"Content-Length : 4\r\n\r\nabcd",
    "a folded header": HEAD + b"X: a\r\n b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "a bare line feed": HEAD.replace(b"\r\n", b"\n") + b"\n",
    "a null in a header": HEAD + b"X: a\0b\r\n\r\n",
    "a chunk that is too long": HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "a chunk without its end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcdefgh\r\n0\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "the beginning of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "no method": b"/ HTTP/1.1\r\n\r\n",
    "a proxy's request": b"CONNECT a:80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "a path with a null": b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a path that is no ASCII": b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "a head without end": b"GET / HTTP/1.1\r\nX: " + b"a" * (1 << 20),
    "headers without end": b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 100_000,
    "a path without end": b"GET /" + b"a" * (1 << 20),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_refused(server: HypocenterServer, name: str) -> None:
    said = raw_http.statuses(server.url, HEADS[name], ends=True)
    assert len(said) <= 1, "what is hidden behind a request was taken for another one"
    assert all(400 <= status < 500 for status in said)


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/write/",
        "/api/v1//write",
        "/api/v1/write%00",
        "/API/V1/WRITE",
        "/tokens.json",
        "/metrics/../tokens.json",
        "/%ff%fe",
        "/" + "a/" * 5000,
        "//evil.example/api/v1/write",
        "http://evil.example/",
    ],
)
def test_a_path_leads_nowhere(server: HypocenterServer, path: str) -> None:
    said = raw_http.statuses(
        server.url, b"GET " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert said in ([404], [400], [405])


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_a_method_that_is_not_taken_is_told(server: HypocenterServer, method: str) -> None:
    answer = httpx.request(method, server.url + WRITE)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert method == "HEAD" or answer.json()["status"] == 405


def test_an_answer_tells_a_browser_to_do_nothing_with_it(server: HypocenterServer) -> None:
    for path in ("/healthz", "/metrics", "/nothing"):
        headers = httpx.get(server.url + path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert not any("uvicorn" in value.lower() for value in headers.values())


def test_a_client_that_goes_away_in_the_middle_is_no_failure(server: HypocenterServer) -> None:
    for _ in range(20):
        with raw_http.connected(server.url) as connection:
            connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nabc")
    counted = 'hypocenter_http_requests_total{path="/api/v1/write",status="499"}'
    awaited(lambda: float(httpx.get(f"{server.url}/metrics").text.partition(counted)[2].split("\n")[0] or 0) >= 20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(HEADS.values())).filter(lambda head: len(head) < 1000),
    st.integers(0, 300),
    st.binary(max_size=6),
)
def test_no_bytes_break_it(server: HypocenterServer, head: bytes, place: int, put: bytes) -> None:
    said = raw_http.statuses(server.url, head[:place] + put + head[place:], ends=True)
    assert all(status < 500 for status in said)
