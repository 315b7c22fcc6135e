"""Incidents as they live, in a table of what each is now, and verdicts in one to which rows are only added."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, null, select, update

from hypocenter.listing import Listed, Place
from hypocenter.stores.alerts import OPEN_US
from hypocenter.stores.charts_apart import CHARTS, apart, together
from hypocenter.stores.documents import damaged, from_text, microseconds, to_text
from hypocenter.stores.identity import identity_of, number_of
from hypocenter.stores.judgement import Judgement, judgement_of
from hypocenter.stores.live_incidents import Judged, JudgedIncident, LiveIncident, Outgoing, Revision, Status
from hypocenter.stores.sql_listing import ranged
from hypocenter.stores.sql_rows import add_row, forget_rows, put_rows
from hypocenter.stores.tables import INCIDENT_COMPONENTS as C
from hypocenter.stores.tables import JUDGEMENTS as J
from hypocenter.stores.tables import LIVE_INCIDENTS as T
from hypocenter.stores.tables import NOTICES as N
from hypocenter.stores.tables import REVISIONS as R

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row, Select

    from hypocenter.listing import Part
    from hypocenter.stores.database import Database

_LAST = and_(J.c.tenant == T.c.tenant, J.c.identity == T.c.identity, J.c.number == T.c.judged)
_WITH_JUDGEMENT = select(T.c.identity, T.c.onset_us, T.c.record, J.c.record.label("judgement")).outerjoin_from(
    T, J, _LAST
)


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
                saved = add_row(connection, T, {"tenant": self._tenant, "identity": identity, **columns})
            else:
                saved = connection.execute(update(T).where(*before).values(columns)).rowcount == 1
            if saved:
                self._put_components(connection, identity, incident)
        return saved

    def incident(self, incident_id: str) -> LiveIncident | None:
        """Return an incident as it is now, None when there is none."""
        own = (T.c.tenant == self._tenant, T.c.identity == identity_of(incident_id))
        with self._database.reading() as connection:
            row = connection.execute(select(T).where(*own)).first()
        return None if row is None else _incident(row)

    def judged_incident(self, incident_id: str) -> JudgedIncident | None:
        """Return an incident as it is now with its last verdict, None when there is none."""
        own = (T.c.tenant == self._tenant, T.c.identity == identity_of(incident_id))
        with self._database.reading() as connection:
            row = connection.execute(_WITH_JUDGEMENT.where(*own)).first()
        return None if row is None else _judged_incident(row)

    def listed(
        self, part: Part, *, status: Status | None = None, fault_type: str | None = None
    ) -> Sequence[Listed[JudgedIncident]]:
        """Return a part of the list of incidents, by onset; of one status and type of fault, where that is wanted."""
        asked = self._asked(part)
        if status is not None:
            asked = asked.where(T.c.status == str(status))
        if fault_type is not None:
            asked = asked.where(T.c.fault_type == number_of(fault_type), T.c.judged > 0)
        with self._database.reading() as connection:
            rows = connection.execute(asked).all()
        return [Listed(Place(row.onset_us, row.identity), _judged_incident(row)) for row in rows]

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

    def count(self, status: Status) -> int:
        """Return how many incidents have a status."""
        asked = select(func.count()).select_from(T).where(T.c.tenant == self._tenant, T.c.status == str(status))
        with self._database.reading() as connection:
            return int(connection.execute(asked).scalar_one())

    def add_revision(self, revision: Revision) -> bool:
        """Keep a verdict; False when one of that number, or on that version of the incident, is there already."""
        document, charts = apart(revision.document)
        row = {
            "tenant": self._tenant,
            "identity": identity_of(revision.incident_id),
            "number": revision.number,
            "incident_version": revision.incident_version,
            "record": to_text(replace(revision, document=document)),
            "charts": charts,
        }
        with self._database.writing(f"{self._tenant} incidents") as connection:
            added = add_row(connection, R, row)
            if added:
                self._judge(connection, revision)
        return added

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

    def outgoing(self, since: datetime) -> Sequence[Outgoing]:
        """Return what was told of all incidents but those resolved before `since`, by onset, then id."""
        recent = (
            T.c.tenant == self._tenant,
            T.c.status.in_(list(map(str, Status))),
            T.c.resolved_us >= microseconds(since),
        )
        same = and_(N.c.tenant == T.c.tenant, N.c.identity == T.c.identity)
        told: defaultdict[str, set[str]] = defaultdict(set)
        with self._database.reading() as connection:
            rows = connection.execute(select(T).where(*recent)).all()
            for row in connection.execute(select(N.c.identity, N.c.notice).join(T, same).where(*recent)):
                told[row.identity].add(row.notice)
        found = [Outgoing(_incident(row), row.judged, told[row.identity]) for row in rows]
        return sorted(found, key=lambda each: (each.incident.onset, each.incident.incident_id))

    def add_told(self, incident_id: str, notice: str) -> None:
        """Keep that the outside was told; once or more often is the same."""
        row = {"tenant": self._tenant, "identity": identity_of(incident_id), "notice": notice}
        with self._database.writing(f"{self._tenant} incidents") as connection:
            add_row(connection, N, row)

    def revision(self, incident_id: str, number: int | None = None, *, charts: bool = True) -> Revision | None:
        """Return one verdict on an incident, the last where no number is given; None when there is none such."""
        own = [R.c.tenant == self._tenant, R.c.identity == identity_of(incident_id)]
        own += [] if number is None else [R.c.number == number]
        with self._database.reading() as connection:
            row = connection.execute(_read(charts).where(*own).order_by(R.c.number.desc()).limit(1)).first()
        return None if row is None else _revision(row, incident_id)

    def judgements(self, incident_id: str, part: Part) -> Sequence[Listed[Judgement]]:
        """Return in brief a part of the list of verdicts on an incident, by number."""
        own = (J.c.tenant == self._tenant, J.c.identity == identity_of(incident_id))
        with self._database.reading() as connection:
            rows = connection.execute(ranged(select(J).where(*own), J.c.number, J.c.identity, part)).all()
        return [Listed(Place(row.number, row.identity), _judgement(row.record, incident_id)) for row in rows]

    def revisions(self, incident_id: str, *, charts: bool = True) -> Sequence[Revision]:
        """Return the verdicts on an incident, oldest first."""
        own = (R.c.tenant == self._tenant, R.c.identity == identity_of(incident_id))
        with self._database.reading() as connection:
            rows = connection.execute(_read(charts).where(*own).order_by(R.c.number)).all()
        return tuple(_revision(row, incident_id) for row in rows)

    def forget(self, before: datetime) -> int:
        """Forget the incidents that were resolved before a time, with their verdicts, and return how many."""
        old = and_(T.c.status == str(Status.RESOLVED), T.c.resolved_us < microseconds(before))
        return forget_rows(self._database, T, self._tenant, old, with_them=(R, N, C, J))

    def _asked(self, part: Part) -> Select[Any]:
        if part.component is None:
            return ranged(_WITH_JUDGEMENT.where(T.c.tenant == self._tenant), T.c.onset_us, T.c.identity, part)
        concerned = (C.c.tenant == self._tenant, C.c.component == number_of(part.component))
        same = and_(C.c.tenant == T.c.tenant, C.c.identity == T.c.identity)
        return ranged(_WITH_JUDGEMENT.join(C, same).where(*concerned), C.c.onset_us, C.c.identity, part)

    def _put_components(self, connection: Connection, identity: str, incident: LiveIncident) -> None:
        named = {"tenant": self._tenant, "identity": identity}
        numbers = sorted(set(map(number_of, incident.components)))
        others = (C.c.tenant == self._tenant, C.c.identity == identity, C.c.component.not_in(numbers))
        connection.execute(delete(C).where(*others))
        onset_us = microseconds(incident.onset)
        put_rows(connection, C, [{**named, "component": number, "onset_us": onset_us} for number in numbers])

    def _judge(self, connection: Connection, revision: Revision) -> None:
        identity, number = identity_of(revision.incident_id), revision.number
        brief = judgement_of(number, revision.at, revision.document)
        row = {"tenant": self._tenant, "identity": identity, "number": number, "record": to_text(brief)}
        add_row(connection, J, row)
        earlier = (T.c.tenant == self._tenant, T.c.identity == identity, T.c.judged < number)
        last = {"judged": number, "fault_type": number_of(brief.fault_type)}
        connection.execute(update(T).where(*earlier).values(last))


def _columns(incident: LiveIncident) -> dict[str, Any]:
    return {
        "status": str(incident.status),
        "onset_us": microseconds(incident.onset),
        "resolved_us": OPEN_US if incident.resolved_at is None else microseconds(incident.resolved_at),
        "version": incident.version,
        "record": to_text(incident),
    }


def _incident(row: Row[*tuple[Any, ...]]) -> LiveIncident:
    return from_text(LiveIncident, row.record, f"live incident {row.identity}")


def _judged_incident(row: Row[*tuple[Any, ...]]) -> JudgedIncident:
    judgement = None if row.judgement is None else _judgement(row.judgement, row.identity)
    return JudgedIncident(_incident(row), judgement)


def _judgement(text: str, incident_id: str) -> Judgement:
    return from_text(Judgement, text, f"a verdict on {incident_id}")


def _read(charts: bool) -> Select[Any]:
    return select(R.c.number, R.c.record, R.c.charts if charts else null().label(CHARTS))


def _revision(row: Row[Any], incident_id: str) -> Revision:
    name = f"revision {row.number} of {incident_id}"
    found = from_text(Revision, row.record, name)
    try:
        return replace(found, document=together(found.document, row.charts))
    except ValueError as error:
        raise damaged(f"the charts of {name}", row.charts, error) from error
