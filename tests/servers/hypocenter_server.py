"""`hypocenter serve` as a process on a free port, with a data directory that outlives it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from signal import SIGTERM, Signals
from typing import TYPE_CHECKING

from server_process import ServerProcess

if TYPE_CHECKING:
    from typing import Self


class HypocenterServer:
    """A running server: its `url` and `data_dir`; started again on the same data by `start()`.

    `part` is the command: `serve`, or `api` with workers apart.
    """

    def __init__(self, data_dir: Path, *options: str, part: str = "serve") -> None:
        self.data_dir, self._options, self._part = data_dir, options, part
        self.url = ""
        self.start()

    def start(self, *options: str) -> None:
        """Start it on any free port, with `options` besides those of before."""
        program = str(Path(sys.executable).with_name("hypocenter"))
        # Detection is no matter of most tests, and would take its share of a small machine.
        given = [each for each in (*self._options, *options) if each != "--detection"]
        detection = [] if "--detection" in self._options or self._part == "api" else ["--no-detection"]
        listen = [] if "--listen" in self._options else ["--listen", "127.0.0.1:0"]
        command = [program, self._part, *detection, "--data-dir", str(self.data_dir), *listen, *given]
        # The last of the lines that it greets with.
        self.process = ServerProcess(command, "OTEL_EXPORTER_OTLP_ENDPOINT")
        found = re.search(r"listening +(http://\S+?)[ ,]", self.process.said())
        assert found, self.process.said()
        self.url = found[1]

    def stop(self, how: Signals = SIGTERM) -> int:
        """End it as an operator would, and return its exit code; at once where it has ended."""
        if self.process.exit_code is None:
            self.process.stop(how)
        return self.process.exit_code or 0

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
