"""One stream of telemetry through either way to run the platform: in one process, or apart on servers."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import httpx
import live_day
from otlp_bodies import kinds_of, line_bodies, span_bodies
from otlp_metric_bodies import DELTA, pb, request_of

from hypocenter.api.app import create_app
from hypocenter.api.counting import Counting
from hypocenter.api.intake import Intake
from hypocenter.batches import Batch
from hypocenter.remote_write_encoding import HEADERS
from hypocenter.rhythm import rhythm_of_settings
from hypocenter.simulator import simulate
from hypocenter.simulator.send import millis_of, requests
from hypocenter.stores.group_commit import GroupCommit
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_workers.beat import CORRELATE_S, Beat, Sight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd
    from celery import Celery

    from hypocenter.simulator.simulation import Simulation
    from hypocenter.stores.duckdb_metrics import DuckDbMetrics
    from hypocenter.stores.records import Records
    from hypocenter.stores.split import SplitMetrics
    from hypocenter.stores.work_board import WorkBoard

SECOND = timedelta(seconds=1)
STEP, STEP_MS = 20 * SECOND, 20_000
RHYTHM = {"TICK_SECONDS": "20", "SETTLE_SECONDS": "30", "SHARDS": "2"}
# A series warms up for 200 steps.
WARM_S, EARLY_S, LASTS_S = 4200.0, 40.0, 240.0
# After a step's end: when what it brought has come, is sent on to a server, and is scored.
COME, SENT, SETTLED = 2 * SECOND, 26 * SECOND, 30 * SECOND
OTLP = {"Content-Type": "application/x-protobuf"}


def simulated(scenario: Path, start: datetime) -> Simulation:
    """Return a fault of the shop, with spans and log lines of all the time before it."""
    day = live_day.day_of([scenario], start, WARM_S)
    telemetry = replace(day.telemetry, window=WARM_S, traces=12.0)
    return simulate(replace(day, telemetry=telemetry, length=WARM_S + LASTS_S, step=STEP.total_seconds()))


@dataclass
class Clock:
    """The time of day and the seconds of the beat; whoever has to be told is told when it moves."""

    now: datetime
    pulse: float = 0.0
    tell: Callable[[datetime], object] = field(default=lambda _: None)

    def move(self, to: datetime) -> None:
        """Let it be another time."""
        self.now = to
        self.tell(to)


@dataclass(frozen=True)
class Platform:
    """The parts that the test drives by itself; `wait` returns when all is done that was sent."""

    metrics: DuckDbMetrics | SplitMetrics
    records: Records
    board: WorkBoard
    app: Celery
    clock: Clock
    wait: Callable[[], None]
    forward: Callable[[], None] = field(default=lambda: None)

    @cached_property
    def beat(self) -> Beat:
        """The beat."""
        clock = self.clock
        sight = Sight(self.records, self.board, rhythm_of_settings(), lambda: clock.now, lambda: clock.pulse)
        return Beat(self.app, sight, "of-the-day")

    def turn(self) -> None:
        """Have ticks be done, and then what follows from them."""
        for pulse in (0.0, CORRELATE_S):
            self.clock.pulse += pulse
            self.beat.turn()
            self.wait()


def live(platform: Platform, simulation: Simulation) -> None:
    """Let the time from shortly before the fault on pass, with all that was before it in the first step."""
    scenario, clock = simulation.scenario, platform.clock
    end = scenario.start + WARM_S * SECOND - EARLY_S * SECOND
    stream, sent = Stream(simulation), scenario.start - STEP
    with closing(GroupCommit(platform.metrics)) as writer:
        while end <= scenario.start + scenario.length * SECOND:
            clock.move(end + COME)
            _send(platform, writer, stream.between(sent, end))
            clock.move(end + SENT)
            platform.forward()
            clock.move(end + SETTLED)
            platform.turn()
            sent, end = end, end + STEP


def _send(platform: Platform, writer: GroupCommit, bodies: Iterator[tuple[str, bytes, dict[str, str]]]) -> None:
    """Send requests as exporters do; spans that wait for others at the end wait in vain."""
    intake = Intake(platform.metrics, writer, platform.records, MemoryStore(), lambda: platform.clock.now)
    with Counting(intake.index, writer, intake.graph, intake.now, lambda: 0.0) as counting:
        asyncio.run(_post(replace(intake, counting=counting), bodies))
    writer.submit(Batch()).result()


async def _post(intake: Intake, bodies: Iterator[tuple[str, bytes, dict[str, str]]]) -> None:
    transport = httpx.ASGITransport(create_app(intake))
    async with httpx.AsyncClient(transport=transport, base_url="http://hypocenter") as client:
        for path, body, headers in bodies:
            (await client.post(path, content=body, headers=headers)).raise_for_status()


class Stream:
    """A simulation as its systems tell of it: scraped metrics, spans, log lines and a counter of deltas."""

    def __init__(self, simulation: Simulation) -> None:
        self._table, self._millis = simulation.metrics, millis_of(simulation.metrics)
        self._spans, self._lines = (of.reset_index(drop=True) for of in (simulation.spans, simulation.log_lines))
        self._kinds = kinds_of(self._spans)

    def between(self, start: datetime, end: datetime) -> Iterator[tuple[str, bytes, dict[str, str]]]:
        """Yield the requests after a moment and up to another: path, body and headers."""
        rows = [at for at, ms in enumerate(self._millis) if _ms(start) < ms <= _ms(end)]
        if rows:
            for body, _ in requests(self._table, self._millis, rows[0], rows[-1] + 1):
                yield "/api/v1/write", body, dict(HEADERS)
        # By when spans begin, which is when they are counted.
        some, lines = (of[_within(of["time"], start, end)] for of in (self._spans, self._lines))
        every_s = max(STEP, (end - start) / 4).total_seconds()
        for body in span_bodies(some.reset_index(drop=True), self._kinds[some.index.to_numpy()], every_s):
            yield "/v1/traces", body, OTLP
        for body in line_bodies(lines.reset_index(drop=True), every_s):
            yield "/v1/logs", body, OTLP
        yield "/v1/metrics", _deltas(_ms(start) // STEP_MS, _ms(end) // STEP_MS), OTLP


def _deltas(first: int, last: int) -> bytes:
    """Return what a counter of deltas says, some seconds into each step."""
    metric = pb.Metric(name="emails.sent", unit="1")
    metric.sum.aggregation_temporality = DELTA
    metric.sum.is_monotonic = True
    for number in range(first, last):
        at_ns = (number * STEP_MS + 7_003) * 10**6
        metric.sum.data_points.add(time_unix_nano=at_ns, as_int=100 + number * number % 7)
    return request_of(metric, **{"service.name": "email"}).SerializeToString()


def _within(times: pd.Series, start: datetime, end: datetime) -> pd.Series:
    begin, last = (moment if times.dt.tz else moment.replace(tzinfo=None) for moment in (start, end))
    return (times > begin) & (times <= last)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
