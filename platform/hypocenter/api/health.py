"""The routes that tell how the server is: whether it lives, whether it can take telemetry, and its own metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hypocenter.errors import HypocenterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prometheus_client import CollectorRegistry
    from starlette.requests import Request

    from hypocenter.api.parts import Parts

# Everybody may ask, so that what is asked of stores is bounded however often they do.
FRESH_S = 1.0
PATIENCE_S = 10.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """Why each part cannot do its work, "" for one that can."""

    parts: Mapping[str, str]

    @property
    def ready(self) -> bool:
        """Whether every part can do its work."""
        return not any(self.parts.values())


class Readiness:
    """Asks each part how it is, in threads, at most once a second; `parts` return "" or why they cannot work."""

    def __init__(self, parts: Mapping[str, Callable[[], str]]) -> None:
        self._parts = parts
        # Threads of its own: parts that hang must not take those in which requests are worked on.
        self._threads = ThreadPoolExecutor(max(len(parts), 1), "ready")
        self._alone = asyncio.Lock()
        self._asked_at = float("-inf")
        self._state = State({})

    async def state(self) -> State:
        """Return how the parts are, or were a moment ago."""
        async with self._alone:
            if time.monotonic() - self._asked_at > FRESH_S:
                reasons = await asyncio.gather(*map(self._asked, self._parts.values()))
                self._state = State(dict(zip(self._parts, reasons, strict=True)))
                self._asked_at = time.monotonic()
            return self._state

    def close(self) -> None:
        """Ask no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _asked(self, part: Callable[[], str]) -> str:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.get_running_loop().run_in_executor(self._threads, part)
        except TimeoutError:
            return f"no answer within {PATIENCE_S:g} s"
        except HypocenterError as error:
            logger.warning("a part is not ready", extra={"fields": {"why": str(error)}})
            return "does not answer; the log of the server tells why"


def checks_of(opened: Iterable[Parts]) -> Mapping[str, Callable[[], str]]:
    """Return how to ask each part of all tenants whether it can do its work.

    Everybody may ask, so that no tenant is named, nor how many there are.
    """
    found = [parts.checks() for parts in opened]
    names = dict.fromkeys(name for checks in found for name in checks)
    return {name: partial(_first, [checks[name] for checks in found if name in checks]) for name in names}


def _first(checks: Sequence[Callable[[], str]]) -> str:
    return next(filter(None, (check() for check in checks)), "")


def routes(readiness: Readiness) -> list[Route]:
    """Return `/healthz` and `/readyz` (503 when a part cannot work)."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        state = await readiness.state()
        parts = {name: {"ok": not why, "why": why} for name, why in state.parts.items()}
        return JSONResponse({"ready": state.ready, "parts": parts}, 200 if state.ready else 503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def metrics_route(registry: CollectorRegistry) -> Route:
    """Return `/metrics` (Prometheus text format)."""

    async def metrics(_: Request) -> Response:
        text = await asyncio.to_thread(generate_latest, registry)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Route("/metrics", metrics)
