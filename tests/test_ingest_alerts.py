"""Alerts as Alertmanager, Prometheus, Grafana and anybody else send them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from hypocenter.errors import InputError, LimitError
from hypocenter.ingest.alert_labels import label_order
from hypocenter.ingest.alertmanager import FIRES_FOR, decode_posted, decode_webhook
from hypocenter.ingest.alerts import decode_alerts
from hypocenter.ingest.json_values import LONGEST_NAME, LONGEST_TEXT, MOST_LABELS, MOST_RECORDS
from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS as ORDER

if TYPE_CHECKING:
    from hypocenter.events import KeptAlert

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=10)
LABELS = {"alertname": "HighErrors", "pod": "cart-7d4b9c6f5d-x2x7k", "severity": "page"}
NOTIFIED = {
    "status": "firing",
    "labels": LABELS,
    "annotations": {"summary": "5 % of requests fail"},
    "startsAt": "2026-03-01T11:50:00.000Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph?g0.expr=x",
    "fingerprint": "f00dfeed",
}


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def notified(**more: Any) -> KeptAlert:
    told = decode_webhook(body({"version": "4", "alerts": [{**NOTIFIED, **more}]}), NOW, ORDER)
    return told.alerts[0]


def posted(**more: Any) -> KeptAlert:
    alert = {"labels": LABELS, "startsAt": EARLIER.isoformat(), **more}
    return decode_posted(body([alert]), NOW, ORDER).alerts[0]


def given(value: Any) -> KeptAlert:
    return decode_alerts(body(value), NOW, ORDER).alerts[0]


def test_a_notification_tells_who_what_when_how_bad_and_where_to_read_on() -> None:
    kept = notified()
    assert (kept.alert.component, kept.alert.name, kept.alert.severity) == ("cart", "HighErrors", "page")
    assert (kept.alert.summary, kept.starts_at, kept.ends_at) == ("5 % of requests fail", EARLIER, None)
    assert (kept.origin.labels, kept.origin.reference) == (LABELS, NOTIFIED["generatorURL"])
    assert not kept.resolved


def test_a_resolved_one_has_its_end_and_the_same_name() -> None:
    kept = notified(status="resolved", endsAt="2026-03-01T11:55:00Z")
    assert (kept.resolved, kept.ends_at) == (True, NOW - timedelta(minutes=5))
    assert kept.origin.key == notified().origin.key


def test_another_firing_of_the_same_labels_is_another_alert() -> None:
    assert notified(startsAt="2026-03-01T11:51:00Z").origin.key != notified().origin.key


def test_without_a_fingerprint_the_labels_make_one() -> None:
    nameless = notified(fingerprint=None)
    assert nameless.origin.key == posted(startsAt=NOTIFIED["startsAt"]).origin.key
    assert nameless.origin.key != notified(fingerprint=None, labels={**LABELS, "zone": "b"}).origin.key


def test_what_is_not_known_is_passed_over_and_what_was_not_sent_is_told() -> None:
    notification = {"alerts": [{**NOTIFIED, "imageURL": [1]}], "orgId": 1, "version": "1", "truncatedAlerts": 7}
    told = decode_webhook(body(notification), NOW, ORDER)
    assert len(told.alerts) == 1
    assert told.left_out == ("7 alerts of this group were not sent: raise max_alerts of the webhook",)


def test_an_empty_group_is_no_error() -> None:
    assert decode_webhook(b'{"alerts": []}', NOW, ORDER).alerts == ()


@pytest.mark.parametrize(
    ("alert", "reason"),
    [
        ({"labels": {}}, "has labels"),
        ({"labels": {"a": ["b"]}}, r"body.alerts\[0\].labels.a must be text"),
        ({"labels": [1]}, "alerts.0..labels must be an object"),
        ({"startsAt": "yesterday"}, r"body.alerts\[0\].startsAt: 'yesterday' is no time"),
        ({"startsAt": True}, "is no time"),
        ({"startsAt": 1e400}, "is no JSON"),
        ({"startsAt": "1969-12-31T23:59:59Z"}, "outside the years 1970 to 2200"),
        ({"status": "resolved", "endsAt": "2026-03-01T11:00:00Z"}, "before it starts"),
        ({"labels": {"a" * (LONGEST_NAME + 1): "b"}}, "the limit is 1,000"),
        ({"fingerprint": "a" * (LONGEST_NAME + 1)}, "the limit is 1,000"),
    ],
)
def test_an_alert_that_cannot_be_read_is_refused_by_its_field(alert: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        notified(**alert)


@pytest.mark.parametrize("wrong", [b"", b"{", b"[]", b"7", b"{}", b'{"alerts": {}}', b'{"alerts": [1]}', b"\xff\xfe"])
def test_what_is_no_notification_is_refused(wrong: bytes) -> None:
    with pytest.raises(InputError):
        decode_webhook(wrong, NOW, ORDER)


def test_a_text_is_cut_and_what_is_too_many_is_refused() -> None:
    assert notified(annotations={"summary": "x" * 9999}).alert.summary == "x" * (LONGEST_TEXT - 3) + "..."
    with pytest.raises(LimitError, match="limit of 256"):
        notified(labels={f"l{number}": "x" for number in range(MOST_LABELS + 1)})
    with pytest.raises(LimitError, match="10,000 objects"):
        decode_webhook(body({"alerts": [NOTIFIED] * (MOST_RECORDS + 1)}), NOW, ORDER)


def test_what_prometheus_posts_fires_until_it_says_and_is_resolved_when_that_is_past() -> None:
    until = posted(endsAt="2026-03-01T12:04:00Z")
    assert (until.resolved, until.ends_at) == (False, NOW + timedelta(minutes=4))
    over = posted(endsAt="2026-03-01T11:59:00Z")
    assert (over.resolved, over.ends_at) == (True, NOW - timedelta(minutes=1))
    assert over.origin.key == until.origin.key


def test_what_states_no_times_fires_from_now_for_as_long_as_alertmanager_lets_it() -> None:
    kept = posted(startsAt=None)
    assert (kept.starts_at, kept.ends_at, kept.resolved) == (NOW, NOW + FIRES_FOR, False)


@pytest.mark.parametrize(
    ("labels", "component"),
    [
        ({"service": "checkout", "pod": "other-0"}, "checkout"),
        ({"job": "kube-state-metrics", "namespace": "shop", "deployment": "cart"}, "cart"),
        ({"job": "kubelet", "service": "kube-prometheus-stack-kubelet", "pod": "cart-0", "container": "app"}, "cart"),
        ({"job": "node-exporter", "instance": "db-7:9100"}, "db-7"),
        ({"severity": "none"}, ""),
    ],
)
def test_the_labels_name_the_component_also_where_an_exporter_names_itself(
    labels: dict[str, str], component: str
) -> None:
    assert notified(labels={"alertname": "A", **labels}).alert.component == component


def test_the_order_of_labels_can_be_chosen() -> None:
    told = decode_webhook(body({"alerts": [{**NOTIFIED, "labels": {"team": "x", "pod": "p"}}]}), NOW, ("team",))
    assert told.alerts[0].alert.component == "x"


def test_labels_of_the_setting_go_before_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert label_order() == ORDER
    monkeypatch.setenv("HYPOCENTER_ALERT_LABELS", " team_service,,app ")
    assert label_order() == ("team_service", "app", *ORDER)
    labels = {"alertname": "A", "job": "kube-state-metrics", "pod": "cart-0", "team_service": "basket"}
    assert decode_posted(body([{"labels": labels}]), NOW, label_order()).alerts[0].alert.component == "basket"


def test_our_own_shape_tells_all_that_an_alert_may_say() -> None:
    kept = given(
        {
            "id": "7",
            "component": "cart",
            "name": "slow",
            "starts_at": 1772366400,
            "ends_at": "2026-03-01T13:05:00+01:00",
            "severity": "page",
            "summary": "p99 2 s",
            "modality": "trace",
            "labels": {"zone": "b"},
            "url": "https://grafana/d/7",
        }
    )
    alert = kept.alert
    assert (alert.component, alert.name, alert.modality, alert.severity) == ("cart", "slow", "trace", "page")
    assert (alert.at, kept.ends_at, kept.resolved) == (NOW, NOW + timedelta(minutes=5), False)
    assert (kept.origin.key, kept.origin.reference, kept.origin.labels) == (
        "id:7",
        "https://grafana/d/7",
        {"zone": "b"},
    )


def test_our_own_shape_needs_little_and_ends_by_a_word() -> None:
    kept = given({"name": "slow", "labels": {"service": "cart"}, "starts_at": EARLIER.isoformat()})
    assert (kept.alert.component, kept.ends_at, kept.resolved) == ("cart", None, False)
    over = given(
        {"name": "slow", "labels": {"service": "cart"}, "starts_at": EARLIER.isoformat(), "status": "resolved"}
    )
    assert (over.origin.key, over.ends_at, over.resolved) == (kept.origin.key, NOW, True)


def test_one_a_list_or_one_a_line() -> None:
    one = {"name": "slow", "component": "cart"}
    line = body(one)
    for many in (body([one, one]), line + b"\n\n" + line + b"\r\n", b"\xef\xbb\xbf" + body([one, one])):
        assert len(decode_alerts(many, NOW, ORDER).alerts) == 2


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (b'{"name": "slow"}', "needs a name, and a component"),
        (b'{"component": "cart"}', "needs a name"),
        (b'{"name": "a", "component": "b", "modality": "smell"}', "body.modality must be one of metric, trace, log"),
        (b'{"name": "a", "component": "b", "starts_at": 2, "ends_at": 1}', "ends_at is before starts_at"),
        (b'{"name": "a", "component": "b"}\n{"name": "a"}', "line 2: an alert needs"),
        (b'{"name": "a", "component": "b"}\n{"name"', "line 2 is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"name": "a", "component": "b", "starts_at": 1' + b"0" * 5000 + b"}", "is no JSON"),
        (b'{"name": "a", "component": "b", "starts_at": NaN}', "is no JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_by_field_and_line(wrong: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        decode_alerts(wrong, NOW, ORDER)
