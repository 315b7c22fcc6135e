"""What is kept of a time, as one file: a case for an investigation elsewhere, or for the review next week."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_STORED, ZipFile

from starlette.background import BackgroundTask
from starlette.responses import FileResponse
from starlette.routing import Route

from hypocenter.case_writing import write_case
from hypocenter.errors import InputError
from hypocenter.readers.prometheus_options import DEFAULT_MATCH_OF_KEPT
from hypocenter.readers.times import to_datetime
from hypocenter.stores.stored_case import read_stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.stores.records import Records

PATH = "/api/v1/case"
AT_ONCE = 2


def routes(metrics: MetricsStore, records: Records) -> list[Route]:
    """Return the route that answers `GET /api/v1/case?start=TIME&end=TIME&match=SELECTOR` with a zip of a case folder.

    Few are made at once, since each is read into memory as a whole.
    """
    turns = asyncio.Semaphore(AT_ONCE)

    async def export(request: Request) -> Response:
        window = _moment(request, "start"), _moment(request, "end")
        match = request.query_params.getlist("match") or DEFAULT_MATCH_OF_KEPT
        async with turns:
            path = await asyncio.to_thread(_zipped, metrics, records, window, match)
        return FileResponse(path, media_type="application/zip", background=BackgroundTask(path.unlink))

    return [Route(PATH, export, methods=["GET"])]


def _moment(request: Request, name: str) -> datetime:
    value = request.query_params.get(name)
    if value is None:
        raise InputError(f"{name}: say {'from' if name == 'start' else 'to'} when, as {name}=2026-03-01T10:00:00Z")
    return to_datetime(value, name)


def _zipped(metrics: MetricsStore, records: Records, window: tuple[datetime, datetime], match: Sequence[str]) -> Path:
    case = read_stored(metrics, records, window, match)
    handle, name = tempfile.mkstemp(prefix="hypocenter-case-", suffix=".zip")
    os.close(handle)
    path = Path(name)
    try:
        with tempfile.TemporaryDirectory() as folder, ZipFile(path, "w", ZIP_STORED) as archive:
            write_case(case, Path(folder))
            for file in sorted(Path(folder).iterdir()):
                archive.write(file, file.name)
    except BaseException:
        path.unlink()
        raise
    return path
