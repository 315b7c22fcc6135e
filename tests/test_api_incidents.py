"""What the query API answers of incidents."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from query_client import NOON, QueryClient, sources_of

from hypocenter.api.query.app import create_query_app, query_routes
from hypocenter.model import Investigation, Verdict
from hypocenter.stores.live_incidents import LiveIncident, Revision, Status
from hypocenter.verdict_json import investigation_to_json

if TYPE_CHECKING:
    from hypocenter.stores.opening import SqlRecords

OPENED = LiveIncident("abc", Status.OPEN, NOON, NOON, NOON, ("cart <b>",), ("k1",))
EARLIER = replace(
    OPENED, incident_id="old", onset=NOON - timedelta(hours=1), status=Status.RESOLVED, resolved_at=NOON, version=1
)
BARE = Verdict("abc", "shop", (), None, (), True, NOON, None, None, summary="Nobody <i>knows</i> yet.")


@pytest.fixture
def client(records: SqlRecords) -> QueryClient:
    store = records.incidents
    store.save(OPENED)
    store.save(EARLIER)
    store.add_revision(Revision("abc", 1, NOON, 1, investigation_to_json(Investigation(BARE))))
    later = replace(BARE, cause="cart-db", causes=("cart-db",), abstained=False, summary="It was cart-db.")
    store.add_revision(Revision("abc", 2, NOON, 2, investigation_to_json(Investigation(later))))
    return QueryClient(create_query_app(sources_of(records)))


def test_incidents_are_listed_newest_first(client: QueryClient) -> None:
    assert [each["incident_id"] for each in client.get("incidents").json()["items"]] == ["abc", "old"]
    assert [each["incident_id"] for each in client.get("incidents", status="resolved").json()["items"]] == ["old"]


def test_a_list_comes_a_page_at_a_time(client: QueryClient) -> None:
    first = client.get("incidents", limit=1).json()
    last = client.get("incidents", limit=1, cursor=first["next_cursor"]).json()
    assert [each["incident_id"] for page in (first, last) for each in page["items"]] == ["abc", "old"]
    assert last["next_cursor"] is None


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"status": "odd"}, "query.status"), ({"limit": 0}, "query.limit"), ({"limit": 501}, "query.limit")],
)
def test_what_is_not_as_the_document_says_is_a_problem_that_names_the_field(
    asked: dict[str, object], field: str, client: QueryClient
) -> None:
    answer = client.get("incidents", **asked)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [each["field"] for each in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("cursor", ["", "MSxh=", "MSxh!", "x", "MQ", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OSxh", "é"])
def test_a_cursor_that_was_not_given_out_is_refused(cursor: str, client: QueryClient) -> None:
    answer = client.get("incidents", cursor=cursor)
    assert answer.status_code == 400
    assert "cursor" in answer.json()["detail"]


def test_one_is_told(client: QueryClient) -> None:
    told = client.get("incidents/abc").json()
    assert told["components"] == ["cart <b>"]
    assert told["onset"] == "2026-03-01T12:00:00.000000Z"
    assert told["resolved_at"] is None


def test_the_report_is_a_page_that_can_do_nothing(client: QueryClient) -> None:
    last, first = client.get("incidents/abc/report"), client.get("incidents/abc/report", revision="1")
    assert "It was cart-db." in last.text
    assert "Nobody &lt;i&gt;knows&lt;/i&gt; yet." in first.text
    assert last.headers["content-type"].startswith("text/html")
    assert "sandbox" in last.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["no", "no/report", "old/report", "abc/report?revision=9"])
def test_what_is_not_there_is_not_found(path: str, client: QueryClient) -> None:
    answer = client.get(f"incidents/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["incidents", "incidents/abc/report"])
def test_what_a_client_has_already_is_not_sent_again(path: str, client: QueryClient) -> None:
    etag = client.get(path).headers["etag"]
    again, other = (client.get(path, headers={"If-None-Match": tag}) for tag in (f'"x", {etag}', '"x"'))
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert other.status_code == 200


def test_they_need_a_token_for_reading(records: SqlRecords) -> None:
    paths = {route.path for route in query_routes(sources_of(records))["read"]}
    assert {"/api/v1/incidents", "/api/v1/incidents/{incident_id}/report"} <= paths
