"""What is answered where no route did: our errors, HTTP's own, and surprises."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from hypocenter.api.problems import problem
from hypocenter.api.refusals import retry_headers, status_of
from hypocenter.errors import HypocenterError

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)
_NOWHERE = (
    "there is nothing at this path; Prometheus writes to /api/v1/write, OTLP goes to /v1/metrics, /v1/traces and "
    "/v1/logs, alerts to /api/v1/alertmanager or /api/v1/alerts, changes to /api/v1/changes; "
    "/api/v1/openapi.json says what may be asked; /status, /readyz and /metrics tell of the server"
)


class Failures:
    """ASGI middleware that answers what is raised below it; a client that went away is answered nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and answer what comes of it."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:
            scope["disconnected"] = True
        except Exception as error:
            if begun:
                raise
            await _told(error, scope)(scope, receive, send)


def _told(error: Exception, scope: Scope) -> Response:
    if isinstance(error, HypocenterError):
        return refused(Request(scope), error)
    logger.error("unexpected failure", exc_info=error)
    return problem(500, "unexpected failure; the log of the server tells more")


def refused(_: Request, error: Exception) -> Response:
    """Answer an error of ours with the status that it means."""
    assert isinstance(error, HypocenterError)
    status = status_of(error)
    return problem(status, str(error), retry_headers(status))


def not_there(request: Request, error: Exception) -> Response:
    """Answer a path that is unknown (404) or takes another method (405), with what would be right."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem(error.status_code, _NOWHERE)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        taken = (error.headers or {}).get("Allow", "another method")
        return problem(error.status_code, f"this path takes {taken}, not {request.method}", error.headers)
    return problem(error.status_code, error.detail, error.headers)
