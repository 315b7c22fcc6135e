"""Alertmanager and Prometheus, set up with the lines of the documentation, tell of alerts and of their ends."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from alertmanager import Alertmanager, RulingPrometheus
from documented import pasted
from hypocenter_server import HypocenterServer
from prometheus_client.parser import text_string_to_metric_families
from server_process import free_port
from waiting import awaited

from hypocenter.api.tokens import TokenFile
from hypocenter.ingest.alert_labels import fingerprint
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypocenter.events import KeptAlert
    from hypocenter.stores.opening import SqlRecords

PATIENCE_S = 60
LABELS = {"alertname": "HighErrors", "pod": "cart-7d4b9c6f5d-x2x7k", "severity": "page", "zone": "Köln \u00e9"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the token of the server whose data is in `data` there."""
    folder = tmp_path_factory.mktemp("server")
    token = TokenFile(folder / "data").create("tests", datetime.now(UTC))
    (folder / "hypocenter-token").write_text(token, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[HypocenterServer]:
    server = HypocenterServer(folder / "data")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def kept(server: HypocenterServer) -> Iterator[SqlRecords]:
    with closing(open_records(str(server.data_dir / "records.db"))) as records:
        yield records


def alert_of(records: SqlRecords, name: str, *, resolved: bool) -> KeptAlert:
    """The alert of that name, as soon as it is kept as firing or as resolved."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        now = datetime.now(UTC)
        for each in records.alerts.alerts(now - timedelta(days=1), now):
            if each.alert.name == name and each.resolved == resolved:
                return each
        threading.Event().wait(0.05)
    raise AssertionError(f"not told within {PATIENCE_S} s")


@contextmanager
def answering(port: int) -> Iterator[None]:
    """Something that Prometheus can scrape."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", port), Empty) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield
        web.shutdown()
        thread.join()


def test_alertmanager_tells_of_an_alert_and_its_end(
    require: Callable[[str], str], server: HypocenterServer, kept: SqlRecords, folder: Path, tmp_path: Path
) -> None:
    config = pasted("alertmanager", 0, server=server.url.removeprefix("http://"), folder=f"{folder}/")
    config["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    began = datetime.now(UTC) - timedelta(minutes=3)
    alert = {"labels": LABELS, "annotations": {"summary": "5 % fail"}, "startsAt": began.isoformat()}
    with Alertmanager(require("prometheus-alertmanager"), config, tmp_path) as alertmanager:
        httpx.post(f"{alertmanager.url}/api/v2/alerts", json=[alert]).raise_for_status()
        firing = alert_of(kept, "HighErrors", resolved=False)
        named = httpx.get(f"{alertmanager.url}/api/v2/alerts").json()[0]["fingerprint"]
        ended = datetime.now(UTC)
        httpx.post(
            f"{alertmanager.url}/api/v2/alerts", json=[{**alert, "endsAt": ended.isoformat()}]
        ).raise_for_status()
        resolved = alert_of(kept, "HighErrors", resolved=True)
    assert (firing.alert.component, firing.alert.severity, firing.alert.summary) == ("cart", "page", "5 % fail")
    assert firing.starts_at == began
    assert firing.origin.labels == LABELS
    assert named == fingerprint(LABELS)
    assert firing.origin.key == f"alert:{named}@{began.isoformat()}"
    assert resolved.ends_at == ended
    assert resolved.origin.key == firing.origin.key


def ruled(url: str, folder: Path, port: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and the rules of a Prometheus that tells a server of ours when nothing answers at a port."""
    config = pasted("alertmanager", 2, server=url.removeprefix("http://"), folder=f"{folder}/")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"] = [{"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
    rule = {"alert": "Down", "expr": "up == 0", "labels": {"severity": "page"}, "annotations": {"summary": "no answer"}}
    return config, {"groups": [{"name": "all", "rules": [rule]}]}


def test_prometheus_tells_of_an_alert_and_its_end_without_an_alertmanager(
    require: Callable[[str], str], server: HypocenterServer, kept: SqlRecords, folder: Path, tmp_path: Path
) -> None:
    port = free_port()
    config, rules = ruled(server.url, folder, port)
    with RulingPrometheus(require("prometheus"), config, rules, tmp_path):
        firing = alert_of(kept, "Down", resolved=False)
        assert firing.ends_at is not None
        with answering(port):
            resolved = alert_of(kept, "Down", resolved=True)
    assert (firing.alert.component, firing.alert.name, firing.alert.summary) == ("shop", "Down", "no answer")
    assert firing.origin.labels["instance"] == f"127.0.0.1:{port}"
    assert resolved.origin.key == firing.origin.key
    assert resolved.ends_at is not None
    assert resolved.ends_at > firing.starts_at


def test_a_wrong_token_is_told_and_nothing_is_kept(server: HypocenterServer, kept: SqlRecords) -> None:
    answer = httpx.post(
        f"{server.url}/api/v2/alerts", json=[{"labels": {"alertname": "Forged"}}], headers={"Authorization": "Bearer x"}
    )
    assert answer.status_code == 401
    now = datetime.now(UTC)
    assert "Forged" not in {each.alert.name for each in kept.alerts.alerts(now - timedelta(days=1), now)}


def test_an_alert_of_prometheus_that_is_pushed_and_pulled_is_kept_once(
    require: Callable[[str], str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, ours = free_port(), f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("HYPOCENTER_PULL_INTERVAL", "1")
    with ExitStack() as stack:
        prometheus = stack.enter_context(
            RulingPrometheus(require("prometheus"), *ruled(f"http://{ours}", folder, port), tmp_path)
        )
        stack.enter_context(HypocenterServer(tmp_path / "ours", "--listen", ours, "--pull", prometheus.url))
        records = stack.enter_context(closing(open_records(str(tmp_path / "ours" / "records.db"))))
        alert_of(records, "Down", resolved=False)
        await_pull(f"http://{ours}")
        awaited(lambda: [each.alert.summary for each in kept_of(records)] == ["no answer"])
        with answering(port):
            alert_of(records, "Down", resolved=True)
            await_pull(f"http://{ours}")
            (kept,) = kept_of(records)
    assert kept.resolved


def kept_of(records: SqlRecords) -> list[KeptAlert]:
    now = datetime.now(UTC)
    return list(records.alerts.alerts(now - timedelta(days=1), now))


def await_pull(url: str) -> None:
    """Wait until a server has read all that there is now."""
    now_s = datetime.now(UTC).timestamp()

    def is_read() -> bool:
        told = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
        successes = [each.samples[0].value for each in told if each.name.startswith("hypocenter_pull_last_success")]
        return successes[:1] > [now_s]

    awaited(is_read)
