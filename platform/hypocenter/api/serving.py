"""One server process: what it opens, in which order, and how it ends without losing what it took."""

from __future__ import annotations

import logging
import signal
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import uvicorn

from hypocenter.api.app import create_server_app, intake_routes
from hypocenter.api.counting import Counting
from hypocenter.api.counting_metrics import CountingMetrics
from hypocenter.api.data_directory import owned
from hypocenter.api.guarding import GuardedProtocol
from hypocenter.api.health import Readiness
from hypocenter.api.health import routes as health_routes
from hypocenter.api.listening import is_loopback, listening, url_of
from hypocenter.api.parts import Parts, opened
from hypocenter.api.pull_metrics import PullMetrics
from hypocenter.api.pulling import new_pull
from hypocenter.api.self_metrics import StoreMetrics, new_registry
from hypocenter.api.tokens import TokenFile, Verifier
from hypocenter.errors import InputError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from prometheus_client import CollectorRegistry
    from starlette.applications import Starlette

    from hypocenter.api.parts import Places
    from hypocenter.api.pull import Pull

MOST_CONNECTIONS = 1000
KEEP_ALIVE_S = 75
STOP_S = 30
BODY_MEMORY = 512 << 20
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen; `open_to_all` lets in whoever reaches it while there is no token."""

    host: str
    port: int
    open_to_all: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """What a server says of itself once it listens."""

    url: str
    data_dir: Path
    asks_for_tokens: bool


def serve(listen: Listen, places: Places, announce: Callable[[Started], None]) -> None:
    """Serve until SIGTERM or SIGINT; then finish what was begun, make it durable and return.

    Raises InputError when the address or the data directory is not to be had, or everybody could reach the server and
    there is no token; SourceError when a store cannot be opened.
    """
    with ExitStack() as stack:
        bound = stack.enter_context(closing(listening(listen.host, listen.port)))
        folder = stack.enter_context(owned(places.data_dir))
        verifier = Verifier(TokenFile(folder))
        _check_closed(verifier, bound, listen)
        parts = stack.enter_context(opened(places, folder))
        started = Started(url_of(bound), folder.resolve(), verifier.asks())
        _run(_app(parts, places, verifier, stack), bound, lambda: announce(started))
        logger.info("stopping: what was taken is being written")


def _check_closed(verifier: Verifier, bound: socket.socket, listen: Listen) -> None:
    if not (verifier.asks() or is_loopback(bound) or listen.open_to_all):
        raise InputError(
            f"--listen {listen.host}:{listen.port} can be reached by others, and there is no token: make one with "
            "`hypocenter token create NAME`, or let everybody in with --open"
        )


def _app(parts: Parts, places: Places, verifier: Verifier, stack: ExitStack) -> Starlette:
    registry = new_registry()
    registry.register(StoreMetrics(parts.metrics))
    readiness = stack.enter_context(closing(Readiness(parts.checks())))
    intake = parts.intake(registry)
    counting = stack.enter_context(Counting(intake.index, intake.writer, intake.graph, intake.now))
    registry.register(CountingMetrics(counting))
    _start_pull(new_pull(intake, places.data_dir, places.metrics, places.pull, places.match), registry, stack)
    routes = [*health_routes(readiness, registry), *intake_routes(replace(intake, counting=counting))]
    return create_server_app(routes, verifier, registry, BODY_MEMORY)


def _start_pull(pull: Pull | None, registry: CollectorRegistry, stack: ExitStack) -> None:
    if pull is not None:
        registry.register(PullMetrics(pull))
        stack.callback(pull.stop)
        pull.start()


def _run(app: Starlette, bound: socket.socket, announce: Callable[[], None]) -> None:
    config = uvicorn.Config(
        app,
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
        timeout_graceful_shutdown=STOP_S,
    )
    _Server(config, announce).run(sockets=[bound])


class _Server(uvicorn.Server):
    """Uvicorn that says when it listens, and ends with code 0 when it is told to stop."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
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
