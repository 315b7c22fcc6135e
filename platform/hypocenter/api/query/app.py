"""The query API put together: every resource of one tenant in one application with one document."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from hypocenter.api.failures import Failures, not_there, refused
from hypocenter.api.query import (
    alerts,
    anomalies,
    audit,
    changes,
    feedback,
    history,
    incidents,
    investigations,
    models,
    prometheus,
    series,
    settings,
    status,
    tokens,
    topology,
    verdicts,
    whoami,
)
from hypocenter.api.query.bands import Room
from hypocenter.api.query.bodies import Bodies
from hypocenter.api.query.document import document_of
from hypocenter.api.query.etags import ETags
from hypocenter.api.query.events_stream import Listening
from hypocenter.api.query.problems import invalid
from hypocenter.api.query.reports import Reports
from hypocenter.api.query.routing import ADMIN, FEEDBACK, KNOWN, OPEN, PREFIX, READ
from hypocenter.api.query.sources import QuerySources
from hypocenter.errors import HypocenterError

# Each has `routers()`: its routers by the scope that they need. The endpoints are given `Sources`.
RESOURCES = (
    incidents,
    verdicts,
    feedback,
    anomalies,
    alerts,
    changes,
    topology,
    history,
    models,
    status,
    investigations,
    series,
    prometheus,
    settings,
    whoami,
    tokens,
    audit,
)
DOCUMENT = f"{PREFIX}/openapi.json"
_HANDLERS: dict[int | type[Exception], Any] = {
    HypocenterError: refused,
    HTTPException: not_there,
    RequestValidationError: invalid,
}


def create_query_app(sources: QuerySources) -> FastAPI:
    """Return the application of the query API, which answers from `sources`."""
    return _app(sources, _scoped())


def query_routes(sources: QuerySources) -> Mapping[str, Sequence[Route]]:
    """Return routes that lead to the application of `sources`, by the scope that they need (`open`: none)."""
    scoped = _scoped()
    app = _app(sources, scoped)
    led = {scope: [Route(each.path, app, methods=each.methods) for each in routes] for scope, routes in scoped.items()}
    return led | {OPEN: [*led[OPEN], Route(DOCUMENT, app, methods=["GET"])]}


def _scoped() -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = {scope: [] for scope in (OPEN, KNOWN, READ, FEEDBACK, ADMIN)}
    for resource in RESOURCES:
        for scope, router in resource.routers().items():
            found[scope] += [route for route in router.routes if isinstance(route, Route)]
    return found


class _QueryApp(FastAPI):
    """FastAPI, whose document says more than it does by itself."""

    def __init__(self, scoped: Mapping[str, Sequence[Route]]) -> None:
        super().__init__(
            openapi_url=DOCUMENT,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            routes=[route for routes in scoped.values() for route in routes],
            exception_handlers=_HANDLERS,
            middleware=[Middleware(ETags), Middleware(Failures), Middleware(Bodies)],
        )
        self._scoped = scoped

    def openapi(self) -> dict[str, Any]:
        """Return the document; it is made when it is asked for first."""
        if self.openapi_schema is None:
            self.openapi_schema = document_of(self._scoped)
        return self.openapi_schema


def _app(sources: QuerySources, scoped: Mapping[str, Sequence[Route]]) -> FastAPI:
    app = _QueryApp(scoped)
    app.state.sources = sources
    app.state.room = Room()
    app.state.reports = Reports()
    app.state.listening = Listening(sources.records.investigations)
    return app
