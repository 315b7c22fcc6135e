"""Tenants apart by construction: each has its own application over its own stores, and nothing that knows another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class TenantApp:
    """The application of one tenant, and what counts its requests."""

    app: ASGIApp
    observe: Callable[[Scope, int, float], None]


class Tenants:
    """ASGI application that has each request answered by the application of the tenant of its Identity.

    Requests of nobody, which Authentication lets through to what is open, are answered by that of tenant `first`.
    """

    def __init__(self, apps: Mapping[str, TenantApp], first: str) -> None:
        self._apps, self._first = apps, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        await self._of(scope).app(scope, receive, send)

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request where its tenant alone sees it."""
        self._of(scope).observe(scope, status, seconds)

    def _of(self, scope: Scope) -> TenantApp:
        identity = scope.get("identity")
        # Whoever is of no tenant of this server was refused, and is counted with those that nobody knows.
        return self._apps.get(identity.tenant if identity else self._first) or self._apps[self._first]
