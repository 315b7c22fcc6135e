"""A Prometheus server of a test: of its own port, configuration and data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server_process import ServerProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path

RECEIVER = "--web.enable-remote-write-receiver"


class OwnPrometheus(ServerProcess):
    """A running server at `url`; one that is given the `port` of another takes its place, in one folder on its data."""

    def __init__(self, program: str, folder: Path, config: str, *flags: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        place = folder / "prometheus.yml"
        place.write_text(config.replace("PORT", str(self.port)), encoding="utf-8")
        command = [
            program,
            f"--config.file={place}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{self.port}",
            *flags,
        ]
        super().__init__(command, "Server is ready to receive web requests", folder)
