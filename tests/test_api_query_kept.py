"""What the query API answers of what is kept: each resource over real records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from query_client import QueryClient, sources_of
from query_seeds import ASKED, INCIDENT, MODEL, NAMED, graph, seed

from hypocenter.access import Identity, Scope
from hypocenter.api.query.app import create_query_app
from hypocenter.verdict_json import verdict_to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Send
    from starlette.types import Scope as HttpScope

    from hypocenter.stores.opening import SqlRecords

AT = "2026-03-01T12:00:00.000000Z"


def by_ann(app: ASGIApp) -> ASGIApp:
    """Have ann ask, as the server finds out before it asks the application."""
    ann = Identity("ann", frozenset({Scope.ADMIN}), "default", "token")

    async def ask(scope: HttpScope, receive: Receive, send: Send) -> None:
        await app({**scope, "identity": ann}, receive, send)

    return ask


@pytest.fixture(scope="module")
def seeded(records_at: Callable[[str], SqlRecords], new_tenant: Callable[[], str]) -> QueryClient:
    """Some of each thing, in each kind of place in turn, to be read only."""
    return client_of(records_at(new_tenant()))


def client_of(records: SqlRecords) -> QueryClient:
    seed(records)
    return QueryClient(by_ann(create_query_app(sources_of(records, graph=graph()))))


def items(client: QueryClient, path: str, **asked: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(path, **asked).json()["items"]
    return found


def test_an_incident_is_told_with_its_last_verdict_in_brief(seeded: QueryClient) -> None:
    verdict = seeded.get(f"incidents/{INCIDENT}").json()["verdict"]
    assert (verdict["number"], verdict["cause"], verdict["suspect"], verdict["probability"]) == (
        2,
        "cart-db",
        "cart-db",
        0.87,
    )
    assert seeded.get("incidents/old").json()["verdict"] is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"component": "cart"}, [INCIDENT]),
        ({"component": "web <b>"}, ["old"]),
        ({"fault_type": "cpu"}, [INCIDENT]),
        ({"fault_type": "memory"}, []),
        ({"until": "2026-03-01T11:30:00Z"}, ["old"]),
        ({"since": "2026-03-01T12:00:00+00:00"}, [INCIDENT]),
    ],
    ids=str,
)
def test_incidents_are_chosen_by_what_they_are(seeded: QueryClient, asked: dict[str, object], found: list[str]) -> None:
    assert [each["incident_id"] for each in items(seeded, "incidents", **asked)] == found


def test_suspects_come_with_evidence_for_and_against_and_its_numbers(seeded: QueryClient) -> None:
    told = seeded.get(f"incidents/{INCIDENT}/suspects").json()
    assert (told["revision"], told["cause"], told["abstained"]) == (2, "cart-db", False)
    (suspect,) = told["suspects"]
    assert [each["supports"] for each in suspect["evidence"]] == [True, False]
    first = [suspect["evidence"][0][name] for name in ("before", "after", "unit", "onset")]
    # As in the verdict as a whole, whose format says how times are written.
    assert first == [0.2, 3.9, "cores", "2026-03-01T12:00:00Z"]
    assert suspect["evidence"][1]["before"] is None
    assert suspect["counterfactual"]["expected"] == 0.3
    assert seeded.get(f"incidents/{INCIDENT}/suspects", revision=1).json()["suspects"] == []


def test_verdicts_are_listed_the_last_first_and_told_whole(seeded: QueryClient) -> None:
    assert [each["number"] for each in items(seeded, f"incidents/{INCIDENT}/revisions")] == [2, 1]
    told = seeded.get(f"incidents/{INCIDENT}/revisions/2").json()
    assert told["verdict"] == verdict_to_json(NAMED)
    assert told["incident_version"] == 2


def test_an_incident_has_its_anomalies_and_alerts(seeded: QueryClient) -> None:
    anomalies = items(seeded, f"incidents/{INCIDENT}/anomalies")
    assert [each["series"]["component"] for each in anomalies] == ["cart", "cart-db"]
    assert [each["name"] for each in items(seeded, f"incidents/{INCIDENT}/alerts")] == ["HighErrors"]
    assert items(seeded, "incidents/old/anomalies") == []


def test_an_anomaly_is_told_with_its_band_and_null_for_what_is_no_number(seeded: QueryClient) -> None:
    odd, first = items(seeded, "anomalies")
    assert [first[name] for name in ("onset", "score", "value", "high", "ended_at")] == [AT, 7.5, 3.9, 0.4, None]
    assert first["series"]["unit"] == "cores"
    assert (odd["value"], odd["low"], odd["high"]) == (None, None, 0.4)


@pytest.mark.parametrize(
    ("path", "asked", "count"),
    [
        ("anomalies", {"metric": "cpu"}, 1),
        ("anomalies", {"lasting": "true"}, 1),
        ("anomalies", {"component": "cart", "since": AT}, 1),
        ("alerts", {}, 2),
        ("alerts", {"firing": "true"}, 2),
        ("alerts", {"component": "web"}, 0),
        ("changes", {"component": "cart"}, 1),
        ("changes", {"until": "2026-03-01T11:59:59Z"}, 0),
        ("history", {}, 2),
        ("history", {"since": AT}, 1),
        ("components", {}, 4),
        ("components", {"type": "database"}, 1),
        ("models", {}, 2),
        ("investigations", {}, 1),
        (f"incidents/{INCIDENT}/feedback", {}, 1),
    ],
    ids=str,
)
def test_lists_are_chosen_from_and_paged(seeded: QueryClient, path: str, asked: dict[str, object], count: int) -> None:
    whole = items(seeded, path, **asked)
    assert len(whole) == count
    found, cursor = [], {}
    for _ in whole:
        page = seeded.get(path, limit=1, **asked, **cursor).json()
        found += page["items"]
        cursor = {"cursor": page["next_cursor"]}
    assert found == whole
    assert not whole or cursor == {"cursor": None}


def test_history_is_told_by_the_name_that_its_list_gives(seeded: QueryClient) -> None:
    first, timeless = items(seeded, "history")
    assert (first["incident_id"], first["root_components"], timeless["started_at"]) == ("INC-7", ["cart-db"], None)
    assert seeded.get(f"history/{first['history_id']}").json() == first
    assert seeded.get(f"history/{'0' * 64}").status_code == 404
    assert seeded.get("history/a%00b").status_code == 422


def test_the_topology_is_told_around_a_component_and_as_it_was(seeded: QueryClient) -> None:
    whole = seeded.get("topology").json()
    assert [each["name"] for each in whole["components"]] == ["cart", "cart-db", "ns/disk", "web"]
    near = seeded.get("topology", around="web").json()
    assert [each["name"] for each in near["components"]] == ["cart", "web"]
    further = seeded.get("topology", around="cart.shop.svc", depth=2).json()
    assert len(further["dependencies"]) == 3
    assert seeded.get("topology", at="2026-01-01T00:00:00Z").json()["components"] == []
    assert seeded.get("topology", limit=1).json()["left_out"] == 3
    assert seeded.get("topology", around="no").status_code == 404


def test_a_component_is_told_with_what_it_leans_on_and_what_leans_on_it(seeded: QueryClient) -> None:
    told = seeded.get("components/cart").json()
    assert [(each["caller"], each["callee"]) for each in told["dependencies"]] == [("cart", "cart-db"), ("web", "cart")]
    assert told["dependencies"][0]["seen"][0]["last"] == AT
    assert seeded.get("components/ns/disk").json()["name"] == "ns/disk"
    assert seeded.get("components/cart.shop.svc").json()["name"] == "cart"


def test_the_status_says_how_detection_does(seeded: QueryClient) -> None:
    told = seeded.get("status").json()
    assert (told["well"], told["open_incidents"], told["dead_letters"]) == (False, 1, 1)
    assert [each["shard"] for each in told["shards"]] == [3]
    assert told["letters"][0]["error"] == "SourceError: gone"


def test_an_investigation_that_is_done_has_its_report(seeded: QueryClient) -> None:
    assert "It was cart-db." in seeded.get(f"investigations/{ASKED}/report").text


def give(client: QueryClient, incident_id: str = INCIDENT, **said: object) -> Any:
    return client.ask("POST", f"incidents/{incident_id}/feedback", json=said)


def test_what_is_said_of_a_verdict_is_kept_by_who_said_it(records: SqlRecords) -> None:
    client = client_of(records)
    assert give(client, says="right").status_code == 201
    told = give(client, says="cause", component="web", fault_type="memory", note="later", by="bob").json()
    assert (told["by"], told["component"], told["at"]) == ("bob", "web", AT)
    opinions = records.feedback.opinions(INCIDENT)
    assert [(each.by, each.says, each.component) for each in opinions[1:]] == [
        ("ann", "right", "cart-db"),
        ("bob", "cause", "web"),
    ]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"says": "odd"},
        {"says": "cause"},
        {"says": "not-an-incident", "component": "web"},
        {"says": "right", "more": 1},
        {"says": "right", "note": "x" * 2001},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(seeded: QueryClient, said: dict[str, object]) -> None:
    answer = give(seeded, **said)
    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_feedback_on_what_is_no_incident_of_ours_is_not_found(seeded: QueryClient) -> None:
    assert give(seeded, "no", says="right").status_code == 404


def test_a_model_is_promoted_through_the_gate_or_by_force_with_a_reason(records: SqlRecords) -> None:
    client = client_of(records)
    path = f"models/{MODEL}/versions"
    refused = client.ask("POST", f"{path}/2/promote")
    assert refused.status_code == 409
    assert refused.json()["detail"] == (
        "shop version 2 is not promoted: no proof on 85 later incidents; or send `force` with a `reason`"
    )
    assert client.ask("POST", f"{path}/1/promote").json()["status"] == "serving"
    assert client.ask("POST", f"{path}/1/promote").status_code == 409
    assert client.ask("POST", f"{path}/2/promote", json={"force": True}).status_code == 409
    assert client.ask("POST", f"{path}/2/promote", json={"force": True, "reason": "new"}).status_code == 200
    assert client.ask("POST", f"{path}/3/promote").status_code == 404
    assert client.get(f"{path}/1").json()["status"] == "retired"
    assert [(each.by, each.reason) for each in records.models.model_events(MODEL)] == [("ann", ""), ("ann", "new")]


def test_a_model_is_told_with_its_card(seeded: QueryClient) -> None:
    assert seeded.get(f"models/{MODEL}/versions/1").json()["card"]["trained_on"] == "85 incidents"
    assert seeded.get(f"models/{MODEL}/versions/9").status_code == 404


@pytest.mark.parametrize("time", ["2026-03-01", "1772366400", "2026-03-01T12:00:00", "0001-01-01T00:00:00Z", "now"])
def test_a_time_without_its_zone_or_out_of_reach_is_refused(seeded: QueryClient, time: str) -> None:
    answer = seeded.get("topology", at=time)
    assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (422, ["query.at"])


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"content": b"{" * 100_000}, 422),
        ({"content": b"[" * 100_000 + b"]" * 100_000}, 400),
        ({"content": b'{"says": "right", "note": "' + b"x" * (1 << 20) + b'"}'}, 413),
        ({"content": b"\xff\xfe"}, 422),
        ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"content": b"{}", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415),
        ({"content": b"{}", "headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"}}, 415),
        ({"content": b'{"says": "right", "says": NaN}'}, 422),
    ],
    ids=range(8),
)
def test_a_body_that_is_none_is_a_problem_of_whoever_sends_it(
    seeded: QueryClient, how: dict[str, Any], status: int
) -> None:
    usual = {"headers": {"Content-Type": "application/json"}}
    answer = seeded.ask("POST", f"incidents/{INCIDENT}/feedback", **usual | how)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
