"""Senders that do as remote write and OTLP exporters do: one request after another, each until it is acknowledged."""

from __future__ import annotations

import http.client
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ANSWER_SECONDS = 60


class Acknowledged:
    """Counts acknowledgements of many senders, which somebody waits for."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def add(self) -> None:
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait_for(self, more: int) -> None:
        """Return when there are `more` than now."""
        with self._changed:
            goal = self._count + more
            assert self._changed.wait_for(lambda: self._count >= goal, ANSWER_SECONDS), "nothing was acknowledged"


class Sender(threading.Thread):
    """Sends `body(turn)` for turn 0, 1, ... until `stop`; `turns` tells how many were acknowledged.

    What is not answered, or with 5xx, is sent again as it is, to where `url()` says the server is by then.
    """

    def __init__(
        self,
        url: Callable[[], str],
        path: str,
        headers: Mapping[str, str],
        body: Callable[[int], bytes],
        acknowledged: Acknowledged,
    ) -> None:
        super().__init__(daemon=True)
        self._url, self._path, self._headers, self._body = url, path, dict(headers), body
        self.acknowledged = acknowledged
        self._ended = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self.turns = 0
        self.refused: list[str] = []
        self.repeated = 0

    def run(self) -> None:
        while not self._ended.is_set() and not self.refused:
            self._send(self._body(self.turns))
        self._hang_up()

    def stop(self) -> None:
        """End after the request that is under way was acknowledged."""
        self._ended.set()
        self.join(ANSWER_SECONDS)
        assert not self.is_alive(), "a request is not acknowledged"

    def _send(self, body: bytes) -> None:
        while True:
            status, text = self._answer(body)
            if status // 100 == 2:
                self.turns += 1
                self.acknowledged.add()
                return
            if status // 100 == 4:
                self.refused.append(f"{status} {text}")
                return
            self.repeated += 1

    def _answer(self, body: bytes) -> tuple[int, str]:
        """Return status and text of one attempt; 599 where there was no answer."""
        try:
            connection = self._connection or self._connect()
            connection.request("POST", self._path, body, self._headers)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            return 599, str(error)

    def _connect(self) -> http.client.HTTPConnection:
        self._connection = http.client.HTTPConnection(urlsplit(self._url()).netloc, timeout=ANSWER_SECONDS)
        return self._connection

    def _hang_up(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None
