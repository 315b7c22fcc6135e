"""The body of a request: whole, in time, unpacked, and never larger than its limits."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from hypocenter.api.compression import unpacked
from hypocenter.api.refusals import SlowError, UnsupportedError
from hypocenter.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request

    from hypocenter.api.intake import BodyLimits

# What takes longer than a request may wait for others is done in a thread.
LARGE = 1 << 18


async def read_body(request: Request, limits: BodyLimits, encodings: Collection[str] | None = None) -> bytes:
    """Return the body of a request without its Content-Encoding, of which `encodings` are taken (None: all we know).

    Raises LimitError (before reading, where Content-Length tells), SlowError after `limits.seconds`, UnsupportedError
    for an encoding that is not taken, InputError when the body is not what its encoding says.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encodings is not None and encoding not in encodings:
        raise UnsupportedError(f"Content-Encoding {encoding[:50]!r} is not taken here; use {' or '.join(encodings)}")
    body = await _arrived(request, limits)
    if len(body) < LARGE:
        return unpacked(body, encoding, limits.unpacked)
    return await asyncio.to_thread(unpacked, body, encoding, limits.unpacked)


async def _arrived(request: Request, limits: BodyLimits) -> bytes:
    announced = request.headers.get("content-length", "")
    # A number of more digits than any limit is not worth the reading.
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > limits.sent):
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.seconds):
            return await _streamed(request, limits)
    except TimeoutError as error:
        raise SlowError(f"the body did not arrive within {limits.seconds:g} s") from error


async def _streamed(request: Request, limits: BodyLimits) -> bytes:
    body = bytearray()
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limits.sent:
                raise _too_large(limits)
    return bytes(body)


def _too_large(limits: BodyLimits) -> LimitError:
    return LimitError(f"the body is larger than {limits.sent:,} bytes as sent; send less at once")
