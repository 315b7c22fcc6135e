"""Celery tasks: each reads what it was sent, calls the pipeline and returns JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from hypocenter.errors import SourceError
from hypocenter.readers import read_cases
from hypocenter.verdict_json import investigation_to_json
from hypocenter_workers import investigate as pipeline
from hypocenter_workers.known_graph import opened
from hypocenter_workers.learn.orders import fulfil, order_from_json, trained_to_json
from hypocenter_workers.learn.serving import chosen
from hypocenter_workers.limits import GRACE_S, TRAINING_LIMIT_S
from hypocenter_workers.messages import options_from_json
from hypocenter_workers.sending import (
    answer_of,
    correlation_of,
    discovery_of,
    done_once,
    investigation_of,
    notice_of,
    send_once,
    tick_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery import Task

    from hypocenter_workers.workplace import Due, Work

PROGRESS = "PROGRESS"
# What fails for a store or a server is tried again, later and later, and never by all at the same moment.
PATIENT: Mapping[str, Any] = {
    "bind": True,
    "ignore_result": True,
    "autoretry_for": (SourceError, SoftTimeLimitExceeded),
    "max_retries": 4,
    "retry_backoff": 2,
    "retry_backoff_max": 60,
    "retry_jitter": True,
}


@shared_task(name="hypocenter.warm", bind=True, ignore_result=True)  # type: ignore[untyped-decorator]
def warm(task: Task) -> None:
    """Load what the first question would otherwise wait for."""
    task.app.workplace.work().warm()


@shared_task(name="hypocenter.tick", **PATIENT)  # type: ignore[untyped-decorator]
def tick(task: Task, shard: int, tenant: str | None = None) -> None:
    """Score what is settled and not scored yet of a shard."""
    done_once(task, tick_of(shard, tenant), lambda work: work.tick(shard))


@shared_task(name="hypocenter.correlate", **PATIENT)  # type: ignore[untyped-decorator]
def correlate(task: Task, tenant: str | None = None) -> None:
    """Bring anomalies and alerts together to incidents, and send those that changed to be investigated."""
    done_once(task, correlation_of(tenant), partial(_correlate, task, tenant))


@shared_task(name="hypocenter.discover", **PATIENT)  # type: ignore[untyped-decorator]
def discover(task: Task, tenant: str | None = None) -> None:
    """Keep in the graph what labels of series show of the system."""
    done_once(task, discovery_of(tenant), lambda work: work.discover())


@shared_task(name="hypocenter.investigate_incident", **PATIENT)  # type: ignore[untyped-decorator]
def investigate_incident(task: Task, incident_id: str, tenant: str | None = None) -> None:
    """Investigate an incident and keep the verdict."""
    done_once(task, investigation_of(incident_id, tenant), lambda work: work.investigate(incident_id))


@shared_task(name="hypocenter.investigate_window", **PATIENT)  # type: ignore[untyped-decorator]
def investigate_window(task: Task, investigation_id: str, tenant: str | None = None) -> None:
    """Investigate what somebody asked for, and keep what comes of it."""
    done_once(task, answer_of(investigation_id, tenant), lambda work: work.answer(investigation_id))


@shared_task(name="hypocenter.bands", bind=True, ignore_result=True)  # type: ignore[untyped-decorator]
def bands(task: Task, name: str, question: Mapping[str, Any], tenant: str | None = None) -> None:
    """Pin to the board what is answered to a question of scores and bands."""
    task.app.workplace.work(tenant).bands(name, question)


@shared_task(name="hypocenter.notify", **PATIENT)  # type: ignore[untyped-decorator]
def notify(task: Task, incident_id: str, tenant: str | None = None) -> None:
    """Tell the outside what it does not know yet of an incident."""
    done_once(task, notice_of(incident_id, tenant), lambda work: work.notify(incident_id))


@shared_task(name="hypocenter.investigate")  # type: ignore[untyped-decorator]
def investigate(case_path: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Investigate the first case at `case_path`, a path that the worker can read.

    `options` is what `options_from_json` reads; graph and model are those that the worker's settings name. Returns what
    `hypocenter.verdict_json.investigation_from_json` reads; raises the HypocenterErrors of readers and pipeline, which
    travel back to the caller.
    """
    case = next(read_cases(Path(case_path)))
    with opened() as graph:
        found = pipeline.investigate(case, options_from_json(options or {}), graph, learned=chosen())
    return investigation_to_json(found)


@shared_task(  # type: ignore[untyped-decorator]
    name="hypocenter.train", bind=True, soft_time_limit=TRAINING_LIMIT_S, time_limit=TRAINING_LIMIT_S + GRACE_S
)
def train(task: Task, order: Mapping[str, Any]) -> dict[str, Any]:
    """Train a model as `hypocenter_workers.learn.orders.order_from_json` reads the order; paths are the worker's.

    While it runs its state is PROGRESS, with what is being done. Returns what `trained_to_json` says; raises the
    HypocenterErrors of training, which travel back to the caller.
    """
    return trained_to_json(fulfil(order_from_json(order), datetime.now(UTC), partial(_tell, task)))


def _correlate(task: Task, tenant: str | None, work: Work) -> None:
    work.correlate(partial(_send, task, tenant, work))


def _send(task: Task, tenant: str | None, work: Work, due: Due) -> None:
    orders = ((investigation_of, due.investigate), (notice_of, due.notify), (answer_of, due.answer))
    for order_of, ids in orders:
        for each in ids:
            send_once(task.app, work.board, order_of(each, tenant))


def _tell(task: Task, doing: str) -> None:
    task.update_state(state=PROGRESS, meta={"doing": doing})
