"""Work whose anomalies are known beforehand: one for each shard and step. Worker and beat run it as processes.

`python step_work.py worker|beat REDIS RECORDS TENANT` with the steps of the settings. A tick waits while the file
RECORDS.wait is there, and notes before that in RECORDS.begun that it has begun.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waiting import awaited

from hypocenter.model import Anomaly, Direction, Series
from hypocenter.queues import QUEUES
from hypocenter.rhythm import Rhythm, rhythm_of_settings
from hypocenter.stores.detections import KeptAnomaly, Position
from hypocenter.stores.opening import open_records
from hypocenter.stores.redis_board import RedisBoard
from hypocenter_workers.app import create_app
from hypocenter_workers.processes import Crew, run_beat, run_worker
from hypocenter_workers.workplace import Due

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypocenter.stores.records import Records
    from hypocenter.stores.work_board import WorkBoard

MOST_STEPS = 50
HISTORY = timedelta(seconds=30)


class StepWork:
    """A Work that tells of one anomaly for each shard and step, from HISTORY before the first tick on."""

    def __init__(
        self, records: Records, board: WorkBoard, rhythm: Rhythm, now: Callable[[], datetime], place: str = ""
    ) -> None:
        self.records, self.board, self._rhythm, self._now, self._place = records, board, rhythm, now, place

    def warm(self) -> None:
        """There is nothing to load."""

    def tick(self, shard: int) -> None:
        before, settled = self.records.detections.position(shard), self._rhythm.settled(self._now())
        start = before.watermark if before else settled - HISTORY
        self._wait()
        count = min(MOST_STEPS, (settled - start) // self._rhythm.step)
        found = [KeptAnomaly(_anomaly(shard, start + n * self._rhythm.step), shard=shard) for n in range(count)]
        after = Position(start + count * self._rhythm.step, before.version + 1 if before else 1)
        self.records.detections.commit(shard, before, after, found)

    def _wait(self) -> None:
        gate = Path(f"{self._place}.wait")
        if self._place and gate.exists():
            Path(f"{self._place}.begun").write_text(str(os.getpid()), encoding="utf-8")
            awaited(lambda: not gate.exists())

    def correlate(self, send: Callable[[Due], None]) -> None:
        send(Due())

    def discover(self) -> None:
        """There is no graph."""

    def investigate(self, incident_id: str) -> None:
        raise ValueError(f"no incident {incident_id}")

    def answer(self, investigation_id: str) -> None:
        raise ValueError(f"no investigation {investigation_id}")

    def bands(self, name: str, question: Mapping[str, Any]) -> None:
        raise ValueError(f"no series for {name}: {question}")

    def notify(self, incident_id: str) -> None:
        """There is nobody to tell."""


def _anomaly(shard: int, at: datetime) -> Anomaly:
    return Anomaly(Series(f"shard-{shard}", "latency_p99"), at, at, 7.5, 2.0, 1.0, 0.5, 1.5, Direction.UP)


def told(records: Records, shard: int) -> list[datetime]:
    """Return the onsets of the anomalies that were told of a shard."""
    everything = records.detections.anomalies(datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
    return [each.anomaly.onset for each in everything if each.shard == shard]


def now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


def opened(redis: str, place: str, tenant: str) -> StepWork:
    """Open the work that records at `place` are the truth of."""
    return StepWork(open_records(place, tenant), RedisBoard(redis, tenant), rhythm_of_settings(), now, place)


def main(role: str, redis: str, place: str, tenant: str) -> int:
    app = create_app(redis, partial(opened, redis, place, tenant))
    if role == "worker":
        return run_worker(app, Crew(QUEUES, 2), lambda: print("ready", flush=True))
    run_beat(app, lambda: print("ready", flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
