"""What the query API answers of investigations that somebody asks for."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from query_client import NOON, QueryClient, sources_of

from hypocenter.api.query.app import create_query_app
from hypocenter.api.query.events_stream import Listening
from hypocenter.api.query.investigations import MOST_WAITING, ORDER
from hypocenter.model import Investigation, Verdict
from hypocenter.stores.investigations import AskedInvestigation, Stage
from hypocenter.verdict_json import investigation_to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hypocenter.api.query.sources import QuerySources
    from hypocenter.stores.opening import SqlRecords
    from hypocenter.stores.sql_investigations import SqlInvestigations

AT = {"at": "2026-03-01T11:00:00Z"}
SPAN = {"start": "2026-03-01T10:00:00Z", "end": "2026-03-01T11:00:00Z"}
STEP = {"at": "2026-03-01T12:00:01+00:00", "count": 3, "step": "graph"}
ANSWER = Investigation(
    Verdict("q", "shop", (), "cart", ("cart",), False, NOON, None, None, summary="It was <b>cart</b>.")
)


@pytest.fixture
def sent() -> list[tuple[object, ...]]:
    return []


@pytest.fixture
def sources(records: SqlRecords, sent: list[tuple[object, ...]]) -> QuerySources:
    return sources_of(records, send=lambda *order: sent.append(order))


@pytest.fixture
def client(sources: QuerySources) -> QueryClient:
    return QueryClient(create_query_app(sources))


def asked(client: QueryClient, question: object = AT, **headers: str) -> Any:
    answer = client.ask("POST", "investigations", json=question, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer


def finished(store: SqlInvestigations, name: str, stage: Stage, error: str = "") -> None:
    before = store.investigation(name)
    assert before is not None
    after = replace(before, stage=stage, steps=(STEP,), error=error, ended_at=NOON, version=before.version + 1)
    assert store.save(after, investigation_to_json(ANSWER) if stage is Stage.DONE else None)


def test_a_question_is_kept_sent_to_the_workers_and_found_where_the_answer_says(
    client: QueryClient, sent: list[tuple[object, ...]]
) -> None:
    answer = asked(client)
    told = answer.json()
    assert (told["status"], told["request"], told["steps"]) == (
        "queued",
        {"at": AT["at"].replace("Z", ".000000Z"), "robustness": True},
        [],
    )
    assert sent == [(ORDER, told["investigation_id"])]
    found = client.get(answer.headers["Location"].removeprefix("/api/v1/")).json()
    assert found == {**told, "verdict": None}


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"at": AT["at"], **SPAN},
        {"start": SPAN["start"]},
        {"start": SPAN["end"], "end": SPAN["start"]},
        {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"},
        {**SPAN, "onset": SPAN["end"]},
        {**AT, "onset": AT["at"]},
        {**AT, "components": []},
        {**AT, "components": ["x"] * 501},
        {**AT, "match": ["{"]},
        {**AT, "precision": 2},
        {**AT, "target": "web"},
        {**AT, "colour": "red"},
        {"at": "yesterday"},
        {"at": "1900-01-01T00:00:00Z"},
        {"start": "2230-12-31T00:00:00Z", "end": "2230-12-31T01:00:00Z"},
        [],
    ],
    ids=lambda question: json.dumps(question)[:60],
)
def test_a_question_that_makes_no_sense_is_refused_before_it_is_kept(
    question: object, client: QueryClient, sent: list[tuple[object, ...]]
) -> None:
    answer = client.ask("POST", "investigations", json=question)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert all(each["field"].startswith("body") for each in answer.json()["errors"])
    assert (sent, client.get("investigations").json()["items"]) == ([], [])


def test_what_is_asked_again_with_a_key_is_one_investigation(client: QueryClient, records: SqlRecords) -> None:
    key = {"Idempotency-Key": "ticket-7"}
    first, again = (asked(client, **key) for _ in range(2))
    assert again.json() == first.json()
    other = client.ask("POST", "investigations", json=SPAN, headers=key)
    assert (other.status_code, "Idempotency-Key" in other.json()["detail"]) == (400, True)
    assert asked(client).json()["investigation_id"] != first.json()["investigation_id"]
    assert len(records.investigations.investigations(9)) == 2


def test_no_more_wait_than_may(client: QueryClient, records: SqlRecords) -> None:
    for number in range(MOST_WAITING):
        records.investigations.add(AskedInvestigation(str(number), NOON, AT))
    answer = client.ask("POST", "investigations", json=AT)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_they_are_listed_newest_first_a_page_at_a_time(client: QueryClient) -> None:
    names = {asked(client).json()["investigation_id"] for _ in range(3)}
    first = client.get("investigations", limit=2).json()
    last = client.get("investigations", limit=2, cursor=first["next_cursor"]).json()
    assert [len(first["items"]), len(last["items"]), last["next_cursor"]] == [2, 1, None]
    assert {each["investigation_id"] for page in (first, last) for each in page["items"]} == names


def test_the_answer_comes_with_its_report(client: QueryClient, records: SqlRecords) -> None:
    name = asked(client).json()["investigation_id"]
    assert client.get(f"investigations/{name}/report").status_code == 404
    finished(records.investigations, name, Stage.DONE)
    told, report = client.get(f"investigations/{name}").json(), client.get(f"investigations/{name}/report")
    assert (told["status"], told["verdict"]["cause"]) == ("done", "cart")
    assert "It was &lt;b&gt;cart&lt;/b&gt;." in report.text
    assert "sandbox" in report.headers["content-security-policy"]


def test_one_that_goes_on_is_cancelled_and_one_that_is_over_stays(client: QueryClient, records: SqlRecords) -> None:
    going, over = (asked(client).json()["investigation_id"] for _ in range(2))
    finished(records.investigations, over, Stage.FAILED, "nothing was kept")
    answers = [client.ask("DELETE", f"investigations/{name}").json() for name in (going, going, over)]
    assert [each["status"] for each in answers] == ["cancelled", "cancelled", "failed"]
    assert records.investigations.unfinished(NOON, NOON) == ()


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/report"), ("GET", "/events"), ("DELETE", "")])
def test_what_is_not_there_is_404(method: str, path: str, client: QueryClient) -> None:
    assert client.ask(method, f"investigations/none{path}").status_code == 404


@pytest.mark.parametrize(
    ("stage", "error", "last"),
    [
        (Stage.DONE, "", "id: 2\nevent: done\ndata: {}\n\n"),
        (Stage.FAILED, "<no>", 'id: 2\nevent: failed\ndata: {"error": "<no>"}\n\n'),
        (Stage.CANCELLED, "", "id: 2\nevent: cancelled\ndata: {}\n\n"),
    ],
)
def test_events_tell_each_step_and_the_end_and_go_on_where_a_client_was(
    stage: Stage, error: str, last: str, client: QueryClient, records: SqlRecords
) -> None:
    name = asked(client).json()["investigation_id"]
    finished(records.investigations, name, stage, error)
    whole = client.get(f"investigations/{name}/events")
    assert whole.headers["content-type"].startswith("text/event-stream")
    assert whole.text == f"id: 1\nevent: progress\ndata: {json.dumps(STEP)}\n\n{last}"
    assert client.get(f"investigations/{name}/events", {"Last-Event-ID": "1"}).text == last
    assert client.get(f"investigations/{name}/events", {"Last-Event-ID": "2"}).status_code == 204
    assert client.get(f"investigations/{name}/events", {"Last-Event-ID": "x"}).status_code == 400


class CountedStore:
    """The store of investigations, which counts what it is asked."""

    def __init__(self, inner: SqlInvestigations) -> None:
        self._inner, self.asked = inner, 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        return getattr(self._inner, name)


async def heard(stream: AsyncIterator[str]) -> str:
    return "".join([each async for each in stream])


def test_a_thousand_listen_at_the_price_of_one(records: SqlRecords) -> None:
    store, one = CountedStore(records.investigations), AskedInvestigation("q", NOON, AT)
    records.investigations.add(one)

    async def listened() -> list[str]:
        listening = Listening(store)  # type: ignore[arg-type]
        tasks = [asyncio.create_task(heard(listening.events(one, 0, lambda: False))) for _ in range(1000)]
        while not store.asked:
            await asyncio.sleep(0)
        await asyncio.to_thread(finished, records.investigations, "q", Stage.DONE)
        return await asyncio.gather(*tasks)

    told = asyncio.run(listened())
    assert len(told) == 1000
    assert {each.count("event: ") for each in told} == {2}
    assert store.asked < 50


def test_listeners_are_let_go_when_the_server_stops(records: SqlRecords) -> None:
    one = AskedInvestigation("q", NOON, AT)
    records.investigations.add(one)
    stopping: list[bool] = []

    async def listened() -> str:
        task = asyncio.create_task(heard(Listening(records.investigations).events(one, 0, lambda: bool(stopping))))
        await asyncio.sleep(0)
        stopping.append(True)
        return await task

    assert "event" not in asyncio.run(listened())
