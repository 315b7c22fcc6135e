"""Incidents as they live: opened, grown, judged, resolved; each verdict is a revision, and none is ever altered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from hypocenter.listing import Listed, Part
    from hypocenter.stores.judgement import Judgement


class Status(StrEnum):
    """Where an incident is in its life."""

    OPEN = "open"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class LiveIncident:
    """One incident: `components` have anomalies or alerts that belong to it, `anomalies` and `alerts` are their keys
    (`Sign.key`), `about` the series and rules that told of it (`Sign.what`).

    `onset` is the first sign, `version` counts its changes from 1. Times are UTC.
    """

    incident_id: str
    status: Status
    onset: datetime
    opened_at: datetime
    updated_at: datetime
    components: tuple[str, ...]
    anomalies: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    resolved_at: datetime | None = None
    version: int = 1
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revision:
    """One verdict on an incident: `document` is what `hypocenter.verdict_json` writes of the investigation.

    Its `charts`, the most of it, are left out where somebody reads it without them.
    """

    incident_id: str
    number: int
    at: datetime
    incident_version: int
    document: Mapping[str, Any]


class Judged(NamedTuple):
    """The number of a verdict, and the version of the incident that it is on."""

    number: int
    incident_version: int


class JudgedIncident(NamedTuple):
    """An incident, and in brief the last verdict on it, None where there is none yet."""

    incident: LiveIncident
    judgement: Judgement | None


class Outgoing(NamedTuple):
    """What tells whether the outside is to be told of an incident: the number of its last verdict (0 for none), and the
    names of what was told.
    """

    incident: LiveIncident
    judged: int
    told: Collection[str]


class IncidentStore(Protocol):
    """The incidents of one tenant and the verdicts on them."""

    def save(self, incident: LiveIncident) -> bool:
        """Keep an incident as its next version; False, and nothing is changed, when the next is another: read it anew.

        The first is 1, and no version is left out.
        """

    def incident(self, incident_id: str) -> LiveIncident | None:
        """Return an incident as it is now, None when there is none."""

    def incidents(self, status: Status | None = None, *, since: datetime | None = None) -> Sequence[LiveIncident]:
        """Return all incidents, or those of one status, by onset, then id; without those resolved before `since`."""

    def judged_incident(self, incident_id: str) -> JudgedIncident | None:
        """Return an incident as it is now with its last verdict, None when there is none."""

    def listed(
        self, part: Part, *, status: Status | None = None, fault_type: str | None = None
    ) -> Sequence[Listed[JudgedIncident]]:
        """Return a part of the list of incidents, by onset; of one status and type of fault, where that is wanted.

        `fault_type` is that of the first suspect of the last verdict.
        """

    def count(self, status: Status) -> int:
        """Return how many incidents have a status."""

    def add_revision(self, revision: Revision) -> bool:
        """Keep a verdict; False when one of that number, or on that version of the incident, is there already."""

    def judged(self, incident_id: str) -> Judged | None:
        """Return which verdict on an incident is the last, None where there is none yet; cheaper than to read it."""

    def told(self, incident_id: str) -> Collection[str]:
        """Return what the outside was told of an incident, by the names that `add_told` was given."""

    def outgoing(self, since: datetime) -> Sequence[Outgoing]:
        """Return what was told of all incidents but those resolved before `since`, by onset, then id."""

    def add_told(self, incident_id: str, notice: str) -> None:
        """Keep that the outside was told; once or more often is the same."""

    def forget(self, before: datetime) -> int:
        """Forget the incidents that were resolved before a time, with their verdicts, and return how many."""

    def revisions(self, incident_id: str, *, charts: bool = True) -> Sequence[Revision]:
        """Return the verdicts on an incident, oldest first; without charts they cost a fifth."""

    def revision(self, incident_id: str, number: int | None = None, *, charts: bool = True) -> Revision | None:
        """Return one verdict on an incident, the last where no number is given; None when there is none such."""

    def judgements(self, incident_id: str, part: Part) -> Sequence[Listed[Judgement]]:
        """Return in brief a part of the list of verdicts on an incident, by number."""
