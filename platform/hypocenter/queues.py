"""The queues of tasks, and the options that whoever sends and whoever takes have to agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DETECT, INVESTIGATE, TRAIN, NOTIFY = QUEUES = ("detect", "investigate", "train", "notify")
ROUTES: Mapping[str, str] = {
    "hypocenter.tick": DETECT,
    "hypocenter.correlate": INVESTIGATE,
    "hypocenter.discover": INVESTIGATE,
    "hypocenter.investigate": INVESTIGATE,
    "hypocenter.investigate_incident": INVESTIGATE,
    "hypocenter.investigate_window": INVESTIGATE,
    "hypocenter.bands": INVESTIGATE,
    "hypocenter.warm": INVESTIGATE,
    "hypocenter.train": TRAIN,
    "hypocenter.notify": NOTIFY,
}
IN_PROCESS = "memory://in-process"
URGENT, USUAL = PRIORITIES = (0, 5)
# Long enough for a Redis that works hard, short enough that a cut network is noticed while a step lasts.
SOCKET_S = 15.0
COMMON: Mapping[str, Any] = {
    "accept_content": ["json"],
    "task_serializer": "json",
    "result_serializer": "json",
    "task_routes": {task: {"queue": queue} for task, queue in ROUTES.items()},
    "task_default_queue": INVESTIGATE,
    "task_default_priority": USUAL,
    # What is sent again and again must not wait long for a broker that is away.
    "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0.1, "interval_step": 0.1, "interval_max": 0.5},
}
OVER_REDIS: Mapping[str, Any] = {
    "socket_timeout": SOCKET_S,
    "socket_connect_timeout": 5.0,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "priority_steps": list(PRIORITIES),
    "queue_order_strategy": "round_robin",
}
