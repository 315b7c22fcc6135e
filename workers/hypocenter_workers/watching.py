"""What became of tasks: counted on the board, and kept as dead letters when they were given up."""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from celery import signals

from hypocenter.errors import HypocenterError
from hypocenter.stores.work_board import BOUNDS, TASK_SECONDS, TASKS, TASKS_WITHIN, Figure
from hypocenter_workers.dead_letters import keep

if TYPE_CHECKING:
    from celery import Celery, Task

logger = logging.getLogger(__name__)


class Watch:
    """Looks at every task of one app, as long as somebody holds it; what it cannot tell is logged and harms no task."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._begun: dict[str, tuple[float, str | None]] = {}
        signals.task_prerun.connect(self._begins)
        signals.task_postrun.connect(self._ends)
        signals.task_failure.connect(self._fails)
        signals.task_unknown.connect(self._unknown)
        signals.task_rejected.connect(self._rejected)

    def _begins(self, sender: Task, task_id: str, kwargs: Any = None, **_: Any) -> None:
        if sender.app is self._app:
            self._begun[task_id] = time.monotonic(), _tenant(kwargs)

    def _ends(self, sender: Task, task_id: str, state: str | None = None, **_: Any) -> None:
        begun = self._begun.pop(task_id, None)
        if begun is None:
            return
        outcome = (state or "ignored").lower()
        try:
            began, tenant = begun
            seconds = time.monotonic() - began
            board = self._app.workplace.work(tenant).board
            board.add(Figure(TASKS, sender.name, outcome))
            board.add(Figure(TASK_SECONDS, sender.name), seconds)
            board.add(Figure(TASKS_WITHIN, sender.name, str(BOUNDS[bisect_left(BOUNDS, seconds)])))
        except HypocenterError as error:
            logger.debug("a task could not be counted: %s", error)

    def _fails(
        self, sender: Task, task_id: str, exception: BaseException, args: Any = (), kwargs: Any = None, **_: Any
    ) -> None:
        # Whoever waits for a result is told there.
        if sender.app is self._app and sender.ignore_result:
            keep(self._app, (task_id, sender.name, repr(list(args or ()))), exception, _tenant(kwargs))

    def _unknown(self, sender: Any, message: Any, exc: BaseException, name: str, id: str, **_: Any) -> None:  # noqa: A002
        if sender.app is self._app:
            keep(self._app, (id, name, _body(message)), exc)

    def _rejected(self, sender: Any, message: Any, exc: BaseException | None, **_: Any) -> None:
        if sender.app is self._app:
            keep(self._app, (str(message.delivery_tag), "", _body(message)), exc or ValueError("no task's message"))


def _tenant(named: Any) -> str | None:
    """Return for whom a task is done, as its message says."""
    return (named or {}).get("tenant")


def _body(message: Any) -> str:
    return repr(message.body)
