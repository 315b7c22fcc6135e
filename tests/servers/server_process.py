"""A server as a process: it is there when it says that it is ready, and gone when it is stopped."""

from __future__ import annotations

import queue
import signal
import socket
import subprocess
import threading
from collections import deque
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Self

START_SECONDS = 120
STOP_SECONDS = 60
KEPT_LINES = 200


def free_port() -> int:
    """Return a TCP port that nothing on loopback listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """A running server, from the first line that says `ready`; `account` is the user it runs as, where not this one.

    `environment` is all that it finds in its environment, where that is not this process's own.

    Raises RuntimeError with the server's words when it ends, or START_SECONDS pass, without that line.
    """

    def __init__(
        self,
        command: Sequence[str],
        ready: str,
        folder: Path | None = None,
        account: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._ready = ready
        self._said: deque[str] = deque(maxlen=KEPT_LINES)
        self._is_ready: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            user=account,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()
        try:
            self._await_readiness()
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What it ended with: negative for a signal, None while it runs."""
        return self._process.poll()

    def said(self) -> str:
        """Return the latest lines that it wrote, both streams together."""
        return "".join(self._said)

    def send(self, how: signal.Signals) -> None:
        """Send it a signal and wait for nothing."""
        self._process.send_signal(how)

    def wait(self) -> int:
        """Wait until it ends by itself, and return its exit code."""
        return self._process.wait(STOP_SECONDS)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server as an operator would; raises subprocess.TimeoutExpired if it had to be killed."""
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the server as a crash would."""
        self._process.kill()
        self._process.wait()
        self._listener.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _listen(self, output: IO[str]) -> None:
        """Read all that the server says: unread output would fill the pipe and halt it."""
        with output:
            for line in output:
                self._said.append(line)
                if self._ready in line:
                    self._is_ready.put(True)
        self._is_ready.put(False)

    def _await_readiness(self) -> None:
        try:
            ready = self._is_ready.get(timeout=START_SECONDS)
        except queue.Empty:
            ready = False
        if not ready:
            raise RuntimeError(f"a server did not start; its last words:\n{''.join(self._said)}")
