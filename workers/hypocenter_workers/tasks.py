"""Celery tasks: each reads what it was sent, calls the pipeline and returns JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypocenter.readers import read_cases
from hypocenter.verdict_json import investigation_to_json
from hypocenter_workers import investigate as pipeline
from hypocenter_workers.app import app
from hypocenter_workers.known_graph import opened
from hypocenter_workers.messages import options_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping


@app.task(name="hypocenter.investigate")  # type: ignore[untyped-decorator]
def investigate(case_path: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Investigate the first case at `case_path`, a path that the worker can read.

    `options` is what `options_from_json` reads; the graph is the one that the worker's settings name. Returns what
    `hypocenter.verdict_json.investigation_from_json` reads; raises the HypocenterErrors of readers and pipeline, which
    travel back to the caller.
    """
    case = next(read_cases(Path(case_path)))
    with opened() as graph:
        return investigation_to_json(pipeline.investigate(case, options_from_json(options or {}), graph))
