"""Bodies of the query API: small, in time, and of a type that is read."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hypocenter.api.bodies import read_body
from hypocenter.api.intake import BodyLimits
from hypocenter.api.refusals import UnsupportedError

LIMITS = BodyLimits(sent=1 << 20, unpacked=1 << 20, seconds=15.0)
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class Bodies:
    """ASGI middleware that reads the body of a request before it is passed on.

    Raises LimitError for one that is too large, SlowError for one that comes too slowly, UnsupportedError for one of
    another type than JSON, or below /prometheus a form.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await read_body(request, LIMITS, encodings=("identity",))
        if body:
            _check_type(request)
        await self._app(scope, _Again(body, receive), send)


def _check_type(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    taken = FORM if request.url.path.startswith("/prometheus/") else JSON
    if kind != taken:
        raise UnsupportedError(f"Content-Type {kind[:60]!r} is not taken here; use {taken}")


class _Again:
    """Gives a body that was read already, then what comes after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            return await self._receive()
        return {"type": "http.request", "body": body, "more_body": False}
