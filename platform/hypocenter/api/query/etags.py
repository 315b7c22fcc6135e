"""Entity tags (RFC 9110): what a client has already is not sent again."""

from hashlib import sha256
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TAGGED = ("application/json", "text/html")
# Whoever keeps an answer asks whether it is still so; what lies between does not keep it.
CACHING = "private, no-cache"


def etag_of(body: bytes) -> str:
    """Return the strong entity tag of a body.

    >>> etag_of(b"{}")
    '"44136fa355b3678a1146ad16f7e8649e"'
    """
    return f'"{sha256(body).hexdigest()[:32]}"'


def names_etag(if_none_match: str, etag: str) -> bool:
    """Whether the value of `If-None-Match` names a tag; weak ones are taken for what they name.

    >>> names_etag('W/"a", "b"', '"a"'), names_etag("*", '"a"'), names_etag('"b"', '"a"')
    (True, True, False)
    """
    named = {each.removeprefix("W/") for each in _tags(if_none_match)}
    return not named.isdisjoint(("*", etag))


def is_etag(if_match: str, etag: str) -> bool:
    """Whether the value of `If-Match` names a tag; weak ones name none, since what they name may have changed.

    >>> is_etag('W/"a", "b"', '"a"'), is_etag("*", '"a"'), is_etag('"b", "a"', '"a"')
    (False, True, True)
    """
    return not _tags(if_match).isdisjoint(("*", etag))


def _tags(header: str) -> set[str]:
    return {each.strip() for each in header.split(",")}


class ETags:
    """ASGI middleware that tags what GET answers whole and untagged, and answers 304 to whoever has it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and tag the answer."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("if-none-match", "")
        await self._app(scope, receive, _Tagging(send, asked))


class _Tagging:
    """Holds back the head of an answer until its one body is there; passes on what is no such answer."""

    def __init__(self, send: Send, asked: str) -> None:
        self._send, self._asked = send, asked
        self._head: dict[str, Any] | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_tagged(message):
            self._head = dict(message)
        elif self._head is None:
            await self._send(message)
        else:
            head, self._head = self._head, None
            await self._end(head, message)

    async def _end(self, head: Message, message: Message) -> None:
        body = message.get("body", b"")
        if not message.get("more_body"):
            headers = MutableHeaders(scope=head)
            etag = headers.get("ETag") or etag_of(body)
            headers["ETag"], headers["Cache-Control"] = etag, CACHING
            if self._asked and names_etag(self._asked, etag):
                head["status"], message = 304, {**message, "body": b""}
                del headers["content-length"], headers["content-type"]
        await self._send(head)
        await self._send(message)


def _is_tagged(message: Message) -> bool:
    kind = Headers(raw=message.get("headers", [])).get("content-type", "")
    return message["status"] == 200 and kind.partition(";")[0] in _TAGGED
