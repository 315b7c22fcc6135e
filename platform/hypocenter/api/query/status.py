"""How detection is doing, as the page `/status` shows it."""

from datetime import timedelta

from pydantic import Field

from hypocenter.api.query.routing import READ, Routers, new_router
from hypocenter.api.query.shapes import Shape, Time
from hypocenter.api.query.sources import Sources
from hypocenter.api.status import WELL, headline_of
from hypocenter.api.work_state import WorkState, work_state
from hypocenter.stores.dead_letters import DeadLetter
from hypocenter.stores.work_board import SERIES, STATE_BYTES, TASK_SECONDS, TASKS, TICKS_MERGED, WAITING, Figure

MOST_SHARDS, LONGEST = 4096, 300
OUTCOMES = ("success", "retry", "failure")


class Shard(Shape):
    """One shard of detection."""

    shard: int = Field(description="Its number.", examples=[3])
    watermark: Time = Field(description="Up to when samples are scored.")
    lag_seconds: float = Field(description="How much settled time is not scored yet.", examples=[12.5])
    series: int = Field(description="Series that it watches.", examples=[640])
    state_bytes: int = Field(description="Size of its state.", examples=[81920])


class Task(Shape):
    """One kind of task."""

    task: str = Field(description="Its name.", examples=["hypocenter.tick"])
    done: int = Field(description="How often it was done.", examples=[120])
    retried: int = Field(description="How often it was tried again.", examples=[1])
    failed: int = Field(description="How often it failed for good.", examples=[0])
    mean_seconds: float = Field(description="How long it takes.", examples=[0.42])


class Letter(Shape):
    """A task that was given up."""

    at: Time = Field(description="When.")
    task: str = Field(description="Its name.", examples=["hypocenter.tick"])
    error: str = Field(description="Why.", examples=["SourceError: the store does not answer"])


class Status(Shape):
    """How detection is doing."""

    at: Time = Field(description="When it was asked.")
    well: bool = Field(description="Whether it keeps up.")
    headline: str = Field(description="The same in words.", examples=["Detection keeps up"])
    beat_seen: Time | None = Field(description="When the beat was seen last; null for never.")
    largest_lag_seconds: float = Field(description="The lag of the shard that is furthest behind.", examples=[12.5])
    series: int = Field(description="Series that are watched.", examples=[10240])
    ticks_merged: int = Field(description="Ticks that were made up for together.", examples=[0])
    open_incidents: int = Field(description="Incidents that last.", examples=[1])
    dead_letters: int = Field(description="Tasks that were given up.", examples=[0])
    models: list[str] = Field(description="Models that serve, with their versions.", examples=[["shop 2"]])
    queues: dict[str, int] = Field(description="Tasks that wait, by queue.", examples=[{"detect": 0}])
    tasks: list[Task] = Field(description="What was done.")
    shards: list[Shard] = Field(description="The shards, by number.")
    letters: list[Letter] = Field(description="The tasks that were given up last, newest first.")


def routers() -> Routers:
    """Return the router of the status."""
    reading = new_router("status")
    reading.add_api_route("/status", get_status)
    return {READ: reading}


def get_status(sources: Sources) -> Status:
    """Return how detection is doing: lag, queues, tasks and shards."""
    state = work_state(sources.overseen)
    headline = headline_of(state)
    return Status(
        at=state.at,
        well=headline == WELL,
        headline=headline,
        beat_seen=state.beat_seen,
        largest_lag_seconds=max(state.lags.values(), default=timedelta(0)).total_seconds(),
        series=round(sum(value for each, value in state.levels.items() if each.name == SERIES)),
        ticks_merged=round(state.totals.get(Figure(TICKS_MERGED), 0)),
        open_incidents=state.open_incidents,
        dead_letters=state.dead_letters,
        models=[f"{each.name} {each.version}" for each in state.models],
        queues={each.first: round(value) for each, value in sorted(state.levels.items()) if each.name == WAITING},
        tasks=[_task(state, name) for name in sorted({each.first for each in state.totals if each.name == TASKS})],
        shards=[_shard(state, shard) for shard in sorted(state.positions)[:MOST_SHARDS]],
        letters=list(map(_letter, state.letters)),
    )


def _task(state: WorkState, name: str) -> Task:
    done, retried, failed = (round(state.totals.get(Figure(TASKS, name, outcome), 0.0)) for outcome in OUTCOMES)
    seconds = state.totals.get(Figure(TASK_SECONDS, name), 0.0) / max(done + retried + failed, 1)
    return Task(task=name, done=done, retried=retried, failed=failed, mean_seconds=seconds)


def _shard(state: WorkState, shard: int) -> Shard:
    series, size = (round(state.levels.get(Figure(name, str(shard)), 0.0)) for name in (SERIES, STATE_BYTES))
    lag = state.lags[shard].total_seconds()
    return Shard(
        shard=shard, watermark=state.positions[shard].watermark, lag_seconds=lag, series=series, state_bytes=size
    )


def _letter(letter: DeadLetter) -> Letter:
    return Letter(at=letter.at, task=letter.task, error=letter.error[:LONGEST])
