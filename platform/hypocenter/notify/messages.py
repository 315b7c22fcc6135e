"""What is told of an incident: that it opened, opened again or was resolved, and that its verdict changed its cause."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hypocenter.stores.documents import to_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from hypocenter.stores.live_incidents import IncidentStore, LiveIncident, Outgoing, Revision

MOST_SUSPECTS = 5
CAUSE, ENDED = "cause-", "resolved-"


class Event(StrEnum):
    """What a message is about."""

    OPENED = "incident.opened"
    REOPENED = "incident.reopened"
    CAUSE_CHANGED = "incident.cause_changed"
    RESOLVED = "incident.resolved"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `key` is the same however often it is sent, `notice` that by which the store knows it was sent."""

    key: str
    notice: str
    body: bytes


def may_be_news(outgoing: Outgoing) -> bool:
    """Whether there is something that the outside was not told of an incident; verdicts are not read for that."""
    wanted = {"opened", *(notice for _, notice in _of_status(outgoing.incident, outgoing.told))}
    wanted |= {f"{CAUSE}{outgoing.judged}"} if outgoing.judged else set()
    return not wanted.issubset(outgoing.told)


def no_news(store: IncidentStore, incident_id: str) -> str | None:
    """Return the name of the last verdict's notice where it names what was told already; None where it is news."""
    revisions, told = store.revisions(incident_id, charts=False), store.told(incident_id)
    is_news = not revisions or any(_of_causes(revisions, told))
    return None if is_news else f"{CAUSE}{revisions[-1].number}"


def untold(store: IncidentStore, incident_id: str) -> list[Message]:
    """Return what the outside was not told of an incident yet, in order of what happened; none of one not kept.

    A verdict is told of when it names other causes than the one that was told last, or the first ones.
    """
    incident = store.incident(incident_id)
    if incident is None:
        return []
    revisions, told = store.revisions(incident_id, charts=False), store.told(incident_id)
    wanted = [(Event.OPENED, "opened"), *_of_causes(revisions, told), *_of_status(incident, told)]
    verdict = _verdict(revisions[-1]) if revisions else None
    data = {"incident": _incident(incident), "verdict": verdict}
    return [
        Message(f"{incident_id}.{notice}", notice, json.dumps({"type": event, "data": data}).encode())
        for event, notice in wanted
        if notice not in told
    ]


def _of_causes(revisions: Sequence[Revision], told: Collection[str]) -> Iterator[tuple[Event, str]]:
    names = [f"{CAUSE}{revision.number}" for revision in revisions]
    known = [revision for name, revision in zip(names, revisions, strict=True) if name in told]
    if revisions and _causes(revisions[-1]) != (_causes(known[-1]) if known else []):
        yield Event.CAUSE_CHANGED, names[-1]


def _of_status(incident: LiveIncident, told: Collection[str]) -> Iterator[tuple[Event, str]]:
    endings = sum(notice.startswith(ENDED) for notice in told)
    if incident.resolved_at is not None:
        yield Event.RESOLVED, f"{ENDED}{int(incident.resolved_at.timestamp())}"
    elif endings:
        yield Event.REOPENED, f"reopened-{endings}"


def _causes(revision: Revision) -> list[str]:
    causes: list[str] = revision.document["verdict"]["causes"]
    return causes


def _incident(incident: LiveIncident) -> Mapping[str, Any]:
    told: dict[str, Any] = json.loads(to_text(incident))
    wanted = ("incident_id", "status", "onset", "opened_at", "updated_at", "resolved_at", "components", "version")
    return {name: told.get(name) for name in wanted}


def _verdict(revision: Revision) -> Mapping[str, Any]:
    """Return what matters of a verdict: its causes, how sure they are, and its sentence."""
    verdict = revision.document["verdict"]
    suspects = verdict["suspects"][:MOST_SUSPECTS]
    return {
        "number": revision.number,
        **{name: verdict[name] for name in ("cause", "causes", "abstained", "summary")},
        "suspects": [{name: each[name] for name in ("component", "probability", "fault_type")} for each in suspects],
    }
