"""What a browser must not make of our answers (OWASP secure headers), and which other places' pages may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware

from hypocenter import settings
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_METHODS = ("GET", "POST", "PATCH", "DELETE")
_ASKED = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID")
_TOLD = ("ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID")


class SecurityHeaders:
    """ASGI middleware that adds those headers to every answer; what an answer says of itself stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer with its headers."""

        async def added(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, added)


def cross_origin(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Return an application that pages of other origins may ask, where there are any; cookies are never meant."""
    if not origins:
        return app
    return CORSMiddleware(
        app, allow_origins=origins, allow_methods=_METHODS, allow_headers=_ASKED, expose_headers=_TOLD, max_age=600
    )


def origins_of_settings(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the origins of the setting; raises InputError for what is none, as `*`.

    >>> origins_of_settings({"HYPOCENTER_CORS_ORIGINS": "https://console.example, http://localhost:3000"})
    ('https://console.example', 'http://localhost:3000')
    """
    named = str(settings.read("cors_origins", environ) or "").split(",")
    found = tuple(each.strip() for each in named if each.strip())
    for each in found:
        parts = urlsplit(each)
        if parts.scheme not in ("http", "https") or each != f"{parts.scheme}://{parts.netloc}" or "*" in each:
            raise InputError(f"HYPOCENTER_CORS_ORIGINS: {each!r:.80} is no origin; write https://console.example")
    return found
