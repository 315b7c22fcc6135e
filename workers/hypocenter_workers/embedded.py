"""Beat and workers as threads of one process, over Celery's in-memory transport."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from celery.worker import WorkController, state

from hypocenter.queues import DETECT, IN_PROCESS, INVESTIGATE, NOTIFY, TRAIN
from hypocenter.rhythm import rhythm_of_settings
from hypocenter_workers.app import create_app
from hypocenter_workers.beat import Beat, Sight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

    from hypocenter_workers.workplace import Work

# A tick never waits behind what lasts long.
CREWS = {"detect": ([DETECT], 2), "others": ([INVESTIGATE, TRAIN, NOTIFY], 2)}


def run(work: Work, stopped: threading.Event) -> None:
    """Run a beat and workers, which do `work`, in the rhythm of the settings until `stopped`.

    At the end the tasks that were begun are finished. Those that wait are forgotten: what is due is derived anew.
    """
    with crews(work) as app:
        app.send_task("hypocenter.warm")
        sight = Sight(work.records, work.board, rhythm_of_settings(), lambda: datetime.now(UTC))
        Beat(app, sight, "in-process").run(stopped)


@contextmanager
def crews(work: Work) -> Iterator[Celery]:
    """Run workers, which do `work`; yield the app that sends to them. At the end they finish what they began."""
    # Of one app two workers cannot take from different queues.
    apps = [create_app(IN_PROCESS, lambda: work) for _ in CREWS]
    # Celery looks tasks up in the app of the thread, which in a thread of a pool is the default one.
    apps[0].set_default()
    members = [_crew(app, name) for app, name in zip(apps, CREWS, strict=True)]
    threads = [threading.Thread(target=crew.start, name=crew.hostname) for crew in members]
    for thread in threads:
        thread.start()
    try:
        yield apps[0]
    finally:
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
