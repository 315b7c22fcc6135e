"""How detection is doing, from what the records and the board say at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypocenter.stores.live_incidents import Status
from hypocenter.stores.work_board import BEAT_SEEN, HEARD, SERIES, STATE_BYTES, Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypocenter.rhythm import Rhythm
    from hypocenter.stores.dead_letters import DeadLetter
    from hypocenter.stores.detections import Position
    from hypocenter.stores.records import ModelVersion, Records
    from hypocenter.stores.work_board import WorkBoard

MOST_LETTERS = 20
# A beat takes a turn each second.
BEAT_GONE = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Overseen:
    """What is asked how detection is doing; `now` is the clock by which it goes."""

    records: Records
    board: WorkBoard
    rhythm: Rhythm
    now: Callable[[], datetime]


@dataclass(frozen=True)
class WorkState:
    """How detection was doing `at` a moment; `positions` are by shard."""

    at: datetime
    rhythm: Rhythm
    positions: Mapping[int, Position]
    totals: Mapping[Figure, float]
    levels: Mapping[Figure, float]
    dead_letters: int
    letters: Sequence[DeadLetter]
    open_incidents: int
    models: Sequence[ModelVersion]

    @property
    def lags(self) -> Mapping[int, timedelta]:
        """How much settled time is not scored yet, by shard."""
        return {shard: self.rhythm.lag(at, self.at) for shard, at in sorted(self.positions.items())}

    @property
    def beat_seen(self) -> datetime | None:
        """When a beat took a turn, None where none ever did."""
        seen = self.levels.get(BEAT_SEEN)
        return None if seen is None else datetime.fromtimestamp(seen, UTC)

    @property
    def heard(self) -> datetime | None:
        """The newest step in which a shard heard something, None where none did since the board was begun."""
        steps = [level for figure, level in self.levels.items() if figure.name == HEARD]
        return datetime.fromtimestamp(max(steps) / 1000, UTC) if steps else None

    @property
    def has_beat(self) -> bool:
        """Whether a beat took a turn a moment ago."""
        return self.beat_seen is not None and self.at - self.beat_seen < BEAT_GONE


def work_state(overseen: Overseen) -> WorkState:
    """Return how detection is doing; raises SourceError when records or board cannot be asked."""
    records, board = overseen.records, overseen.board
    serving = [each for each in records.models.models() if each.status == "serving"]
    positions = records.detections.positions()
    return WorkState(
        at=overseen.now(),
        rhythm=overseen.rhythm,
        positions={shard: at for shard, at in positions.items() if shard < overseen.rhythm.shards},
        totals=board.totals(),
        levels={of: level for of, level in board.levels().items() if _is_now(of, overseen.rhythm.shards)},
        dead_letters=records.dead_letters.count(),
        letters=records.dead_letters.newest(MOST_LETTERS),
        open_incidents=records.incidents.count(Status.OPEN),
        models=serving,
    )


def _is_now(figure: Figure, shards: int) -> bool:
    """Whether a figure is of a shard that is one of so many, or of none: the work may have been divided among more."""
    return figure.name not in (SERIES, STATE_BYTES) or int(figure.first) < shards
