"""The page `GET /status`: how detection is doing, in a browser."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse
from starlette.routing import Route

from hypocenter.api.work_state import work_state
from hypocenter.report.status import StatusPage, Table, render_status
from hypocenter.stores.work_board import SERIES, STATE_BYTES, TASK_SECONDS, TASKS, TICKS_MERGED, WAITING, Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from hypocenter.api.work_state import Overseen, WorkState
    from hypocenter.stores.dead_letters import DeadLetter

PATH = "/status"
# The page itself says which style it means.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
LONGEST = 300
MOST_SHARDS = 64


def routes(overseen: Overseen) -> list[Route]:
    """Return the route of the page."""

    async def status(_: Request) -> Response:
        state = await asyncio.to_thread(work_state, overseen)
        return HTMLResponse(render_status(page_of(state)), headers={"Content-Security-Policy": _POLICY})

    return [Route(PATH, status, methods=["GET"])]


def page_of(state: WorkState) -> StatusPage:
    """Return what the page says of a state."""
    headline = headline_of(state)
    tables = (_queues(state), _tasks(state), _shards(state), _letters(state))
    return StatusPage(headline, headline == WELL, _time(state.at), _facts(state), tables)


WELL = "Detection keeps up"


def headline_of(state: WorkState) -> str:
    """Return how detection is doing, in a few words."""
    if not state.has_beat:
        return "Nothing is detected: no beat is running"
    worst = max(state.lags.values(), default=timedelta(0))
    if worst > 2 * state.rhythm.step:
        return f"Detection lags {_span(worst)} behind"
    return WELL if state.positions else "Detection begins"


def _facts(state: WorkState) -> list[tuple[str, str]]:
    models = ", ".join(f"{each.name} {each.version}" for each in state.models)
    return [
        ("Largest lag", _span(max(state.lags.values(), default=timedelta(0)))),
        ("Shards", f"{len(state.positions)} of {state.rhythm.shards} begun"),
        ("Series watched", _count(sum(value for each, value in state.levels.items() if each.name == SERIES))),
        ("Ticks merged", _count(state.totals.get(Figure(TICKS_MERGED), 0))),
        ("Open incidents", _count(state.open_incidents)),
        ("Dead letters", _count(state.dead_letters)),
        ("Model", models or "that of the package"),
        ("Last beat", "never" if state.beat_seen is None else _time(state.beat_seen)),
    ]


def _queues(state: WorkState) -> Table:
    rows = [(each.first, _count(value)) for each, value in sorted(state.levels.items()) if each.name == WAITING]
    return Table("Queues", ("Queue", "Waiting"), rows, "No beat has looked at the queues yet.", (1,))


def _tasks(state: WorkState) -> Table:
    names = sorted({each.first for each in state.totals if each.name == TASKS})
    columns = ("Task", "Done", "Tried again", "Failed", "Mean time")
    return Table("Tasks", columns, [_task(state, name) for name in names], "No task has run yet.", (1, 2, 3, 4))


def _task(state: WorkState, name: str) -> Sequence[str]:
    outcomes = [state.totals.get(Figure(TASKS, name, outcome), 0.0) for outcome in ("success", "retry", "failure")]
    seconds = state.totals.get(Figure(TASK_SECONDS, name), 0.0) / max(sum(outcomes), 1)
    return name.removeprefix("hypocenter."), *map(_count, outcomes), f"{seconds:.3f} s"


def _shards(state: WorkState) -> Table:
    columns = ("Shard", "Lag", "Scored up to", "Series", "State")
    lags = state.lags
    worst = sorted(lags, key=lambda shard: (-lags[shard], shard))[:MOST_SHARDS]
    rows = [_shard(state, shard) for shard in worst]
    return Table("Shards", columns, rows, "No shard has begun yet.", (1, 3, 4))


def _shard(state: WorkState, shard: int) -> Sequence[str]:
    series, size = (state.levels.get(Figure(name, str(shard)), 0.0) for name in (SERIES, STATE_BYTES))
    watermark = _time(state.positions[shard].watermark)
    return str(shard), _span(state.lags[shard]), watermark, _count(series), f"{size / 1024:,.0f} KiB"


def _letters(state: WorkState) -> Table:
    columns = ("When", "Task", "Said", "Error")
    return Table("Dead letters", columns, list(map(_letter, state.letters)), "No task was given up.")


def _letter(letter: DeadLetter) -> Sequence[str]:
    return _time(letter.at), letter.task or "none", letter.arguments[:LONGEST], letter.error[:LONGEST]


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _span(span: timedelta) -> str:
    return str(timedelta(seconds=round(span.total_seconds())))


def _count(number: float) -> str:
    return f"{number:,.0f}"
