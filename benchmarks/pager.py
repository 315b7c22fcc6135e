"""A server that takes webhooks, as somebody's pager would, and keeps what it was told."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "a-secret-of-the-pager-that-is-rung"


class Rung(NamedTuple):
    """One message: when it was sent by the sender's clock, what about, the incident, and what names it for good."""

    at: datetime
    about: str
    incident_id: str
    key: str


@dataclass
class Pager:
    """Where messages go, and those that came, in order."""

    url: str = ""
    rung: list[Rung] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Pager]:
    """Listen on a free port of this machine."""
    pager = Pager()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(pager))
    pager.url = f"http://127.0.0.1:{server.server_port}/pager"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield pager
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(pager: Pager) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Takes each message that is posted, and notes when it was signed."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            at = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)
            incident_id = body["data"]["incident"]["incident_id"]
            pager.rung.append(Rung(at, body["type"], incident_id, self.headers["webhook-id"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """What was asked is told by nobody but the pager."""

    return Handler
