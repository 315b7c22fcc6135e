"""A small receiver of remote write on a free port, that answers as a test's script says and keeps what it took."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import cramjam
from small_server import Quiet, served, url_of

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


def _handler(receiver: Receiver) -> type[Quiet]:
    class Handler(Quiet):
        protocol_version = "HTTP/1.1"

        def asked(self, body: bytes) -> None:
            sent = bytes(cramjam.snappy.decompress_raw(body))
            receiver.headers.append(dict(self.headers))
            status, headers, text = receiver.script(sent)
            if status < 300:
                receiver.taken.append(sent)
            self.reply(status, headers, text)

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
    with served(_Listening(("127.0.0.1", 0), _handler(receiver))) as listening:
        receiver.url = f"{url_of(listening)}/api/v1/write"
        yield receiver
