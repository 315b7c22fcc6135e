"""What production does to workers: after each fault no anomaly is lost or doubled, and nothing needs a hand."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from waiting import awaited
from worker_platform import SETTINGS, WorkerPlatform

from hypocenter.stores.redis_board import RedisBoard
from hypocenter.stores.work_board import TICKS_MERGED, Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, require: Callable[[str], str]) -> Iterator[WorkerPlatform]:
    """One platform for all tests: each finds it as the faults before left it."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in SETTINGS.items():
            patched.setenv(f"HYPOCENTER_{name}", value)
        with WorkerPlatform(tmp_path_factory.mktemp("platform"), require("redis-server")) as running:
            running.recovers()
            yield running


def test_a_worker_that_dies_in_the_middle_of_a_tick(platform: WorkerPlatform) -> None:
    platform.hold_ticks()
    platform.kill_worker()
    platform.let_ticks_go()
    platform.worker = platform.start("worker")
    platform.recovers()


def test_a_process_of_a_worker_that_is_killed_for_its_memory(platform: WorkerPlatform) -> None:
    before = platform.records.dead_letters.count()
    os.kill(platform.hold_ticks(), signal.SIGKILL)
    awaited(lambda: platform.records.dead_letters.count() > before)
    platform.let_ticks_go()
    platform.recovers()
    letter = platform.records.dead_letters.newest(1)[0]
    assert letter.task == "hypocenter.tick"
    assert "WorkerLostError" in letter.error


def test_a_tick_that_takes_too_long_is_ended_and_merged(platform: WorkerPlatform) -> None:
    with closing(RedisBoard(platform.url, "faults")) as board:
        before = board.totals().get(Figure(TICKS_MERGED), 0)
        platform.hold_ticks()
        platform.stall(6)
        platform.let_ticks_go()
        platform.recovers()
        assert board.totals()[Figure(TICKS_MERGED)] > before


@pytest.mark.parametrize("keeps", [True, False], ids=["with-persistence", "without"])
def test_a_redis_that_dies_and_comes_back(platform: WorkerPlatform, keeps: bool) -> None:
    platform.redis.kill()
    if not keeps:
        platform.forget_redis()
    platform.stall()
    platform.start_redis()
    platform.recovers()


def test_a_redis_that_is_full(platform: WorkerPlatform) -> None:
    platform.client.config_set("maxmemory", 1)
    platform.stall()
    platform.client.config_set("maxmemory", 0)
    platform.recovers()


def test_a_network_that_passes_nothing_for_a_while(platform: WorkerPlatform) -> None:
    platform.line.cut()
    platform.stall(5)
    platform.line.mend()
    platform.recovers()


def test_a_second_beat_that_takes_over(platform: WorkerPlatform) -> None:
    other = platform.start("beat")
    platform.recovers()
    platform.beat.kill()
    platform.beat = other
    platform.recovers()


def test_messages_that_are_none_are_kept_and_harm_nobody(platform: WorkerPlatform) -> None:
    before = platform.records.dead_letters.count()
    app = platform.app
    app.send_task("hypocenter.no_such_task", [1], queue="detect")
    app.send_task("hypocenter.tick", ["no shard", "too many"])
    app.send_task("hypocenter.investigate_incident", ["none"])
    with app.connection_for_write() as connection, connection.Producer() as producer:
        producer.publish(
            b"\x80\x05poison",
            routing_key="detect",
            content_type="application/x-python-serialize",
            content_encoding="binary",
        )
        producer.publish(b"{broken", routing_key="detect", content_type="application/json", content_encoding="utf-8")
        producer.publish({"no": "task"}, routing_key="detect", serializer="json")
    awaited(lambda: platform.records.dead_letters.count() >= before + 6)
    platform.recovers()
    said = " ".join(each.error + each.arguments for each in platform.records.dead_letters.newest(6))
    for part in ("no_such_task", "too many", "no incident", "poison", "{broken", "no task's message"):
        assert part in said


def test_what_another_program_puts_into_a_queue_ends_nobody(platform: WorkerPlatform) -> None:
    pid = platform.worker.pid
    platform.client.lpush("detect", b"no message at all")
    awaited(lambda: "starts anew" in platform.worker.said())
    platform.recovers()
    assert platform.worker.pid == pid
    assert platform.worker.exit_code is None


def test_records_that_are_slow(platform: WorkerPlatform) -> None:
    with closing(sqlite3.connect(platform.place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        platform.stall()
        other.execute("ROLLBACK")
    platform.recovers()
