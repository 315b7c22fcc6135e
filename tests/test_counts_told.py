"""Ticks of workers apart wait for what is counted: none scores a time whose counts the server does not show yet."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from split_store import BIN, NOW, NOW_MS, OPTIONS, alone
from waiting import awaited

from hypocenter.api.parts import Places, opened
from hypocenter.batches import Batch, Samples
from hypocenter.errors import SourceError
from hypocenter.queues import DETECT, IN_PROCESS
from hypocenter.remote_write_sending import Patience
from hypocenter.rhythm import Rhythm
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.forwarding import NEW_SHOWN_AFTER, PATIENCE, SHOWN_AFTER
from hypocenter.stores.forwarding_told import ALIVE_S, NAME, reached, tell
from hypocenter.stores.opening import open_records
from hypocenter.stores.opening_metrics import BEFORE_SETTLED, open_beside
from hypocenter.stores.prometheus_metrics import PrometheusMetrics
from hypocenter.stores.prometheus_writing import Writing
from hypocenter.stores.work_board import MemoryBoard
from hypocenter_workers.app import create_app
from hypocenter_workers.beat import Beat, Sight
from hypocenter_workers.depth import waiting
from hypocenter_workers.live_stores import GivenStores
from hypocenter_workers.live_work import LiveWork
from hypocenter_workers.ticks.states import FileStates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypocenter.stores.split import SplitMetrics

SETTLE = timedelta(seconds=30)
AFTER = SETTLE - BEFORE_SETTLED
RHYTHM = Rhythm(timedelta(minutes=1), SETTLE, 1)
HASTY = Patience(attempts=1)
AWAY = "http://127.0.0.1:1"


class Told:
    """Counts on their way to a server, and the board on which it is told how far they came."""

    def __init__(self, folder: Path, url: str, write_url: str | None = None) -> None:
        self.now, self.seconds = NOW, 0.0
        self._folder = folder
        self.board = MemoryBoard(lambda: self.seconds)
        self.store = self.opened(url, write_url)

    def opened(self, url: str, write_url: str | None = None) -> SplitMetrics:
        remote = PrometheusMetrics(url, OPTIONS, writing=Writing(write_url, HASTY), now=lambda: self.now)
        return open_beside(remote, self._folder, lambda: self.now)

    def count(self, tenant: str, *bins: int) -> None:
        numbers = self.store.number(alone("calls_total", 1, tenant)).repeat(len(bins))
        self.store.append([Batch(increments=Samples(numbers, NOW_MS + np.array(bins) * BIN, np.ones(len(bins))))])

    def move(self, by: timedelta) -> None:
        self.now += by
        self.seconds += max(by.total_seconds(), 0.0)

    def turn(self) -> None:
        self.store.forwarder.turn()

    def fails(self) -> None:
        with pytest.raises(SourceError):
            self.turn()

    def heard(self) -> datetime:
        """Return up to when ticks score, by what is told now."""
        tell(self.board, self.store.forwarder)
        return RHYTHM.settled(reached(self.board, self.now, SETTLE).until)


@pytest.fixture
def away(tmp_path: Path) -> Iterator[Told]:
    told = Told(tmp_path, AWAY)
    yield told
    told.store.close()


def test_where_all_comes_in_time_no_tick_is_held_back(victoria_metrics, tmp_path: Path, tenant: str) -> None:
    told = Told(tmp_path, victoria_metrics.url)
    with closing(told.store):
        for second in range(130):
            if second % 10 == 0:
                told.count(tenant, second // 10)
            told.turn()
            told.move(timedelta(seconds=1))
            assert second < 45 or told.heard() == RHYTHM.settled(told.now), second


def test_ticks_wait_while_the_server_is_away_however_long(away: Told, tenant: str) -> None:
    away.turn()
    away.move(NEW_SHOWN_AFTER)
    away.count(tenant, 0, 1)
    away.move(timedelta(minutes=2))
    before = away.heard()
    for _ in range(10):
        away.fails()
        away.move(PATIENCE)
        assert away.heard() == before < NOW + timedelta(minutes=1)


def test_what_waits_since_before_a_restart_is_waited_for(away: Told, tenant: str) -> None:
    away.count(tenant, 0, 1)
    away.move(timedelta(minutes=5))
    away.store.close()
    away.store = away.opened(AWAY)
    assert away.heard() <= NOW


def test_once_all_came_and_shows_ticks_go_on(away: Told, victoria_metrics, tenant: str) -> None:
    away.count(tenant, 0, 1)
    away.move(timedelta(minutes=5))
    away.fails()
    away.store.close()
    away.store = away.opened(victoria_metrics.url)
    assert away.heard() <= NOW
    away.turn()
    assert away.heard() <= NOW, "a server shows a moment later what it took"
    away.move(NEW_SHOWN_AFTER)
    assert away.heard() == RHYTHM.settled(away.now - NEW_SHOWN_AFTER)


def test_what_comes_late_holds_nothing_back(victoria_metrics, tmp_path: Path, tenant: str) -> None:
    told = Told(tmp_path, victoria_metrics.url)
    with closing(told.store):
        told.count(tenant, 6)
        told.move(timedelta(minutes=2))
        told.turn()
        told.count(tenant, -60)
        told.move(NEW_SHOWN_AFTER)
        told.turn()
        told.move(SHOWN_AFTER)
        assert told.heard() == RHYTHM.settled(told.now - SHOWN_AFTER)


def test_a_server_that_answers_and_takes_nothing_is_waited_for_no_longer_than_said(
    victoria_metrics, tmp_path: Path, tenant: str
) -> None:
    told = Told(tmp_path, victoria_metrics.url, f"{AWAY}/api/v1/write")
    with closing(told.store):
        told.count(tenant, 0)
        told.move(AFTER)
        told.fails()
        told.move(PATIENCE)
        told.fails()
        assert told.heard() <= NOW
        told.move(timedelta(seconds=ALIVE_S))
        assert told.heard() == RHYTHM.settled(told.now)


def test_who_counts_and_is_gone_is_waited_for_a_while(away: Told, tenant: str) -> None:
    away.count(tenant, 0)
    away.heard()
    for seconds in (ALIVE_S - 1, 1):
        assert reached(away.board, away.now + timedelta(hours=1), SETTLE).until <= NOW + SETTLE
        away.move(timedelta(seconds=seconds))
    assert reached(away.board, away.now, SETTLE).until == away.now


def test_a_clock_that_was_set_back_tells_what_is_true_then(victoria_metrics, tmp_path: Path) -> None:
    told = Told(tmp_path, victoria_metrics.url)
    with closing(told.store):
        for jump in (timedelta(hours=2), timedelta(hours=-1)):
            told.move(jump)
            for _ in range(20):
                told.turn()
                told.move(timedelta(seconds=1))
            assert told.heard() == RHYTHM.settled(told.now)


def test_what_is_new_to_the_day_shows_later(victoria_metrics, tmp_path: Path, tenant: str) -> None:
    """VictoriaMetrics answers without it for ten seconds where it was asked the like before."""
    told = Told(tmp_path, victoria_metrics.url)
    with closing(told.store):
        for pause, shown_after in ((0, NEW_SHOWN_AFTER), (0, SHOWN_AFTER), (1, NEW_SHOWN_AFTER), (0, SHOWN_AFTER)):
            told.move(pause * timedelta(days=1))
            told.count(tenant, (told.now - NOW) // timedelta(milliseconds=BIN))
            told.move(timedelta(minutes=1))
            told.turn()
            sent_at = told.now
            while told.store.forwarder.shown_until() < sent_at - AFTER:
                told.move(timedelta(seconds=1))
            assert told.now - sent_at == shown_after


@pytest.mark.redis
def test_a_server_whose_workers_are_apart_tells_them(
    victoria_metrics, redis_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPOCENTER_REDIS_URL", redis_server)
    with opened(Places(tmp_path, victoria_metrics.url, apart=True)) as parts:
        awaited(lambda: parts.board.pinned(NAME))
        later = datetime.now(UTC) + timedelta(hours=1)
        assert reached(parts.board, later, SETTLE).until < later


@pytest.mark.parametrize("held", [True, False])
def test_beat_and_tick_go_no_further_than_is_told(tmp_path: Path, tenant: str, held: bool) -> None:
    board, clock = MemoryBoard(), [NOW]
    with (
        closing(DuckDbMetrics(tmp_path / "metrics", lambda: clock[0])) as metrics,
        closing(open_records(str(tmp_path / "records.db"), tenant)) as records,
    ):
        number = metrics.number(alone("queue_length", 1, tenant))
        metrics.append([Batch(Samples(number, np.array([NOW_MS - BIN]), np.ones(1)))])
        work = LiveWork(GivenStores(metrics, records, None, FileStates(tmp_path), board), lambda: clock[0], RHYTHM)
        app = create_app(IN_PROCESS, lambda: work)
        beat = Beat(app, Sight(records, board, RHYTHM, lambda: clock[0]), "one")
        records.detections.divide(RHYTHM.shards)
        work.tick(0)
        begun = records.detections.position(0)
        clock[0] += timedelta(minutes=10)
        if held:
            board.pin(NAME, begun.watermark.isoformat(), 60)
        with app.connection_for_write() as connection, connection.channel() as channel:
            for queue in app.conf.task_queues:
                queue(channel).declare()
                channel.queue_purge(queue.name)
        beat.turn()
        assert waiting(app, [DETECT])[DETECT] == (0 if held else 1)
        work.tick(0)
        assert records.detections.position(0).watermark == RHYTHM.settled(NOW if held else clock[0])
