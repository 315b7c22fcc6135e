"""The Celery app: work on any number of machines over Redis, or in one process. Nothing connects until it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery
from kombu.entity import Queue

from hypocenter.queues import COMMON, IN_PROCESS, OVER_REDIS, QUEUES, SOCKET_S
from hypocenter.stores.redis_place import redis_url
from hypocenter_workers.limits import (
    ASKED_LIMIT_S,
    BANDS_LIMIT_S,
    GRACE_S,
    TIME_LIMIT_S,
    VISIBILITY_S,
    tick_grace_s,
    tick_limit_s,
)
from hypocenter_workers.live_work import LiveWork, live_work_of
from hypocenter_workers.watching import Watch
from hypocenter_workers.workplace import Workplace

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypocenter_workers.workplace import Work

RESULT_LIFETIME_S = 24 * 3600


def create_app(
    url: str, opening: Callable[[], Work] = LiveWork, others: Callable[[str], Work] = live_work_of
) -> Celery:
    """Return an app whose tasks and results go over the Redis server at `url`, or stay in this process (IN_PROCESS).

    Only JSON is read and written. A task is acknowledged when it is done, so one whose worker machine dies is
    delivered again; one that kills its worker process is given up instead, or it would go round for ever. `opening`
    gives what tasks work with, `others` what they do for a tenant that is not that of the settings; each is called
    once a process, when the first task asks.
    """
    redis = url != IN_PROCESS
    app = Celery("hypocenter", broker=url, backend=url if redis else None, include=["hypocenter_workers.tasks"])
    app.conf.update(_COMMON)
    app.conf.update(_OVER_REDIS if redis else _IN_PROCESS)
    app.conf.update(task_annotations=_limits())
    app.workplace = Workplace(opening, others)
    app.watch = Watch(app)
    return app


def _limits() -> dict[str, dict[str, int]]:
    tick = tick_limit_s()
    return {
        "hypocenter.tick": {"soft_time_limit": tick, "time_limit": tick + tick_grace_s()},
        "hypocenter.bands": {"soft_time_limit": BANDS_LIMIT_S, "time_limit": BANDS_LIMIT_S + GRACE_S},
        "hypocenter.investigate_window": {"soft_time_limit": ASKED_LIMIT_S, "time_limit": ASKED_LIMIT_S + GRACE_S},
    }


_COMMON = {
    **COMMON,
    "result_expires": RESULT_LIFETIME_S,
    "task_queues": list(map(Queue, QUEUES)),
    "task_acks_late": True,
    "task_reject_on_worker_lost": False,
    "task_soft_time_limit": TIME_LIMIT_S,
    "task_time_limit": TIME_LIMIT_S + GRACE_S,
    "worker_prefetch_multiplier": 1,
    # Each process loads models first, which on a busy machine takes its time.
    "worker_proc_alive_timeout": 60.0,
    "worker_hijack_root_logger": False,
    # A message that cannot be read is kept as a dead letter.
    "worker_consumer": "hypocenter_workers.dead_letters:KeepingConsumer",
}
_OVER_REDIS = {
    "broker_connection_retry_on_startup": True,
    # For ever: a worker that gave up would need a hand.
    "broker_connection_max_retries": None,
    "broker_transport_options": {
        **OVER_REDIS,
        # Redis hands a task out again after this long: a running one must have ended by then.
        "visibility_timeout": VISIBILITY_S,
    },
    "redis_socket_timeout": SOCKET_S,
    "redis_socket_connect_timeout": 5.0,
    "redis_socket_keepalive": True,
    "redis_retry_on_timeout": True,
}
# The default of one second would be the pace of the whole process.
_IN_PROCESS = {"broker_transport_options": {"polling_interval": 0.02}, "task_ignore_result": True}

app = create_app(redis_url())
