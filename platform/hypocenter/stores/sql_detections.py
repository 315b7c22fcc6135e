"""Positions of shards and anomalies in tables: a tick moves the one and writes the others in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, select, update

from hypocenter.listing import Listed, Place, newest
from hypocenter.model import Anomaly
from hypocenter.stores.alerts import OPEN_US
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.documents import EPOCH, from_text, microseconds, moment, to_text
from hypocenter.stores.identity import number_of
from hypocenter.stores.sql_listing import by_few, concerning, ranged, unindexed
from hypocenter.stores.sql_rows import add_row, forget_rows, put_rows
from hypocenter.stores.tables import ANOMALIES as A
from hypocenter.stores.tables import SHARD_POSITIONS as P

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

    from hypocenter.listing import Part
    from hypocenter.stores.database import Database


# Its row says among how many shards the work is divided, as its version.
DIVISION = -1


class SqlDetections:
    """The DetectionStore of one tenant in a database."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database, self._tenant = database, tenant

    def position(self, shard: int) -> Position | None:
        """Return how far a shard is, None before its first tick."""
        with self._database.reading() as connection:
            row = connection.execute(select(P).where(P.c.tenant == self._tenant, P.c.shard == shard)).first()
        return None if row is None else _position(row)

    def positions(self) -> dict[int, Position]:
        """Return how far every shard is, by number."""
        with self._database.reading() as connection:
            return self._divided(connection)[1]

    def shards(self) -> int:
        """Return among how many shards the work is divided, 0 where nobody said so yet."""
        found = self.position(DIVISION)
        return found.version if found else 0

    def divide(self, shards: int) -> bool:
        """Divide the work among so many shards from now on; False, and nothing is changed, where it is so already."""
        with self._database.writing(f"{self._tenant} shards") as connection:
            known, before = self._divided(connection)
            if known == shards:
                return False
            connection.execute(delete(P).where(P.c.tenant == self._tenant))
            after = {DIVISION: Position(EPOCH, shards), **_begun_again(before.values(), shards)}
            rows = [{"tenant": self._tenant, "shard": shard, **_columns(at)} for shard, at in after.items()]
            put_rows(connection, P, rows)
        return True

    def commit(self, shard: int, before: Position | None, after: Position, anomalies: Sequence[KeptAnomaly]) -> bool:
        """Keep what a tick found and move the shard on, in one transaction.

        False, and nothing is changed, when the shard is no longer at `before`. Of anomalies of one key the last is
        kept.
        """
        rows = {each.key: self._row(each) for each in anomalies}
        # On PostgreSQL, shards wait for none but themselves.
        with self._database.writing(f"{self._tenant} shard {shard}") as connection:
            moved = self._move(connection, shard, before, after)
            if moved:
                put_rows(connection, A, [rows[key] for key in sorted(rows)])
        return moved

    def anomalies(self, start: datetime, end: datetime, *, lasting: bool = False) -> Sequence[KeptAnomaly]:
        """Return the anomalies that were there at any time in [start, end], or (`lasting`) are still at `end`.

        By onset, then name of the series.
        """
        first = microseconds(end if lasting else start)
        begun = unindexed(A.c.onset_us) <= microseconds(end)
        within = and_(A.c.tenant == self._tenant, A.c.ended_us >= first, begun)
        with self._database.reading() as connection:
            rows = connection.execute(select(A).where(within)).all()
        return sorted(map(_kept, rows), key=lambda kept: (kept.anomaly.onset, kept.anomaly.series.name, kept.key))

    def listed(self, part: Part, *, metric: str | None = None, lasting: bool = False) -> Sequence[Listed[KeptAnomaly]]:
        """Return a part of the list of anomalies, by onset; of one metric, or those that last, where that is wanted."""
        wanted = [A.c.metric == number_of(metric)] if metric is not None else []
        if lasting:
            return self._listed(part, unindexed(A.c.onset_us), A.c.ended_us == OPEN_US, *wanted)
        return self._listed(part, A.c.onset_us, *wanted)

    def named(self, keys: Sequence[str], part: Part) -> Sequence[Listed[KeptAnomaly]]:
        """Return a part of the list of those anomalies that have one of these keys."""
        return newest(
            (self._listed(part, unindexed(A.c.onset_us), A.c.identity.in_(few)) for few in by_few(keys)), part.most
        )

    def forget(self, before: datetime) -> int:
        """Forget the anomalies that ended before a time and return how many; those that last stay."""
        return forget_rows(self._database, A, self._tenant, A.c.ended_us < microseconds(before))

    def _divided(self, connection: Connection) -> tuple[int, dict[int, Position]]:
        """Return among how many shards the work is divided, 0 where nobody said so, and how far these are."""
        asked = select(P).where(P.c.tenant == self._tenant).order_by(P.c.shard)
        found = {row.shard: _position(row) for row in connection.execute(asked)}
        shards = found.pop(DIVISION).version if DIVISION in found else 0
        # A first tick that was under way when the work was divided anew may have left a shard that is none any more.
        return shards, {shard: at for shard, at in found.items() if not shards or shard < shards}

    def _listed(
        self, part: Part, time: ColumnElement[int], *wanted: ColumnElement[bool]
    ) -> Sequence[Listed[KeptAnomaly]]:
        asked = concerning(select(A).where(A.c.tenant == self._tenant, *wanted), A, part)
        with self._database.reading() as connection:
            rows = connection.execute(ranged(asked, time, A.c.identity, part)).all()
        return [Listed(Place(row.onset_us, row.identity), _kept(row)) for row in rows]

    def _move(self, connection: Connection, shard: int, before: Position | None, after: Position) -> bool:
        own = {"tenant": self._tenant, "shard": shard}
        if before is None:
            return add_row(connection, P, {**own, **_columns(after)})
        there = [P.c[name] == value for name, value in {**own, **_columns(before)}.items()]
        return connection.execute(update(P).where(*there).values(_columns(after))).rowcount == 1

    def _row(self, kept: KeptAnomaly) -> dict[str, Any]:
        return {
            "tenant": self._tenant,
            "identity": kept.key,
            "shard": kept.shard,
            "onset_us": microseconds(kept.anomaly.onset),
            "ended_us": OPEN_US if kept.ended_at is None else microseconds(kept.ended_at),
            "record": to_text(kept.anomaly),
            "component": number_of(kept.anomaly.series.component),
            "metric": number_of(kept.anomaly.series.metric),
        }


def _begun_again(before: Collection[Position], shards: int) -> dict[int, Position]:
    """Return where shards begin after others: where the last of these is, at a version that none of them had."""
    if not before:
        return {}
    first = Position(min(at.watermark for at in before), max(at.version for at in before) + 1)
    return dict.fromkeys(range(shards), first)


def _columns(position: Position) -> dict[str, int]:
    return {"watermark_us": microseconds(position.watermark), "version": position.version}


def _position(row: Row[Any]) -> Position:
    return Position(moment(row.watermark_us), row.version)


def _kept(row: Row[Any]) -> KeptAnomaly:
    ended_at = None if row.ended_us == OPEN_US else moment(row.ended_us)
    return KeptAnomaly(from_text(Anomaly, row.record, f"anomaly {row.identity}"), ended_at, row.shard)
