"""Alerts in our own JSON, for whatever tool can send some: one object, a list of them, or one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.events import KeptAlert, Origin, Told
from hypocenter.ingest.alert_labels import component_of_alert, fingerprint
from hypocenter.ingest.json_values import read_records
from hypocenter.model import Alert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from hypocenter.ingest.json_values import Record

MODALITIES = ("metric", "trace", "log")


def decode_alerts(body: bytes, now: datetime, order: Sequence[str]) -> Told:
    """Return the alerts of a body; `order`: labels that may name the component, best first.

    Fields: `name` and either `component` or `labels` that name it; `starts_at` and `ends_at` (now where the one is
    missing and `status` is `resolved` without the other), `severity`, `summary`, `modality`, `url`, `labels`, and `id`,
    which names one firing for good. Raises InputError, and LimitError for too many.
    """
    return Told(tuple(_alert(record, now, order) for record in read_records(body)))


def _alert(record: Record, now: datetime, order: Sequence[str]) -> KeptAlert:
    alert, labels = _described(record, now, order), record.texts("labels")
    resolved, ends_at = _ending(record, now)
    if ends_at is not None and alert.at is not None and ends_at < alert.at:
        raise InputError(f"{record.where}: ends_at is before starts_at")
    origin = Origin(_key(record, alert, labels), "alerts", record.text("url", "reference"), labels)
    return KeptAlert(alert, origin, ends_at, resolved)


def _described(record: Record, now: datetime, order: Sequence[str]) -> Alert:
    component = record.name("component") or component_of_alert(record.texts("labels"), order)
    name = record.name("name")
    if not component or not name:
        raise InputError(f"{record.where}: an alert needs a name, and a component or labels that tell of one")
    modality = record.text("modality") or MODALITIES[0]
    if modality not in MODALITIES:
        raise InputError(f"{record.where}.modality must be one of {', '.join(MODALITIES)}")
    return Alert(
        component=component,
        name=name,
        at=record.moment("starts_at", "at") or now,
        modality=modality,
        state=record.name("state"),
        severity=record.name("severity"),
        summary=record.text("summary"),
    )


def _ending(record: Record, now: datetime) -> tuple[bool, datetime | None]:
    ends_at = record.moment("ends_at")
    if ends_at is None:
        return (True, now) if record.text("status").lower() == "resolved" else (False, None)
    return ends_at <= now, ends_at


def _key(record: Record, alert: Alert, labels: Mapping[str, str]) -> str:
    if named := record.name("id"):
        return f"id:{named}"
    assert alert.at is not None
    described = {**labels, "component": alert.component, "alertname": alert.name}
    return f"alert:{fingerprint(described)}@{alert.at.isoformat()}"
