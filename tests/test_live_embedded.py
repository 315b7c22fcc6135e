"""Detection in the server's own process: from samples and an alert that are sent to it to a report that it serves."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from hypocenter_server import HypocenterServer
from prometheus_client.parser import text_string_to_metric_families
from steady_stream import HISTORY, Stream, writer_to
from waiting import awaited

from hypocenter.batches import Samples
from hypocenter_workers.ticks.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = {"TICK_SECONDS": "1", "SETTLE_SECONDS": "1", "SHARDS": "2"}
SECOND = timedelta(seconds=1)
CALLER, DATABASE = "shop-0", "shop-0-db"
CALLS = (("__name__", "traces_service_graph_request_total"), ("client", CALLER), ("server", DATABASE))


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Watched:
    """A server that watches over one small system, whose database falls ill once detection has begun."""

    def __init__(self, url: str) -> None:
        self.url = url
        begun = now() - HISTORY
        ahead = now() + 10 * SECOND
        with closing(writer_to(url)) as writer:
            calm = Stream(begun, 1, calm=timedelta(days=1))
            assert calm.send(writer, begun, ahead) == []
            at_ms = int(begun.timestamp() * 1000) + 1000 * np.arange((ahead - begun) // SECOND)
            calls = Samples(np.zeros(len(at_ms), np.int64), at_ms, np.arange(float(len(at_ms))))
            assert writer.write(calls, lambda _: CALLS) == []
            awaited(lambda: "2 of 2 begun" in self.status())
            ill_at = max(ahead, now() + 2 * SECOND)
            stream = Stream(begun, 1, calm=ill_at - begun - HISTORY)
            assert stream.send(writer, ahead, ill_at + 60 * SECOND) == []
        # An incident opens a minute after its first sign, for which no test needs to wait.
        alert = {
            "labels": {"alertname": "SlowDatabase", "service": DATABASE},
            "startsAt": (now() - 90 * SECOND).isoformat(),
        }
        httpx.post(f"{url}/api/v2/alerts", json=[alert]).raise_for_status()

    def status(self) -> str:
        """Return the page for people."""
        return httpx.get(f"{self.url}/status").raise_for_status().text

    def metric(self, name: str, **labels: str) -> float:
        """Return what a Prometheus would read now, 0 where it is not there."""
        text = httpx.get(f"{self.url}/metrics").text
        samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
        return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())

    def incidents(self) -> list[dict[str, Any]]:
        """Return the incidents that have anomalies of the database and a verdict."""
        found = httpx.get(f"{self.url}/api/v1/incidents").raise_for_status().json()["items"]
        return [each for each in found if self._is_whole(each["incident_id"])]

    def report(self, incident_id: str) -> httpx.Response:
        """Return the report of an incident."""
        return httpx.get(f"{self.url}/api/v1/incidents/{incident_id}/report")

    def _is_whole(self, incident_id: str) -> bool:
        anomalies = httpx.get(f"{self.url}/api/v1/incidents/{incident_id}/anomalies").json()["items"]
        return bool(anomalies) and self.report(incident_id).status_code == 200


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    prepare()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in SETTINGS.items():
            patched.setenv(f"HYPOCENTER_{name}", value)
        with HypocenterServer(tmp_path_factory.mktemp("server") / "data", "--detection") as server:
            yield Watched(server.url)


def test_an_incident_opens_by_itself_and_its_report_is_served(watched: Watched) -> None:
    awaited(lambda: bool(watched.incidents()))
    (incident,) = watched.incidents()
    assert incident["status"] == "open"
    assert DATABASE in incident["components"]
    assert DATABASE in watched.report(incident["incident_id"]).text


def test_the_page_and_the_metrics_tell_of_work_that_was_done(watched: Watched) -> None:
    tick = {"task": "hypocenter.tick"}
    awaited(lambda: watched.metric("hypocenter_tasks_total", outcome="success", **tick) > 1)
    awaited(lambda: "Detection keeps up" in watched.status())
    page = watched.status()
    for part in ("2 of 2 begun", ">tick<", ">correlate<", "No task was given up."):
        assert part in page
    assert watched.metric("hypocenter_tasks_total", outcome="failure") == 0
    assert watched.metric("hypocenter_task_seconds_bucket", le="+Inf", **tick) > 1
    assert watched.metric("hypocenter_task_seconds_sum", **tick) > 0
    assert watched.metric("hypocenter_detection_up") == 1
    assert now().timestamp() - HISTORY.total_seconds() < watched.metric("hypocenter_heard_timestamp_seconds")
    assert watched.metric("hypocenter_shard_series") == 6, "two of each component, and the calls that are answered"
    assert watched.metric("hypocenter_anomalies_total") >= 1
    assert watched.metric("hypocenter_dead_letters") == 0


def test_calls_that_labels_of_metrics_tell_of_are_in_the_topology(watched: Watched) -> None:
    def near() -> set[tuple[str, str]]:
        answer = httpx.get(f"{watched.url}/api/v1/topology", params={"around": DATABASE})
        told = answer.json().get("dependencies", [])
        return {(each["caller"], each["callee"]) for each in told if each["sources"] == ["labels"]}

    awaited(lambda: (CALLER, DATABASE) in near())
    found = httpx.get(f"{watched.url}/api/v1/components").raise_for_status().json()["items"]
    assert {CALLER, DATABASE} <= {each["name"] for each in found}
