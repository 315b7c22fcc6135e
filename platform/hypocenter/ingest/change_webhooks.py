"""Webhooks that tell of changes in a shape of their own: GitHub's deployments, LaunchDarkly's flags.

Sources: GitHub, "Webhook events and payloads", `deployment_status` and `ping`; LaunchDarkly, "Webhooks" (the shape of
an audit log entry).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import InputError
from hypocenter.events import KeptChange, Origin
from hypocenter.model import ChangeEvent

if TYPE_CHECKING:
    from datetime import datetime

    from hypocenter.ingest.json_values import Record

# What a deployment's state says of the system: that it is another one now, or may be.
DONE = ("success", "failure", "error")


def of_webhook(record: Record, component: str) -> KeptChange | str | None:
    """Return the change that a webhook tells of, why it is none, or None for what is no such webhook.

    `component` is whose it is; where it is "", GitHub's repository or LaunchDarkly's project. Raises InputError.
    """
    fields = record.fields
    if "deployment_status" in fields and "deployment" in fields:
        return _github(record, component)
    if "deployment" in fields and "repository" in fields:
        return "a deployment that was asked for: its deployment_status tells how it ended"
    if "zen" in fields and "hook_id" in fields:
        return "a ping"
    if "_id" in fields and "accesses" in fields:
        return _launchdarkly(record, component)
    return None


def _github(record: Record, component: str) -> KeptChange | str:
    status, deployment = record.record("deployment_status"), record.record("deployment")
    state = status.name("state")
    if state not in DONE:
        return f"a deployment that is {state or 'of no state'}"
    owner = component or record.record("repository").name("name")
    version = deployment.name("ref") or deployment.name("sha")
    title = " ".join(filter(None, (version, "" if state == "success" else f"({state})")))
    reference = status.text("target_url", "log_url", "deployment_url", "url")
    change = ChangeEvent(_named(owner, record), _at(status, "created_at"), "deploy", title, reference)
    labels = {"environment": status.name("environment"), "sha": deployment.name("sha"), "state": state}
    return _kept(change, f"github:{_id(status, 'id')}", "github", labels)


def _launchdarkly(record: Record, component: str) -> KeptChange | str:
    kind, resource = record.name("kind"), _resource(record)
    if kind != "flag":
        return f"a change of a {kind or 'thing without a kind'}"
    owner = component or resource.get("proj", "")
    title = record.text("title") or " ".join(filter(None, (record.text("name"), record.text("titleVerb"))))
    change = ChangeEvent(_named(owner, record), _at(record, "date"), "flag", title, record.text("shortDescription"))
    return _kept(change, f"launchdarkly:{_id(record, '_id')}", "launchdarkly", resource)


def _resource(record: Record) -> dict[str, str]:
    """Return the parts of the first resource, such as `proj/shop:env/production:flag/new-cart`."""
    first = next(iter(record.records("accesses")), None)
    parts = first.name("resource").split(":") if first else []
    return {name: value.partition(";")[0] for name, _, value in (part.partition("/") for part in parts) if value}


def _kept(change: ChangeEvent, key: str, source: str, labels: dict[str, str]) -> KeptChange:
    return KeptChange(
        change, Origin(key, source, change.reference, {name: text for name, text in labels.items() if text})
    )


def _named(owner: str, record: Record) -> str:
    if not owner:
        raise InputError(f"{record.where}: nothing says what was changed; add ?component=NAME to the webhook's URL")
    return owner


def _at(record: Record, name: str) -> datetime:
    found = record.moment(name)
    if found is None:
        raise InputError(f"{record.where}.{name} is missing")
    return found


def _id(record: Record, name: str) -> str:
    found = record.name(name)
    if not found:
        raise InputError(f"{record.where}.{name} is missing")
    return found
