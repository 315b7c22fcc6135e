"""Whatever somebody sends as alerts, changes or tables is read and can be kept, or refused with a reason."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutation import tampered

from hypocenter.errors import InputError
from hypocenter.events import KeptAlert, KeptChange
from hypocenter.ingest.alertmanager import decode_posted, decode_webhook
from hypocenter.ingest.alerts import decode_alerts
from hypocenter.ingest.cdevents import decode_cdevents
from hypocenter.ingest.changes import decode_changes
from hypocenter.ingest.json_values import LONGEST_NAME, LONGEST_TEXT
from hypocenter.ingest.tables import table_samples
from hypocenter.ingest.uploads import Findings
from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS as ORDER
from hypocenter.stores.documents import is_storable

if TYPE_CHECKING:
    from hypocenter.events import Told

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MUTATIONS = 25
ALERT = {
    "status": "resolved",
    "labels": {"alertname": "A", "pod": "cart-0", "severity": "page"},
    "annotations": {"summary": "s"},
    "startsAt": "2026-03-01T11:50:00Z",
    "endsAt": "2026-03-01T11:55:00Z",
    "generatorURL": "http://p/graph",
    "fingerprint": "f00d",
}
OURS = {
    "component": "c",
    "name": "n",
    "starts_at": 1772366400,
    "ends_at": 1772366500.5,
    "labels": {"a": "b"},
    "id": "7",
}
GITHUB = {
    "deployment_status": {"id": 77, "state": "success", "environment": "p", "created_at": "2026-03-01T12:00:00Z"},
    "deployment": {"id": 7, "sha": "c0ffee", "ref": "v1"},
    "repository": {"name": "cart"},
}
FLAG = {"_id": "5", "date": 1772366400000, "kind": "flag", "name": "N", "accesses": [{"resource": "proj/shop:flag/x"}]}
CHANGE = {"component": "cart", "at": "2026-03-01T12:00:00Z", "type": "deploy", "title": "1.4.2", "labels": {"env": "p"}}
EVENT = {
    "context": {
        "id": "1",
        "source": "/ci",
        "type": "dev.cdevents.service.deployed.0.2.0",
        "timestamp": "2026-03-01T12:00:00Z",
    },
    "subject": {"id": "service/cart", "content": {"environment": {"id": "p"}, "artifactId": "pkg:oci/cart"}},
}
INCIDENT = {**EVENT, "context": {**EVENT["context"], "type": "dev.cdevents.incident.resolved.0.2.0"}}
ENVELOPE = {
    "specversion": "1.0",
    "id": "1",
    "source": "/ci",
    "type": "dev.cdevents.service.deployed.0.2.0",
    "data": EVENT,
}


def _events(body: bytes) -> Told:
    return decode_cdevents(body, {"content-type": "application/json"})


def _of_header(body: bytes) -> Told:
    """The id is as odd as the body."""
    named = {"ce-type": "dev.cdevents.service.removed.1", "ce-id": "%41" + body.decode("latin-1")[-30:]}
    return decode_cdevents(body, {**named, "ce-time": "2026-03-01T12:00:00Z"})


DECODERS = {
    "webhook": (lambda body: decode_webhook(body, NOW, ORDER), [{"alerts": [ALERT, ALERT], "truncatedAlerts": 1}]),
    "posted": (lambda body: decode_posted(body, NOW, ORDER), [[ALERT]]),
    "alerts": (lambda body: decode_alerts(body, NOW, ORDER), [OURS, [OURS, OURS]]),
    "changes": (lambda body: decode_changes(body, NOW), [CHANGE, [CHANGE, GITHUB], FLAG]),
    "cdevents": (_events, [EVENT, INCIDENT, [ENVELOPE, ENVELOPE]]),
    "binary cdevents": (_of_header, [{"subject": EVENT["subject"]}]),
}
TABLES = (
    b"time,metric,service,value\n2026-03-01T12:00:00Z,up,cart,1\n1772366400000,up,cart,0.5\n",
    b'time;"db|cpu";up{job="a"}\n2026-03-01 12:00:00;1,5;2\n2026-03-01 12:01:00;;"3"\n',
    b'{"metric": {"__name__": "up", "job": "a"}, "values": [1, 2], "timestamps": [1772366400000, 1772366401000]}\n',
    b'{"labels": {"__name__": "up"}, "t": 1772366400, "v": "1.5"}\n{"metric": "up", "t": "2026-03-01", "v": 2}\n',
)


@pytest.mark.parametrize("name", DECODERS)
@given(seed=st.integers(0, 2**32))
def test_what_is_tampered_with_is_read_or_refused(name: str, seed: int) -> None:
    decode, whole = DECODERS[name]
    random = Random(seed)
    for _ in range(MUTATIONS):
        with suppress(InputError):
            told = decode(tampered(json.dumps(random.choice(whole)).encode(), random))
            for kept in (*told.alerts, *told.changes):
                assert _is_plain(kept)
            assert all(kept.ends_at is None or kept.ends_at >= kept.starts_at for kept in told.alerts)
            assert all(kept.change.component for kept in told.changes)


def _is_plain(kept: KeptAlert | KeptChange) -> bool:
    """Whether every text in it can be written wherever text is written, and is no longer than it may be."""
    said = kept.alert if isinstance(kept, KeptAlert) else kept.change
    texts = [value for each in (said, kept.origin) for value in asdict(each).values() if isinstance(value, str)]
    texts += [text for pair in kept.origin.labels.items() for text in pair]
    return all(is_storable(text) and len(text) <= LONGEST_TEXT + LONGEST_NAME for text in texts)


@given(seed=st.integers(0, 2**32))
def test_of_a_table_that_is_tampered_with_each_row_is_read_or_refused(seed: int) -> None:
    random = Random(seed)
    for _ in range(MUTATIONS):
        text = tampered(random.choice(TABLES), random).decode("utf-8", "replace")
        findings = Findings()
        with suppress(InputError):
            samples = list(table_samples(text.splitlines(keepends=True), findings))
            assert 0 <= findings.refused <= findings.rows
            assert all(abs(sample.value) <= 1e100 and dict(sample.labels)["__name__"] for sample in samples)
            assert all(is_storable(text.replace("\0", "")) for each in samples for pair in each.labels for text in pair)


@pytest.mark.parametrize("name", DECODERS)
def test_some_of_what_is_tampered_with_can_still_be_read_and_some_cannot(name: str) -> None:
    decode, whole = DECODERS[name]
    random, read = Random(7), 0
    for _ in range(200):
        with suppress(InputError):
            decode(tampered(json.dumps(random.choice(whole)).encode(), random))
            read += 1
    assert 5 < read < 195


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for decode, _ in DECODERS.values():
        with suppress(InputError):
            assert decode(body).left_out is not None
