"""One server process: what it opens, in which order, and how it ends without losing what it took."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from hypocenter.access import served_tenants
from hypocenter.api.data_directory import owned, told_where
from hypocenter.api.ending import stop_s_of_settings
from hypocenter.api.entrance import entrance_of_settings
from hypocenter.api.listening import is_loopback, listening, names_this_machine, url_of
from hypocenter.errors import InputError
from hypocenter.notify.webhook import check_webhooks

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from pathlib import Path

    from hypocenter.api.auth import Entrance
    from hypocenter.api.parts import Parts, Places

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen; `open_to_all` lets in whoever reaches it while there is no token."""

    host: str
    port: int
    open_to_all: bool = False

    def is_ours(self, host: str) -> bool:
        """Whether a `Host` header means this server; all do where everybody is let in."""
        return self.open_to_all or names_this_machine(host, self.host)


@dataclass(frozen=True, slots=True)
class Started:
    """What a server says of itself once it listens."""

    url: str
    data_dir: Path
    asks_for_tokens: bool


Beside = Callable[["Mapping[str, Parts]"], AbstractContextManager[None]]


def serve(
    listen: Listen, places: Places, announce: Callable[[Started], None], beside: Beside = lambda _: nullcontext()
) -> None:
    """Serve until SIGTERM or SIGINT; then finish what was begun, make it durable and return.

    `beside` runs, with the open stores of each tenant, as long as requests are answered.
    Raises InputError when the address or the data directory is not to be had, or everybody could reach the server and
    there is no token, or a webhook cannot be; SourceError when a store cannot be opened.
    """
    check_webhooks()
    with ExitStack() as stack:
        bound = stack.enter_context(closing(listening(listen.host, listen.port)))
        folder = stack.enter_context(owned(places.data_dir))
        entrance = entrance_of_settings(folder, listen.is_ours)
        _check_closed(entrance, bound, listen)
        started = Started(url_of(bound), folder.resolve(), entrance.asks())
        with told_where(folder) as tell:
            _serve(_Server(places, entrance, beside), bound, partial(_tell, started, tell, announce))


def _tell(started: Started, tell: Callable[[str], None], announce: Callable[[Started], None]) -> None:
    tell(started.url)
    announce(started)


def _check_closed(entrance: Entrance, bound: socket.socket, listen: Listen) -> None:
    if not (entrance.asks() or is_loopback(bound) or listen.open_to_all):
        raise InputError(
            f"--listen {listen.host}:{listen.port} can be reached by others, and there is no token: make one with "
            "`hypocenter token create NAME`, or let everybody in with --open"
        )


class _Server(NamedTuple):
    places: Places
    entrance: Entrance
    beside: Beside


def _serve(server: _Server, bound: socket.socket, announce: Callable[[], None]) -> None:
    # Seconds of importing, which whoever is refused is spared.
    from hypocenter.api.composing import composed
    from hypocenter.api.parts import opened
    from hypocenter.api.running import run

    stop_s = stop_s_of_settings()
    with ExitStack() as stack:
        first, *others = served_tenants()
        places = {first: server.places} | {tenant: server.places.of(tenant) for tenant in others}
        parts = {tenant: stack.enter_context(opened(each)) for tenant, each in places.items()}
        app = composed(parts, server.places, server.entrance, stack)
        stack.enter_context(server.beside(parts))
        run(app, bound, announce, stop_s)
        logger.info("stopping: what was taken is being written")
