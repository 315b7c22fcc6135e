"""Requests to an ASGI application in this process, as its server would pass them on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class AsgiClient:
    """Posts to an application; each request has an event loop of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def post(
        self, path: str, content: bytes | str | None = None, headers: dict[str, str] | None = None, json: object = None
    ) -> httpx.Response:
        """Return the answer to a POST of `content`, or of a value as JSON."""
        return asyncio.run(self._post(path, content, headers, json))

    async def _post(
        self, path: str, content: bytes | str | None, headers: dict[str, str] | None, json: object
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hypocenter") as client:
            return await client.post(path, content=content, json=json, headers=headers)
