"""What the server answers of incidents that are kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from hypocenter.api.app import Routes
from hypocenter.api.failures import not_there, refused
from hypocenter.api.incidents import PATH, REPORT_PATH, routes
from hypocenter.api.tokens import READING
from hypocenter.errors import HypocenterError
from hypocenter.model import Investigation, Verdict
from hypocenter.stores.live_incidents import LiveIncident, Revision, Status
from hypocenter.verdict_json import investigation_to_json

if TYPE_CHECKING:
    from hypocenter.stores.live_incidents import IncidentStore
    from hypocenter.stores.opening import SqlRecords

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPENED = LiveIncident("abc", Status.OPEN, NOON, NOON, NOON, ("cart <b>",), ("k1",))
EARLIER = replace(
    OPENED, incident_id="old", onset=NOON - timedelta(hours=1), status=Status.RESOLVED, resolved_at=NOON, version=1
)
BARE = Verdict("abc", "shop", (), None, (), True, NOON, None, None, summary="Nobody <i>knows</i> yet.")


def ask(store: IncidentStore, path: str, **asked: str) -> httpx.Response:
    app = Starlette(routes=routes(store), exception_handlers={HypocenterError: refused, HTTPException: not_there})

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return await client.get(path, params=asked)

    return asyncio.run(get())


def keep(store: IncidentStore) -> IncidentStore:
    store.save(OPENED)
    store.save(EARLIER)
    store.add_revision(Revision("abc", 1, NOON, 1, investigation_to_json(Investigation(BARE))))
    later = replace(BARE, cause="cart-db", causes=("cart-db",), abstained=False, summary="It was cart-db.")
    store.add_revision(Revision("abc", 2, NOON, 2, investigation_to_json(Investigation(later))))
    return store


def test_incidents_are_listed_newest_first(records: SqlRecords) -> None:
    store = keep(records.incidents)
    assert [each["incident_id"] for each in ask(store, PATH).json()["incidents"]] == ["abc", "old"]
    assert [each["incident_id"] for each in ask(store, PATH, status="resolved").json()["incidents"]] == ["old"]
    assert ask(store, PATH, status="odd").status_code == 400


def test_one_is_told_with_its_last_verdict(records: SqlRecords) -> None:
    told = ask(keep(records.incidents), PATH, id="abc").json()
    assert told["incident"]["components"] == ["cart <b>"]
    assert [each["number"] for each in told["revisions"]] == [1, 2]
    assert told["verdict"]["cause"] == "cart-db"
    assert ask(records.incidents, PATH, id="old").json()["verdict"] is None


def test_the_report_is_a_page_that_can_do_nothing(records: SqlRecords) -> None:
    store = keep(records.incidents)
    last, first = ask(store, REPORT_PATH, id="abc"), ask(store, REPORT_PATH, id="abc", revision="1")
    assert "It was cart-db." in last.text
    assert "Nobody &lt;i&gt;knows&lt;/i&gt; yet." in first.text
    assert last.headers["content-type"].startswith("text/html")
    assert "sandbox" in last.headers["content-security-policy"]


@pytest.mark.parametrize("asked", [{"id": "no"}, {"id": "old"}, {"id": "abc", "revision": "9"}])
def test_what_is_not_there_is_not_found(asked: dict[str, str], records: SqlRecords) -> None:
    assert ask(keep(records.incidents), REPORT_PATH, **asked).status_code == 404


def test_a_report_of_no_incident_is_refused(records: SqlRecords) -> None:
    assert ask(records.incidents, REPORT_PATH).status_code == 400


def test_an_incident_that_is_not_there_is_not_found(records: SqlRecords) -> None:
    assert ask(records.incidents, PATH, id="abc").status_code == 404


def test_they_need_a_token_for_reading(records: SqlRecords) -> None:
    scopes = Routes(open=(), sending=(), reading=routes(records.incidents)).scopes()
    assert scopes == {PATH: READING, REPORT_PATH: READING}
