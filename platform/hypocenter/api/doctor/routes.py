"""The route by which a running server is asked what is wrong with it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from hypocenter.api.doctor.examined import Examined, Stores
from hypocenter.api.doctor.examining import examine

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from starlette.requests import Request
    from starlette.responses import Response

    from hypocenter.api.parts import Parts, Places

PATH = "/api/v1/doctor"


def doctor_of(parts: Parts, places: Places, registry: CollectorRegistry) -> list[Route]:
    """Return the route for a server with these parts."""
    stores = Stores(parts.metrics, parts.records, parts.graph, parts.board)
    return routes(Examined(places, _now, stores, registry.get_sample_value, is_running=True))


def _now() -> datetime:
    return datetime.now(UTC)


def routes(examined: Examined) -> list[Route]:
    """Return the route that answers `GET /api/v1/doctor` with what was found; one examination at a time."""
    alone = asyncio.Lock()

    async def doctor(_: Request) -> Response:
        async with alone:
            found = await asyncio.to_thread(examine, examined)
        return JSONResponse({"findings": [each.told() for each in found]}, headers={"Cache-Control": "no-store"})

    return [Route(PATH, doctor, methods=["GET"])]
