"""What the query API answers of series and their bands."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from band_server import NOW, band_sources
from query_client import QueryClient, sources_of
from server_process import free_port
from shifting_system import END, SERIES, START, STEP

from hypocenter.api.query import bands
from hypocenter.api.query.app import create_query_app
from hypocenter.stores.opening import open_records
from hypocenter.stores.opening_metrics import open_metrics_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypocenter.stores.opening import SqlRecords

CART = '{component="service-3",metric="queue_length"}'


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueryClient]:
    folder = tmp_path_factory.mktemp("bands")
    with closing(open_records(str(folder / "records.db"), "bands")) as records:
        yield QueryClient(create_query_app(band_sources(records, folder)))


def asked(client: QueryClient, path: str, **how: Any) -> Any:
    answer = client.get(path, **how)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_series_are_listed_a_page_at_a_time(client: QueryClient) -> None:
    first = asked(client, "series", limit=20)
    rest = asked(client, "series", limit=20, cursor=first["next_cursor"])
    found = [*first["items"], *rest["items"]]
    assert (len(found), rest["next_cursor"]) == (SERIES, None)
    assert len({each["selector"] for each in found}) == SERIES
    (gauge,) = asked(client, "series", **{"match[]": 'queue_length{component="service-3"}'})["items"]
    assert (gauge["component"], gauge["metric"], gauge["stat"]) == ("service-3", "queue_length", "last")


def test_what_names_a_series_asks_for_its_band(client: QueryClient) -> None:
    (gauge,) = asked(client, "series", **{"match[]": CART})["items"]
    spiked = START + 250 * STEP
    asking = {"start": (spiked - 5 * STEP).isoformat(), "end": (spiked + STEP).isoformat()}
    (band,) = asked(client, "series/band", **{"match[]": gauge["selector"]}, **asking)
    assert band["series"] == gauge
    assert [point["at"] for point in band["points"]][5] == f"{spiked:%Y-%m-%dT%H:%M:%S}.000000Z"
    calm, spike = band["points"][4], band["points"][5]
    assert calm["lower"] < calm["value"] < calm["upper"] < spike["value"]
    assert spike["score"] > 6 > calm["score"]


def test_no_step_is_told_before_detection_may_have_scored_it(client: QueryClient) -> None:
    (band,) = asked(client, "series/band", **{"match[]": CART}, start=END.isoformat(), end=NOW.isoformat()) or [None]
    assert band is None
    (band,) = asked(client, "series/band", **{"match[]": CART}, start=(END - 3 * STEP).isoformat())
    assert [point["at"] for point in band["points"]][-1] == f"{END - STEP:%Y-%m-%dT%H:%M:%S}.000000Z"


@pytest.mark.parametrize(
    ("path", "question", "status", "said"),
    [
        ("series", {"match[]": "{"}, 400, "match"),
        ("series", {"match[]": '{component=~"("}'}, 400, "regular expression"),
        ("series", {"start": "2026-03-02T01:00:00Z", "end": "2026-03-02T00:00:00Z"}, 400, "start"),
        ("series", {"start": "yesterday"}, 422, "start"),
        ("series", {"end": "1900-01-01T00:00:00Z"}, 400, "1970 to 2200"),
        ("series/band", {"match[]": CART, "end": "2230-12-31T23:59:59Z"}, 400, "1970 to 2200"),
        ("series/band", {}, 422, "match"),
        ("series/band", {"match[]": ['{component=~".+"}'] * 21}, 422, "match"),
        ("series/band", {"match[]": CART, "step": 0}, 422, "step"),
        ("series/band", {"match[]": CART, "step": 1}, 400, "at most 11,000"),
        ("series/band", {"match[]": CART, "start": "2026-01-01T00:00:00Z", "step": 86400}, 400, "31 days"),
        ("series/band", {"match[]": '{component=~".+"}', "start": END.isoformat(), "end": END.isoformat()}, 200, ""),
    ],
)
def test_what_makes_no_sense_or_is_too_much_is_refused(
    path: str, question: dict[str, Any], status: int, said: str, client: QueryClient
) -> None:
    answer = client.get(path, **question)
    assert answer.status_code == status, answer.text
    assert said in answer.text


def test_where_no_worker_is_reached_it_is_said_at_once(records: SqlRecords) -> None:
    answer = QueryClient(create_query_app(sources_of(records))).get("series")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert bands.ORDER in answer.json()["detail"]


def test_what_a_worker_cannot_do_is_said_at_once(records: SqlRecords, tmp_path: Path) -> None:
    away = open_metrics_server(f"http://127.0.0.1:{free_port()}", lambda: NOW)
    with closing(away):
        answer = QueryClient(create_query_app(band_sources(records, tmp_path, away))).get("series")
    assert (answer.status_code, "cannot be had" in answer.json()["detail"]) == (503, True)
