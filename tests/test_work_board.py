"""What every board keeps to: one holder of a name, and numbers that add up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from server_process import free_port
from waiting import awaited

from hypocenter.errors import InputError, SourceError
from hypocenter.stores.redis_board import RedisBoard, open_board
from hypocenter.stores.work_board import MOST_PINNED, Figure, MemoryBoard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.stores.work_board import WorkBoard


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def board(request: pytest.FixtureRequest, tenant: str) -> Iterator[WorkBoard]:
    memory = request.param == "memory"
    with closing(MemoryBoard() if memory else RedisBoard(request.getfixturevalue("redis_server"), tenant)) as opened:
        yield opened


def test_the_time_is_that_of_the_place_where_all_meet(board: WorkBoard) -> None:
    first, second = board.now(), board.now()
    assert first <= second
    assert first.tzinfo is UTC


def test_a_board_in_memory_goes_by_the_clock_that_it_is_given() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert MemoryBoard(now=lambda: noon).now() == noon


@pytest.mark.redis
def test_a_board_in_redis_goes_by_the_clock_of_redis(redis_server: str, tenant: str) -> None:
    with closing(RedisBoard(redis_server, tenant)) as board, Redis.from_url(redis_server) as redis:
        before, told, after = redis.time(), board.now(), redis.time()
    assert _moment(before) <= told <= _moment(after)


def _moment(time: tuple[int, int]) -> datetime:
    return datetime.fromtimestamp(time[0], UTC) + timedelta(microseconds=time[1])


def test_one_has_a_name_until_it_lets_go(board: WorkBoard) -> None:
    assert board.hold("tick-1", "a", 60)
    assert board.hold("tick-1", "a", 60), "whoever has it may have it longer"
    assert not board.hold("tick-1", "b", 60)
    assert board.hold("tick-2", "b", 60)
    board.let_go("tick-1", "b")
    assert not board.hold("tick-1", "b", 60)
    board.let_go("tick-1", "a")
    assert board.hold("tick-1", "b", 60)


def test_a_name_is_free_again_when_its_time_is_over(board: WorkBoard) -> None:
    assert board.hold("tick-1", "a", 0.05)
    awaited(lambda: board.hold("tick-1", "b", 60))
    assert not board.hold("tick-1", "a", 60)
    board.let_go("tick-1", "a")
    assert not board.hold("tick-1", "c", 60)


def test_of_many_that_ask_at_once_one_has_the_name(board: WorkBoard) -> None:
    with ThreadPoolExecutor(8) as pool:
        for turn in range(20):
            got = list(pool.map(lambda by, turn=turn: board.hold(f"turn-{turn}", str(by), 60), range(8)))
            assert got.count(True) == 1


def test_numbers_add_up_or_are_replaced(board: WorkBoard) -> None:
    merged, waiting = Figure("merged"), Figure("waiting", "detect")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: board.add(merged, 0.5), range(100)))
    board.put(waiting, 7)
    board.put(waiting, 3)
    assert board.totals() == {merged: 50}
    assert board.levels() == {waiting: 3}


def test_a_text_is_there_until_its_time_is_over_or_another_takes_its_place(board: WorkBoard) -> None:
    assert board.pinned("bands") is None
    board.pin("bands", "ü", 60)
    board.pin("other", "x", 0.05)
    assert board.pinned("bands") == "ü"
    board.pin("bands", "", 60)
    assert board.pinned("bands") == ""
    awaited(lambda: board.pinned("other") is None)


def test_a_board_in_memory_gives_up_its_oldest_texts_for_new_ones() -> None:
    board = MemoryBoard()
    for name in "abc":
        board.pin(name, name * (MOST_PINNED // 2), 60)
    assert [name for name in "abc" if board.pinned(name)] == ["b", "c"]


@pytest.mark.redis
def test_tenants_share_neither_names_nor_numbers(redis_server: str, tenant: str) -> None:
    with closing(RedisBoard(redis_server, tenant)) as ours, closing(RedisBoard(redis_server, tenant + "2")) as theirs:
        assert ours.hold("beat", "a", 60)
        assert theirs.hold("beat", "b", 60)
        ours.add(Figure("merged"))
        ours.pin("bands", "x", 60)
        assert theirs.pinned("bands") is None
        assert theirs.totals() == {}


def test_a_redis_that_is_not_there_is_told() -> None:
    with (
        closing(open_board(f"redis://127.0.0.1:{free_port()}/0")) as board,
        pytest.raises(SourceError, match="Redis"),
    ):
        board.now()


def test_an_address_that_is_none_is_told() -> None:
    with pytest.raises(InputError, match="HYPOCENTER_REDIS_URL"):
        open_board("http://127.0.0.1/")
