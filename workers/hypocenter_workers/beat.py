"""The beat: finds out what is due and sends it, never the same twice at a time and never more than workers can do."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from hypocenter.errors import HypocenterError
from hypocenter.queues import DETECT, QUEUES
from hypocenter.stores.forwarding_told import reached
from hypocenter.stores.work_board import BEAT_SEEN, TICKS_MERGED, WAITING, Figure
from hypocenter_workers.depth import waiting
from hypocenter_workers.sending import correlation_of, discovery_of, send_once, tick_of
from hypocenter_workers.ticks.hearing import rests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from celery import Celery

    from hypocenter.rhythm import Rhythm
    from hypocenter.stores.detections import Position
    from hypocenter.stores.records import Records
    from hypocenter.stores.work_board import WorkBoard

logger = logging.getLogger(__name__)
TURN_S = 1.0
LEASE_S = 15.0
CORRELATE_S = 15.0
# What a store or server may answer that is away or full; all is derived anew with the next turn.
OUTAGES = (HypocenterError, KombuError, RedisError, OSError)


@dataclass(frozen=True, slots=True)
class Sight:
    """What the beat looks at, and the clocks: `now` is the board's time of day, `pulse` seconds that never go back.

    It is all of `tenant`, None for that of the settings, which is one of `tenants` whose messages share the queues.
    """

    records: Records
    board: WorkBoard
    rhythm: Rhythm
    now: Callable[[], datetime]
    pulse: Callable[[], float] = time.monotonic
    tenant: str | None = None
    tenants: int = 1


class Beat:
    """One of any number of beats, of which the one with the lease sends; `name` tells it from the others.

    What is due follows from the records alone, so that a beat that starts anew, or a clock that jumps, loses nothing.
    """

    def __init__(self, app: Celery, sight: Sight, name: str) -> None:
        self._app, self._sight, self._name = app, sight, name
        self._looked = -CORRELATE_S
        # The newest step for which a shard's tick was sent or merged.
        self._noted: dict[int, datetime] = {}

    def try_turn(self) -> None:
        """Take a turn; what fails is logged, and done again with the next."""
        try:
            self.turn()
        except OUTAGES as error:
            logger.warning("the beat will try again: %s", error)
        except Exception:
            logger.exception("a turn of the beat failed")

    def turn(self) -> bool:
        """Send what is due; False, and nothing is sent, while another beat has the lease."""
        board = self._sight.board
        if not board.hold("beat", self._name, LEASE_S):
            return False
        board.put(BEAT_SEEN, self._sight.now().timestamp())
        depth = waiting(self._app, QUEUES)
        for queue, messages in depth.items():
            board.put(Figure(WAITING, queue), messages)
        self._tick(self._positions(), depth)
        self._now_and_then()
        return True

    def _positions(self) -> Mapping[int, Position]:
        """Return how far the shards are, which are as many as the settings say from now on."""
        detections, shards = self._sight.records.detections, self._sight.rhythm.shards
        if detections.shards() != shards and detections.divide(shards):
            logger.info("the work is divided among %s shards from now on", shards)
        return detections.positions()

    def _tick(self, positions: Mapping[int, Position], depth: Mapping[str, int]) -> None:
        rhythm = self._sight.rhythm
        now = reached(self._sight.board, self._sight.now(), rhythm.settle).until
        # Messages that nobody takes must not pile up, also when their holds have ended.
        room = 2 * rhythm.shards * self._sight.tenants - depth[DETECT]
        for shard in range(rhythm.shards):
            if rhythm.is_due(positions.get(shard), now) and not rests(self._sight.board, shard):
                sent = room > 0 and send_once(self._app, self._sight.board, tick_of(shard, self._sight.tenant))
                room -= sent
                self._note(shard, rhythm.settled(now), sent)

    def _note(self, shard: int, step: datetime, sent: bool) -> None:
        """Count a tick that is merged into one that waits or goes on: one for each step that had to wait."""
        if not sent and self._noted.get(shard, step) != step:
            self._sight.board.add(Figure(TICKS_MERGED))
        self._noted[shard] = step

    def _now_and_then(self) -> None:
        moment = self._sight.pulse()
        if moment - self._looked >= CORRELATE_S:
            for order_of in (correlation_of, discovery_of):
                send_once(self._app, self._sight.board, order_of(self._sight.tenant))
            self._looked = moment

    def give_up_lease(self) -> None:
        """Let another beat take over at once."""
        try:
            self._sight.board.let_go("beat", self._name)
        except HypocenterError as error:
            logger.info("the lease ends by itself: %s", error)
