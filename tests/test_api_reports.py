"""Reports over the query API: the same page for ever, tagged by what it is of, and kept while there is room."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from query_client import NOON, querying
from query_seeds import ABSTAINED, ASKED, INCIDENT, NAMED, seed

from hypocenter.api.query.reports import Reports
from hypocenter.model import Investigation
from hypocenter.report import render
from hypocenter.stores.live_incidents import Revision
from hypocenter.stores.opening import open_records
from hypocenter.verdict_json import investigation_to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from query_client import QueryClient

    from hypocenter.stores.opening import SqlRecords

PLACES = (f"incidents/{INCIDENT}/report", f"investigations/{ASKED}/report")


@pytest.fixture
def records(tmp_path: object) -> Iterator[SqlRecords]:
    kept = open_records(f"{tmp_path}/records.db")
    seed(kept)
    yield kept
    kept.close()


@pytest.fixture
def client(records: SqlRecords) -> Iterator[QueryClient]:
    with querying(records) as asked:
        yield asked


@pytest.mark.parametrize("place", PLACES)
def test_a_page_is_the_same_asked_for_twice_and_is_not_sent_to_whoever_has_it(client: QueryClient, place: str) -> None:
    first, second = client.get(place), client.get(place)
    assert first.text.startswith("<!DOCTYPE html>")
    assert (first.content, first.headers) == (second.content, second.headers)
    tag = {"If-None-Match": first.headers["etag"]}
    again = client.get(place, tag)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag["If-None-Match"])
    assert client.get(place, {"If-None-Match": '"another"'}).status_code == 200


def test_another_verdict_is_another_page(client: QueryClient, records: SqlRecords) -> None:
    place = PLACES[0]
    earlier, last = client.get(place, revision=1), client.get(place)
    assert client.get(place, revision=2).content == last.content != earlier.content
    later = investigation_to_json(Investigation(replace(NAMED, summary="It was all of them.")))
    assert records.incidents.add_revision(Revision(INCIDENT, 3, NOON, 3, later))
    newest = client.get(place, {"If-None-Match": last.headers["etag"]})
    assert newest.status_code == 200
    assert "It was all of them." in newest.text
    assert client.get(place, revision=2).headers["etag"] == last.headers["etag"]


def test_whoever_has_anything_has_no_report_of_what_is_not_there(client: QueryClient) -> None:
    for place in ("incidents/none/report", "investigations/none/report"):
        assert client.get(place, {"If-None-Match": "*"}).status_code == 404


def test_pages_are_kept_up_to_their_room_and_the_oldest_goes() -> None:
    made: list[str] = []

    def page(name: str) -> bytes:
        def make() -> str:
            made.append(name)
            return name * 40

        return kept.page(name, make)

    kept = Reports(most_bytes=100)
    assert [page(name) for name in "abacab"] == [name.encode() * 40 for name in "abacab"]
    assert made == ["a", "b", "c", "b"]


def test_a_page_larger_than_the_room_is_made_every_time() -> None:
    kept = Reports(most_bytes=10)
    text = render(Investigation(ABSTAINED))
    assert [kept.page("large", lambda: text), kept.page("large", lambda: text)] == [text.encode()] * 2
    assert kept.page("s", lambda: "small") == kept.page("s", lambda: "other") == b"small"
