"""The commands that run parts of the platform as processes of their own, and detection inside of the server."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from hypocenter.queues import QUEUES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hypocenter.api.parts import Parts
    from hypocenter_workers.workplace import Work

logger = logging.getLogger(__name__)
DETECTION = "detection"
# What a tick takes; a kernel that is compiled first takes longer, and cannot be broken off.
FINISH_S = 5.0


@click.command(short_help="Do what the beat sends: detection, investigation, training.")
@click.option("--queue", "queues", multiple=True, type=click.Choice(QUEUES), help="Queue to take from; repeatable.")
@click.option("--jobs", type=click.IntRange(1), help="Tasks to work on at the same time; default: one a core.")
@click.option("--threads", is_flag=True, help="Work in threads of one process, without limits of time.")
def worker(queues: tuple[str, ...], jobs: int | None, threads: bool) -> None:
    """Take tasks of detection, investigation and training from the Redis server of the settings."""
    _prepare()
    from hypocenter_workers.app import app
    from hypocenter_workers.processes import Crew, run_worker

    crew = Crew(queues or QUEUES, jobs, "threads" if threads else "prefork")
    code = run_worker(app, crew, lambda: click.echo(f"ready        takes from {', '.join(crew.queues)}"))
    raise click.exceptions.Exit(code)


@click.command(short_help="Send what is due to workers.")
def beat() -> None:
    """Send what is due to workers, by the Redis server of the settings; of several beats one does it at a time."""
    _prepare()
    from hypocenter_workers.app import app
    from hypocenter_workers.processes import run_beat

    run_beat(app, lambda: click.echo("ready        sends what is due"))


def _prepare() -> None:
    from hypocenter import settings
    from hypocenter.api.request_log import log_as_json
    from hypocenter.notify.webhook import check_webhooks

    os.umask(0o077)
    log_as_json(str(settings.read("log_level")))
    check_webhooks()


@contextmanager
def detecting(opened: Mapping[str, Parts]) -> Iterator[None]:
    """Detect in threads of this process, with the open stores of each tenant, until the end of this context.

    What goes on FINISH_S after that is left to `end_amid_work`.
    """
    stopped = threading.Event()
    thread = threading.Thread(target=_detect, args=[opened, stopped], name=DETECTION)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(FINISH_S)


def end_amid_work() -> None:
    """End the process, as one that is done, where detection is still at work; else do nothing.

    What it would commit comes whole or not at all, and is derived again at the next start; all else must be written.
    """
    if any(each.name == DETECTION for each in threading.enumerate()):
        logger.info("stopping amid work of detection: the next start does it again")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _detect(opened: Mapping[str, Parts], stopped: threading.Event) -> None:
    try:
        # Seconds of importing, for which no request is to wait.
        from hypocenter_workers.embedded import run

        first, *others = opened
        run(_work(opened[first]), stopped, {tenant: _work(opened[tenant], tenant) for tenant in others})
    except Exception:
        logger.exception("detection ended")


def _work(parts: Parts, tenant: str | None = None) -> Work:
    from hypocenter.api.parts import REPORTS
    from hypocenter_workers.live_stores import GivenStores, known
    from hypocenter_workers.live_work import LiveWork
    from hypocenter_workers.ticks.states import FileStates

    states, reports = FileStates(parts.data_dir / "states"), parts.data_dir / REPORTS
    return LiveWork(
        GivenStores(parts.metrics, parts.records, known(parts.graph), states, parts.board, reports), tenant=tenant
    )
