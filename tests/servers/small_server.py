"""What small servers of tests have in common: they answer in one piece, say nothing, and listen in a thread."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

S = TypeVar("S", bound=ThreadingHTTPServer)


class Quiet(BaseHTTPRequestHandler):
    """A handler that tells whoever runs the tests nothing of what it was asked; `asked` answers."""

    def asked(self, body: bytes) -> None:
        """Answer a request to `self.path` with a body, an empty one for GET."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Take a request."""
        self.asked(b"")

    def do_POST(self) -> None:
        """Take a request with a body."""
        self.asked(self.rfile.read(int(self.headers["Content-Length"])))

    def reply(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Answer; the length is the body's unless a header says another."""
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(server: S) -> Iterator[S]:
    """Have a server answer in a thread, and close it."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def url_of(server: ThreadingHTTPServer) -> str:
    """Return the address of a server on loopback."""
    return f"http://127.0.0.1:{server.server_port}"
