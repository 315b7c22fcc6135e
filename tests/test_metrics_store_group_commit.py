"""Batches of many requests are written together, answered apart, and none is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from datetime import UTC, datetime
from threading import Event

import numpy as np
import pytest

from hypocenter.batches import Batch, Samples
from hypocenter.errors import InputError
from hypocenter.stores.group_commit import GroupCommit, QueueLimits
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.metrics import BusyError, FullError

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
SECONDS = 60


class Held:
    """A store that waits to be let go, and tells what it was given together; may be full."""

    def __init__(self, store):
        self.store, self.begun, self.go, self.groups, self.full = store, Event(), Event(), [], False

    def append(self, batches):
        self.groups.append(len(batches))
        self.begun.set()
        assert self.go.wait(SECONDS)
        if self.full:
            raise FullError("no room")
        return self.store.append(batches)


@pytest.fixture(params=["memory", "duckdb"])
def store(request, new_metrics):
    return new_metrics(request.param, lambda: NOW)


@pytest.fixture
def held():
    return Held(MemoryMetrics(lambda: NOW))


def batch(store, at, rows=3, job="a"):
    series = store.number([(("__name__", "up"), ("job", f"{job}{row}")) for row in range(rows)])
    return Batch(Samples(series, np.full(rows, NOW_MS - at), np.full(rows, float(at))))


def busy(held, writer):
    """Have the writer's thread wait in the store with one batch."""
    first = writer.submit(batch(held.store, 0))
    assert held.begun.wait(SECONDS)
    return first


def test_all_that_many_threads_submit_is_there(store):
    writer = GroupCommit(store)
    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(lambda at: writer.submit(batch(store, at)).result(SECONDS), range(200)))
    writer.close()
    assert {one.written for one in taken} == {3}
    assert [len(one.at_ms) for one in store.read([0, 1, 2], 0, NOW_MS)] == [200] * 3


def test_what_comes_while_one_is_written_is_written_together(held):
    with closing(GroupCommit(held)) as writer:
        futures = [busy(held, writer), *(writer.submit(batch(held.store, at)) for at in range(1, 6))]
        assert writer.waiting() == (5, 15)
        held.go.set()
        assert [future.result(SECONDS).written for future in futures] == [3] * 6
    assert held.groups == [1, 5]
    assert writer.waiting() == (0, 0)


def test_a_transaction_has_a_most_of_rows(held):
    with closing(GroupCommit(held, QueueLimits(rows_at_once=7))) as writer:
        futures = [busy(held, writer), *(writer.submit(batch(held.store, at)) for at in range(1, 6))]
        futures.append(writer.submit(batch(held.store, 6, rows=50)))
        held.go.set()
        wait(futures, SECONDS)
    assert held.groups == [1, 2, 2, 1, 1]


def test_one_that_cannot_be_written_fails_alone(store):
    held = Held(store)
    with closing(GroupCommit(held)) as writer:
        good = [busy(held, writer), writer.submit(batch(store, 1))]
        bad = writer.submit(Batch(Samples(np.array([999]), np.array([NOW_MS]), np.ones(1))))
        good.append(writer.submit(batch(store, 2)))
        held.go.set()
        assert [future.result(SECONDS).written for future in good] == [3] * 3
        with pytest.raises(InputError):
            bad.result(SECONDS)
    assert [len(one.at_ms) for one in store.read([0, 1, 2], 0, NOW_MS)] == [3] * 3


def test_a_store_that_is_full_fails_all_that_wait_and_is_not_asked_one_by_one(held):
    held.full = True
    with closing(GroupCommit(held)) as writer:
        futures = [busy(held, writer), *(writer.submit(batch(held.store, at)) for at in range(1, 4))]
        held.go.set()
        for future in futures:
            with pytest.raises(FullError):
                future.result(SECONDS)
        held.full = False
        assert writer.submit(batch(held.store, 9)).result(SECONDS).written == 3
    assert held.groups == [1, 3, 1]


def test_more_than_may_wait_is_refused_and_what_waits_is_written(held):
    with closing(GroupCommit(held, QueueLimits(rows=10, requests=3))) as writer:
        futures = [busy(held, writer), writer.submit(batch(held.store, 1, rows=8))]
        with pytest.raises(BusyError, match="10"):
            writer.submit(batch(held.store, 2))
        futures += [writer.submit(batch(held.store, at, rows=1)) for at in (3, 4)]
        with pytest.raises(BusyError, match="3 requests"):
            writer.submit(batch(held.store, 5, rows=0))
        held.go.set()
        assert [future.result(SECONDS).written for future in futures] == [3, 8, 1, 1]
        # What is larger than the limit goes when nothing else waits.
        assert writer.submit(batch(held.store, 6, rows=20)).result(SECONDS).written == 20


def test_who_gives_up_before_it_is_begun_is_not_written(held):
    with closing(GroupCommit(held)) as writer:
        first, second = busy(held, writer), writer.submit(batch(held.store, 1))
        assert second.cancel()
        held.go.set()
        assert first.result(SECONDS).written == 3
    assert [one.at_ms.tolist() for one in held.store.read([0], 0, NOW_MS)] == [[NOW_MS]]


def test_closing_writes_what_waits_and_takes_no_more(held):
    writer = GroupCommit(held)
    futures = [busy(held, writer), *(writer.submit(batch(held.store, at)) for at in range(1, 4))]
    with ThreadPoolExecutor(1) as pool:
        closed = pool.submit(writer.close)
        held.go.set()
        closed.result(SECONDS)
    assert all(future.done() for future in futures)
    assert [len(one.at_ms) for one in held.store.read([0], 0, NOW_MS)] == [4]
    with pytest.raises(BusyError, match="stopping"):
        writer.submit(batch(held.store, 9))
    writer.close()
