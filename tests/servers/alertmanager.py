"""Alertmanager of the machine's package, and a Prometheus with rules, each with a port and data of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from server_process import ServerProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path


class Alertmanager(ServerProcess):
    """A running Alertmanager at `url`."""

    def __init__(self, program: str, config: dict[str, Any], folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        # JSON is YAML.
        (folder / "alertmanager.yml").write_text(json.dumps(config), encoding="utf-8")
        command = [
            program,
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        super().__init__(command, "Listening", folder)


class RulingPrometheus(ServerProcess):
    """A running Prometheus at `url` with `config` and rules, which tells of its alerts each second."""

    def __init__(self, program: str, config: dict[str, Any], rules: dict[str, Any], folder: Path) -> None:
        place = f"127.0.0.1:{free_port()}"
        self.url = f"http://{place}"
        (folder / "rules.yml").write_text(json.dumps(rules), encoding="utf-8")
        (folder / "prometheus.yml").write_text(json.dumps({**config, "rule_files": ["rules.yml"]}), encoding="utf-8")
        command = [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={place}",
            "--rules.alert.resend-delay=1s",
        ]
        super().__init__(command, "Server is ready to receive web requests", folder)
