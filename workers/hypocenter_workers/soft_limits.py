"""Soft time limits that end a task's work, and not the telling of what came of it."""

from __future__ import annotations

import signal

from billiard.pool import SIG_SOFT_TIMEOUT, soft_timeout_sighandler
from celery import signals


def keep_to_work() -> None:
    """Have this process of a worker heed its soft limit while it works, and at no other time.

    A long result waits in a pipe until the worker's parent reads it, who may wait for a broker that is away. A process
    that was interrupted then left half a result in the pipe, and the parent gave up over what it could not read.
    """
    signals.task_prerun.connect(_heed)
    signals.task_postrun.connect(_ignore)


def _heed(**_: object) -> None:
    signal.signal(SIG_SOFT_TIMEOUT, soft_timeout_sighandler)


def _ignore(**_: object) -> None:
    signal.signal(SIG_SOFT_TIMEOUT, signal.SIG_IGN)
