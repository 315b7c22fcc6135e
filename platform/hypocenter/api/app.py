"""The application: the routes of every protocol together, and what every request passes on its way to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from hypocenter.access import Scope
from hypocenter.api import events, otlp, remote_write
from hypocenter.api.auth import Authentication
from hypocenter.api.bodies import Memory
from hypocenter.api.failures import Failures, not_there, refused
from hypocenter.api.needs import Needs, Open
from hypocenter.api.rate_limits import RateLimited
from hypocenter.api.request_log import RequestLog
from hypocenter.api.security_headers import SecurityHeaders, cross_origin
from hypocenter.errors import HypocenterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import Route
    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as HttpScope

    from hypocenter.api.auth import Door
    from hypocenter.api.bodies import BodyMemory
    from hypocenter.api.intake import Intake
    from hypocenter.api.needs import Need
    from hypocenter.api.rate_limits import Buckets
    from hypocenter.api.tenants import Tenants

_HANDLERS = {HypocenterError: refused, HTTPException: not_there}


def intake_routes(intake: Intake) -> list[Route]:
    """Return the routes of every protocol that is pushed to us."""
    return [*remote_write.routes(intake), *otlp.routes(intake), *events.routes(intake)]


def create_app(intake: Intake) -> Starlette:
    """Return an ASGI application of the intake alone: no tokens, no limit of memory, no log."""
    return _plain(Starlette(routes=intake_routes(intake), exception_handlers=_HANDLERS))


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of a server by the scope that they need; `open` ones need none, `known` ones any identity."""

    open: Sequence[Route] = ()
    known: Sequence[Route] = ()
    sending: Sequence[Route] = ()
    reading: Sequence[Route] = ()
    feedback: Sequence[Route] = ()
    admin: Sequence[Route] = ()

    def needs(self) -> Needs:
        """Return what each route needs, in the order in which they are tried."""
        groups: tuple[tuple[Sequence[Route], Need], ...] = (
            (self.open, Open.EVERYBODY),
            (self.known, Open.KNOWN),
            (self.sending, Scope.INGEST),
            (self.reading, Scope.READ),
            (self.feedback, Scope.FEEDBACK),
            (self.admin, Scope.ADMIN),
        )
        return Needs([(route, need) for routes, need in groups for route in routes])


def create_tenant_app(routed: Routes, memory: BodyMemory) -> Starlette:
    """Return the ASGI application of one tenant, to be asked by whoever is known to be of it."""
    routes = [route for route, _ in routed.needs().routes]
    around = [Middleware(Failures), Middleware(Memory, memory=memory)]
    return _plain(Starlette(routes=routes, middleware=around, exception_handlers=_HANDLERS))


@dataclass(frozen=True, slots=True)
class ServerApp:
    """The ASGI application of a server, and what each of its routes needs."""

    app: ASGIApp
    needs: Needs

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self.app(scope, receive, send)


def create_server_app(tenants: Tenants, door: Door, buckets: Buckets, origins: Sequence[str] = ()) -> ServerApp:
    """Return the ASGI application of a server: those of its tenants, behind what every request passes.

    That is the log, headers for browsers, pages of other `origins`, failures, who asks, and how often.
    """
    known = Authentication(RateLimited(tenants, buckets), door)
    app = RequestLog(SecurityHeaders(cross_origin(Failures(known), origins)), tenants.observe)
    return ServerApp(app, door.needs)


def _plain(app: Starlette) -> Starlette:
    """Have a path with a slash too many be unknown, and not lead to wherever the Host header says."""
    app.router.redirect_slashes = False
    return app
