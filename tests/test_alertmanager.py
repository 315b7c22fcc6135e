"""Alertmanager and Prometheus, set up with the lines of the documentation, tell of alerts and of their ends."""

from __future__ import annotations

import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest
from alertmanager import Alertmanager, RulingPrometheus
from documented import pasted
from hypocenter_server import HypocenterServer
from server_process import free_port

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


def test_prometheus_tells_of_an_alert_and_its_end_without_an_alertmanager(
    require: Callable[[str], str], server: HypocenterServer, kept: SqlRecords, folder: Path, tmp_path: Path
) -> None:
    port = free_port()
    config = pasted("alertmanager", 2, server=server.url.removeprefix("http://"), folder=f"{folder}/")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"] = [{"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
    rule = {"alert": "Down", "expr": "up == 0", "labels": {"severity": "page"}, "annotations": {"summary": "no answer"}}
    rules = {"groups": [{"name": "all", "rules": [rule]}]}
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
