"""A small receiver of remote write on a free port, that answers as a test's script says and keeps what it took."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import cramjam

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Reply = tuple[int, dict[str, str], bytes]
TAKEN: Reply = (204, {}, b"")


@dataclass
class Receiver:
    """Answers each request, uncompressed, as `script` says; what it answers with success is `taken`."""

    script: Callable[[bytes], Reply] = lambda _: TAKEN
    taken: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = bytes(cramjam.snappy.decompress_raw(self.rfile.read(int(self.headers["Content-Length"]))))
            receiver.headers.append(dict(self.headers))
            status, headers, text = receiver.script(body)
            if status < 300:
                receiver.taken.append(body)
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            return

    return Handler


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not wait for its answer is what some tests are about."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver; its `url` is the whole address to write to."""
    receiver = Receiver()
    with _Listening(("127.0.0.1", 0), _handler(receiver)) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        receiver.url = f"http://127.0.0.1:{listening.server_address[1]}/api/v1/write"
        yield receiver
        listening.shutdown()
        thread.join()
