"""Beat and workers as threads of one process, over Celery's in-memory transport."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from celery.worker import WorkController, state

from hypocenter_workers.app import DETECT, INVESTIGATE, NOTIFY, TRAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery

    from hypocenter_workers.beat import Beat

# A tick never waits behind what lasts long.
CREWS = {"detect": ([DETECT], 2), "others": ([INVESTIGATE, TRAIN, NOTIFY], 2)}


@contextmanager
def running(new_app: Callable[[], Celery], beat: Callable[[Celery], Beat]) -> Iterator[None]:
    """Run tasks and a beat in threads until the end of this context; `new_app()` is one more app IN_PROCESS.

    At the end the tasks that were begun are finished. Those that wait are forgotten: what is due is derived anew.
    """
    # Of one app two workers cannot take from different queues.
    crews = [_crew(new_app(), name) for name in CREWS]
    stopped = threading.Event()
    threads = [threading.Thread(target=crew.start, name=crew.hostname) for crew in crews]
    beats = threading.Thread(target=beat(new_app()).run, args=[stopped], name="beat")
    for thread in threads:
        thread.start()
    beats.start()
    try:
        yield
    finally:
        stopped.set()
        beats.join()
        _end(threads)


def _crew(app: Celery, name: str) -> WorkController:
    queues, threads = CREWS[name]
    return WorkController(
        app=app,
        hostname=f"{name}@in-process",
        queues=queues,
        pool_cls="threads",
        concurrency=threads,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
    )


def _end(threads: list[threading.Thread]) -> None:
    # Celery's loop looks at this; from another thread there is no other way to end it.
    state.should_stop = 0
    try:
        for thread in threads:
            thread.join()
    finally:
        state.should_stop = None
