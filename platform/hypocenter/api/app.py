"""The application: the routes of every protocol together, and what every request passes on its way to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from hypocenter.api import events, otlp, remote_write
from hypocenter.api.auth import Authentication
from hypocenter.api.bodies import BodyMemory, Memory
from hypocenter.api.failures import Failures, not_there, refused
from hypocenter.api.health import OPEN_PATHS
from hypocenter.api.request_log import RequestLog
from hypocenter.api.self_metrics import RequestMetrics
from hypocenter.api.tokens import READING, SENDING
from hypocenter.errors import HypocenterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prometheus_client import CollectorRegistry
    from starlette.routing import Route

    from hypocenter.api.intake import Intake
    from hypocenter.api.tokens import Verifier

_HANDLERS = {HypocenterError: refused, HTTPException: not_there}


def intake_routes(intake: Intake) -> list[Route]:
    """Return the routes of every protocol that is pushed to us."""
    return [*remote_write.routes(intake), *otlp.routes(intake), *events.routes(intake)]


def create_app(intake: Intake) -> Starlette:
    """Return an ASGI application of the intake alone: no tokens, no limit of memory, no log."""
    return _plain(Starlette(routes=intake_routes(intake), exception_handlers=_HANDLERS))


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of a server by what a token must let its owner do; `open` ones need none, or (metrics) any."""

    open: Sequence[Route]
    sending: Sequence[Route]
    reading: Sequence[Route]
    feedback: Sequence[Route] = ()
    admin: Sequence[Route] = ()

    def all(self) -> list[Route]:
        """Return every route."""
        return [*self.open, *self.sending, *self.reading, *self.feedback, *self.admin]

    def scopes(self) -> Mapping[str, str]:
        """Return the scope that each path needs."""
        needed = dict.fromkeys((route.path for route in self.sending), SENDING)
        return needed | dict.fromkeys((route.path for route in self.reading), READING)


def create_server_app(
    routed: Routes,
    verifier: Verifier,
    registry: CollectorRegistry,
    memory_bytes: int,
    is_ours: Callable[[str], bool] = lambda _: True,
) -> Starlette:
    """Return the ASGI application of a server: all routes, behind the log, failures, tokens and a limit of memory.

    `is_ours`: whether a `Host` header means this server, asked where there is no token.
    """
    routes = routed.all()
    metrics = RequestMetrics(registry, [route.path for route in routes])
    around = [
        Middleware(RequestLog, observe=metrics.observe),
        Middleware(Failures),
        Middleware(Authentication, verifier=verifier, open_paths=OPEN_PATHS, scopes=routed.scopes(), is_ours=is_ours),
        Middleware(Memory, memory=BodyMemory(memory_bytes)),
    ]
    return _plain(Starlette(routes=routes, middleware=around, exception_handlers=_HANDLERS))


def _plain(app: Starlette) -> Starlette:
    """Have a path with a slash too many be unknown, and not lead to wherever the Host header says."""
    app.router.redirect_slashes = False
    return app
