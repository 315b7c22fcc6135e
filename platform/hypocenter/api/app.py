"""The application: the routes of every protocol together, and what a refused request is answered."""

from __future__ import annotations

from importlib import import_module, util
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from hypocenter.api.failures import not_there, refused
from hypocenter.errors import HypocenterError

if TYPE_CHECKING:
    from hypocenter.api.intake import Intake

_MODULES = ("remote_write", "otlp", "events")


def create_app(intake: Intake) -> Starlette:
    """Return the ASGI application that takes telemetry, alerts and change events for `intake`."""
    names = [f"hypocenter.api.{name}" for name in _MODULES]
    found = [import_module(name) for name in names if util.find_spec(name)]
    routes = [route for module in found for route in module.routes(intake)]
    return Starlette(routes=routes, exception_handlers={HypocenterError: refused, HTTPException: not_there})
