"""Changes in our own JSON: what was deployed, configured, switched or scaled, one object, a list, or one a line."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.events import KeptChange, Origin, Told
from hypocenter.ingest.change_webhooks import of_webhook
from hypocenter.ingest.json_values import read_records, short_name
from hypocenter.model import ChangeEvent

if TYPE_CHECKING:
    from datetime import datetime

    from hypocenter.ingest.json_values import Record

# Other words for the types that we speak of; any other type is taken as it is written.
TYPES = {
    "deployment": "deploy",
    "release": "deploy",
    "rollout": "deploy",
    "configuration": "config",
    "feature_flag": "flag",
    "toggle": "flag",
    "scale": "scaling",
    "autoscaling": "scaling",
}


def decode_changes(body: bytes, now: datetime, component: str = "") -> Told:
    """Return the changes of a body, in our own shape or as the webhooks of GitHub and LaunchDarkly have it.

    Fields: `component` (or the argument, for senders whose body cannot be chosen), `at` (now where it is missing),
    `type`, `title`, `reference` or `url`, `labels`, and `id`, which names the change for good. Raises InputError, and
    LimitError for too many.
    """
    short_name(component, "parameter component")
    changes: list[KeptChange] = []
    left_out: list[str] = []
    for record in read_records(body):
        found = of_webhook(record, component)
        if isinstance(found, str):
            left_out.append(found)
        else:
            changes.append(found or _change(record, now, component))
    return Told(changes=tuple(changes), left_out=tuple(left_out))


def _change(record: Record, now: datetime, component: str) -> KeptChange:
    owner = record.name("component") or component
    if not owner:
        raise InputError(f"{record.where}.component is missing; say what was changed")
    named = record.name("type").lower() or "deploy"
    change = ChangeEvent(
        component=owner,
        at=record.moment("at", "time", "timestamp") or now,
        type=TYPES.get(named, named),
        title=record.text("title", "version"),
        reference=record.text("reference", "url"),
    )
    return KeptChange(change, Origin(_key(record, change), "changes", change.reference, record.texts("labels")))


def _key(record: Record, change: ChangeEvent) -> str:
    if named := record.name("id"):
        return f"id:{named}"
    said = repr((change.component, change.at.isoformat(), change.type, change.title, change.reference))
    return f"change:{sha256(said.encode(errors='surrogatepass')).hexdigest()}"
