"""The routes of what is sent as a file: tables of metrics, and exports of incidents."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from hypocenter.api.refusals import SlowError, UnsupportedError
from hypocenter.errors import InputError, LimitError
from hypocenter.readers.limits import Limits, limits_from_settings
from hypocenter.stores.metrics import BusyError, FullError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from hypocenter.api.intake import Intake

    # Takes a file and what is asked of it; what it says has `notes`.
    Reader = Callable[[Path, Mapping[str, str]], dict[str, Any]]

# Each takes room on the disk and a thread.
MOST_AT_ONCE = 2
# Its incidents are kept in one transaction, for which alerts wait.
LARGEST_HISTORY = 256_000_000
FILE = "the file"
LONGEST_S = 3600
_SETTING = "HYPOCENTER_MAX_FILE_BYTES"


def upload_routes(intake: Intake) -> list[Route]:
    """Return the routes that take files."""
    from hypocenter.api.history_upload import history_reader
    from hypocenter.api.metrics_upload import metrics_reader

    limits = limits_from_settings()
    of_history = Limits(min(limits.file_bytes, LARGEST_HISTORY), limits.cells)
    turn = asyncio.Semaphore(MOST_AT_ONCE)
    readers = [
        ("/api/v1/upload/metrics", metrics_reader(intake, limits), limits),
        ("/api/v1/history", history_reader(intake, of_history), of_history),
    ]
    return [Route(path, _taking(intake, read, most, turn), methods=["POST"]) for path, read, most in readers]


def _taking(
    intake: Intake, read: Reader, limits: Limits, turn: asyncio.Semaphore
) -> Callable[[Request], Awaitable[Response]]:
    async def take(request: Request) -> Response:
        if turn.locked():
            raise BusyError(f"{MOST_AT_ONCE} files are being read already; send again later")
        async with turn:
            with tempfile.TemporaryDirectory(prefix="hypocenter-", ignore_cleanup_errors=True) as folder:
                path = Path(folder) / "file"
                await _save(request, path, limits.file_bytes, intake.limits.seconds)
                return JSONResponse(await run_in_threadpool(_read, read, path, dict(request.query_params)))

    return take


def _read(read: Reader, path: Path, asked: Mapping[str, str]) -> dict[str, Any]:
    """Read a file, of whose place on this machine no message speaks."""
    try:
        said = read(path, asked)
    except InputError as error:
        raise type(error)(str(error).replace(str(path), FILE)) from error
    return said | {"notes": [note.replace(str(path), FILE) for note in said["notes"]]}


async def _save(request: Request, path: Path, most: int, seconds: float) -> None:
    """Write a body to a file as it comes.

    Raises LimitError for one that is too large, SlowError when a part of it does not come within `seconds`, FullError
    when there is no room, UnsupportedError for an encoding other than gzip, which the reader tells by itself.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise UnsupportedError(f"Content-Encoding {encoding[:50]!r} is not taken here; use gzip or none")
    try:
        async with asyncio.timeout(LONGEST_S):
            await _write_parts(request, path, most, seconds)
    except TimeoutError as error:
        raise SlowError(f"the file did not arrive within {LONGEST_S:,} s") from error


async def _write_parts(request: Request, path: Path, most: int, seconds: float) -> None:
    size = 0
    with path.open("wb") as file:
        async with aclosing(request.stream()) as chunks:
            while (chunk := await _next(chunks, seconds)) is not None:
                size += len(chunk)
                if size > most:
                    raise LimitError(f"the file is larger than {most:,} bytes; split it, or see {_SETTING}")
                await run_in_threadpool(_write, file, chunk)


async def _next(chunks: Any, seconds: float) -> bytes | None:
    try:
        async with asyncio.timeout(seconds):
            return await anext(chunks, None)
    except TimeoutError as error:
        raise SlowError(f"no more of the file arrived within {seconds:g} s") from error


def _write(file: Any, chunk: bytes) -> None:
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        raise FullError(f"the file cannot be held while it is read: {error.strerror}") from error
