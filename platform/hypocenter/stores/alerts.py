"""Alerts in a table: a row each, whose end moves when the tool that told of it says so."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, insert, select, update

from hypocenter.events import SEEN_WITHIN, KeptAlert, Origin, came_both_ways, joined
from hypocenter.history.past_incident import Counts
from hypocenter.listing import Listed, Place, newest
from hypocenter.model import Alert
from hypocenter.stores.documents import from_text, microseconds, moment, to_text
from hypocenter.stores.identity import identity_of, number_of
from hypocenter.stores.sql_listing import by_few, concerning, ranged, unindexed
from hypocenter.stores.sql_rows import forget_rows
from hypocenter.stores.tables import ALERTS as T

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

    from hypocenter.listing import Part
    from hypocenter.stores.database import Database

OPEN_US = 2**63 - 1


class SqlAlerts:
    """The AlertStore of one tenant in a database."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant

    def add_alerts(self, alerts: Sequence[KeptAlert]) -> Counts:
        """Keep alerts, all or none; those of one key are joined as `hypocenter.events.joined` says.

        So are those that came both ways, under the key of the one that came first.
        """
        if not alerts:
            return Counts()
        told = _by_identity(alerts)
        with self._database.writing(self._tenant) as connection:
            kept = self._kept(connection, list(told))
            twins = self._twins(connection, [alert for name, alert in told.items() if name not in kept])
            told = _by_identity(_as_kept(told.values(), twins))
            kept |= {name: twin for twin in twins if (name := identity_of(twin.origin.key)) in told}
            new = [self._row(name, alert) for name, alert in told.items() if name not in kept]
            together = {name: joined(alert, told[name]) for name, alert in kept.items()}
            changed = [self._row(name, alert) for name, alert in together.items() if alert != kept[name]]
            if new:
                connection.execute(insert(T), new)
            self._change(connection, changed)
        return Counts(len(new), len(changed), len(told) - len(new) - len(changed))

    def alerts(self, start: datetime, end: datetime, *, firing: bool = False) -> Sequence[KeptAlert]:
        """Return the alerts that fired at any time in [start, end], or still did at `end`; by start, then key."""
        last = T.c.ends_us > microseconds(end) if firing else T.c.ends_us >= microseconds(start)
        mine = and_(T.c.tenant == self._tenant, last, unindexed(T.c.starts_us) <= microseconds(end))
        with self._database.reading() as connection:
            rows = connection.execute(select(T).where(mine)).all()
        return sorted(map(_alert, rows), key=lambda each: (each.starts_at, each.origin.key))

    def listed(self, part: Part, *, firing_at: datetime | None = None) -> Sequence[Listed[KeptAlert]]:
        """Return a part of the list of alerts, by when they began; those that fire at a time where one is given."""
        if firing_at is None:
            return self._listed(part, T.c.starts_us)
        at_us, starts_us = microseconds(firing_at), unindexed(T.c.starts_us)
        return self._listed(part, starts_us, T.c.ends_us > at_us, starts_us <= at_us)

    def named(self, keys: Sequence[str], part: Part) -> Sequence[Listed[KeptAlert]]:
        """Return a part of the list of those alerts whose origins have one of these keys."""
        names = list(map(identity_of, keys))
        return newest(
            (self._listed(part, unindexed(T.c.starts_us), T.c.identity.in_(few)) for few in by_few(names)), part.most
        )

    def _listed(
        self, part: Part, time: ColumnElement[int], *wanted: ColumnElement[bool]
    ) -> Sequence[Listed[KeptAlert]]:
        asked = concerning(select(T).where(T.c.tenant == self._tenant, *wanted), T, part)
        with self._database.reading() as connection:
            rows = connection.execute(ranged(asked, time, T.c.identity, part)).all()
        return [Listed(Place(row.starts_us, row.identity), _alert(row)) for row in rows]

    def forget(self, before: datetime) -> int:
        """Forget the alerts that ended before a time and return how many; those that have no end stay."""
        return forget_rows(self._database, T, self._tenant, T.c.ends_us < microseconds(before))

    def _kept(self, connection: Connection, names: Sequence[str]) -> dict[str, KeptAlert]:
        found: dict[str, KeptAlert] = {}
        for few in by_few(names):
            are = and_(T.c.tenant == self._tenant, T.c.identity.in_(few))
            found |= {row.identity: _alert(row) for row in connection.execute(select(T).where(are))}
        return found

    def _twins(self, connection: Connection, alerts: Sequence[KeptAlert]) -> Sequence[KeptAlert]:
        """Return the kept alerts that came the other way than these and may be the same."""
        found: list[KeptAlert] = []
        seen = T.c.origin.contains('"since": "', autoescape=True)
        for is_seen in (True, False):
            own = [alert for alert in alerts if (alert.origin.since is not None) == is_seen]
            earliest = min((each.origin.since or each.starts_at for each in own), default=None)
            for few in by_few(sorted({each.alert.component for each in own})):
                assert earliest is not None
                rows = and_(
                    T.c.tenant == self._tenant,
                    T.c.component.in_([number_of(name) for name in few]),
                    T.c.starts_us >= microseconds(earliest - SEEN_WITHIN),
                    ~seen if is_seen else seen,
                )
                found += map(_alert, connection.execute(select(T).where(rows)))
        return found

    def _change(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        if not rows:
            return
        columns = ("starts_us", "ends_us", "resolved", "record", "origin", "component")
        own = and_(T.c.tenant == self._tenant, T.c.identity == bindparam("named"))
        to_new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in columns}
        bound = [{"named": row["identity"], **{f"new_{name}": row[name] for name in columns}} for row in rows]
        connection.execute(update(T).where(own).values(to_new), bound)

    def _row(self, name: str, kept: KeptAlert) -> dict[str, Any]:
        return {
            "tenant": self._tenant,
            "identity": name,
            "starts_us": microseconds(kept.starts_at),
            "ends_us": OPEN_US if kept.ends_at is None else microseconds(kept.ends_at),
            "resolved": kept.resolved,
            "record": to_text(kept.alert),
            "origin": to_text(kept.origin),
            "component": number_of(kept.alert.component),
        }


def _as_kept(alerts: Iterable[KeptAlert], twins: Iterable[KeptAlert]) -> Iterator[KeptAlert]:
    """Yield alerts, each under the origin of the twin that it is where it is one of them."""
    known: dict[frozenset[tuple[str, str]], list[KeptAlert]] = {}
    for twin in twins:
        known.setdefault(frozenset(twin.origin.labels.items()), []).append(twin)
    for alert in alerts:
        same = known.get(frozenset(alert.origin.labels.items()), ())
        twin_of_it = next((twin for twin in same if came_both_ways(alert, twin)), None)
        yield alert if twin_of_it is None else replace(alert, origin=twin_of_it.origin)


def _by_identity(alerts: Iterable[KeptAlert]) -> Mapping[str, KeptAlert]:
    """Return alerts by a name of theirs, those of one key joined."""
    told: dict[str, list[KeptAlert]] = {}
    for alert in alerts:
        told.setdefault(identity_of(alert.origin.key), []).append(alert)
    return {name: reduce(joined, same) for name, same in told.items()}


def _alert(row: Row[Any]) -> KeptAlert:
    name = f"alert {row.identity}"
    ends_at = None if row.ends_us == OPEN_US else moment(row.ends_us)
    return KeptAlert(from_text(Alert, row.record, name), from_text(Origin, row.origin, name), ends_at, row.resolved)
