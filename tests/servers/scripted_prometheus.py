"""A small Prometheus on a free port, that answers as a test's script says."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from small_server import Quiet, served

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

LABELS = {"__name__": "up", "job": "a"}
Reply = tuple[int, dict[str, str], bytes]


def success(data: object, **more: object) -> Reply:
    return 200, {}, json.dumps({"status": "success", "data": data, **more}).encode()


def failure(status: int, text: str = "no", **headers: str) -> Reply:
    return status, headers, json.dumps({"status": "error", "errorType": "x", "error": text}).encode()


def samples(end: float, seconds: int, step: int = 15) -> list[list[Any]]:
    moments = range(-int(-(end - seconds) // step) * step, int(end) + 1, step)
    return [[at, str(at % 100)] for at in moments]


def always(reply: Reply) -> Callable[[str, dict[str, str]], Reply]:
    return lambda *_: reply


def healthy(endpoint: str, params: dict[str, str]) -> Reply:
    """What a server with one series says."""
    if endpoint == "series":
        return success([LABELS])
    if params["query"].startswith("count("):
        return success({"resultType": "vector", "result": [{"metric": {}, "value": [0, "1"]}]})
    end, seconds = float(params["time"]), int(params["query"].rpartition("[")[2].removesuffix("s]"))
    return success({"resultType": "matrix", "result": [{"metric": LABELS, "values": samples(end, seconds)}]})


@dataclass
class Server:
    """A small server that answers as its script says, and remembers what it was asked."""

    script: Callable[[str, dict[str, str]], Reply] = healthy
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    authorizations: set[str | None] = field(default_factory=set)
    url: str = ""
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, endpoint: str, params: dict[str, str], authorization: str | None) -> Reply:
        with self.lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self.asked.append((endpoint, params))
            self.authorizations.add(authorization)
        try:
            return self.script(endpoint, params)
        finally:
            with self.lock:
                self.in_flight -= 1


def handler_of(server: Server) -> type[Quiet]:
    class Handler(Quiet):
        def asked(self, body: bytes) -> None:
            parts = urlsplit(self.path)
            params = {name: values[0] for name, values in parse_qs(body.decode() or parts.query).items()}
            endpoint = parts.path.rpartition("/")[2]
            status, headers, body = server.answer(endpoint, params, self.headers["Authorization"])
            self.reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)

    return Handler


@contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server()
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(server))
    if tls:
        listening.socket = tls.wrap_socket(listening.socket, server_side=True)
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{listening.server_port}"
    with served(listening):
        yield server
