"""How often somebody may ask: a bucket for each identity, or address of who shows none, that fills at a steady rate."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

from hypocenter import settings
from hypocenter.access import Scope
from hypocenter.api.problems import problem
from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as HttpScope

MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a second in the long run, and `burst` at once; a rate of 0 is no limit."""

    per_second: float
    burst: int


def rate_of_settings(environ: Mapping[str, str] | None = None) -> Rate:
    """Return the rate that the settings tell; raises InputError for one that cannot be.

    >>> rate_of_settings({"HYPOCENTER_RATE_LIMIT": "10"})
    Rate(per_second=10.0, burst=500)
    """
    per_second = float(settings.read("rate_limit", environ) or 0)
    burst = int(settings.read("rate_burst", environ) or 0)
    if not 0 <= per_second < math.inf:
        raise InputError(
            f"HYPOCENTER_RATE_LIMIT={per_second:g}: write a number of requests a second, or 0 for no limit"
        )
    if burst < 1:
        raise InputError(f"HYPOCENTER_RATE_BURST={burst}: write a whole number above 0")
    return Rate(per_second, burst)


@dataclass(slots=True)
class Left:
    """What is left in a bucket, and when it was looked at, in seconds of a clock."""

    tokens: float
    at: float


class Buckets:
    """A bucket of tokens for each key, of which the MOST_BUCKETS used last are kept: one that is not is full.

    `clock` tells seconds and never goes back. Used by one event loop alone.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self._clock = rate, clock
        self._left: OrderedDict[str, Left] = OrderedDict()

    def take(self, key: str) -> float:
        """Take a token; return how many are left, below 0 (and nothing is taken) where there is none.

        >>> buckets = Buckets(Rate(1, 2), clock=lambda: 0.0)
        >>> [buckets.take("a") for _ in range(3)]
        [1.0, 0.0, -1.0]
        """
        if not self.rate.per_second:
            return float(self.rate.burst)
        left = self._filled(key)
        if left.tokens >= 1:
            left.tokens -= 1
            return left.tokens
        return left.tokens - 1

    def _filled(self, key: str) -> Left:
        now = self._clock()
        left = self._left.setdefault(key, Left(self.rate.burst, now))
        self._left.move_to_end(key)
        if len(self._left) > MOST_BUCKETS:
            self._left.popitem(last=False)
        left.tokens = min(left.tokens + (now - left.at) * self.rate.per_second, self.rate.burst)
        left.at = now
        return left


class RateLimited:
    """ASGI middleware that answers 429 to whoever asks too often.

    Telemetry is not counted: what is lost with it cannot be asked for again, and limits of its own hold it back. Nor is
    what everybody may ask, which is answered from memory.
    """

    def __init__(self, app: ASGIApp, buckets: Buckets) -> None:
        self._app, self._buckets = app, buckets

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Answer 429, or pass the request on and say how many more may come."""
        if not self._is_counted(scope):
            await self._app(scope, receive, send)
            return
        left = self._buckets.take(_key(scope))
        headers = _told(self._buckets.rate, left)

        async def added(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        app = self._app if left >= 0 else too_many(self._buckets.rate, left)
        await app(scope, receive, added)

    def _is_counted(self, scope: HttpScope) -> bool:
        return bool(self._buckets.rate.per_second) and "identity" in scope and scope.get("need") is not Scope.INGEST


def too_many(rate: Rate, left: float = -1.0) -> Response:
    """Return the answer to whoever asks too often."""
    said = f"more than {rate.per_second:g} requests a second, after {rate.burst:,} at once; come again later"
    return problem(429, said, {"Retry-After": str(_seconds(rate, left))})


def address_of(scope: HttpScope) -> str:
    """Return the address from which a request came, "" where its connection has none."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _key(scope: HttpScope) -> str:
    identity = scope["identity"]
    # Where nobody is asked all have one name.
    told = address_of(scope) if identity.how == "open" else identity.name
    return f"{identity.how}\n{identity.tenant}\n{told}"


def _seconds(rate: Rate, left: float) -> int:
    """Return in how many seconds there is a token to take."""
    return max(1, math.ceil(-left / rate.per_second))


def _told(rate: Rate, left: float) -> dict[str, str]:
    """Return what draft-ietf-httpapi-ratelimit-headers has told: what there is at most and when, and what is left."""
    window = math.ceil(rate.burst / rate.per_second)
    reset = math.ceil((rate.burst - max(left, 0)) / rate.per_second)
    return {
        "RateLimit-Policy": f'"requests";q={rate.burst};w={window}',
        "RateLimit": f'"requests";r={max(0, math.floor(left))};t={reset}',
    }
