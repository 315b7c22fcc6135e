"""A small receiver of webhooks on a free port, that keeps what it was sent."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

from small_server import Quiet, served, url_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Receiver:
    """What a receiver was sent; it answers with `answers` in turn, the last for ever."""

    url: str
    answers: list[tuple[int, dict[str, str]]]
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving(*answers: tuple[int, dict[str, str]]) -> Iterator[Receiver]:
    class Handler(Quiet):
        def asked(self, body: bytes) -> None:
            receiver.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.reply(*receiver.answers[min(len(receiver.requests), len(receiver.answers)) - 1])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"{url_of(server)}/hook", list(answers) or [(204, {})])
    with served(server):
        yield receiver
