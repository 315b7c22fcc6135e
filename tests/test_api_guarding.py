"""Heads of requests that do not come to an end, on a real connection: refused by size and by time."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hypocenter.api.guarding import GuardedProtocol
from hypocenter.api.listening import listening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

WHOLE = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"


class Impatient(GuardedProtocol):
    """Waits for no head as long as a test takes."""

    head_seconds = 0.2
    most_head_bytes = 1000


async def _length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = Starlette(routes=[Route("/", _length, methods=["POST"])])
    config = uvicorn.Config(app, http=Impatient, loop="uvloop", ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with closing(listening("127.0.0.1", 0)) as bound:
        bound.listen()
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        yield bound.getsockname()[1]
        server.should_exit = True
        thread.join()


def _said(port: int, *pieces: bytes) -> tuple[list[int], bytes]:
    """Send pieces, and return the status of each answer and the last bytes once the server hangs up."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for piece in pieces:
            connection.sendall(piece)
        with suppress(ConnectionResetError):
            while got := connection.recv(1 << 16):
                heard += got
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)], heard


@pytest.mark.parametrize("begun", [b"", b"P", b"POST / HTTP/1.1\r\n", WHOLE[:40]])
def test_a_head_that_does_not_end_is_not_waited_for(port: int, begun: bytes) -> None:
    assert _said(port, begun)[0] == [408]


def test_the_next_head_is_not_waited_for_either(port: int) -> None:
    assert _said(port, WHOLE, b"POST /")[0] == [200, 408]
    assert _said(port, WHOLE + b"POST /")[0] == [200, 408]


@pytest.mark.parametrize(
    "head",
    [
        b"POST /" + b"a" * 2000,
        b"POST / HTTP/1.1\r\nX: " + b"a" * 2000,
        b"POST / HTTP/1.1\r\n" + b"X: a\r\n" * 400,
    ],
)
def test_a_head_that_is_too_long_is_refused(port: int, head: bytes) -> None:
    assert _said(port, head[:900], head[900:])[0] in ([431], [])


def test_a_body_is_no_head(port: int) -> None:
    body = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    last = WHOLE.replace(b"Host: a", b"Host: a\r\nConnection: close")
    said, heard = _said(port, body, body + body, last)
    assert said == [200, 200, 200, 200]
    assert heard.endswith(b"5")
