"""What Alertmanager sends to a webhook, and what Prometheus sends to an Alertmanager.

Sources: Alertmanager's configuration page, "webhook_config" (version 4); its `api/v2/openapi.yaml`, `postableAlert`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.events import KeptAlert, Origin, Told
from hypocenter.ingest.alert_labels import alert_of, fingerprint
from hypocenter.ingest.json_values import as_record, as_records, read_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hypocenter.ingest.json_values import Record

# Alertmanager's default `resolve_timeout`: how long an alert fires when nobody says until when.
FIRES_FOR = timedelta(minutes=5)


def decode_webhook(body: bytes, now: datetime, order: Sequence[str]) -> Told:
    """Return the alerts of a notification; `order` as `alert_of` takes it.

    Fields that are not known are passed over, as is the version: Grafana sends the same shape. Raises InputError, and
    LimitError for too many alerts.
    """
    notification = as_record(read_json(body))
    if not isinstance(notification.fields.get("alerts"), list):
        raise InputError("the body has no list 'alerts'; send what a webhook of Alertmanager sends")
    alerts = tuple(_notified(each, now, order) for each in notification.records("alerts"))
    truncated = notification.fields.get("truncatedAlerts") or 0
    cut = f"{truncated!r:.20} alerts of this group were not sent: raise max_alerts of the webhook" if truncated else ""
    return Told(alerts, left_out=(cut,) if cut else ())


def decode_posted(body: bytes, now: datetime, order: Sequence[str]) -> Told:
    """Return the alerts that a client of Alertmanager's API posts, POST /api/v2/alerts.

    One that ends in the future fires until then, unless it is sent again; one that states no end for `FIRES_FOR`.
    Invalid ones are told of, as Alertmanager does; raises InputError when there is no valid one beside them.
    """
    alerts, errors = [], []
    for each in as_records(read_json(body)):
        try:
            alerts.append(_posted(each, now, order))
        except InputError as error:
            errors.append(error)
    if errors and not alerts:
        raise errors[0]
    return Told(tuple(alerts), invalid=tuple(str(error) for error in errors))


def _notified(record: Record, now: datetime, order: Sequence[str]) -> KeptAlert:
    starts_at = record.moment("startsAt") or now
    ends_at = record.moment("endsAt")
    resolved = record.text("status") == "resolved"
    if resolved:
        return _alert(record, starts_at, ends_at or now, order, resolved=True)
    return _alert(record, starts_at, None, order, resolved=False)


def _posted(record: Record, now: datetime, order: Sequence[str]) -> KeptAlert:
    ends_at = record.moment("endsAt")
    starts_at = record.moment("startsAt") or min(now, ends_at or now)
    return _alert(record, starts_at, ends_at or now + FIRES_FOR, order, resolved=ends_at is not None and ends_at <= now)


def _alert(
    record: Record, starts_at: datetime, ends_at: datetime | None, order: Sequence[str], *, resolved: bool
) -> KeptAlert:
    labels, annotations = record.texts("labels"), record.texts("annotations")
    if not labels:
        raise InputError(f"{record.where}: an alert has labels, and not all of them empty")
    if ends_at is not None and ends_at < starts_at:
        raise InputError(f"{record.where}: ends at {ends_at} before it starts at {starts_at}")
    named = record.name("fingerprint") or fingerprint(labels)
    origin = Origin(f"alert:{named}@{starts_at.isoformat()}", "alertmanager", record.text("generatorURL"), labels)
    return KeptAlert(alert_of(labels, annotations, starts_at, order), origin, ends_at, resolved)
