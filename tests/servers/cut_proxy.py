"""TCP proxies: one whose line can be slow, or cut, and one that has a server say something else of itself."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class CutProxy:
    """Passes on what comes to its `port` to `target`, both on loopback, each part of it `delay_s` later.

    While it is cut connections stay open, and nothing passes.
    """

    def __init__(self, target: int) -> None:
        self._target, self.delay_s = target, 0.0
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Let nothing pass, of old connections or of new ones."""
        self._whole.clear()

    def mend(self) -> None:
        """Let all pass again, what waited too."""
        self._whole.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.mend()
        # An accept that waits is ended by this alone.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._join, args=[near], daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        self._whole.wait()
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as far:
            back = threading.Thread(target=self._pump, args=[near, far], daemon=True)
            back.start()
            self._pump(far, near)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._whole.wait()
                time.sleep(self.delay_s)
                sink.sendall(self._as_told(data))
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _as_told(self, data: bytes) -> bytes:
        return data


class TellingProxy(CutProxy):
    """Passes on `said` as `told`, such as the version of an older server; of one length, by which protocols count."""

    def __init__(self, target: int, said: bytes, told: bytes) -> None:
        assert len(said) == len(told)
        self._said, self._told = said, told
        super().__init__(target)

    def _as_told(self, data: bytes) -> bytes:
        return data.replace(self._said, self._told)
