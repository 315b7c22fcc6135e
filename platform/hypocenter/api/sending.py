"""Orders from the API to the workers: put into their queues by name, over Redis or in this process."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from hypocenter.errors import SourceError
from hypocenter.queues import COMMON, IN_PROCESS, OVER_REDIS, QUEUES, URGENT
from hypocenter.stores.redis_place import redis_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery


class Sender:
    """Sends tasks to the workers of this process, or (`apart`) to those that take from the Redis of the settings.

    They are for `tenant` (None: that of the settings), and go before all that nobody waits for. Nothing connects until
    the first; safe to share between threads.
    """

    def __init__(self, *, apart: bool, tenant: str | None = None) -> None:
        self._named = {} if tenant is None else {"tenant": tenant}
        self._url = redis_url() if apart else IN_PROCESS
        self._lock = Lock()
        self._app: Celery | None = None

    def __call__(self, order: str, *arguments: object) -> None:
        """Send a task by the name of its order; raises SourceError when the queue cannot be reached."""
        with _told(), self._lock:
            self._app = self._app or _app(self._url)
            self._app.send_task(order, arguments, self._named, priority=URGENT, ignore_result=True)

    def close(self) -> None:
        """Let go of connections."""
        if self._app is not None:
            self._app.close()


def _app(url: str) -> Celery:
    from celery import Celery
    from kombu.entity import Queue

    # It is not what tasks of this process find as the current app.
    app = Celery("hypocenter-api", broker=url, set_as_current=False)
    app.conf.update(COMMON, task_queues=list(map(Queue, QUEUES)))
    if url != IN_PROCESS:
        app.conf.update(broker_transport_options=dict(OVER_REDIS))
    return app


@contextmanager
def _told() -> Iterator[None]:
    from kombu.exceptions import KombuError
    from redis.exceptions import RedisError

    try:
        yield
    except (KombuError, RedisError, OSError) as error:
        raise SourceError(f"the workers' queue cannot be reached: {error}") from error
