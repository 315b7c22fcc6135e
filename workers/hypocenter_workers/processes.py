"""A worker or a beat as a process, from its start to a signal."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from billiard import active_children
from celery import signals
from celery.apps.worker import Worker
from celery.worker import state

from hypocenter.access import served_tenants
from hypocenter.queues import DETECT, INVESTIGATE
from hypocenter_workers.beating import beats_of, run_beats
from hypocenter_workers.soft_limits import keep_to_work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from celery import Celery

PAUSE_S, LAST_S = 2.0, 20.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Crew:
    """What a worker takes and how: `concurrency` is None for one process or thread a core; `pool` is Celery's name."""

    queues: Sequence[str]
    concurrency: int | None = None
    pool: str = "prefork"


def run_worker(app: Celery, crew: Crew, ready: Callable[[], None]) -> int:
    """Take tasks until SIGTERM, finish those that were begun, and return the exit code; SIGQUIT ends at once.

    Where Celery gives up by itself, over a broker that answers nonsense or is away too long, the program is started
    anew under the same process id.
    """
    started = _Started(ready)
    signals.worker_ready.connect(started)
    warm = _Warm(app)
    signals.worker_process_init.connect(warm)
    signals.setup_logging.connect(_keep_logging)
    _prepare(crew)
    worker = _Worker(
        app=app,
        hostname=f"hypocenter-{os.getpid()}@{socket.gethostname()}",
        queues=list(crew.queues),
        concurrency=crew.concurrency,
        pool_cls=crew.pool,
        without_gossip=True,
        without_mingle=True,
        quiet=True,
        loglevel="WARNING",
    )
    worker.start()
    if worker.exitcode and not _was_told():
        _begin_anew(int(worker.exitcode))
    return int(worker.exitcode or 0)


class _Worker(Worker):  # type: ignore[misc]
    """A worker that, once it gave up by itself, waits for its tasks no longer than LAST_S."""

    def stop(self, in_sighandler: bool = False, exitcode: int | None = None) -> None:
        """Finish what was begun and stop."""
        if exitcode and not _was_told():
            # What made it give up may keep it from ever hearing what came of a task.
            threading.Thread(target=_stop_waiting, args=[exitcode], daemon=True, name="begins anew").start()
        super().stop(in_sighandler, exitcode)


def _stop_waiting(code: int) -> None:
    time.sleep(LAST_S)
    if _was_told():
        os._exit(code)
    for child in active_children():
        os.kill(child.pid, signal.SIGKILL)
    _begin_anew(code)


def _prepare(crew: Crew) -> None:
    """Load and compile what ticks and bands need, which no task's time is long enough for on a busy machine."""
    if not {DETECT, INVESTIGATE}.isdisjoint(crew.queues):
        from hypocenter_workers.ticks.prepare import prepare

        prepare()


def _was_told() -> bool:
    """Whether a signal ended the worker: Celery keeps the exit code that is wanted, which may be 0."""
    return any(wanted is not None and wanted is not False for wanted in (state.should_stop, state.should_terminate))


def _begin_anew(code: int) -> None:
    logger.error("the worker gave up (exit code %s); it starts anew in %s s", code, PAUSE_S)
    time.sleep(PAUSE_S)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - the arguments are our own


class _Started:
    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def __call__(self, **_: object) -> None:
        self._tell()


class _Warm:
    """Makes each process of a worker ready: loads what the first question would otherwise wait for."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __call__(self, **_: object) -> None:
        keep_to_work()
        self._app.workplace.work().warm()


def _keep_logging(**_: object) -> None:
    """Have Celery leave the logging as it is."""


def run_beat(app: Celery, ready: Callable[[], None]) -> None:
    """Be a beat in the rhythm of the settings until SIGTERM or SIGINT; of several the next takes over then."""
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
    # That of the settings is meant where no tenant is named.
    works = {tenant: app.workplace.work(tenant) for tenant in (None, *served_tenants()[1:])}
    stopped = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopped.set())
    ready()
    run_beats(beats_of(app, works, name), stopped)
