"""What docs/integrations say of servers that keep the metrics or are read is so: lines as pasted, on real servers."""

from __future__ import annotations

import re
import shlex
from contextlib import closing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING

import click
import httpx
import numpy as np
import pytest
from documented import PAGES, blocks
from hypocenter_server import HypocenterServer
from own_prometheus import RECEIVER, OwnPrometheus
from prometheus_client import CollectorRegistry, generate_latest
from server_process import ServerProcess, free_port
from waiting import awaited

from hypocenter.api.pull import PullStatus
from hypocenter.api.pull_metrics import PullMetrics
from hypocenter.cli import cli
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.readers.selectors import parse_selector
from hypocenter.remote_write_encoding import HEADERS, encoded_labels, encoded_series, request_body
from hypocenter.settings import SETTINGS
from hypocenter.stores.opening import open_records
from hypocenter.stores.opening_metrics import open_metrics
from hypocenter.stores.prometheus_metrics import PrometheusMetrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEPT, PULLED = "victoria-metrics", "prometheus-pull"
LINES = [line for page in (KEPT, PULLED) for block in blocks(page, "sh") for line in block.splitlines()]


def command(page: str, program: str, number: int = 0) -> list[str]:
    """Return the words of a page's line that begins with a program, without the program."""
    lines = [shlex.split(line) for block in blocks(page, "sh") for line in block.splitlines()]
    return [words for words in lines if words[0] == program][number][1:]


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("hypocenter ")])
def test_commands_of_the_pages_are_commands(line: str) -> None:
    _, name, *words = shlex.split(line)
    told = cli.commands[name]
    with click.Context(told) as context:
        told.parse_args(context, words)
    assert context.params


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("export ")])
def test_settings_of_the_pages_are_settings(line: str) -> None:
    name, _, value = shlex.split(line)[1].partition("=")
    assert name in {setting.variable for setting in SETTINGS}
    assert value


def test_the_page_tells_of_each_metric_of_a_pull() -> None:
    registry = CollectorRegistry()
    registry.register(PullMetrics(SimpleNamespace(status=PullStatus(last_success=datetime.now(UTC)))))
    told = {line.split()[0] for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}
    page = (PAGES / f"{PULLED}.md").read_text(encoding="utf-8")
    assert told == set(re.findall(r"`(hypocenter_pull_\w+)`", page))


def send(url: str, name: str, count: int = 3) -> int:
    """Send samples of now by remote write as any client would; return their time in ms."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    bits = np.arange(1.0, count + 1).view(np.uint64).tolist()
    named = [encoded_labels([("__name__", name), ("service", f"s{at}")]) for at in range(count)]
    body = request_body([encoded_series(one, [now_ms], [bits[at]]) for at, one in enumerate(named)])
    assert httpx.post(f"{url}/api/v1/write", content=body, headers=HEADERS).status_code == 204
    return now_ms


def held(url: str, name: str, at_ms: int) -> dict[str, list[float]]:
    """Return the values in a server, by component."""
    with closing(PrometheusMetrics(url, PrometheusOptions())) as store:
        series = {one.number: one.component for one in store.series([parse_selector(name)], at_ms - 1, at_ms + 1)}
        return {series[one.series]: one.values.tolist() for one in store.read(list(series), at_ms - 1, at_ms + 1)}


EXPECTED = {"s0": [1], "s1": [2], "s2": [3]}


def test_metrics_are_kept_in_victoria_metrics_as_documented(require: Callable[[str], str], tmp_path: Path) -> None:
    port = free_port()
    words = [
        word.replace("/var/lib/victoria-metrics", str(tmp_path / "vm")) for word in command(KEPT, "victoria-metrics")
    ]
    serve = [word.replace("127.0.0.1:8428", f"127.0.0.1:{port}") for word in command(KEPT, "hypocenter")[1:]]
    start = [require("victoria-metrics"), *words, f"-httpListenAddr=127.0.0.1:{port}"]
    with (
        ServerProcess(start, "started VictoriaMetrics", tmp_path),
        HypocenterServer(tmp_path / "data", *serve) as server,
    ):
        at_ms = send(server.url, "victoria_up")
        url = f"http://127.0.0.1:{port}"
        awaited(lambda: bool(held(url, "victoria_up", at_ms)))
        assert held(url, "victoria_up", at_ms) == EXPECTED


@pytest.mark.prometheus
def test_metrics_are_kept_in_prometheus_as_documented_through_its_outage(
    require: Callable[[str], str], tmp_path: Path
) -> None:
    program, port = require("prometheus"), free_port()
    url, config = f"http://127.0.0.1:{port}", blocks(KEPT, "yaml")[0]
    config_flag, *flags = command(KEPT, "prometheus")
    assert config_flag == "--config.file=/etc/prometheus/prometheus.yml"
    serve = [word.replace("127.0.0.1:9090", f"127.0.0.1:{port}") for word in command(KEPT, "hypocenter", 1)[1:]]
    with HypocenterServer(tmp_path / "data", *serve) as server:
        with OwnPrometheus(program, tmp_path, config, *flags, port=port):
            at_ms = send(server.url, "prometheus_up")
            assert held(url, "prometheus_up", at_ms) == EXPECTED
        assert httpx.get(f"{server.url}/readyz").status_code == 503
        with OwnPrometheus(program, tmp_path, config, *flags, port=port):
            awaited(lambda: httpx.get(f"{server.url}/readyz").status_code == 200)
            again_ms = send(server.url, "prometheus_up")
            assert held(url, "prometheus_up", at_ms) == held(url, "prometheus_up", again_ms) == EXPECTED


RULES = """\
groups:
  - name: own
    interval: 1s
    rules:
      - {alert: AlwaysOn, expr: "vector(1)", labels: {service: cart}}
"""


@pytest.mark.prometheus
def test_a_server_is_read_as_documented(
    require: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules.yml").write_text(RULES, encoding="utf-8")
    monkeypatch.setenv("HYPOCENTER_PULL_INTERVAL", "1")
    with OwnPrometheus(require("prometheus"), tmp_path, "rule_files: [rules.yml]", RECEIVER) as prometheus:
        place = prometheus.url.removeprefix("http://")
        serve = [word.replace("127.0.0.1:9090", place) for word in command(PULLED, "hypocenter", 1)[1:]]
        at_ms = send(prometheus.url, "up")
        with HypocenterServer(tmp_path / "data", *serve) as server:

            def told() -> str:
                return httpx.get(f"{server.url}/metrics").text

            awaited(lambda: "hypocenter_pull_samples_total 3.0" in told())
            awaited(lambda: bool(firing(tmp_path / "data")))
            assert "hypocenter_pull_up 1.0" in told()
            assert f"pulling metrics and alerts from {prometheus.url} every 1 s" in server.process.said()
    with closing(open_metrics(tmp_path / "data")) as store:
        series = store.series([parse_selector("up")], at_ms, at_ms)
        assert [one.component for one in series] == ["s0", "s1", "s2"]


def firing(data_dir: Path) -> list[str]:
    """Return whose alerts fire, by the records of a server that runs."""
    now = datetime.now(UTC)
    with closing(open_records(str(data_dir / "records.db"))) as records:
        return [one.alert.component for one in records.alerts.alerts(now, now, firing=True)]
