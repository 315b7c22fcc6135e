"""A server of incidents on a free port, that answers as a test says, and what an import takes from it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from small_server import Quiet, served, url_of

from hypocenter.history.asking import Asked, fetched
from hypocenter.history.client import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Reply = tuple[int, dict[str, str], bytes]

TOKEN = "correct-horse-battery"


class Asking(ThreadingHTTPServer):
    """Answers as `answer` says, and keeps what it was asked: path, parameters or body, and headers."""

    def __init__(self, answer: Callable[[str, dict[str, Any]], Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []

    @property
    def url(self) -> str:
        return url_of(self)


class _Handler(Quiet):
    server: Asking

    def asked(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        params = json.loads(body) if body else {name: values[-1] for name, values in parse_qs(parts.query).items()}
        path = self.path if body else parts.path
        self.server.asked.append((path, params, dict(self.headers)))
        self.reply(*self.server.answer(path, params))


@contextmanager
def serving(answer: Callable[[str, dict[str, Any]], Reply]) -> Iterator[Asking]:
    with served(Asking(answer)) as server:
        yield server


def page(value: Any, **headers: str) -> Reply:
    return 200, {name.replace("_", "-"): text for name, text in headers.items()}, json.dumps(value).encode()


def taken(server: Asking, source: str, path: str = "", asked: Asked | None = None, **access: Any) -> list[Any]:
    how = Access(**{"token": TOKEN, "attempts": 3, "timeout_s": 5.0, **access})
    with fetched(server.url + path, source, asked or Asked(), how, 1_000_000) as file:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def numbered(start: int, count: int) -> list[dict[str, int]]:
    return [{"id": number} for number in range(start, start + count)]
