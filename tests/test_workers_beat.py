"""What a beat sends: all that is due by the records, once at a time, never more than fits."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from step_work import StepWork, told

from hypocenter.queues import DETECT, IN_PROCESS
from hypocenter.rhythm import Rhythm
from hypocenter.stores.opening import open_records
from hypocenter.stores.work_board import Figure, MemoryBoard
from hypocenter_workers.app import create_app
from hypocenter_workers.beat import LEASE_S, Beat, Sight
from hypocenter_workers.depth import waiting
from hypocenter_workers.sending import AGAIN_S, ALIVE_S, Order, correlation_of, investigation_of, send_once

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from celery import Celery

    from hypocenter.stores.opening import SqlRecords

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEP = timedelta(seconds=10)
RHYTHM = Rhythm(STEP, timedelta(seconds=0), 3)


class Place:
    """A board, records, and an app whose messages nobody takes; its clocks stand still until they are moved."""

    def __init__(self, records: SqlRecords) -> None:
        self.now, self.seconds = NOON, 0.0
        self.records, self.board = records, MemoryBoard(lambda: self.seconds)
        self.work = StepWork(records, self.board, RHYTHM, lambda: self.now)
        self.app: Celery = create_app(IN_PROCESS, lambda: self.work)
        self.app.loader.import_default_modules()

    def beat(self, name: str = "one") -> Beat:
        return Beat(self.app, Sight(self.records, self.board, RHYTHM, lambda: self.now), name)

    def waiting(self) -> int:
        return waiting(self.app, [DETECT])[DETECT]

    def do_all(self) -> None:
        """Do the ticks that wait, as a worker does."""
        with self.app.connection_for_read() as connection, connection.channel() as channel:
            while message := channel.basic_get(DETECT):
                channel.basic_ack(message.delivery_tag)
                [[shard], *_] = message.decode()
                self.app.tasks["hypocenter.tick"].apply([shard], task_id=message.headers["id"], throw=True)


@pytest.fixture
def place(tmp_path: Path, tenant: str) -> Iterator[Place]:
    with closing(open_records(str(tmp_path / "records.db"), tenant)) as records:
        made = Place(records)
        with made.app.connection_for_write() as connection, connection.channel() as channel:
            for queue in made.app.conf.task_queues:
                queue(channel).declare()
                channel.queue_purge(queue.name)
        yield made


def test_what_is_due_is_sent_once_for_each_shard(place: Place) -> None:
    beat = place.beat()
    assert beat.turn()
    assert place.waiting() == 3
    assert beat.turn()
    assert place.waiting() == 3
    place.do_all()
    assert beat.turn()
    assert place.waiting() == 0
    place.now += STEP
    beat.turn()
    assert place.waiting() == 3


def test_ticks_that_have_to_wait_are_merged_into_one_and_counted(place: Place) -> None:
    beat = place.beat()
    beat.turn()
    place.do_all()
    place.now += STEP
    beat.turn()
    for _ in range(4):
        place.now += STEP
        beat.turn()
        beat.turn()
    assert place.waiting() == 3
    assert place.board.totals()[Figure("ticks_merged")] == 3 * 4
    place.do_all()
    steps = [NOON - timedelta(seconds=30) + n * STEP for n in range(8)]
    assert [told(place.records, shard) for shard in range(3)] == [steps] * 3


def test_messages_do_not_pile_up_when_nobody_takes_them(place: Place) -> None:
    beat = place.beat()
    for _ in range(50):
        place.now += timedelta(hours=1)
        place.seconds += 3600
        beat.turn()
    assert place.waiting() == 2 * RHYTHM.shards
    place.do_all()
    steps = [NOON + timedelta(hours=50, seconds=-30) + n * STEP for n in range(3)]
    assert [told(place.records, shard) for shard in range(3)] == [steps] * 3


def test_a_tick_that_was_lost_is_sent_again_when_its_hold_ends(place: Place) -> None:
    beat = place.beat()
    beat.turn()
    with place.app.connection_for_write() as connection, connection.channel() as channel:
        channel.queue_purge(DETECT)
    beat.turn()
    assert place.waiting() == 0
    place.seconds += 3600
    beat.turn()
    assert place.waiting() == 3


def test_of_two_beats_one_sends_and_the_other_takes_over(place: Place) -> None:
    one, other = place.beat("one"), place.beat("other")
    assert one.turn()
    assert not other.turn()
    place.seconds += LEASE_S + 1
    assert other.turn()
    assert not one.turn()
    assert place.waiting() == 3, "who takes over sends nothing twice"


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(hours=-1), timedelta(hours=1)], ids=str)
def test_a_clock_that_jumps_loses_and_doubles_nothing(place: Place, jump: timedelta) -> None:
    beat = place.beat()
    beat.turn()
    place.do_all()
    place.now += jump
    for _ in range(10):
        beat.turn()
        place.do_all()
    place.now = NOON + timedelta(hours=1)
    for _ in range(10):
        beat.turn()
        place.do_all()
    steps = [NOON - timedelta(seconds=30) + n * STEP for n in range(3 + 360)]
    assert [told(place.records, shard) for shard in range(3)] == [steps] * 3


def test_a_tick_whose_shard_another_works_on_does_nothing(place: Place) -> None:
    assert place.board.hold("hypocenter.tick 1", "another", 60)
    place.app.tasks["hypocenter.tick"].apply([1], throw=True)
    assert told(place.records, 1) == []
    place.seconds += 61
    place.app.tasks["hypocenter.tick"].apply([1], throw=True)
    assert len(told(place.records, 1)) == 3


def test_the_work_of_a_process_that_died_is_soon_done_again(place: Place) -> None:
    dying = Order("hypocenter.tick", (1,))
    place.board.hold(dying.hold, "dead", ALIVE_S)
    place.seconds += ALIVE_S - 1
    assert not send_once(place.app, place.board, dying)
    place.seconds += 2
    assert send_once(place.app, place.board, dying)


def test_work_that_failed_is_not_sent_again_at_once(place: Place) -> None:
    order = investigation_of("none")
    with pytest.raises(ValueError, match="no incident"):
        place.app.tasks[order.task].apply(order.arguments, throw=True)
    assert not send_once(place.app, place.board, order)
    place.seconds += AGAIN_S + 1
    assert send_once(place.app, place.board, order)


def test_incidents_are_brought_up_to_now_before_what_is_investigated(place: Place) -> None:
    sent: list[tuple[str, int]] = []
    for order in (investigation_of("one"), correlation_of()):
        send_once(place.app, place.board, order)
    with place.app.connection_for_read() as connection, connection.channel() as channel:
        while message := channel.basic_get("investigate"):
            sent.append((message.headers["task"], message.properties["priority"]))
    assert sorted(sent, key=lambda each: each[1])[0][0] == "hypocenter.correlate"
