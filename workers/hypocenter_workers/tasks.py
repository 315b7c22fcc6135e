"""Celery tasks: each reads what it was sent, calls the pipeline and returns JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypocenter.readers import read_cases
from hypocenter.verdict_json import investigation_to_json
from hypocenter_workers import investigate as pipeline
from hypocenter_workers.app import GRACE_S, TRAINING_LIMIT_S, app
from hypocenter_workers.known_graph import opened
from hypocenter_workers.learn.orders import fulfil, order_from_json, trained_to_json
from hypocenter_workers.learn.serving import chosen
from hypocenter_workers.messages import options_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery import Task

PROGRESS = "PROGRESS"


@app.task(name="hypocenter.investigate")  # type: ignore[untyped-decorator]
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


@app.task(  # type: ignore[untyped-decorator]
    name="hypocenter.train", bind=True, soft_time_limit=TRAINING_LIMIT_S, time_limit=TRAINING_LIMIT_S + GRACE_S
)
def train(task: Task, order: Mapping[str, Any]) -> dict[str, Any]:
    """Train a model as `hypocenter_workers.learn.orders.order_from_json` reads the order; paths are the worker's.

    While it runs its state is PROGRESS, with what is being done. Returns what `trained_to_json` says; raises the
    HypocenterErrors of training, which travel back to the caller.
    """
    return trained_to_json(fulfil(order_from_json(order), datetime.now(UTC), partial(_tell, task)))


def _tell(task: Task, doing: str) -> None:
    task.update_state(state=PROGRESS, meta={"doing": doing})
