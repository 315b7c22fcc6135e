"""Tasks that were given up and messages that are none: kept in the records, where somebody can look at them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from celery.worker.consumer import Consumer

from hypocenter.errors import HypocenterError
from hypocenter.stores.dead_letters import DeadLetter

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)


class KeepingConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer, which keeps a message that cannot be read before it throws it away."""

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Keep the message, and go on with the next."""
        keep(self.app, (str(message.delivery_tag), "", repr(message.body)), exc)
        super().on_decode_error(message, exc)


def keep(app: Celery, message: tuple[str, str, str], error: BaseException, tenant: str | None = None) -> None:
    """Keep a message (its key, task and arguments) of a tenant with the error that ended it.

    Where the records cannot be reached it is logged instead: they may be the very reason, and what is due is derived
    from them again when they are back.
    """
    key, task, arguments = message
    told = f"{type(error).__name__}: {error}"
    letter = DeadLetter(key, task, arguments, told, datetime.now(UTC), _queue(app, task))
    try:
        app.workplace.work(tenant).records.dead_letters.add(letter)
    except HypocenterError as unreachable:
        logger.error("gave up %s %s: %s (not kept: %s)", task or "a message", arguments, told, unreachable)


def _queue(app: Celery, task: str) -> str:
    return str(app.conf.task_routes.get(task, {}).get("queue", ""))
