"""Incidents as they live, in a table of what each is now, and verdicts in one to which rows are only added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from hypocenter.stores.alerts import OPEN_US
from hypocenter.stores.documents import from_text, microseconds, to_text
from hypocenter.stores.identity import identity_of
from hypocenter.stores.live_incidents import Judged, LiveIncident, Revision, Status
from hypocenter.stores.sql_rows import add_row
from hypocenter.stores.tables import LIVE_INCIDENTS as T
from hypocenter.stores.tables import NOTICES as N
from hypocenter.stores.tables import REVISIONS as R

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from hypocenter.stores.database import Database


class SqlIncidents:
    """The IncidentStore of one tenant in a database."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant

    def save(self, incident: LiveIncident) -> bool:
        """Keep an incident as its next version; False, and nothing is changed, when the next is another."""
        identity = identity_of(incident.incident_id)
        columns = _columns(incident)
        before = (T.c.tenant == self._tenant, T.c.identity == identity, T.c.version == incident.version - 1)
        with self._database.writing(f"{self._tenant} incidents") as connection:
            if incident.version == 1:
                return add_row(connection, T, {"tenant": self._tenant, "identity": identity, **columns})
            return connection.execute(update(T).where(*before).values(columns)).rowcount == 1

    def incident(self, incident_id: str) -> LiveIncident | None:
        """Return an incident as it is now, None when there is none."""
        own = (T.c.tenant == self._tenant, T.c.identity == identity_of(incident_id))
        with self._database.reading() as connection:
            row = connection.execute(select(T).where(*own)).first()
        return None if row is None else _incident(row)

    def incidents(self, status: Status | None = None, *, since: datetime | None = None) -> Sequence[LiveIncident]:
        """Return all incidents, or those of one status, by onset, then id; without those resolved before `since`."""
        # Each status is named, for the index has them before the time.
        wanted = [str(one) for one in (Status if status is None else [status])]
        asked = select(T).where(T.c.tenant == self._tenant, T.c.status.in_(wanted))
        if since is not None:
            asked = asked.where(T.c.resolved_us >= microseconds(since))
        with self._database.reading() as connection:
            rows = connection.execute(asked).all()
        return sorted(map(_incident, rows), key=lambda each: (each.onset, each.incident_id))

    def add_revision(self, revision: Revision) -> bool:
        """Keep a verdict; False when one of that number, or on that version of the incident, is there already."""
        row = {
            "tenant": self._tenant,
            "identity": identity_of(revision.incident_id),
            "number": revision.number,
            "incident_version": revision.incident_version,
            "record": to_text(revision),
        }
        with self._database.writing(f"{self._tenant} incidents") as connection:
            return add_row(connection, R, row)

    def judged(self, incident_id: str) -> Judged | None:
        """Return which verdict on an incident is the last, None where there is none yet."""
        own = (R.c.tenant == self._tenant, R.c.identity == identity_of(incident_id))
        asked = select(R.c.number, R.c.incident_version).where(*own).order_by(R.c.number.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(asked).first()
        return None if row is None else Judged(row.number, row.incident_version)

    def told(self, incident_id: str) -> Collection[str]:
        """Return what the outside was told of an incident, in order."""
        own = (N.c.tenant == self._tenant, N.c.identity == identity_of(incident_id))
        with self._database.reading() as connection:
            return connection.execute(select(N.c.notice).where(*own).order_by(N.c.notice)).scalars().all()

    def add_told(self, incident_id: str, notice: str) -> None:
        """Keep that the outside was told; once or more often is the same."""
        row = {"tenant": self._tenant, "identity": identity_of(incident_id), "notice": notice}
        with self._database.writing(f"{self._tenant} incidents") as connection:
            add_row(connection, N, row)

    def revisions(self, incident_id: str) -> Sequence[Revision]:
        """Return the verdicts on an incident, oldest first."""
        own = (R.c.tenant == self._tenant, R.c.identity == identity_of(incident_id))
        with self._database.reading() as connection:
            rows = connection.execute(select(R).where(*own).order_by(R.c.number)).all()
        return tuple(from_text(Revision, row.record, f"revision {row.number} of {incident_id}") for row in rows)


def _columns(incident: LiveIncident) -> dict[str, Any]:
    return {
        "status": str(incident.status),
        "resolved_us": OPEN_US if incident.resolved_at is None else microseconds(incident.resolved_at),
        "version": incident.version,
        "record": to_text(incident),
    }


def _incident(row: Row[Any]) -> LiveIncident:
    return from_text(LiveIncident, row.record, f"live incident {row.identity}")
