"""The application of a server of two tenants, composed from open stores as `hypocenter serve` does, in this process."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

from hypocenter.api.composing import composed
from hypocenter.api.entrance import entrance_of_settings
from hypocenter.api.parts import Places, opened
from hypocenter.api.tokens import Grant, TokenFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hypocenter.api.app import ServerApp
    from hypocenter.api.parts import Parts

FIRST, OTHER = "default", "acme"
SCOPES = ("ingest", "read", "feedback", "admin")


class Served:
    """A composed server: its `parts` by tenant, and a token's text for each tenant and scope."""

    def __init__(self, app: ServerApp, parts: Mapping[str, Parts], folder: Path) -> None:
        self.app, self.parts, self.folder = app, parts, folder
        now, file = datetime.now(UTC), TokenFile(folder)
        owned = {FIRST: "", OTHER: OTHER}
        self.tokens = {
            (tenant, scope): file.create(scope, now, Grant.of([scope], owned[tenant]))
            for tenant in owned
            for scope in SCOPES
        }

    def ask(self, method: str, path: str, scope: str | None = None, tenant: str = FIRST, **how: Any) -> httpx.Response:
        """Return the answer to a request with the token of a scope, or without any."""
        headers = dict(how.pop("headers", {}))
        if scope is not None:
            headers["Authorization"] = f"Bearer {self.tokens[tenant, scope]}"
        return asyncio.run(self._asked(method, path, headers, how))

    async def _asked(self, method: str, path: str, headers: dict[str, str], how: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=("192.0.2.1", 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, headers=headers, **how)


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Compose the server of two tenants over a data directory; the settings must name the other as one."""
    folder.mkdir(mode=0o700, exist_ok=True)
    first = Places(folder)
    with ExitStack() as stack:
        places = {FIRST: first, OTHER: first.of(OTHER)}
        parts = {tenant: stack.enter_context(opened(each)) for tenant, each in places.items()}
        app = composed(parts, first, entrance_of_settings(folder, lambda _: True), stack)
        yield Served(app, parts, folder)
