"""Beat and workers as threads of one process, over Celery's in-memory transport."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from celery import _state
from celery.worker import WorkController, state

from hypocenter.queues import DETECT, IN_PROCESS, INVESTIGATE, NOTIFY, TRAIN
from hypocenter_workers.app import create_app
from hypocenter_workers.beating import beats_of, run_beats

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from celery import Celery

    from hypocenter_workers.workplace import Work

NO_OTHERS: Mapping[str, Work] = MappingProxyType({})
# A tick never waits behind what lasts long.
CREWS = {"detect": ([DETECT], 2), "others": ([INVESTIGATE, TRAIN, NOTIFY], 2)}


def run(work: Work, stopped: threading.Event, others: Mapping[str, Work] = NO_OTHERS) -> None:
    """Run beats and workers, which do `work`, and that of other tenants, in the settings' rhythm until `stopped`.

    At the end the tasks that were begun are finished. Those that wait are forgotten: what is due is derived anew.
    """
    with crews(work, others) as app:
        app.send_task("hypocenter.warm")
        works: dict[str | None, Work] = dict(others.items())
        works[None] = work
        run_beats(beats_of(app, works, "in-process"), stopped)


@contextmanager
def crews(work: Work, others: Mapping[str, Work] = NO_OTHERS) -> Iterator[Celery]:
    """Run workers, which do `work`, and that of other tenants; yield the app that sends to them.

    At the end they finish what they began.
    """
    joins_block = _state.task_join_will_block()
    # Of one app two workers cannot take from different queues.
    apps = [create_app(IN_PROCESS, lambda: work, others.__getitem__) for _ in CREWS]
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
        # A worker says so of its process for good; without one, whoever waits for a result blocks nobody.
        _state._set_task_join_will_block(joins_block)


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
