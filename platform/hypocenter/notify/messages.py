"""What is told of an incident: that it opened, opened again or was resolved, and that its verdict changed its cause."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hypocenter.errors import SourceError
from hypocenter.stores.documents import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypocenter.stores.live_incidents import IncidentStore, LiveIncident, Revision

MOST_SUSPECTS = 5


class Event(StrEnum):
    """What a message is about."""

    OPENED = "incident.opened"
    REOPENED = "incident.reopened"
    CAUSE_CHANGED = "incident.cause_changed"
    RESOLVED = "incident.resolved"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `key` is the same however often it is sent, `body` is JSON."""

    key: str
    body: bytes


def message_of(store: IncidentStore, event: Event, incident_id: str, number: int) -> Message:
    """Return the message that tells of an event as it is kept by now.

    `number` is the version of the incident, or for `CAUSE_CHANGED` that of the verdict. Raises SourceError while that
    is not kept yet: what is told is asked for before it is kept.
    """
    incident = store.incident(incident_id)
    revisions = store.revisions(incident_id)
    kept = len(revisions) if event is Event.CAUSE_CHANGED else incident.version if incident else 0
    if incident is None or kept < number:
        raise SourceError(f"incident {incident_id}: {event} {number} is not kept yet; try again later")
    verdict = _verdict(revisions, number if event is Event.CAUSE_CHANGED else len(revisions))
    data = {"incident": _incident(incident), "verdict": verdict}
    return Message(f"{incident_id}.{event}.{number}", json.dumps({"type": event, "data": data}).encode())


def _incident(incident: LiveIncident) -> Mapping[str, Any]:
    told: dict[str, Any] = json.loads(to_text(incident))
    wanted = ("incident_id", "status", "onset", "opened_at", "updated_at", "resolved_at", "components", "version")
    return {name: told.get(name) for name in wanted}


def _verdict(revisions: Sequence[Revision], number: int) -> Mapping[str, Any] | None:
    """Return what matters of a verdict: its causes, how sure they are, and its sentence; None where there is none."""
    if not number:
        return None
    verdict = revisions[number - 1].document["verdict"]
    suspects = verdict["suspects"][:MOST_SUSPECTS]
    return {
        "number": number,
        **{name: verdict[name] for name in ("cause", "causes", "abstained", "summary")},
        "suspects": [{name: each[name] for name in ("component", "probability", "fault_type")} for each in suspects],
    }
