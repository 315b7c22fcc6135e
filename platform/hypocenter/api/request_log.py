"""One line of JSON for each thing worth telling, on standard error, and the id that ties the lines of a request."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)
_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_SHOWN = 300
# Enough for the whole of a refusal of ours, whose reason is then taken out of its JSON.
_READ = 8192


class RequestLog:
    """ASGI middleware that gives each request an id and tells what became of it.

    `observe` is called with the scope, the status (499: the client went away) and the seconds of each request. Of a
    request nothing is told but method, path, status, time, the name of whose it is and why it was refused.
    """

    def __init__(self, app: ASGIApp, observe: Callable[[Scope, int, float], None]) -> None:
        self._app, self._observe = app, observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and tell of it."""
        request_id = scope["request_id"] = _request_id(scope)
        begun = time.perf_counter()
        told = _Told()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            told.note(message)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            status = 499 if scope.get("disconnected") else told.status
            seconds = time.perf_counter() - begun
            self._observe(scope, status, seconds)
            _tell(scope, status, seconds, told.why)


class _Told:
    """What the client was told: the status, and the beginning of the text of a refusal."""

    def __init__(self) -> None:
        self.status, self.why = 500, ""

    def note(self, message: Message) -> None:
        """Take note of a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif self.status >= 400 and not self.why:
            self.why = _reason(message.get("body", b"")[:_READ])[:_SHOWN]


def _reason(body: bytes) -> str:
    """Return why a request was refused: what RFC 9457 calls `detail` and google.rpc.Status `message`, else the text.

    >>> _reason(b'{"status":404,"detail":"there is nothing here"}'), _reason(b" too large\\n")
    ('there is nothing here', 'too large')
    """
    text = body.decode("utf-8", "replace").strip()
    try:
        told = json.loads(text)
    except ValueError:
        return text
    stated = (told.get("detail") or told.get("message")) if isinstance(told, dict) else None
    return stated if isinstance(stated, str) else text


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode("ascii") if _SANE_ID.fullmatch(given) else uuid4().hex


def _tell(scope: Scope, status: int, seconds: float, why: str) -> None:
    level = logging.WARNING if status >= 400 else logging.DEBUG
    if not logger.isEnabledFor(level):
        return
    fields = {
        "request_id": scope["request_id"],
        "method": scope["method"],
        "path": scope["path"][:_SHOWN],
        "status": status,
        "seconds": round(seconds, 6),
        "client": getattr(scope.get("identity"), "name", ""),
        "why": why,
    }
    logger.log(level, "request", extra={"fields": {name: value for name, value in fields.items() if value != ""}})


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time (UTC), level, logger, message, and the fields that it came with."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; nothing in it breaks the line or the terminal."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_as_json(level: str) -> None:
    """Have all that this process logs written to standard error as JSON, ours from `level` on, others' warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("hypocenter").setLevel(level.upper())
