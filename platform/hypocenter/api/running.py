"""Uvicorn as we run it: its limits, what it says when it listens, and how signals end it."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from hypocenter.api.ending import end_within
from hypocenter.api.guarding import GuardedProtocol
from hypocenter.garbage import keep_for_good

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

MOST_CONNECTIONS = 1000
KEEP_ALIVE_S = 75


def run(app: ASGIApp, bound: socket.socket, announce: Callable[[], None], stop_s: float) -> None:
    """Serve on a bound socket until SIGTERM or SIGINT, and then until the requests under way are answered.

    Those still unanswered after half of `stop_s` are given up, and after all of it the process ends, whatever goes on
    beside them. `announce` is called once it listens. A request's scope has `is_stopping`, which says whether the
    signal has come.
    """

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        # What goes on without end has to end by itself.
        scope["is_stopping"] = lambda: server.should_exit
        await app(scope, receive, send)

    config = uvicorn.Config(
        told,
        http=GuardedProtocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(int(stop_s / 2), 1),
    )
    server = _Server(config, announce, stop_s)
    server.run(sockets=[bound])


class _Server(uvicorn.Server):
    """Uvicorn that says when it listens, and ends with code 0 when it is told to stop."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None], stop_s: float) -> None:
        super().__init__(config)
        self._announce, self._stop_s = announce, stop_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        keep_for_good()
        if self.started:
            self._announce()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at the first signal; the second ends the process as if nobody handled it.

        Uvicorn itself would raise the first again at its end, before what was taken is written.
        """
        before = {each: signal.signal(each, self._stop) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            # Until all is written a second signal still ends at once, whoever handled it before us.
            for each in before if not self.should_exit else ():
                signal.signal(each, before[each])

    def _stop(self, _number: int, _frame: object) -> None:
        self.should_exit = True
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        end_within(self._stop_s)
