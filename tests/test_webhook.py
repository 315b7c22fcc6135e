"""The signed webhook, against a real HTTP server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hook_receiver import Receiver, receiving

from hypocenter.errors import InputError, SourceError
from hypocenter.notify.messages import Message, may_be_news, no_news, untold
from hypocenter.notify.webhook import Webhook, post, webhook_of_settings
from hypocenter.remote_write_sending import Patience
from hypocenter.stores.live_incidents import LiveIncident, Revision, Status

if TYPE_CHECKING:
    from pathlib import Path

    from hypocenter.stores.live_incidents import IncidentStore
    from hypocenter.stores.opening import SqlRecords

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECRET = b"0123456789abcdef0123456789abcdef"
MESSAGE = Message("abc.opened", "opened", b'{"type": "incident.opened"}')


def send(receiver: Receiver, chance: float = 0.5) -> list[float]:
    """Post the message and return how long was waited between tries."""
    waits: list[float] = []
    patience = Patience(attempts=4, longest_wait=10.0, now=lambda: 0.0, wait=waits.append)
    post(Webhook(receiver.url, SECRET), MESSAGE, NOON, chance=lambda: chance, patience=patience)
    return waits


def test_a_receiver_can_prove_who_sent_it_and_when() -> None:
    with receiving() as receiver:
        send(receiver)
    ((headers, body),) = receiver.requests
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    version, _, shown = headers["webhook-signature"].partition(",")
    assert version == "v1"
    assert base64.b64decode(shown) == hmac.new(SECRET, signed, hashlib.sha256).digest()
    assert int(headers["webhook-timestamp"]) == NOON.timestamp()
    assert body == MESSAGE.body


def test_it_is_sent_again_with_the_same_id_while_the_receiver_has_trouble() -> None:
    with receiving((503, {}), (429, {"Retry-After": "7"}), (200, {})) as receiver:
        waits = send(receiver)
    assert waits == [0.5, 7.0]
    assert [headers["webhook-id"] for headers, _ in receiver.requests] == [MESSAGE.key] * 3


def test_waits_are_moved_by_chance() -> None:
    with receiving((503, {}), (200, {})) as receiver:
        assert send(receiver, chance=0.0) == [0.25]


def test_what_is_never_taken_is_an_error() -> None:
    with receiving((500, {})) as receiver, pytest.raises(SourceError, match="HTTP 500"):
        send(receiver)
    assert len(receiver.requests) == 4


@pytest.mark.parametrize("answer", [(400, {}), (302, {"Location": "http://127.0.0.1:1/"})])
def test_what_is_refused_or_sent_elsewhere_is_not_tried_again(answer: tuple[int, dict[str, str]]) -> None:
    with receiving(answer) as receiver, pytest.raises(SourceError, match=f"HTTP {answer[0]}"):
        send(receiver)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "url", ["ftp://host/", "host:80", "http://", "https://ann:pw@host/", "http://[::1", "https://host/#part"]
)
def test_addresses_that_are_none_are_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(SECRET.decode())
    monkeypatch.setenv("HYPOCENTER_WEBHOOK_URL", url)
    monkeypatch.setenv("HYPOCENTER_WEBHOOK_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(InputError, match="HYPOCENTER_WEBHOOK_URL") as raised:
        webhook_of_settings()
    assert "pw" not in str(raised.value)


def test_the_settings_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert webhook_of_settings() is None
    monkeypatch.setenv("HYPOCENTER_WEBHOOK_URL", "https://hooks.example/x")
    with pytest.raises(InputError, match="WEBHOOK_SECRET_FILE"):
        webhook_of_settings()
    (tmp_path / "secret").write_text("whsec_" + base64.b64encode(SECRET).decode() + "\n")
    monkeypatch.setenv("HYPOCENTER_WEBHOOK_SECRET_FILE", str(tmp_path / "secret"))
    assert webhook_of_settings() == Webhook("https://hooks.example/x", SECRET)
    assert "0123" not in repr(webhook_of_settings())


@pytest.mark.parametrize("text", ["short", "whsec_not base64!", "\udcff"])
def test_secrets_that_are_none_are_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_bytes(text.encode(errors="surrogateescape"))
    monkeypatch.setenv("HYPOCENTER_WEBHOOK_URL", "https://hooks.example/x")
    monkeypatch.setenv("HYPOCENTER_WEBHOOK_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(InputError, match="SECRET_FILE"):
        webhook_of_settings()


SUSPECT = {"component": "cart-db", "probability": 0.9, "fault_type": "slow_query", "score": 1.0}
VERDICT = {"cause": "cart-db", "causes": ["cart-db"], "abstained": False, "summary": "It is.", "suspects": [SUSPECT]}
OPENED = LiveIncident("abc", Status.OPEN, NOON, NOON, NOON, ("cart",))


def news(store: IncidentStore) -> list[str]:
    """Return the incidents of which there may be something to tell."""
    return [each.incident.incident_id for each in store.outgoing(NOON - HOUR) if may_be_news(each)]


def judged(number: int, **other: Any) -> Revision:
    return Revision("abc", number, NOON, number, {"verdict": {**VERDICT, **other}})


def tell(store: IncidentStore) -> list[str]:
    """Take everything untold for told, and return what it was."""
    messages = untold(store, "abc")
    assert not messages or news(store) == ["abc"]
    for each in messages:
        store.add_told("abc", each.notice)
    known = no_news(store, "abc")
    if known is not None:
        store.add_told("abc", known)
    assert untold(store, "abc") == []
    assert news(store) == []
    return [json.loads(each.body)["type"] for each in messages]


def test_each_turn_of_an_incident_is_told_once(records: SqlRecords) -> None:
    store = records.incidents
    assert untold(store, "abc") == []
    store.save(OPENED)
    assert tell(store) == ["incident.opened"]
    store.add_revision(judged(1))
    assert tell(store) == ["incident.cause_changed"]
    store.add_revision(judged(2, summary="It still is."))
    assert tell(store) == []
    store.add_revision(judged(3, cause=None, causes=[]))
    assert tell(store) == ["incident.cause_changed"]
    resolved = replace(OPENED, status=Status.RESOLVED, resolved_at=NOON + HOUR, version=2)
    store.save(resolved)
    assert tell(store) == ["incident.resolved"]
    store.save(replace(resolved, components=("cart", "web"), version=3))
    assert tell(store) == []
    store.save(replace(OPENED, version=4))
    assert tell(store) == ["incident.reopened"]
    store.save(replace(resolved, resolved_at=NOON + 2 * HOUR, version=5))
    assert tell(store) == ["incident.resolved"]


def test_a_verdict_that_names_no_cause_is_no_change_of_cause(records: SqlRecords) -> None:
    records.incidents.save(OPENED)
    records.incidents.add_revision(judged(1, cause=None, causes=[], abstained=True))
    assert tell(records.incidents) == ["incident.opened"]


def test_messages_say_what_matters(records: SqlRecords) -> None:
    records.incidents.save(OPENED)
    records.incidents.add_revision(judged(1))
    opened, changed = untold(records.incidents, "abc")
    assert (opened.key, changed.key) == ("abc.opened", "abc.cause-1")
    told = json.loads(changed.body)["data"]
    assert told["incident"]["components"] == ["cart"]
    assert told["verdict"]["cause"] == "cart-db"
    assert told["verdict"]["suspects"] == [{"component": "cart-db", "probability": 0.9, "fault_type": "slow_query"}]


def test_of_several_causes_a_message_says_all_and_what_their_probabilities_are_of(records: SqlRecords) -> None:
    said = "Two components broke independently: 95% that at least one of them is a cause; were there only one, ..."
    records.incidents.save(OPENED)
    records.incidents.add_revision(judged(1, causes=["cart-db", "orders"], summary=said))
    verdict = json.loads(untold(records.incidents, "abc")[-1].body)["data"]["verdict"]
    assert (verdict["causes"], verdict["summary"]) == (["cart-db", "orders"], said)


def test_what_was_told_of_one_incident_is_news_of_another(records: SqlRecords) -> None:
    records.incidents.save(OPENED)
    tell(records.incidents)
    records.incidents.save(replace(OPENED, incident_id="def"))
    assert [each.key for each in untold(records.incidents, "def")] == ["def.opened"]
