"""A VictoriaMetrics server of a test: of its own port and data, and asked to show at once what it has taken."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

from server_process import ServerProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path


class VictoriaMetrics(ServerProcess):
    """A running server at `url`, with `more` options."""

    def __init__(self, program: str, folder: Path, *more: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [
            program,
            f"-storageDataPath={folder / 'data'}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-search.latencyOffset=0s",
            "-retentionPeriod=100y",
            *more,
        ]
        super().__init__(command, "started VictoriaMetrics", folder)

    def flush(self) -> None:
        """Show what was taken; the server does so by itself within a second or two."""
        with urllib.request.urlopen(f"{self.url}/internal/force_flush") as answer:
            answer.read()
