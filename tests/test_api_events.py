"""The routes of alerts, changes, files and history: what they answer, and that it is kept by then."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from asgi_client import AsgiClient

from hypocenter.api.app import create_app
from hypocenter.api.intake import BodyLimits, Intake
from hypocenter.api.uploads import MOST_AT_ONCE
from hypocenter.ingest.uploads import CHUNK
from hypocenter.readers.selectors import parse_selector
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.group_commit import GroupCommit
from hypocenter.stores.retention import MetricsLimits
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from hypocenter.stores.opening import SqlRecords

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_MS = 1772366400000
WEBHOOK = {
    "version": "4",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "HighErrors", "pod": "cart-0"},
            "startsAt": "2026-03-01T11:50:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
        }
    ],
}
POSTED = [{"labels": {"alertname": "HighErrors", "pod": "cart-0"}, "startsAt": "2026-03-01T11:50:00Z"}]
ALERT = {"component": "cart", "name": "slow", "starts_at": "2026-03-01T11:50:00Z"}
CHANGE = {"component": "cart", "title": "1.4.2", "at": "2026-03-01T11:50:00Z"}
EVENT = {
    "context": {
        "id": "1",
        "source": "/ci",
        "type": "dev.cdevents.service.deployed.0.2.0",
        "timestamp": "2026-03-01T11:50:00Z",
    },
    "subject": {"id": "service/cart", "content": {}},
}
ROUTES = {
    "/api/v1/alertmanager": (WEBHOOK, "alerts"),
    "/api/v2/alerts": (POSTED, "alerts"),
    "/api/v1/alerts": (ALERT, "alerts"),
    "/api/v1/changes": (CHANGE, "changes"),
    "/api/v1/cdevents": (EVENT, "changes"),
}
UPLOAD, HISTORY = "/api/v1/upload/metrics", "/api/v1/history"


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDbMetrics]:
    with closing(DuckDbMetrics(tmp_path_factory.mktemp("data"), lambda: NOW)) as store:
        yield store


@pytest.fixture
def intake(records: SqlRecords, metrics: DuckDbMetrics) -> Iterator[Intake]:
    with closing(GroupCommit(metrics)) as writer:
        yield Intake(metrics, writer, records, MemoryStore(), lambda: NOW, BodyLimits(seconds=5))


@pytest.fixture
def client(intake: Intake) -> AsgiClient:
    return AsgiClient(create_app(intake))


def samples(metrics: DuckDbMetrics, name: str) -> dict[str, list[float]]:
    """The values that are kept of a metric, by component."""
    found = metrics.series([parse_selector(name)], 0, NOW_MS)
    values = {each.series: each.values.tolist() for each in metrics.read([one.number for one in found], 0, NOW_MS)}
    return {one.component: values[one.number] for one in found}


@pytest.mark.parametrize("path", ROUTES)
def test_what_is_sent_is_kept_when_it_is_answered_and_once(client: AsgiClient, records: SqlRecords, path: str) -> None:
    value, kind = ROUTES[path]
    for new, same in ((1, 0), (0, 1)):
        answer = client.post(path, json=value)
        assert answer.status_code == 200
        assert answer.json()[kind] == {"new": new, "changed": 0, "same": same}
        began = NOW - timedelta(minutes=10)
        assert len(records.alerts.alerts(began, began)) + len(records.changes.changes(began, began)) == 1


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("body", [b"", b"{", b"7", b'"x"', b"[7]", b"[" * 99_999, b"\xff", b'{"alerts": 7}'])
def test_what_cannot_be_read_is_answered_by_a_problem_that_is_not_sent_again(
    client: AsgiClient, path: str, body: bytes
) -> None:
    answer = client.post(path, body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.parametrize("path", ROUTES)
def test_what_is_too_large_is_refused_as_that(intake: Intake, path: str) -> None:
    client = AsgiClient(create_app(intake))
    assert client.post(path, b" " * (9 << 20)).status_code == 413
    packed = client.post(path, gzip.compress(b" " * (9 << 20)), {"Content-Encoding": "gzip"})
    assert packed.status_code == 413


def test_a_packed_body_is_unpacked(client: AsgiClient) -> None:
    body = gzip.compress(json.dumps(WEBHOOK).encode())
    assert client.post("/api/v1/alertmanager", body, {"Content-Encoding": "gzip"}).json()["alerts"]["new"] == 1


def test_a_webhook_and_a_direct_message_of_one_alert_are_one(client: AsgiClient, records: SqlRecords) -> None:
    client.post("/api/v1/alertmanager", json=WEBHOOK)
    ended = [{**POSTED[0], "endsAt": "2026-03-01T11:55:00Z"}]
    assert client.post("/api/v2/alerts", json=ended).json()["alerts"] == {"new": 0, "changed": 1, "same": 0}
    kept = records.alerts.alerts(NOW - timedelta(hours=1), NOW)
    assert [(each.alert.component, each.resolved) for each in kept] == [("cart", True)]


def test_valid_alerts_are_kept_beside_invalid_ones_that_are_told_of(client: AsgiClient, records: SqlRecords) -> None:
    ends_early = {**POSTED[0], "endsAt": "2026-03-01T11:40:00Z"}
    answer = client.post("/api/v2/alerts", json=[{"labels": {}}, *POSTED, ends_early])
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("1 kept, 2 refused: body[0]: an alert has labels")
    assert "; body[2]: ends at" in answer.json()["detail"]
    assert [each.alert.component for each in records.alerts.alerts(NOW, NOW)] == ["cart"]


def test_the_answer_names_a_few_of_many_invalid_alerts(client: AsgiClient) -> None:
    answer = client.post("/api/v2/alerts", json=[*POSTED, *[{"labels": {}}] * 25])
    assert answer.json()["detail"].endswith("; and 5 more")


def test_records_that_cannot_be_reached_are_a_reason_to_send_again(client: AsgiClient, records: SqlRecords) -> None:
    with records.database.writing("schema") as connection:
        connection.exec_driver_sql("ALTER TABLE alerts RENAME TO gone")
    try:
        answer = client.post("/api/v1/alertmanager", json=WEBHOOK)
    finally:
        with records.database.writing("schema") as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO alerts")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert client.post("/api/v1/alertmanager", json=WEBHOOK).status_code == 200


def test_the_address_may_say_what_was_changed(client: AsgiClient, records: SqlRecords) -> None:
    assert client.post("/api/v1/changes?component=basket", json={"title": "1"}).status_code == 200
    assert [each.change.component for each in records.changes.changes(NOW, NOW)] == ["basket"]
    assert client.post(f"/api/v1/changes?component={'x' * 2000}", json={"title": "1"}).status_code == 400


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_table_is_in_the_store_when_it_is_answered(client: AsgiClient, metrics: DuckDbMetrics, pack: Any) -> None:
    name = f"uploaded_{pack.__name__}"
    rows = "".join(f"{NOW_MS - at * 1000},{name},cart,{at}\n" for at in range(30))
    answer = client.post(UPLOAD, pack(f"time,metric,service,value\n{rows}x,{name},cart,1\n".encode()))
    assert answer.status_code == 200
    said = answer.json()
    assert (said["rows"], said["rows_refused"], said["samples"], said["samples_refused"]) == (31, 1, 30, 0)
    assert said["examples"][0].startswith("line 32: the time: 'x' is no time")
    assert samples(metrics, name) == {"cart": [float(at) for at in range(29, -1, -1)]}


def test_a_table_that_is_sent_again_adds_nothing(client: AsgiClient, metrics: DuckDbMetrics) -> None:
    table = f"time,cart|twice\n{NOW_MS - 1000},1\n{NOW_MS},2\n".encode()
    for _ in range(2):
        assert client.post(UPLOAD, table).json()["samples"] == 2
    assert samples(metrics, "twice") == {"cart": [1.0, 2.0]}


def test_a_file_in_another_encoding_is_read_and_no_place_of_this_machine_is_told(client: AsgiClient) -> None:
    said = client.post(UPLOAD, f"time,Köln|latin\n{NOW_MS},1\n".encode("latin-1")).json()
    assert said["samples"] == 1
    assert said["notes"][0].startswith("the file: not UTF-8")


def test_too_many_series_are_told_with_what_was_taken_before(records: SqlRecords, tmp_path: Path) -> None:
    limits = MetricsLimits(max_series=5)
    rows = [f"{NOW_MS - at},first,1\n" for at in range(CHUNK)] + [f"{NOW_MS},m{at},1\n" for at in range(9)]
    table = "time,metric,value\n" + "".join(rows)
    with closing(DuckDbMetrics(tmp_path / "few", lambda: NOW, limits)) as store, closing(GroupCommit(store)) as writer:
        intake = Intake(store, writer, records, MemoryStore(), lambda: NOW)
        answer = AsgiClient(create_app(intake)).post(UPLOAD, table)
    assert answer.status_code == 429
    assert f"({CHUNK:,} samples were taken before)" in answer.json()["detail"]


def test_two_files_are_read_at_once_and_a_third_may_come_again(intake: Intake) -> None:
    app = create_app(intake)

    async def run() -> list[int]:
        go_on, begun = asyncio.Event(), asyncio.Semaphore(0)

        async def slow() -> AsyncIterator[bytes]:
            yield b"time,cart|slow\n"
            begun.release()
            await go_on.wait()
            yield b"1772366400,1\n"

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://h") as client:
            waiting = [asyncio.create_task(client.post(UPLOAD, content=slow())) for _ in range(MOST_AT_ONCE)]
            for _ in waiting:
                await begun.acquire()
            third = await client.post(UPLOAD, content=b"time,cart|slow\n1772366400,1\n")
            go_on.set()
            return [third.status_code, *(answer.status_code for answer in await asyncio.gather(*waiting))]

    assert asyncio.run(run()) == [503, 200, 200]


def test_a_file_that_does_not_arrive_is_given_up(intake: Intake) -> None:
    app = create_app(replace(intake, limits=BodyLimits(seconds=0.05)))

    async def run() -> int:
        async def never() -> AsyncIterator[bytes]:
            yield b"time,cart|never\n"
            await asyncio.Event().wait()

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://h") as client:
            return (await client.post(UPLOAD, content=never())).status_code

    assert asyncio.run(run()) == 408


def test_what_the_store_refuses_is_told(client: AsgiClient) -> None:
    answer = client.post(UPLOAD, f"time,cart|old\n1970-01-02,1\n{NOW_MS},2\n".encode()).json()
    assert (answer["samples"], answer["samples_refused"]) == (1, 1)
    assert answer["examples"] == ["before line 3: {__name__='old', component='cart'}: too old"]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (b"", "the file: is empty"),
        (b"a,b\n1,2\n", "no time column"),
        (b"time,cart|up\nx,1\n", "not one sample in 1 rows; line 2: the time: 'x' is no time"),
        (gzip.compress(b"time,cart|up\n1,2\n", mtime=0)[:-9], "cannot be read to its end"),
    ],
)
def test_a_file_without_a_sample_is_refused(client: AsgiClient, table: bytes, reason: str) -> None:
    answer = client.post(UPLOAD, table)
    assert answer.status_code == 400
    assert reason in answer.json()["detail"]
    assert "/tmp" not in answer.json()["detail"]


def test_a_file_is_no_larger_than_the_limit_packed_or_not(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPOCENTER_MAX_FILE_BYTES", "1000")
    client = AsgiClient(create_app(intake))
    table = b"time,cart|up\n" + b"1772366400,1\n" * 200
    for body in (table, gzip.compress(table)):
        answer = client.post(UPLOAD, body)
        assert answer.status_code == 413
        assert "HYPOCENTER_MAX_FILE_BYTES" in answer.json()["detail"]
    assert client.post(UPLOAD, b"x", {"Content-Encoding": "zstd"}).status_code == 415


def test_history_is_kept_when_it_is_answered(client: AsgiClient, records: SqlRecords) -> None:
    export = b"incident_id,started_at,root_component,fault_type\nI-1,2026-02-01T10:00:00Z,db,cpu\n"
    tried = client.post(f"{HISTORY}?from=csv&dry_run=true", export).json()
    assert (tried["saved"], tried["counts"]["new"], list(records.history.incidents())) == (False, 1, [])
    said = client.post(f"{HISTORY}?from=csv", export).json()
    assert (said["saved"], said["counts"], said["fault_types"]) == (
        True,
        {"new": 1, "changed": 0, "same": 0},
        {"cpu": 1},
    )
    assert [each.root_components for each in records.history.incidents()] == [("db",)]
    assert client.post(f"{HISTORY}?from=csv", gzip.compress(export)).json()["counts"]["same"] == 1


def test_a_tools_export_is_read_in_its_words(client: AsgiClient, records: SqlRecords) -> None:
    page = {"incidents": [{"incident_number": 7, "created_at": "2026-02-01T10:00:00Z", "service": {"summary": "shop"}}]}
    assert client.post(f"{HISTORY}?from=pagerduty", json=page).status_code == 200
    assert [(each.incident_id, each.symptom_component) for each in records.history.incidents()] == [("7", "shop")]


def test_rows_that_are_no_incidents_keep_all_out_unless_they_may_be_left_out(
    client: AsgiClient, records: SqlRecords
) -> None:
    export = b"incident_id,started_at\nI-1,2026-02-01T10:00:00Z\nI-2,soon\n"
    assert client.post(f"{HISTORY}?from=csv", export).status_code == 400
    assert list(records.history.incidents()) == []
    assert client.post(f"{HISTORY}?from=csv&skip_bad", export).json()["left_out"] == 1


def test_no_place_of_this_machine_is_taken_from_others(client: AsgiClient, records: SqlRecords, tmp_path: Path) -> None:
    export = f"incident_id,telemetry\nI-1,{tmp_path}\n".encode()
    said = client.post(f"{HISTORY}?from=csv", export).json()
    assert "not taken from others" in said["notes"][0]
    assert [each.telemetry for each in records.history.incidents()] == [""]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("", "parameter 'from' must be one of pagerduty"),
        ("?from=excel", "parameter 'from'"),
        ("?from=csv&dry_run=perhaps", "true or false"),
        ("?from=csv&timezone=Mars/Base", "is no time zone"),
        ("?from=csv&timezone=../../etc/passwd", "is no time zone"),
        ("?from=csv&colour=red", "parameter 'colour'"),
        ("?from=csv&encoding=klingon", "no such encoding"),
        ("?from=csv", "no incident in it"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(client: AsgiClient, asked: str, reason: str) -> None:
    answer = client.post(f"{HISTORY}{asked}", b"incident_id,title\n")
    assert answer.status_code == 400
    assert reason in answer.json()["detail"]
