"""A client that speaks no HTTP by itself: bytes as they stand on one connection, and the statuses that come back."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from urllib.parse import urlsplit

ANSWER_S = 60


def connected(url: str) -> socket.socket:
    """Return a connection to the server of a URL, on which an answer is waited for a minute."""
    place = urlsplit(url)
    return socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=ANSWER_S)


def statuses(url: str, *pieces: bytes, ends: bool = False) -> list[int]:
    """Send pieces on one connection and return the status of each answer until the server hangs up.

    With `ends` no more is sent after them, and the server is told so.
    """
    heard = b""
    with connected(url) as connection, suppress(ConnectionResetError, BrokenPipeError):
        for piece in pieces:
            connection.sendall(piece)
        if ends:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        while got := connection.recv(1 << 16):
            heard += got
    return [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d{3}) ", heard, re.MULTILINE)]
