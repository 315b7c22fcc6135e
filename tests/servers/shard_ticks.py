"""Ticks of a shard that race for its position, to be run by threads or processes."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from hypocenter.model import Anomaly, Direction, Series
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.opening import open_records

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SHARD = 3


class Tick(NamedTuple):
    """A tick from `before` on, in a place of records, that finds one anomaly of `component`."""

    place: str
    tenant: str
    before: Position | None
    component: str


def anomaly(component: str, minute: float = 0) -> Anomaly:
    """An anomaly with its onset so many minutes after noon."""
    at = NOON + minute * MINUTE
    return Anomaly(Series(component, "latency_p99"), at, at, 7.5, 2.0, 1.0, 0.5, 1.5, Direction.UP)


def after(before: Position | None) -> Position:
    """The position one tick on."""
    version = 1 if before is None else before.version + 1
    return Position(NOON + version * MINUTE, version)


def commit(tick: Tick) -> bool:
    """Open the records, commit the tick and close them; whether it was the one that won."""
    with closing(open_records(tick.place, tick.tenant)) as records:
        found = [KeptAnomaly(anomaly(tick.component), shard=SHARD)]
        return records.detections.commit(SHARD, tick.before, after(tick.before), found)


def found_by(version: int, count: int) -> Sequence[KeptAnomaly]:
    """What the tick that leaves a version finds: `count` anomalies."""
    return [KeptAnomaly(anomaly(f"c{number}", version), shard=SHARD) for number in range(count)]


def tick_for_ever(place: str, tenant: str, count: int) -> None:
    """Commit tick after tick until somebody kills the process."""
    with closing(open_records(place, tenant)) as records:
        while True:
            before = records.detections.position(SHARD)
            moved = after(before)
            records.detections.commit(SHARD, before, moved, found_by(moved.version, count))
