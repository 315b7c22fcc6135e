"""Batches of many requests, written as one transaction."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread
from typing import TYPE_CHECKING

from hypocenter.errors import SourceError
from hypocenter.stores.metrics import BusyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.batches import Batch, Taken
    from hypocenter.stores.metrics import MetricsStore

Waiting = tuple["Batch", "Future[Taken]"]


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Most rows that wait to be written, most requests that bring them, and most rows of one transaction."""

    rows: int = 2_000_000
    requests: int = 10_000
    rows_at_once: int = 200_000


class GroupCommit:
    """A Writer with one thread of its own, which ends with `close`.

    While one transaction is written the next one gathers, so that it takes longer the more there is to do, and no
    request waits for others that have not come.
    """

    def __init__(self, store: MetricsStore, limits: QueueLimits | None = None) -> None:
        self._store, self._limits = store, limits or QueueLimits()
        self._waiting: deque[Waiting] = deque()
        self._rows, self._is_closed = 0, False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="group-commit")
        self._thread.start()

    def submit(self, batch: Batch) -> Future[Taken]:
        """Queue a batch; the future ends when it is durable. Raises BusyError when too much waits, or after `close`."""
        future: Future[Taken] = Future()
        with self._changed:
            self._refuse_when_busy(len(batch))
            self._waiting.append((batch, future))
            self._rows += len(batch)
            self._changed.notify()
        return future

    def _refuse_when_busy(self, rows: int) -> None:
        if self._is_closed:
            raise BusyError("the server is stopping; send it again")
        # What is larger than the limit is taken when nothing else waits: else it never would be.
        if self._waiting and self._rows + rows > self._limits.rows:
            raise BusyError(f"{self._rows} samples wait to be written, at most {self._limits.rows} may; send it again")
        if len(self._waiting) >= self._limits.requests:
            raise BusyError(f"{len(self._waiting)} requests wait to be written, no more may; send it again")

    def waiting(self) -> tuple[int, int]:
        """Return how many requests wait, and how many rows they bring."""
        with self._changed:
            return len(self._waiting), self._rows

    def close(self) -> None:
        """Write what waits, then end; `submit` takes no more. The store stays open."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            self._write(group)

    def _next_group(self) -> list[Waiting]:
        """Wait for batches and return them; none when it is closed and all is written."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            group: list[Waiting] = []
            rows = 0
            while self._waiting and (not group or rows + len(self._waiting[0][0]) <= self._limits.rows_at_once):
                group.append(self._waiting.popleft())
                rows += len(group[-1][0])
            self._rows -= rows
        return group

    def _write(self, group: Sequence[Waiting]) -> None:
        wanted = [(batch, future) for batch, future in group if future.set_running_or_notify_cancel()]
        try:
            taken = self._store.append([batch for batch, _ in wanted])
        except SourceError as error:
            # What fails is the store, not what was sent: nothing is gained by trying one after the other.
            _fail(wanted, error)
        except Exception as error:  # noqa: BLE001 - goes to whoever sent it
            self._write_apart(wanted, error)
        else:
            for (_, future), result in zip(wanted, taken, strict=True):
                future.set_result(result)

    def _write_apart(self, wanted: Sequence[Waiting], error: Exception) -> None:
        """Write each batch by itself, so that one that cannot be written fails alone."""
        if len(wanted) == 1:
            _fail(wanted, error)
            return
        for batch, future in wanted:
            try:
                (taken,) = self._store.append([batch])
            except Exception as own:  # noqa: BLE001 - goes to whoever sent it
                future.set_exception(own)
            else:
                future.set_result(taken)


def _fail(wanted: Sequence[Waiting], error: Exception) -> None:
    for _, future in wanted:
        future.set_exception(error)
