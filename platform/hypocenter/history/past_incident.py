"""A past incident as somebody wrote it down, and where such incidents are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from hypocenter.listing import Listed, Part


@dataclass(frozen=True, slots=True)
class PastIncident:
    """One incident of the past; what nobody said is "", () or None.

    `source` and `key` together name it for good: `source` is the tool it was written down in, `key` that tool's own
    lasting identifier; `incident_id` is what people call it. Times are aware, in UTC. `root_components` are where it
    began, any of them right; `symptom_component` is where it was noticed; `fault_type` is in the words of the
    installation, after `--mapping`. `change` refers to the change that caused it, `notes` say what fixed it, `labels`
    are what else the tool said, as `name:value` or a bare word. `telemetry` is a case folder, or a file of incidents
    that holds it as the case named `incident_id`.
    """

    incident_id: str
    source: str
    key: str
    title: str = ""
    system: str = ""
    started_at: datetime | None = None
    resolved_at: datetime | None = None
    symptom_component: str = ""
    root_components: tuple[str, ...] = ()
    fault_type: str = ""
    severity: str = ""
    confirmed_by: str = ""
    change: str = ""
    notes: str = ""
    labels: tuple[str, ...] = ()
    url: str = ""
    telemetry: str = ""


class Counts(NamedTuple):
    """What became of incidents that were saved: `new`, `changed` (the older version is kept) or the `same` as kept."""

    new: int = 0
    changed: int = 0
    same: int = 0


class HistoryStore(Protocol):
    """Where past incidents of one tenant are kept; one of a (`source`, `key`) is current, older versions stay."""

    def save_incidents(self, incidents: Iterable[PastIncident], *, dry_run: bool = False) -> Counts:
        """Save all of `incidents` in one transaction, or none when iterating raises; `dry_run` counts and saves none.

        An incident that equals the current one of its (`source`, `key`) changes nothing; of two with the same in one
        call the later is current. `incidents` may be a stream of millions and is walked once.
        """

    def incidents(self) -> Iterator[PastIncident]:
        """Yield the current version of every incident, by `started_at` (None first), then `source` and `key`."""

    def current(self, names: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], PastIncident]:
        """Return the current version of those of a few hundred incidents that are kept, by `source` and `key`."""

    def listed(self, part: Part) -> Sequence[Listed[PastIncident]]:
        """Return a part of the list of current incidents, by when they began; those of unknown time come last."""

    def incident(self, identity: str) -> PastIncident | None:
        """Return the current version of the incident that a list names so, None when there is none."""

    def older_versions(self, source: str, key: str) -> Sequence[PastIncident]:
        """Return what was current before, oldest first; () for an incident that never changed or is not kept."""
