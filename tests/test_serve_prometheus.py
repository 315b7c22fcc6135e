"""A real Prometheus writes what it scrapes to a real server; it is there after the server has stopped."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest
from hypocenter_server import HypocenterServer
from server_process import ServerProcess, free_port
from waiting import awaited

from hypocenter.api.tokens import TokenFile
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.opening_metrics import open_metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.prometheus
CONFIG = """\
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{service: checkout}}}}]
"""
WRITING = """\
remote_write:
  - url: "{url}/api/v1/write"
    queue_config: {{batch_send_deadline: 500ms}}
{access}
"""


def _access(token: str, folder: Path) -> str:
    """Return how Prometheus shows a token, as the password of anybody."""
    (folder / "token").write_text(token, encoding="utf-8")
    return f'    basic_auth: {{username: anyone, password_file: "{folder / "token"}"}}'


def _prometheus(program: str, port: int, writing: str, folder: Path) -> ServerProcess:
    (folder / "prometheus.yml").write_text(CONFIG.format(port=port) + writing, encoding="utf-8")
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    return ServerProcess(command, "Server is ready to receive web requests", folder)


def _metric(server: HypocenterServer, name: str, token: str = "") -> float:
    """Return what the server tells of itself; 0 for what it does not."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    lines = httpx.get(f"{server.url}/metrics", headers=headers).raise_for_status().text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)


def test_what_prometheus_writes_is_kept(tmp_path: Path, require: Callable[[str], str]) -> None:
    data_dir = tmp_path / "data"
    token = TokenFile(data_dir).create("prometheus", datetime.now(UTC))
    with HypocenterServer(data_dir) as server:
        writing = WRITING.format(url=server.url, access=_access(token, tmp_path))
        with _prometheus(require("prometheus"), free_port(), writing, tmp_path):
            awaited(lambda: _metric(server, "hypocenter_samples_written_total", token) > 700)
        assert _metric(server, "hypocenter_samples_refused_total", token) == 0
        assert server.stop() == 0
        assert token not in server.process.said()
    _check_kept(data_dir)


def test_what_prometheus_scrapes_is_read_by_itself(
    tmp_path: Path, require: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPOCENTER_PULL_INTERVAL", "1")
    port, data_dir = free_port(), tmp_path / "data"
    options = ("--pull", f"http://127.0.0.1:{port}", "--match", '{job="shop"}')
    with (
        _prometheus(require("prometheus"), port, "", tmp_path),
        HypocenterServer(data_dir, *options) as server,
    ):
        awaited(lambda: _metric(server, "hypocenter_pull_samples_total") > 700)
        assert _metric(server, "hypocenter_pull_up") == 1
        assert server.stop() == 0
    _check_kept(data_dir)


def _check_kept(data_dir: Path) -> None:
    with closing(open_metrics(data_dir)) as store:
        (up,) = store.series([parse_selector('up{job="shop"}')], 0, sys.maxsize)
        assert (dict(up.labels)["service"], up.component) == ("checkout", "checkout")
        (found,) = store.read([up.number], 0, sys.maxsize)
        assert len(found.values) >= 2
        assert set(found.values[:2]) == {1.0}
        assert store.usage().series > 300
