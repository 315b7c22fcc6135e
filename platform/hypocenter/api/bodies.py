"""The body of a request: whole, in time, unpacked, and never larger than its limits."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, nullcontext
from typing import TYPE_CHECKING

from hypocenter.api.compression import ENCODINGS, unpacked
from hypocenter.api.refusals import SlowError, UnsupportedError
from hypocenter.errors import LimitError
from hypocenter.stores.metrics import BusyError

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractAsyncContextManager

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from hypocenter.api.intake import BodyLimits

# What takes longer than a request may wait for others is done in a thread.
LARGE = 1 << 18
# Read as JSON, a body takes ten to twenty times its size.
MOST_LARGE_AT_ONCE = 2


class Turns:
    """Has large bodies wait for their turn to be decoded, small ones not; used by one event loop alone."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(MOST_LARGE_AT_ONCE)

    def of(self, size: int) -> AbstractAsyncContextManager[None]:
        """Return what to hold while a body of `size` bytes is decoded."""
        return self._large if size > LARGE else nullcontext()


class BodyMemory:
    """Bytes that the bodies of all requests together may take; used by one event loop alone."""

    def __init__(self, most: int) -> None:
        self.left = most

    def take(self, size: int) -> None:
        """Take bytes of what is left. Raises BusyError when there are not as many."""
        if size > self.left:
            raise BusyError("too many large requests at once; send again later")
        self.left -= size

    def give_back(self, size: int) -> None:
        """Give bytes back that were taken."""
        self.left += size


class Held:
    """What one request has taken of the memory, given back together at its end."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory, self._size = memory, 0

    def take(self, size: int) -> None:
        """Take bytes until the request ends. Raises BusyError when there are not as many."""
        self._memory.take(size)
        self._size += size

    def end(self) -> None:
        """Give all of it back."""
        self._memory.give_back(self._size)
        self._size = 0


class Memory:
    """ASGI middleware that holds the bodies of all requests together to a limit."""

    def __init__(self, app: ASGIApp, memory: BodyMemory) -> None:
        self._app, self._memory = app, memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and give back at its end what its body took."""
        held = scope["held"] = Held(self._memory)
        try:
            await self._app(scope, receive, send)
        finally:
            held.end()


async def read_body(
    request: Request, limits: BodyLimits, encodings: Collection[str] = ENCODINGS, unnamed: str = "identity"
) -> bytes:
    """Return the body of a request without its Content-Encoding, of which `encodings` are taken.

    `unnamed` is the one that is meant where none is named. Raises LimitError (before reading, where Content-Length
    tells), BusyError when bodies take too much memory as it is, SlowError after `limits.seconds`, UnsupportedError for
    an encoding that is not taken, InputError when the body is not what its encoding says.
    """
    encoding = request.headers.get("content-encoding", unnamed).strip().lower()
    if encoding not in encodings:
        raise UnsupportedError(f"Content-Encoding {encoding[:50]!r} is not taken here; use {' or '.join(encodings)}")
    held = request.scope.get("held") or Held(BodyMemory(limits.sent + limits.unpacked))
    body = await _arrived(request, limits, held)
    if encoding == "identity" or len(body) < LARGE:
        whole = unpacked(body, encoding, limits.unpacked)
    else:
        whole = await asyncio.to_thread(unpacked, body, encoding, limits.unpacked)
    held.take(len(whole) if whole is not body else 0)
    return whole


async def _arrived(request: Request, limits: BodyLimits, held: Held) -> bytes:
    announced = request.headers.get("content-length", "")
    # A number of more digits than any limit is not worth the reading.
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > limits.sent):
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.seconds):
            return await _streamed(request, limits, held)
    except TimeoutError as error:
        raise SlowError(f"the body did not arrive within {limits.seconds:g} s") from error


async def _streamed(request: Request, limits: BodyLimits, held: Held) -> bytes:
    body = bytearray()
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            held.take(len(chunk))
            body += chunk
            if len(body) > limits.sent:
                raise _too_large(limits)
    return bytes(body)


def _too_large(limits: BodyLimits) -> LimitError:
    return LimitError(f"the body is larger than {limits.sent:,} bytes as sent; send less at once")
