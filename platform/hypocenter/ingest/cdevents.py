"""CDEvents in CloudEvents: services that were deployed, and incidents that began and ended.

Sources: CDEvents, "CloudEvents binding", "Continuous Deployment" and "Continuous Operations"; CloudEvents 1.0, "HTTP
Protocol Binding" (binary, structured and batched mode) and "JSON Event Format".
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING
from urllib.parse import unquote

from hypocenter.errors import InputError
from hypocenter.events import KeptAlert, KeptChange, Origin, Told
from hypocenter.ingest.json_values import BODY, Record, as_record, as_records, read_json
from hypocenter.model import Alert, ChangeEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

PREFIX = "dev.cdevents."
STRUCTURED, BATCHED = "application/cloudevents+json", "application/cloudevents-batch+json"
CHANGES = {
    "service.deployed": "deploy",
    "service.upgraded": "deploy",
    "service.published": "deploy",
    "service.rolledback": "rollback",
    "service.removed": "removal",
}
INCIDENTS = {"incident.detected": False, "incident.reported": False, "incident.resolved": True}


def decode_cdevents(body: bytes, headers: Mapping[str, str]) -> Told:
    """Return the changes and alerts that a request's events tell of; other events are left out.

    `headers` have lower-case names. Raises InputError, and LimitError for too many events.
    """
    alerts: list[KeptAlert] = []
    changes: list[KeptChange] = []
    left_out: list[str] = []
    for event in _events(body, headers):
        kind = _kind(event)
        if kind in CHANGES:
            changes.append(_change(event, kind))
        elif kind in INCIDENTS:
            alerts.append(_incident(event, resolved=INCIDENTS[kind]))
        else:
            left_out.append(f"an event of type {event.record('context').text('type')[:100]!r}")
    return Told(tuple(alerts), tuple(changes), tuple(left_out))


def _events(body: bytes, headers: Mapping[str, str]) -> Iterator[Record]:
    """Yield what events say: objects with `context` and `subject`."""
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    value = read_json(body)
    if content_type == BATCHED or isinstance(value, list):
        yield from (_opened(each) for each in as_records(value))
    elif "ce-type" in headers:
        attributes = {name[3:]: unquote(text) for name, text in headers.items() if name.startswith("ce-")}
        yield _said(Record({**attributes, "data": value}, BODY))
    else:
        yield _opened(as_record(value))


def _opened(event: Record) -> Record:
    """Return what a CloudEvent says, or a CDEvent that comes in no envelope as it is."""
    return event if "context" in event.fields else _said(event)


def _said(event: Record) -> Record:
    """Return the data of a CloudEvent; where its own context lacks something the envelope tells."""
    kind = event.name("type")
    if not kind:
        raise InputError(f"{event.where}.type is missing; send a CloudEvent")
    if not kind.startswith(PREFIX):
        return Record({"context": {"type": kind}}, event.where)
    data = as_record(_data(event), f"{event.where}.data")
    envelope = {"type": kind, "id": event.name("id"), "source": event.name("source")}
    envelope |= {"timestamp": event.text("time")} if "time" in event.fields else {}
    return Record({**data.fields, "context": {**envelope, **data.record("context").fields}}, event.where)


def _data(event: Record) -> object:
    if "data_base64" not in event.fields:
        return event.fields.get("data")
    try:
        return read_json(base64.b64decode(str(event.fields["data_base64"]), validate=True), event.where)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{event.where}.data_base64 is no base64") from error


def _kind(event: Record) -> str:
    """Return `subject.predicate` of an event's type, which ends in a version."""
    kind = event.record("context").text("type")
    return ".".join(kind.removeprefix(PREFIX).split(".")[:2]) if kind.startswith(PREFIX) else ""


def _change(event: Record, kind: str) -> KeptChange:
    context, subject = event.record("context"), event.record("subject")
    content = subject.record("content")
    artifact = content.text("artifactId")
    title = " ".join(filter(None, (kind.partition(".")[2], artifact)))
    change = ChangeEvent(_component(subject), _timestamp(context), CHANGES[kind], title, context.text("chainId"))
    key = f"cdevents:{context.name('source')}:{_id(context)}"
    return KeptChange(change, Origin(key, "cdevents", "", _labels(content)))


def _incident(event: Record, *, resolved: bool) -> KeptAlert:
    context, subject = event.record("context"), event.record("subject")
    content, at = subject.record("content"), _timestamp(context)
    service = content.record("service")
    component = _component(service) if service.fields else ""
    alert = Alert(component, "incident", at, summary=content.text("description"))
    # All events of one incident name it by its subject.
    key = f"cdevents-incident:{subject.name('source') or context.name('source')}:{_id(subject)}"
    origin = Origin(key, "cdevents", content.text("ticketURI"), _labels(content))
    return KeptAlert(alert, origin, at if resolved else None, resolved)


def _component(subject: Record) -> str:
    """Return the last part of an id such as `service/checkout`."""
    return _id(subject).rstrip("/").rpartition("/")[2]


def _labels(content: Record) -> dict[str, str]:
    found = {"environment": content.record("environment").name("id"), "artifact": content.text("artifactId")}
    return {name: value for name, value in found.items() if value}


def _timestamp(context: Record) -> datetime:
    found = context.moment("timestamp")
    if found is None:
        raise InputError(f"{context.where}.timestamp is missing; say when it happened")
    return found


def _id(record: Record) -> str:
    found = record.name("id")
    if not found:
        raise InputError(f"{record.where}.id is missing")
    return found
