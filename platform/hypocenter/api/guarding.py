"""HTTP/1.1 as uvicorn speaks it, with limits on the head of a request: its size, and the time in which it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from asyncio import Transport as AsyncTransport


class GuardedProtocol(HttpToolsProtocol):
    """Refuses heads that are too long (431) or too slow (408); uvicorn itself would wait and collect for ever."""

    most_head_bytes = 64 << 10
    head_seconds = 15.0
    head_bytes = 0
    heads_begun = 0
    in_head = in_body = False
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
        """Take what came, and count it while a head is under way."""
        was_in_body, self.heads_begun = self.in_body, 0
        super().data_received(data)
        if self.transport.is_closing() or not self.in_head:
            return
        # A piece in which something else ends before this head begins is not counted.
        self.head_bytes += 0 if was_in_body or self.heads_begun > 1 else len(data)
        if self.head_bytes > self.most_head_bytes:
            self._refuse(431, "the head of the request is too large")
        elif self.head_timer is None:
            self._await_head()

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        self.in_head = True
        self.heads_begun += 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin with the request."""
        self.in_head, self.in_body, self.head_bytes = False, True, 0
        self._head_came()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the body has come."""
        self.in_body = False
        super().on_message_complete()

    def _await_head(self) -> None:
        late = "the head of the request came too late"
        self.head_timer = self.loop.call_later(self.head_seconds, self._refuse, 408, late)

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
