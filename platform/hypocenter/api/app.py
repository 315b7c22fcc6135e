"""The application: the routes of every protocol together, and what every request passes on its way to them."""

from __future__ import annotations

from importlib import import_module, util
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from hypocenter.api.auth import Authentication
from hypocenter.api.bodies import BodyMemory, Memory
from hypocenter.api.failures import Failures, not_there, refused
from hypocenter.api.health import OPEN_PATHS
from hypocenter.api.request_log import RequestLog
from hypocenter.api.self_metrics import RequestMetrics
from hypocenter.errors import HypocenterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import CollectorRegistry
    from starlette.routing import Route

    from hypocenter.api.intake import Intake
    from hypocenter.api.tokens import Verifier

_MODULES = ("remote_write", "otlp", "events")
_HANDLERS = {HypocenterError: refused, HTTPException: not_there}


def intake_routes(intake: Intake) -> list[Route]:
    """Return the routes of every protocol that is pushed to us."""
    names = [f"hypocenter.api.{name}" for name in _MODULES]
    found = [import_module(name) for name in names if util.find_spec(name)]
    return [route for module in found for route in module.routes(intake)]


def create_app(intake: Intake) -> Starlette:
    """Return an ASGI application of the intake alone: no tokens, no limit of memory, no log."""
    return _plain(Starlette(routes=intake_routes(intake), exception_handlers=_HANDLERS))


def create_server_app(
    routes: Sequence[Route], verifier: Verifier, registry: CollectorRegistry, memory_bytes: int
) -> Starlette:
    """Return the ASGI application of a server: `routes`, behind the log, failures, tokens and a limit of memory."""
    metrics = RequestMetrics(registry, [route.path for route in routes])
    around = [
        Middleware(RequestLog, observe=metrics.observe),
        Middleware(Failures),
        Middleware(Authentication, verifier=verifier, open_paths=OPEN_PATHS),
        Middleware(Memory, memory=BodyMemory(memory_bytes)),
    ]
    return _plain(Starlette(routes=routes, middleware=around, exception_handlers=_HANDLERS))


def _plain(app: Starlette) -> Starlette:
    """Have a path with a slash too many be unknown, and not lead to wherever the Host header says."""
    app.router.redirect_slashes = False
    return app
