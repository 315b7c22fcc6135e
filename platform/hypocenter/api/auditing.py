"""What of the requests is kept in the audit log: all that changes or exports something, and what was not let do."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hypocenter.access import Scope
from hypocenter.api.case_export import PATH as CASE_PATH
from hypocenter.api.rate_limits import Buckets, Rate, address_of
from hypocenter.errors import HypocenterError
from hypocenter.stores.audit import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as HttpScope

    from hypocenter.stores.audit import AuditStore

SAFE = ("GET", "HEAD", "OPTIONS")
EXPORTS = (CASE_PATH,)
# Grafana posts questions that are too long for an address.
QUESTIONS = "/prometheus/"
# So many refusals of a tenant are kept at once, and one every ten seconds in the long run.
_DENIALS = Rate(0.1, 20)
logger = logging.getLogger(__name__)


class Auditing:
    """ASGI middleware that keeps an entry of each request of a tenant that changes or exports something.

    It is kept before the answer begins. What an endpoint leaves in `scope["audited"]` are the entry's details.
    """

    def __init__(self, app: ASGIApp, store: AuditStore, now: Callable[[], datetime]) -> None:
        self._app, self._store, self._now = app, store, now

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                await keep(self._store, entry_of(scope, message["status"], self._now()))
            await send(message)

        await self._app(scope, receive, noted if _is_audited(scope) else send)


class Denials:
    """Keeps refusals of those that were not let in with the tenant that they are of, `first` where they are of none.

    Whoever is refused again and again is not kept each time: the log is not theirs to fill.
    """

    def __init__(self, stores: Mapping[str, AuditStore], first: str, now: Callable[[], datetime]) -> None:
        self._stores, self._first, self._now = stores, first, now
        self._buckets = Buckets(_DENIALS)

    async def __call__(self, scope: HttpScope, status: int) -> None:
        """Keep that a request was refused with a status."""
        identity = scope.get("identity")
        tenant = identity.tenant if identity and identity.tenant in self._stores else self._first
        if self._buckets.take(tenant) >= 0:
            await keep(self._stores[tenant], entry_of(scope, status, self._now()))


async def keep(store: AuditStore, entry: AuditEntry) -> None:
    """Keep an entry; where that fails it is logged: what it tells of has been done already."""
    try:
        await asyncio.to_thread(store.add, entry)
    except HypocenterError as error:
        fields = {"who": entry.who, "action": entry.action, "outcome": entry.outcome, "why": str(error)}
        logger.error("an entry of the audit log was not kept", extra={"fields": fields})


def entry_of(scope: HttpScope, status: int, at: datetime) -> AuditEntry:
    """Return what is kept of a request that was answered with a status."""
    identity = scope.get("identity")
    return AuditEntry(
        at=at,
        who=identity.name if identity else "",
        how=identity.how if identity else "",
        action=f"{scope['method']} {scope.get('route_path') or 'unknown'}",
        target=scope["path"],
        outcome="done" if status < 400 else "refused" if status < 500 else "failed",
        address=address_of(scope),
        details=scope.get("audited", ""),
        request_id=scope.get("request_id", ""),
    )


def _is_audited(scope: HttpScope) -> bool:
    path = scope.get("route_path", "")
    if scope.get("need") is Scope.INGEST or path.startswith(QUESTIONS):
        return False
    return scope["method"] not in SAFE or path in EXPORTS
