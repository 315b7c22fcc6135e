"""Changes in our own shape, as webhooks of other tools, and as CDEvents in CloudEvents."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from hypocenter.errors import InputError, LimitError
from hypocenter.ingest.cdevents import BATCHED, STRUCTURED, decode_cdevents
from hypocenter.ingest.changes import decode_changes
from hypocenter.ingest.json_values import MOST_RECORDS

if TYPE_CHECKING:
    from hypocenter.events import KeptChange, Told

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GITHUB = {
    "action": "created",
    "deployment_status": {
        "id": 77,
        "state": "success",
        "environment": "production",
        "created_at": "2026-03-01T12:00:00Z",
        "target_url": "https://github.com/acme/cart/actions/runs/1",
    },
    "deployment": {"id": 7, "sha": "c0ffee", "ref": "v1.4.2", "environment": "production"},
    "repository": {"name": "cart", "full_name": "acme/cart"},
}
LAUNCHDARKLY = {
    "_id": "57c0a8e2",
    "date": 1772366400000,
    "kind": "flag",
    "name": "New cart",
    "titleVerb": "turned on the flag",
    "accesses": [{"action": "updateOn", "resource": "proj/shop:env/production:flag/new-cart;tag"}],
}
DEPLOYED = {
    "context": {
        "version": "0.4.1",
        "id": "271069a8",
        "source": "/ci/prod",
        "type": "dev.cdevents.service.deployed.0.2.0",
        "timestamp": "2026-03-01T12:00:00.000Z",
    },
    "subject": {
        "id": "service/cart",
        "type": "service",
        "content": {"environment": {"id": "production"}, "artifactId": "pkg:oci/cart@sha256%3A0b31"},
    },
}
ENVELOPE = {
    "specversion": "1.0",
    "id": "271069a8",
    "source": "/ci/prod",
    "type": "dev.cdevents.service.deployed.0.2.0",
    "time": "2026-03-01T12:00:00Z",
    "datacontenttype": "application/json",
}


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def change(value: Any, component: str = "") -> KeptChange:
    return decode_changes(body(value), NOW, component).changes[0]


def incident(kind: str, at: str, **content: Any) -> dict[str, Any]:
    context = {"id": f"{kind}-1", "source": "/mon", "type": f"dev.cdevents.incident.{kind}.0.2.0", "timestamp": at}
    subject = {"id": "incident-7", "content": {"service": {"id": "cart"}, **content}}
    return {"context": context, "subject": subject}


def events(value: Any, content_type: str = "application/json", **headers: str) -> Told:
    return decode_cdevents(body(value), {"content-type": content_type, **headers})


def test_our_own_shape_tells_all_that_a_change_may_say() -> None:
    kept = change(
        {
            "id": "ci-7",
            "component": "cart",
            "at": "2026-03-01T13:00:00+01:00",
            "type": "Feature_Flag",
            "title": "new-cart on",
            "url": "https://flags/7",
            "labels": {"environment": "production"},
        }
    )
    event = kept.change
    assert (event.component, event.at, event.type, event.title) == ("cart", NOW, "flag", "new-cart on")
    assert (event.reference, kept.origin.key) == ("https://flags/7", "id:ci-7")
    assert kept.origin.labels == {"environment": "production"}


def test_a_component_is_enough_and_the_address_may_name_it() -> None:
    assert (change({"component": "cart"}).change.at, change({"component": "cart"}).change.type) == (NOW, "deploy")
    assert change({"title": "1.4.2"}, "cart").change.component == "cart"
    with pytest.raises(InputError, match="component is missing"):
        change({"title": "1.4.2"})


def test_without_an_id_what_is_said_names_the_change() -> None:
    said = {"component": "cart", "at": 1772366400, "title": "1.4.2"}
    assert change(said).origin.key == change({**said, "at": "2026-03-01T12:00:00Z"}).origin.key
    assert change(said).origin.key != change({**said, "title": "1.4.3"}).origin.key


def test_githubs_deployment_is_a_change_when_it_ends() -> None:
    kept = change(GITHUB)
    assert (kept.change.component, kept.change.at, kept.change.title) == ("cart", NOW, "v1.4.2")
    assert kept.change.reference == "https://github.com/acme/cart/actions/runs/1"
    assert (kept.origin.key, kept.origin.labels["environment"]) == ("github:77", "production")
    assert change(GITHUB, "basket").change.component == "basket"
    failed = {**GITHUB, "deployment_status": {**GITHUB["deployment_status"], "state": "failure"}}
    assert change(failed).change.title == "v1.4.2 (failure)"


@pytest.mark.parametrize(
    "webhook",
    [
        {**GITHUB, "deployment_status": {"id": 1, "state": "in_progress"}},
        {"deployment": {"id": 7}, "repository": {"name": "cart"}},
        {"zen": "Keep it logically awesome.", "hook_id": 1, "repository": {"name": "cart"}},
        {**LAUNCHDARKLY, "kind": "segment"},
    ],
)
def test_webhooks_that_change_nothing_are_taken_and_left_out(webhook: dict[str, Any]) -> None:
    told = decode_changes(body(webhook), NOW)
    assert (told.changes, len(told.left_out)) == ((), 1)


def test_launchdarklys_flag_is_a_change_of_its_project_unless_the_address_says_whose() -> None:
    kept = change(LAUNCHDARKLY, "cart")
    assert (kept.change.component, kept.change.type, kept.change.at) == ("cart", "flag", NOW)
    assert kept.change.title == "New cart turned on the flag"
    assert (kept.origin.key, kept.origin.labels["flag"]) == ("launchdarkly:57c0a8e2", "new-cart")
    assert change(LAUNCHDARKLY).change.component == "shop"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ([1], r"body\[0\] must be an object"),
        ({"component": ["cart"]}, "body.component must be text"),
        ({"component": "cart", "at": {}}, "is no time"),
        ({**GITHUB, "repository": {}}, r"add \?component=NAME"),
        ({**GITHUB, "deployment_status": {"state": "success", "id": 7}}, "deployment_status.created_at is missing"),
        ({**LAUNCHDARKLY, "accesses": 7}, "body.accesses must be a list"),
        ({**LAUNCHDARKLY, "_id": None}, "body._id is missing"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_field(wrong: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        change(wrong)


def test_too_many_changes_are_refused() -> None:
    with pytest.raises(LimitError, match="10,000 objects"):
        decode_changes(b'{"component": "a"}\n' * (MOST_RECORDS + 1), NOW)


def test_an_event_says_the_same_in_each_mode_of_cloudevents() -> None:
    headers = {f"ce-{name}": value for name, value in ENVELOPE.items()}
    encoded = base64.b64encode(body(DEPLOYED)).decode()
    told = [
        events({**ENVELOPE, "data": DEPLOYED}, f"{STRUCTURED}; charset=utf-8"),
        events({**ENVELOPE, "data_base64": encoded}, STRUCTURED),
        events([{**ENVELOPE, "data": DEPLOYED}], BATCHED),
        events(DEPLOYED, **headers),
        events(DEPLOYED),
    ]
    assert all(each == told[0] for each in told)
    kept = told[0].changes[0]
    assert (kept.change.component, kept.change.at, kept.change.type) == ("cart", NOW, "deploy")
    assert kept.change.title == "deployed pkg:oci/cart@sha256%3A0b31"
    assert kept.origin.labels["environment"] == "production"
    assert kept.origin.key == "cdevents:/ci/prod:271069a8"


def test_the_envelope_tells_what_the_event_does_not() -> None:
    bare = {"subject": DEPLOYED["subject"]}
    assert events({**ENVELOPE, "data": bare}, STRUCTURED).changes[0].change.at == NOW


@pytest.mark.parametrize(
    ("predicate", "type_"),
    [("upgraded", "deploy"), ("published", "deploy"), ("rolledback", "rollback"), ("removed", "removal")],
)
def test_what_happens_to_a_service_is_a_change(predicate: str, type_: str) -> None:
    context = {**DEPLOYED["context"], "type": f"dev.cdevents.service.{predicate}.0.3.0-draft"}
    assert events({**DEPLOYED, "context": context}).changes[0].change.type == type_


def test_other_events_are_taken_and_left_out() -> None:
    others = [
        {**ENVELOPE, "type": "dev.cdevents.build.finished.0.2.0", "data": DEPLOYED["subject"]},
        {**ENVELOPE, "type": "com.example.something", "data": "x"},
    ]
    told = events(others, BATCHED)
    assert (told.changes, told.alerts) == ((), ())
    assert told.left_out[1] == "an event of type 'com.example.something'"


def test_an_incident_is_one_alert_from_its_first_event_to_its_last() -> None:
    detected = incident("detected", "2026-03-01T12:00:00Z", description="slow")
    resolved = incident("resolved", "2026-03-01T12:30:00Z")
    began, ended = (events(each).alerts[0] for each in (detected, resolved))
    assert (began.alert.component, began.alert.name, began.alert.summary) == ("cart", "incident", "slow")
    assert (began.starts_at, began.ends_at, began.resolved) == (NOW, None, False)
    assert (ended.origin.key, ended.resolved) == (began.origin.key, True)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"type": "dev.cdevents.service.deployed.0.2.0"},
        {**ENVELOPE, "data": [1]},
        {**ENVELOPE, "data_base64": "%"},
        {**ENVELOPE, "data_base64": base64.b64encode(b"{").decode()},
        {**DEPLOYED, "subject": {"content": {}}},
        {**DEPLOYED, "context": {"type": "dev.cdevents.service.deployed.0.2.0", "id": "1"}},
        {**DEPLOYED, "context": {**DEPLOYED["context"], "id": ""}},
    ],
)
def test_an_event_that_cannot_be_read_is_refused(wrong: Any) -> None:
    with pytest.raises(InputError):
        events(wrong)
