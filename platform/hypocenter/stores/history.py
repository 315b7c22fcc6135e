"""Past incidents in tables: the current version of each, and those before it."""

from __future__ import annotations

import uuid
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, insert, or_, select, tuple_, update

from hypocenter.errors import InputError
from hypocenter.history.past_incident import Counts, PastIncident
from hypocenter.listing import NO_TIME_US, Listed, Place
from hypocenter.stores.documents import from_text, is_storable, microseconds, to_text
from hypocenter.stores.tables import INCIDENTS as T

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row

    from hypocenter.listing import Part
    from hypocenter.stores.database import Database

CHUNK = 500


class SqlHistory:
    """The HistoryStore of one tenant in a database."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant

    def save_incidents(self, incidents: Iterable[PastIncident], *, dry_run: bool = False) -> Counts:
        """Save all of `incidents` in one transaction, or none when iterating raises; `dry_run` counts and saves none.

        Raises InputError for a `source` or `key` that no database can hold.
        """
        run, totals = uuid.uuid4().hex, Counts()
        with self._database.writing(self._tenant) as connection:
            for chunk in _chunks(incidents):
                counts = self._save(connection, chunk, run)
                totals = Counts(*map(sum, zip(totals, counts, strict=True)))
            if dry_run:
                connection.rollback()
        return totals

    def incidents(self) -> Iterator[PastIncident]:
        """Yield the current version of every incident, by `started_at` (None first), then `source` and `key`."""
        asked = select(T.c.record).where(T.c.tenant == self._tenant, T.c.is_current)
        ordered = asked.order_by(T.c.started_us.asc().nulls_first(), T.c.source, T.c.key)
        with self._database.reading() as connection:
            for text in connection.execution_options(yield_per=CHUNK).execute(ordered).scalars():
                yield from_text(PastIncident, text)

    def current(self, names: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], PastIncident]:
        """Return the current version of those of a few hundred incidents that are kept, by `source` and `key`."""
        with self._database.reading() as connection:
            found = self._current(connection, [_identity(source, key) for source, key in names])
        return {(incident.source, incident.key): incident for _, incident in found.values()}

    def listed(self, part: Part) -> Sequence[Listed[PastIncident]]:
        """Return a part of the list of current incidents, by when they began; those of unknown time come last."""
        asked = select(T.c.identity, T.c.started_us, T.c.record).where(T.c.tenant == self._tenant, T.c.is_current)
        for bound in _bounds(part):
            asked = asked.where(bound)
        ordered = asked.order_by(T.c.started_us.desc().nulls_last(), T.c.identity.desc()).limit(part.most)
        with self._database.reading() as connection:
            rows = connection.execute(ordered).all()
        return [Listed(_place(row), from_text(PastIncident, row.record)) for row in rows]

    def incident(self, identity: str) -> PastIncident | None:
        """Return the current version of the incident that a list names so, None when there is none."""
        asked = select(T.c.record).where(self._are([identity]), T.c.is_current)
        with self._database.reading() as connection:
            text = connection.execute(asked).scalar()
        return None if text is None else from_text(PastIncident, text)

    def older_versions(self, source: str, key: str) -> Sequence[PastIncident]:
        """Return what was current before, oldest first; () for an incident that never changed or is not kept."""
        mine = and_(T.c.tenant == self._tenant, T.c.identity == _identity(source, key), ~T.c.is_current)
        with self._database.reading() as connection:
            texts = connection.execute(select(T.c.record).where(mine).order_by(T.c.version)).scalars().all()
        return tuple(from_text(PastIncident, text) for text in texts)

    def _save(self, connection: Connection, chunk: Mapping[str, PastIncident], run: str) -> Counts:
        twice = self._take_back(connection, list(chunk), run)
        kept = self._current(connection, list(chunk))
        versions = {name: version for name, (version, _) in kept.items()}
        new = [name for name in chunk if name not in kept]
        changed = [name for name in chunk if name in kept and kept[name][1] != chunk[name]]
        self._retire(connection, changed)
        rows = [self._row(name, versions.get(name, 0) + 1, chunk[name], run) for name in (*new, *changed)]
        if rows:
            connection.execute(insert(T), rows)
        same = len(chunk) - len(new) - len(changed)
        return Counts(len(new) - twice.new, len(changed) - twice.changed, same)

    def _take_back(self, connection: Connection, names: Sequence[str], run: str) -> Counts:
        """Forget what this same run saved of these incidents, so that the later of two is the only one kept."""
        again = and_(self._are(names), T.c.saved_by == run)
        versions = connection.execute(delete(T).where(again).returning(T.c.identity, T.c.version)).all()
        before = [(identity, version - 1) for identity, version in versions if version > 1]
        if before:
            was = tuple_(T.c.identity, T.c.version).in_(before)
            connection.execute(update(T).where(self._are(names), was).values(is_current=True))
        return Counts(len(versions) - len(before), len(before))

    def _current(self, connection: Connection, names: Sequence[str]) -> dict[str, tuple[int, PastIncident]]:
        # Which version is current is asked here, for a database asked for it reads every current incident there is.
        asked = select(T.c.identity, T.c.version, T.c.is_current, T.c.record).where(self._are(names))
        return {
            row.identity: (row.version, from_text(PastIncident, row.record))
            for row in connection.execute(asked)
            if row.is_current
        }

    def _retire(self, connection: Connection, names: Sequence[str]) -> None:
        if names:
            connection.execute(update(T).where(self._are(names)).values(is_current=False))

    def _are(self, names: Sequence[str]) -> ColumnElement[bool]:
        return and_(T.c.tenant == self._tenant, T.c.identity.in_(names))

    def _row(self, name: str, version: int, incident: PastIncident, run: str) -> dict[str, Any]:
        return {
            "tenant": self._tenant,
            "identity": name,
            "version": version,
            "is_current": True,
            "saved_by": run,
            "source": incident.source,
            "key": incident.key,
            "started_us": microseconds(incident.started_at) if incident.started_at else None,
            "record": to_text(incident),
        }


def _bounds(part: Part) -> Iterator[ColumnElement[bool]]:
    if part.since is not None:
        yield T.c.started_us >= microseconds(part.since)
    if part.until is not None:
        yield T.c.started_us <= microseconds(part.until)
    if part.after is not None:
        later = and_(T.c.started_us.is_(None), T.c.identity < part.after.name)
        place = tuple_(T.c.started_us, T.c.identity)
        timeless = part.after.at_us == NO_TIME_US
        yield later if timeless else or_(place < tuple_(*part.after), T.c.started_us.is_(None))


def _place(row: Row[*tuple[Any, ...]]) -> Place:
    return Place(NO_TIME_US if row.started_us is None else row.started_us, row.identity)


def _chunks(incidents: Iterable[PastIncident]) -> Iterator[dict[str, PastIncident]]:
    """Yield incidents by their identity, a chunk at a time; of two with the same in a chunk the later."""
    walk = iter(incidents)
    while chunk := list(islice(walk, CHUNK)):
        yield {_identity(incident.source, incident.key): incident for incident in chunk}


def _identity(source: str, key: str) -> str:
    """Return a name of bounded length for a source and key, which may be of any."""
    for name, value in (("source", source), ("key", key)):
        if not is_storable(value):
            raise InputError(
                f"incident {key!r:.60}: its {name} holds characters that cannot be kept; write it in UTF-8"
            )
    return sha256(f"{len(source)}:{source}:{key}".encode()).hexdigest()
