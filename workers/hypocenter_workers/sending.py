"""Work is sent once: never while the same work waits or goes on."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from hypocenter.errors import HypocenterError
from hypocenter.queues import URGENT, USUAL
from hypocenter_workers.limits import ASKED_LIMIT_S, GRACE_S, TIME_LIMIT_S, tick_grace_s, tick_limit_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery, Task

    from hypocenter.stores.work_board import WorkBoard
    from hypocenter_workers.workplace import Work

logger = logging.getLogger(__name__)
# Who works on something says so again within this time, or is dead.
ALIVE_S = 15.0
# Longer than the pause before anything that failed is tried again: what always fails must not be sent at once.
AGAIN_S = 30.0
# What was sent and did not begin for longer was lost.
HOLD_S = TIME_LIMIT_S + GRACE_S + 20.0


@dataclass(frozen=True, slots=True)
class Order:
    """A task to send, the name that is held from its sending to its beginning, and for how long that is at most.

    `tenant` is for whom, None for that of the settings. Of one queue what is of a lower `priority` is taken first.
    """

    task: str
    arguments: tuple[int | str, ...] = ()
    seconds: float = HOLD_S
    tenant: str | None = None
    priority: int = USUAL

    @property
    def named(self) -> dict[str, str]:
        """What is sent beside the arguments."""
        return {} if self.tenant is None else {"tenant": self.tenant}

    @property
    def hold(self) -> str:
        """What is held: one task with one set of arguments."""
        return " ".join(map(str, (self.task, *self.arguments)))


def correlation_of(tenant: str | None = None) -> Order:
    """Return the order to bring anomalies and alerts together."""
    # It is short, and investigations that wait before it would keep the next incident from opening.
    return Order("hypocenter.correlate", tenant=tenant, priority=URGENT)


def discovery_of(tenant: str | None = None) -> Order:
    """Return the order to keep in the graph what labels of series show."""
    return Order("hypocenter.discover", tenant=tenant)


def tick_of(shard: int, tenant: str | None = None) -> Order:
    """Return the order to tick a shard."""
    return Order("hypocenter.tick", (shard,), tick_limit_s() + 2.0 * tick_grace_s(), tenant)


def investigation_of(incident_id: str, tenant: str | None = None) -> Order:
    """Return the order to investigate an incident."""
    return Order("hypocenter.investigate_incident", (incident_id,), tenant=tenant)


def answer_of(investigation_id: str, tenant: str | None = None) -> Order:
    """Return the order to investigate what somebody asked for."""
    return Order("hypocenter.investigate_window", (investigation_id,), ASKED_LIMIT_S + 2.0 * GRACE_S, tenant)


def notice_of(incident_id: str, tenant: str | None = None) -> Order:
    """Return the order to tell the outside of an incident."""
    return Order("hypocenter.notify", (incident_id,), tenant=tenant)


def send_once(app: Celery, board: WorkBoard, order: Order, **options: Any) -> bool:
    """Send a task unless it waits or goes on already; whether it was sent.

    Raises SourceError for the board, kombu's errors for the broker.
    """
    by = str(uuid4())
    if not board.hold(order.hold, by, order.seconds):
        return False
    try:
        app.send_task(order.task, order.arguments, order.named, task_id=by, priority=order.priority, **options)
    except BaseException:
        board.let_go(order.hold, by)
        raise
    return True


def done_once(task: Task, order: Order, do: Callable[[Work], object]) -> None:
    """Do the work of a task, unless another message with the same work is being worked on.

    While it is done the name is held a little at a time: that of a worker that was killed is soon free. It is given
    back when the work is done; where it fails it stays held for AGAIN_S.
    """
    work: Work = task.app.workplace.work(order.tenant)
    name = _Name(work.board, order.hold, task.request.id)
    if not name.hold(ALIVE_S):
        return
    try:
        with name.renewed():
            do(work)
    except Exception:
        name.hold(AGAIN_S)
        raise
    work.board.let_go(order.hold, task.request.id)


class _Name(NamedTuple):
    board: WorkBoard
    hold_of: str
    by: str

    def hold(self, seconds: float) -> bool:
        """Take the name, or have it so much longer; False when somebody else has it."""
        return self.board.hold(self.hold_of, self.by, seconds)

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Hold the name as long as this process lives, and the block lasts."""
        ended = threading.Event()
        thread = threading.Thread(target=self._renew, args=[ended], daemon=True, name=f"holds {self.hold_of}")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _renew(self, ended: threading.Event) -> None:
        while not ended.wait(ALIVE_S / 3):
            try:
                self.hold(ALIVE_S)
            except HypocenterError as error:
                # Should another begin the same meanwhile, what both write is written once.
                logger.warning("%s is not held: %s", self.hold_of, error)
