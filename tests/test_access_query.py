"""What access has told of itself: who asks, tokens, settings and the audit log, each tenant's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from served import FIRST, OTHER, Served, serving

from hypocenter.api.tending import tend
from hypocenter.api.tokens import NAMED, Grant, TokenFile
from hypocenter.stores.audit import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS, TOKENS, AUDIT, WHOAMI = (f"/api/v1/{each}" for each in ("settings", "tokens", "audit", "whoami"))


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("HYPOCENTER_TENANTS", OTHER)
    with serving(tmp_path_factory.mktemp("served")) as found:
        yield found


def test_everybody_known_is_told_who_they_are(served: Served) -> None:
    told = served.ask("GET", WHOAMI, "feedback", OTHER).json()
    assert told == {"name": "feedback", "scopes": ["read", "feedback"], "tenant": OTHER, "how": "token"}
    assert served.ask("GET", WHOAMI, "ingest").json()["scopes"] == ["ingest"]
    assert served.ask("GET", WHOAMI).status_code == 401


def test_a_token_is_made_used_listed_and_revoked(served: Served) -> None:
    made = served.ask("POST", TOKENS, "admin", OTHER, json={"name": "grafana", "scopes": ["read"]})
    assert (made.status_code, made.headers["location"]) == (201, f"{TOKENS}/grafana")
    served.tokens[OTHER, "grafana"] = text = made.json()["token"]
    assert served.ask("GET", WHOAMI, "grafana", OTHER).json()["tenant"] == OTHER
    listed = served.ask("GET", TOKENS, "admin", OTHER)
    assert [each["name"] for each in listed.json()["items"]] == ["ingest", "read", "feedback", "admin", "grafana"]
    assert text not in listed.text
    assert served.ask("POST", TOKENS, "admin", OTHER, json={"name": "grafana", "scopes": ["read"]}).status_code == 400
    assert served.ask("DELETE", f"{TOKENS}/grafana", "admin", OTHER).status_code == 204
    assert served.ask("GET", WHOAMI, "grafana", OTHER).status_code == 401
    assert served.ask("DELETE", f"{TOKENS}/grafana", "admin", OTHER).status_code == 404


def test_tokens_of_another_tenant_are_not_there(served: Served) -> None:
    assert served.ask("POST", TOKENS, "admin", json={"name": "mine", "scopes": ["read"]}).status_code == 201
    assert "mine" not in served.ask("GET", TOKENS, "admin", OTHER).text
    assert served.ask("DELETE", f"{TOKENS}/mine", "admin", OTHER).status_code == 404
    assert served.ask("POST", TOKENS, "admin", OTHER, json={"name": "mine", "scopes": ["read"]}).status_code == 201
    assert served.ask("DELETE", f"{TOKENS}/mine", "admin", OTHER).status_code == 204
    assert "mine" in served.ask("GET", TOKENS, "admin").text


def test_a_token_that_names_the_tenant_of_the_setting_is_listed_and_revoked(served: Served) -> None:
    file = TokenFile(served.folder)
    served.tokens[FIRST, "hidden"] = file.create("hidden", datetime.now(UTC), Grant.of(["admin"], FIRST))
    assert served.ask("GET", WHOAMI, "hidden").json()["tenant"] == FIRST
    assert "hidden" in served.ask("GET", TOKENS, "admin").text
    assert "hidden" not in served.ask("GET", TOKENS, "admin", OTHER).text
    assert served.ask("DELETE", f"{TOKENS}/hidden", "admin", OTHER).status_code == 404
    assert served.ask("DELETE", f"{TOKENS}/hidden", "admin").status_code == 204
    assert served.ask("GET", WHOAMI, "hidden").status_code == 401


def test_what_is_no_name_of_a_token_is_said_in_words(served: Served) -> None:
    for name in ("", "two words", "-first", "x" * 65, "line\n"):
        answer = served.ask("POST", TOKENS, "admin", json={"name": name, "scopes": ["read"]})
        assert (name, answer.status_code) == (name, 422)
        assert answer.json()["errors"] == [{"field": "body.name", "message": f"write {NAMED}"}]


def test_settings_are_changed_for_one_tenant(served: Served) -> None:
    before = served.ask("GET", SETTINGS, "read", OTHER)
    assert before.json()["settings"]["precision"]["value"] == 0.8
    given = {"headers": {"If-Match": before.headers["etag"]}, "json": {"precision": 0.9}}
    changed = served.ask("PATCH", SETTINGS, "admin", OTHER, **given)
    now = served.ask("GET", SETTINGS, "read", OTHER)
    assert (changed.status_code, changed.headers["etag"]) == (200, now.headers["etag"])
    assert now.json()["settings"]["precision"] | {"help": ""} == {
        "value": 0.9,
        "default": 0.8,
        "changed": True,
        "help": "",
    }
    assert served.ask("PATCH", SETTINGS, "admin", OTHER, **given).status_code == 412
    weak = {"headers": {"If-Match": f"W/{now.headers['etag']}"}, "json": {"precision": 0.7}}
    assert served.ask("PATCH", SETTINGS, "admin", OTHER, **weak).status_code == 412
    assert served.ask("GET", SETTINGS, "read").json() == before.json()
    assert served.ask("PATCH", SETTINGS, "admin", OTHER, json={"precision": None}).json() == before.json()


@pytest.mark.parametrize(
    "wanted",
    [{"precision": 2}, {"precision": "x"}, {"retention_days": 0}, {"retention_days": 1e9}, {"redis_url": "x"}, []],
)
def test_a_setting_that_cannot_be_changes_nothing(served: Served, wanted: object) -> None:
    before = served.ask("GET", SETTINGS, "read").json()
    answer = served.ask("PATCH", SETTINGS, "admin", json=wanted)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert served.ask("GET", SETTINGS, "read").json() == before


def test_every_setting_that_is_told_can_be_changed(served: Served) -> None:
    told = served.ask("GET", SETTINGS, "read").json()["settings"]
    changed = served.ask("PATCH", SETTINGS, "admin", json={name: each["value"] for name, each in told.items()})
    assert all(each["changed"] for each in changed.json()["settings"].values())


def test_no_setting_is_a_secret(served: Served) -> None:
    told = served.ask("GET", SETTINGS, "admin").json()["settings"]
    assert sorted(told) == ["audit_retention_days", "precision", "records_days", "retention_days"]


def test_what_is_changed_is_in_the_log_of_its_tenant(served: Served) -> None:
    served.ask("PATCH", SETTINGS, "admin", OTHER, json={"precision": 0.9}, headers={"X-Request-ID": "r-1"})
    made = served.ask("POST", TOKENS, "admin", OTHER, json={"name": "grafana", "scopes": ["read"]}).json()
    served.ask("PATCH", SETTINGS, "read", OTHER, json={"precision": 0.5})
    served.ask("GET", SETTINGS, "read", OTHER)
    answer = served.ask("GET", AUDIT, "admin", OTHER)
    told = [(each["who"], each["action"], each["outcome"], each["details"]) for each in answer.json()["items"]]
    assert told == [
        ("read", f"PATCH {SETTINGS}", "refused", ""),
        ("admin", f"POST {TOKENS}", "done", "grafana: read"),
        ("admin", f"PATCH {SETTINGS}", "done", "precision=0.9"),
    ]
    last = answer.json()["items"][-1]
    assert (last["request_id"], last["address"], last["how"]) == ("r-1", "192.0.2.1", "token")
    assert made["token"] not in answer.text
    assert served.ask("GET", AUDIT, "admin").json()["items"] == []


def test_the_log_is_read_a_page_at_a_time(served: Served) -> None:
    for share in (0.5, 0.6, 0.7):
        served.ask("PATCH", SETTINGS, "admin", json={"precision": share})
    first = served.ask("GET", AUDIT, "admin", params={"limit": 2}).json()
    served.ask("PATCH", SETTINGS, "admin", json={"precision": 0.8})
    second = served.ask("GET", AUDIT, "admin", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    told = [each["details"] for each in first["items"] + second["items"]]
    assert told == [f"precision={share}" for share in (0.7, 0.6, 0.5)]
    assert second["next_cursor"] is None


def test_strangers_do_not_fill_the_log(served: Served) -> None:
    for _ in range(100):
        assert served.ask("DELETE", f"{TOKENS}/x").status_code == 401
    told = served.ask("GET", AUDIT, "admin", params={"limit": 500}).json()["items"]
    assert 0 < len(told) < 50
    assert {(each["who"], each["outcome"], each["action"]) for each in told} == {
        ("", "refused", f"DELETE {TOKENS}/{{name}}")
    }


def test_what_is_old_is_forgotten_as_the_setting_says_now(served: Served) -> None:
    parts, now = served.parts[FIRST], datetime.now(UTC)
    for days in (400, 20, 1):
        parts.records.audit.add(AuditEntry(now - timedelta(days=days), "a", "token", "x", "/", "done"))
    tend(parts.metrics, parts.records, now)
    assert len(parts.records.audit.newest(10)) == 2
    served.ask("PATCH", SETTINGS, "admin", json={"audit_retention_days": 10})
    tend(parts.metrics, parts.records, now)
    assert [each.entry.who for each in parts.records.audit.newest(10)] == ["admin", "a"]
