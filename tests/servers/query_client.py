"""Requests to the query API in this process, answered from real stores."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

from hypocenter.api.query.app import create_query_app
from hypocenter.api.query.sources import QuerySources
from hypocenter.api.work_state import Overseen
from hypocenter.rhythm import Rhythm
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.retention import MetricsLimits
from hypocenter.stores.work_board import MemoryBoard
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from hypocenter.stores.records import Records

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class QueryClient:
    """Asks an application; each request has an event loop of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def get(self, path: str, headers: dict[str, str] | None = None, **asked: object) -> httpx.Response:
        """Return the answer to `GET /api/v1/` and the path."""
        return self.ask("GET", path, headers=headers, params=asked or None)

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Return the answer to any request below `/api/v1/`."""

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://hypocenter/api/v1/") as client:
                return await client.request(method, path, **how)

        return asyncio.run(asked())


def sources_of(records: Records, **others: Any) -> QuerySources:
    """Return sources over records, whose clock stands at noon; what `others` does not give is empty and in memory."""
    board = others.pop("board", None) or MemoryBoard()
    usual = {"metrics": MemoryMetrics(lambda: NOON, MetricsLimits()), "graph": MemoryStore(), "now": lambda: NOON}
    overseen = Overseen(records, board, Rhythm(), lambda: NOON)
    return QuerySources(records=records, board=board, overseen=overseen, **usual | others)


@contextmanager
def querying(records: Records, **others: Any) -> Iterator[QueryClient]:
    """Ask the query API of records and what else is given."""
    yield QueryClient(create_query_app(sources_of(records, **others)))
