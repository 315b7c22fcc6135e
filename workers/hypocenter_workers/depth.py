"""How many messages wait in queues, by whatever transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from celery import Celery


def waiting(app: Celery, queues: Iterable[str]) -> Mapping[str, int]:
    """Return how many messages wait in each queue; those that a worker has taken do not wait.

    Raises what the transport raises when it cannot be asked.
    """
    with app.pool.acquire(block=True) as connection:
        channel = connection.default_channel
        return {queue: _size(channel, queue, connection.channel_errors) for queue in queues}


def _size(channel: object, queue: str, absent: tuple[type[Exception], ...]) -> int:
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)  # type: ignore[attr-defined]
    except absent:
        return 0
