"""The whole live path in this process, with a clock that is moved: intake, beat, Celery's workers, webhook."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import httpx

from hypocenter.api.app import create_app
from hypocenter.api.intake import Intake
from hypocenter.rhythm import rhythm_of_settings
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.group_commit import GroupCommit
from hypocenter.stores.opening import open_records
from hypocenter.stores.work_board import MemoryBoard
from hypocenter_graph.stores.opening import open_graph
from hypocenter_workers.beat import CORRELATE_S, Beat, Sight
from hypocenter_workers.embedded import crews
from hypocenter_workers.live_stores import GivenStores, known
from hypocenter_workers.live_work import LiveWork
from hypocenter_workers.ticks.states import FileStates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pager import Pager

    from hypocenter_graph.stores.contract import GraphStore

# What works for longer than this will never end.
PATIENCE_S = 600.0
BEAT = "beat"
PAUSE = timedelta(seconds=CORRELATE_S)
TEND_EVERY = 60


class IdleBoard(MemoryBoard):
    """A board that knows when nothing is under way any more."""

    def __init__(self) -> None:
        super().__init__()
        self._under_way: set[str] = set()
        self._changed = threading.Condition()

    def hold(self, name: str, by: str, seconds: float) -> bool:
        """Take a name, or have it longer where it is ours; False when somebody else has it."""
        is_ours = super().hold(name, by, seconds)
        with self._changed:
            self._under_way |= {name} - {BEAT}
        return is_ours

    def let_go(self, name: str, by: str) -> None:
        """Give a name back; nothing happens where it is not ours (any more)."""
        super().let_go(name, by)
        with self._changed:
            self._under_way.discard(name)
            self._changed.notify_all()

    def wait(self) -> None:
        """Return when all that was sent is done; raises TimeoutError when it is not in PATIENCE_S."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._under_way, PATIENCE_S):
                raise TimeoutError(f"not done: {sorted(self._under_way)}; {PATIENCE_S:.0f} s are over")


@dataclass
class Clock:
    """The time of day and the seconds of the beat, which somebody moves."""

    now: datetime
    pulse: float = 0.0


class LivePlatform:
    """What `hypocenter serve` runs, but for its clock and its socket: requests are passed to the application."""

    def __init__(self, stores: GivenStores, graph: GraphStore, clock: Clock, writer: GroupCommit, beat: Beat) -> None:
        self.stores, self.graph, self.clock, self._beat = stores, graph, clock, beat
        intake = Intake(stores.metrics, writer, stores.records, graph, lambda: clock.now)
        transport = httpx.ASGITransport(create_app(intake))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://hypocenter")
        self._loop = asyncio.Runner()
        self._turns = 0

    def post(self, path: str, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a request; raises HTTPStatusError where it is not taken."""
        self._loop.run(self._client.post(path, content=content, headers=headers)).raise_for_status()

    def turn(self, now: datetime) -> None:
        """Have all be done that is due at a moment: the shards' ticks; then incidents, verdicts and notices."""
        self.clock.now = now
        self._take_turn()
        self.clock.now, self.clock.pulse = now + PAUSE, self.clock.pulse + CORRELATE_S
        self._take_turn()
        self._turns += 1
        if self._turns % TEND_EVERY == 0:
            self.stores.metrics.tick()

    def close(self) -> None:
        """Let go of the client."""
        self._loop.run(self._client.aclose())
        self._loop.close()

    def _take_turn(self) -> None:
        self._beat.turn()
        assert isinstance(self.stores.board, IdleBoard)
        self.stores.board.wait()


@contextmanager
def running(folder: Path, begin: datetime) -> Iterator[LivePlatform]:
    """Run the platform on a new data directory at a time of its own, in the rhythm of the settings."""
    clock, board = Clock(begin), IdleBoard()
    with ExitStack() as stack:
        metrics = stack.enter_context(closing(DuckDbMetrics(folder / "metrics", lambda: clock.now)))
        records = stack.enter_context(closing(open_records(str(folder / "records.db"))))
        graph = stack.enter_context(closing(open_graph(str(folder / "graph.db"))))
        stores = GivenStores(metrics, records, known(graph), FileStates(folder / "states"), board, folder / "reports")
        writer = stack.enter_context(closing(GroupCommit(metrics)))
        app = stack.enter_context(crews(LiveWork(stores, lambda: clock.now)))
        sight = Sight(records, board, rhythm_of_settings(), lambda: clock.now, lambda: clock.pulse)
        yield stack.enter_context(closing(LivePlatform(stores, graph, clock, writer, Beat(app, sight, "of-the-day"))))


@contextmanager
def settings_of(pager: Pager, secret_file: Path, shards: int) -> Iterator[None]:
    """Have the settings name the pager, and a number of shards, for a while."""
    from pager import SECRET

    secret_file.write_text(SECRET, encoding="utf-8")
    given = {"WEBHOOK_URL": pager.url, "WEBHOOK_SECRET_FILE": str(secret_file), "SHARDS": str(shards)}
    named = {f"HYPOCENTER_{name}": value for name, value in given.items()}
    before = {name: os.environ.get(name) for name in named}
    os.environ.update(named)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
