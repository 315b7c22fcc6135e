"""What the query API answers, as frozen dataclasses; times are UTC, a number that was not finite is None or NaN.

The fields are those of `GET /api/v1/openapi.json`, where each is explained. Suspects with their evidence and series are
those of the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hypocenter.model import Series, Suspect


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict in brief; `cause` is None where none was sure enough."""

    number: int
    at: datetime
    summary: str
    cause: str | None = None
    suspect: str | None = None
    probability: float | None = None
    fault_type: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as it is now; `resolved_at` is None while it lasts, `verdict` until there is one."""

    incident_id: str
    status: str
    onset: datetime
    opened_at: datetime
    updated_at: datetime
    components: tuple[str, ...]
    version: int
    resolved_at: datetime | None = None
    verdict: Judgement | None = None


@dataclass(frozen=True, slots=True)
class Suspects:
    """The suspects of one verdict, the likeliest first."""

    revision: int
    at: datetime
    abstained: bool
    suspects: tuple[Suspect, ...]
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A span of a series that is unlikely under its own normal; `ended_at` is None while it lasts."""

    key: str
    series: Series
    onset: datetime
    peak: datetime
    score: float | None
    value: float | None
    expected: float | None
    low: float | None
    high: float | None
    direction: str
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an investigation: what was done, to how many, and when."""

    step: str
    count: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Investigation:
    """An investigation that was asked for; `verdict` is as docs/verdict.md says, None until `status` is `done`."""

    investigation_id: str
    asked_at: datetime
    status: str
    request: Mapping[str, Any]
    steps: tuple[Step, ...] = ()
    error: str = ""
    ended_at: datetime | None = None
    verdict: Mapping[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody said of the verdict on an incident."""

    incident_id: str
    says: str
    by: str
    at: datetime
    component: str = ""
    fault_type: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Component:
    """A node of the dependency graph."""

    name: str
    type: str
    owner: str = ""
    links: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dependency:
    """One component leans on another."""

    caller: str
    callee: str
    type: str
    sources: tuple[str, ...] = ()
    confidence: float | None = None
    calls_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """A part of the dependency graph as of a time; `left_out` components had no room."""

    at: datetime
    components: tuple[Component, ...] = field(default=())
    dependencies: tuple[Dependency, ...] = field(default=())
    left_out: int = 0
