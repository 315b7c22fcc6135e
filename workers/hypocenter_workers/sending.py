"""Work is sent once: never while the same work waits or goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from hypocenter_workers.limits import ASKED_LIMIT_S, GRACE_S, TIME_LIMIT_S, tick_grace_s, tick_limit_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery, Task

    from hypocenter.stores.work_board import WorkBoard
    from hypocenter_workers.workplace import Work

# What holds its name for longer has died.
HOLD_S = TIME_LIMIT_S + GRACE_S + 20.0


@dataclass(frozen=True, slots=True)
class Order:
    """A task to send, the name that is held from its sending to its end, and for how long that is at most."""

    task: str
    arguments: tuple[int | str, ...] = ()
    seconds: float = HOLD_S

    @property
    def hold(self) -> str:
        """What is held: one task with one set of arguments."""
        return " ".join(map(str, (self.task, *self.arguments)))


CORRELATE = Order("hypocenter.correlate")


def tick_of(shard: int) -> Order:
    """Return the order to tick a shard."""
    return Order("hypocenter.tick", (shard,), tick_limit_s() + 2.0 * tick_grace_s())


def investigation_of(incident_id: str) -> Order:
    """Return the order to investigate an incident."""
    return Order("hypocenter.investigate_incident", (incident_id,))


def answer_of(investigation_id: str) -> Order:
    """Return the order to investigate what somebody asked for."""
    return Order("hypocenter.investigate_window", (investigation_id,), ASKED_LIMIT_S + 2.0 * GRACE_S)


def notice_of(incident_id: str) -> Order:
    """Return the order to tell the outside of an incident."""
    return Order("hypocenter.notify", (incident_id,))


def send_once(app: Celery, board: WorkBoard, order: Order, **options: Any) -> bool:
    """Send a task unless it waits or goes on already; whether it was sent.

    Raises SourceError for the board, kombu's errors for the broker.
    """
    by = str(uuid4())
    if not board.hold(order.hold, by, order.seconds):
        return False
    try:
        app.send_task(order.task, order.arguments, task_id=by, **options)
    except BaseException:
        board.let_go(order.hold, by)
        raise
    return True


def done_once(task: Task, order: Order, do: Callable[[Work], object]) -> None:
    """Do the work of a task, unless another message with the same work is being worked on.

    The name is given back when the work is done. Where it fails it stays held, until it is tried again or the time is
    over: what always fails must not be sent again at once.
    """
    work: Work = task.app.workplace.work()
    if work.board.hold(order.hold, task.request.id, order.seconds):
        do(work)
        work.board.let_go(order.hold, task.request.id)
