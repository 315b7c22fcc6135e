"""HTTP/1.1 as uvicorn speaks it, with limits on the head of a request: its size, and the time in which it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from asyncio import Transport as AsyncTransport

MOST_HEAD_BYTES = 64 << 10
HEAD_SECONDS = 15.0


class GuardedProtocol(HttpToolsProtocol):
    """Refuses heads that are too long (431) or too slow (408); uvicorn itself would wait and collect for ever."""

    head_bytes = 0
    head_begun = False
    head_timer: TimerHandle | None = None

    def connection_made(self, transport: AsyncTransport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and count it while it goes on with a head."""
        goes_on = self.head_begun
        super().data_received(data)
        if self.transport.is_closing() or not self.head_begun:
            return
        # What stands before a head in the same piece is no part of it.
        self.head_bytes += len(data) if goes_on else 0
        if self.head_bytes > MOST_HEAD_BYTES:
            self._refuse(431, "the head of the request is too large")
        elif self.head_timer is None:
            self._await_head()

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        self.head_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin with the request."""
        self.head_begun, self.head_bytes = False, 0
        self._head_came()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self.head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse, 408, "the head of the request came too late")

    def _head_came(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def _refuse(self, status: int, why: str) -> None:
        self._head_came()
        if self.transport.is_closing():
            return
        head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(why)
        self.transport.write(STATUS_LINE[status] + head + why.encode())
        self.transport.close()
