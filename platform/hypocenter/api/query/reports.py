"""Reports as pages: tagged by what they are of and kept while there is room, for what they are of never changes."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from hypocenter import __version__
from hypocenter.api.query.etags import CACHING, etag_of, names_etag
from hypocenter.report import render
from hypocenter.verdict_json import investigation_from_json

MOST_BYTES = 32 * 2**20
# The report brings its own style and pictures, and asks nothing of anybody.
_HARMLESS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}


class Reports:
    """The pages that were asked for last, at most so many bytes of them; safe to share between threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._held = most_bytes, 0
        self._pages: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def page(self, etag: str, make: Callable[[], str]) -> bytes:
        """Return the page of a tag, made where it is not kept."""
        with self._lock:
            if etag in self._pages:
                self._pages.move_to_end(etag)
                return self._pages[etag]
        page = make().encode()
        with self._lock:
            self._keep(etag, page)
        return page

    def _keep(self, etag: str, page: bytes) -> None:
        self._held += len(page) - len(self._pages.pop(etag, b""))
        self._pages[etag] = page
        while self._held > self._most:
            self._held -= len(self._pages.popitem(last=False)[1])


def report(request: Request, of: str, document: Callable[[], Mapping[str, Any]]) -> Response:
    """Return the report of what `of` names as it is for ever; its document is read where the page is not kept.

    Whoever has the page is answered 304, for which nothing is rendered.
    """
    etag = etag_of(f"{__version__} {of}".encode())
    headers = {**_HARMLESS, "ETag": etag, "Cache-Control": CACHING}
    if names_etag(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    kept: Reports = request.app.state.reports
    return HTMLResponse(kept.page(etag, lambda: render(investigation_from_json(document()))), headers=headers)
