"""The queues of Celery's in-memory transport: one set for all apps of a process, which outlives them."""

from __future__ import annotations

import sys


def forget_messages() -> None:
    """Forget what waits in this process, where anything was ever sent in it."""
    memory = sys.modules.get("kombu.transport.memory")
    for queue in memory.Channel.queues.values() if memory else ():
        with queue.mutex:
            queue.queue.clear()
