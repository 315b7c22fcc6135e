"""Rosters of several processes that share one listing: the same series as by oneself, and one question for all."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from server_process import free_port

from hypocenter.batches import Batch, Samples
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.redis_board import open_board
from hypocenter.stores.work_board import MemoryBoard
from hypocenter_workers.ticks.listing import HELD_S, MOST_TOLD
from hypocenter_workers.ticks.shards import LISTED_EACH_MS, Roster

START = datetime(2026, 3, 2, tzinfo=UTC)
FIRST_MS = int(START.timestamp() * 1000) // LISTED_EACH_MS * LISTED_EACH_MS
END = START + timedelta(days=3)
SHARDS, LAST = 2, 5
NAMES = [f"service-{at}" for at in range(6)]


class Counting(MemoryMetrics):
    """A store that counts how often its series are asked for."""

    asked = 0

    def series(self, *given, **named):
        self.asked += 1
        return super().series(*given, **named)


def at_ms(period):
    return FIRST_MS + period * LISTED_EACH_MS


def store_of(heard):
    """Return a store in which each name of `heard[period]` has a sample just before the period's end."""
    store = Counting(lambda: END)
    for period, names in enumerate(heard):
        if names:
            numbers = store.number([series(name) for name in sorted(names)])
            times = np.full(len(numbers), at_ms(period) - 1_000)
            store.append([Batch(Samples(numbers, times, np.ones(len(numbers))))])
    return store


def series(name):
    return (("__name__", "queue_length"), ("service_name", name))


def known(roster, period):
    found = [roster.members(shard, at_ms(period)) for shard in range(SHARDS)]
    return [({(one.series.labels, one.since_ms) for one in each.series}, each.components) for each in found]


def shared(store, board):
    return Roster(store, SHARDS, board=board)


def test_processes_that_meet_ask_once_for_all_of_them():
    heard = [NAMES[:2], NAMES[:2], NAMES[:4], NAMES[1:4], NAMES[1:5], NAMES[1:]]
    store, board = store_of(heard), MemoryBoard()
    rosters = [shared(store, board) for _ in range(3)]
    alone = Roster(store, SHARDS)
    for period in range(len(heard)):
        before = store.asked
        found = [known(roster, period) for roster in rosters]
        # The first listing of each is of a day, which is nobody else's.
        assert store.asked - before == (len(rosters) if period == 0 else 1)
        assert found == [known(alone, period)] * len(rosters)


@given(
    st.lists(st.sets(st.sampled_from(NAMES)), min_size=LAST + 1, max_size=LAST + 1),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, LAST)), max_size=20),
)
def test_whoever_comes_late_or_misses_listings_knows_what_it_would_know_by_itself(heard, turns):
    store, board = store_of(heard), MemoryBoard()
    rosters = [(shared(store, board), Roster(store, SHARDS)) for _ in range(3)]
    for who, period in sorted(turns, key=lambda turn: turn[1]):
        together, alone = rosters[who]
        assert known(together, period) == known(alone, period)


def test_more_changes_than_are_worth_telling_are_asked_for_by_each():
    many = [f"service-{at}" for at in range(MOST_TOLD + 1)]
    store, board = store_of([NAMES, [*NAMES, *many]]), MemoryBoard()
    rosters = [shared(store, board) for _ in range(2)]
    found = [[known(roster, period) for roster in rosters] for period in range(2)]
    assert found[1][0] == found[1][1]
    assert sum(len(members) for members, _ in found[1][0]) == len(NAMES) + len(many) - len({*NAMES} & {*many})


def test_a_process_that_dies_while_it_asks_keeps_nobody_waiting_for_good():
    seconds = count(step=HELD_S / 4)
    store, board = store_of([NAMES[:2], NAMES[:3]]), MemoryBoard(clock=lambda: float(next(seconds)))
    roster, alone = shared(store, board), Roster(store, SHARDS)
    assert known(roster, 0) == known(alone, 0)
    assert board.hold(f"series {at_ms(1)}", "who died", HELD_S)
    assert known(roster, 1) == known(alone, 1)


def test_a_board_that_is_away_keeps_nobody_from_asking():
    store = store_of([NAMES[:2], NAMES[:3]])
    with closing(open_board(f"redis://127.0.0.1:{free_port()}/0")) as board:
        roster, alone = shared(store, board), Roster(store, SHARDS)
        for period in range(2):
            assert known(roster, period) == known(alone, period)
