"""Problem details: what a refused request is answered on routes of our own (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, more: Mapping[str, Any] | None = None
) -> Response:
    """Return the answer that tells why a request is refused, with `more` members than those of every problem.

    >>> problem(404, "there is nothing here").body
    b'{"type":"about:blank","title":"Not Found","status":404,"detail":"there is nothing here"}'
    """
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(content | dict(more or {}), status, headers, MEDIA_TYPE)
