"""What is kept for a tenant, in one place; the smaller ones of the stores that it consists of are stated here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from hypocenter.events import KeptAlert, KeptChange
    from hypocenter.history.past_incident import Counts, HistoryStore
    from hypocenter.listing import Listed, Part
    from hypocenter.stores.audit import AuditStore
    from hypocenter.stores.dead_letters import DeadLetterStore
    from hypocenter.stores.detections import DetectionStore
    from hypocenter.stores.investigations import InvestigationStore
    from hypocenter.stores.live_incidents import IncidentStore
    from hypocenter.stores.runtime_settings import RuntimeSettingsStore


class Says(StrEnum):
    """What an opinion says of a verdict."""

    RIGHT = "right"
    WRONG = "wrong"
    CAUSE = "cause"
    NOT_AN_INCIDENT = "not-an-incident"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody said of an incident's verdict, and when; `at` is in UTC.

    `component` is the real cause where `says` is CAUSE, else the one that the verdict named, "" where nobody told.
    `system` says which incident is meant where several systems have one of that id.
    """

    incident_id: str
    says: Says
    by: str
    at: datetime
    component: str = ""
    fault_type: str = ""
    note: str = ""
    system: str = ""


class FeedbackStore(Protocol):
    """The opinions of one tenant. They are added and never altered: whoever changes their mind says so anew."""

    def add_opinion(self, opinion: Opinion) -> None:
        """Keep one more opinion."""

    def opinions(self, incident_id: str | None = None) -> Sequence[Opinion]:
        """Return the opinions on one incident or on all, in the order in which they were added."""

    def listed(self, incident_id: str, part: Part) -> Sequence[Listed[Opinion]]:
        """Return a part of the list of opinions on an incident, by the order in which they were added."""


class Status(StrEnum):
    """Where a version of a model is in its life; at most one version of a name is serving."""

    CANDIDATE = "candidate"
    SERVING = "serving"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model to register: `parts` are its named texts, `card` a JSON object that describes it.

    `data_hash` is one of the incidents that it was trained on.
    """

    name: str
    kind: str
    created_at: datetime
    data_hash: str
    card: Mapping[str, Any]
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered model; versions of a name count from 1."""

    name: str
    version: int
    kind: str
    status: Status
    created_at: datetime
    data_hash: str
    card: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """That a version of a model was put to serve: how (`promoted` or `rolled back`), when, by whom and why.

    `forced` says that the gate had not let it through.
    """

    name: str
    version: int
    action: str
    at: datetime
    by: str = ""
    reason: str = ""
    forced: bool = False


class ModelStore(Protocol):
    """The models of one tenant. What was registered stays as it is; only its status changes."""

    def add_model(self, model: NewModel) -> int:
        """Keep a model as the next version of its name, a candidate; return that version."""

    def models(self) -> Sequence[ModelVersion]:
        """Return every version, by name, then version."""

    def model_parts(self, name: str, version: int) -> Mapping[str, str]:
        """Return the texts of a version; raises InputError when there is no such version."""

    def serve(self, event: ModelEvent, instead_of: int | None) -> None:
        """Put the event's version to serve, retire the one that served, and keep the event; all of it or nothing.

        `instead_of` is the version that was seen to serve when this was decided, None for none. Raises InputError when
        another serves by now, or there is no such version.
        """

    def model_events(self, name: str) -> Sequence[ModelEvent]:
        """Return what happened to versions of a name, oldest first."""


class AlertStore(Protocol):
    """The alerts of one tenant. What is told again, late or in another order changes nothing."""

    def add_alerts(self, alerts: Sequence[KeptAlert]) -> Counts:
        """Keep alerts, all or none; those of one key are joined as `hypocenter.events.joined` says."""

    def alerts(self, start: datetime, end: datetime, *, firing: bool = False) -> Sequence[KeptAlert]:
        """Return the alerts that fired at any time in [start, end], or still did at `end`; by start, then key."""

    def listed(self, part: Part, *, firing_at: datetime | None = None) -> Sequence[Listed[KeptAlert]]:
        """Return a part of the list of alerts, by when they began; those that fire at a time where one is given."""

    def named(self, keys: Sequence[str], part: Part) -> Sequence[Listed[KeptAlert]]:
        """Return a part of the list of those alerts whose origins have one of these keys."""

    def forget(self, before: datetime) -> int:
        """Forget the alerts that ended before a time and return how many; those that have no end stay."""


class ChangeStore(Protocol):
    """The changes of one tenant; of those of one key the first is kept."""

    def add_changes(self, changes: Sequence[KeptChange]) -> Counts:
        """Keep changes, all or none."""

    def changes(self, start: datetime, end: datetime) -> Sequence[KeptChange]:
        """Return the changes in [start, end], by time, then key."""

    def listed(self, part: Part) -> Sequence[Listed[KeptChange]]:
        """Return a part of the list of changes, by when they were."""

    def forget(self, before: datetime) -> int:
        """Forget the changes of before a time and return how many."""


class Records(Protocol):
    """All that is kept for one tenant, in one place; every call may raise SourceError when that cannot be reached."""

    @property
    def history(self) -> HistoryStore:
        """Past incidents."""

    @property
    def feedback(self) -> FeedbackStore:
        """What people said of verdicts."""

    @property
    def models(self) -> ModelStore:
        """Models with their lives."""

    @property
    def alerts(self) -> AlertStore:
        """Alerts of other tools."""

    @property
    def changes(self) -> ChangeStore:
        """What people and robots changed."""

    @property
    def detections(self) -> DetectionStore:
        """How far detection is, and the anomalies that it told of."""

    @property
    def incidents(self) -> IncidentStore:
        """Incidents as they live, and the verdicts on them."""

    @property
    def dead_letters(self) -> DeadLetterStore:
        """Tasks that were given up."""

    @property
    def investigations(self) -> InvestigationStore:
        """Investigations that somebody asked for."""

    @property
    def audit(self) -> AuditStore:
        """Who changed what."""

    @property
    def settings(self) -> RuntimeSettingsStore:
        """Settings that were changed while everything runs."""

    def close(self) -> None:
        """Let go of files and connections; the records answer no more."""
