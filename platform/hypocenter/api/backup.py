"""The route that makes a backup: the process that owns a data directory is the one that can copy it as it runs."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse
from starlette.routing import Route

from hypocenter.api.backup_archive import archive, forget_staging, staged
from hypocenter.stores.metrics import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from hypocenter.api.backup_archive import Copies
    from hypocenter.api.parts import Places

PATH = "/api/v1/backup"
MEDIA_TYPE = "application/x-tar"


def routes(places: Places, metrics: Copies, now: Callable[[], datetime]) -> list[Route]:
    """Return the route that answers `POST /api/v1/backup` with a tar of what is kept; one is made at a time."""
    forget_staging(places.data_dir)
    alone = asyncio.Lock()

    async def backup(_: Request) -> Response:
        if alone.locked():
            raise BusyError("another backup is being made; ask again once it is done")
        await alone.acquire()
        stack = ExitStack()
        stack.callback(alone.release)
        try:
            made_at = now()
            folder = await asyncio.to_thread(stack.enter_context, staged(places, metrics))
        except BaseException:
            stack.close()
            raise
        return _Sent(stack, archive(folder, made_at, places), media_type=MEDIA_TYPE)

    return [Route(PATH, backup, methods=["POST"])]


class _Sent(StreamingResponse):
    """An answer after which `stack` is closed, whatever became of it."""

    def __init__(self, stack: ExitStack, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._stack:
            await super().__call__(scope, receive, send)
