"""Ticks by a clock that is ahead, through silence, and without counts: what nobody heard is not scored too soon."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hypocenter.batches import COUNTED_FROM, Batch, Samples
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.rhythm import Rhythm
from hypocenter.signals.span_counts import CALLS
from hypocenter.stores.forwarding_told import ALIVE_S, MISSED_S, tell
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.opening import open_records
from hypocenter.stores.opening_metrics import open_beside
from hypocenter.stores.prometheus_metrics import PrometheusMetrics
from hypocenter.stores.work_board import MemoryBoard
from hypocenter_workers.live_stores import GivenStores
from hypocenter_workers.live_work import LiveWork
from hypocenter_workers.ticks.hearing import LONGEST_REST_S, PATIENCE_S, rests
from hypocenter_workers.ticks.shards import shard_of
from hypocenter_workers.ticks.states import FileStates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypocenter.batches import Labels
    from hypocenter.stores.metrics import Usage

START = datetime(2026, 3, 2, tzinfo=UTC)
SECOND, STEP, HOUR, SETTLE = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(seconds=30)
SHARDS = 2
# A series warms up for 200 steps; then one of a component of each shard falls ill.
CALM, ILL = 230, 6


class Silent(MemoryMetrics):
    """A store that does not tell of its newest sample, as VictoriaMetrics."""

    def usage(self) -> Usage:
        """Return what it holds but for that."""
        return replace(super().usage(), newest_ms=None)


class Watched:
    """Two components, one in each shard, with a gauge and counted calls each, watched by a clock that may be wrong.

    `true` is what time it is; `seconds` pass with it, unless the machine sleeps.
    """

    def __init__(self, folder: Path, opening: ExitStack, store: type[MemoryMetrics] = MemoryMetrics) -> None:
        self.true, self.error, self.seconds = START, timedelta(0), 0.0
        self.rhythm = Rhythm(STEP, SETTLE, SHARDS)
        self.metrics = store(lambda: self.now)
        self.records = opening.enter_context(closing(open_records(str(folder / "records.db"))))
        self._states = FileStates(folder / "states")
        self.start()
        self.components = [_named(shard) for shard in range(SHARDS)]
        self.records.detections.divide(SHARDS)

    def start(self) -> None:
        """Begin anew with what is kept, as a process that is started."""
        self.board = MemoryBoard(lambda: self.seconds, lambda: self.now)
        stores = GivenStores(self.metrics, self.records, None, self._states, self.board)
        self.work = LiveWork(stores, lambda: self.now, self.rhythm, pulse=lambda: self.seconds)

    @property
    def now(self) -> datetime:
        return self.true + self.error

    def send(self, first: int, steps: int, ill: bool = False, only: int | None = None, counted: bool = True) -> None:
        """Write steps of all components, or of one; those that are ill have ten times the queue."""
        for shard, name in enumerate(self.components):
            if only in (None, shard):
                noise = np.random.default_rng([first, shard]).normal(size=(2, steps))
                at_ms = _ms(START) + 60_000 * (first + np.arange(steps)) + 20_000
                gauge, calls = self.metrics.number(_labels(name)).repeat(steps).reshape(2, steps)
                values = 50 * (10 if ill else 1) + 2 * noise[0]
                gained = Samples(calls, at_ms, np.round(600 + 10 * noise[1])) if counted else Samples()
                self.metrics.append([Batch(Samples(gauge, at_ms, values), gained)])

    def tick(self) -> None:
        """Tick the shards that do not rest, as a beat has it done."""
        for shard in range(SHARDS):
            if not rests(self.board, shard):
                self.work.tick(shard)

    def pass_by(self, by: timedelta) -> None:
        self.true += by
        self.seconds += by.total_seconds()

    def live(self, first: int, steps: int, **how: Any) -> None:
        """Let steps pass in which samples are sent, and tick some seconds after each is settled, and again."""
        for step in range(first, first + steps):
            self.send(step, 1, **how)
            self.pass_until(step)

    def pass_until(self, step: int) -> None:
        """Let time pass until a step is settled, with ticks."""
        self.pass_by(START + (step + 1) * STEP + SETTLE - self.true)
        for _ in range(2):
            self.tick()
            self.pass_by(timedelta(seconds=LONGEST_REST_S + 1))

    def watermarks(self) -> list[int]:
        """Return how many steps from START each shard has scored."""
        positions = self.records.detections.positions()
        return [(positions[shard].watermark - START) // STEP for shard in range(SHARDS)]

    def told(self) -> list[tuple[str, int]]:
        """Return series and step of what was told."""
        found = self.records.detections.anomalies(START, START + timedelta(days=9))
        return [(each.anomaly.series.name, (each.anomaly.onset - START) // STEP) for each in found]


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _named(shard: int) -> str:
    return next(name for name in (f"service-{at}" for at in range(99)) if shard_of(name, SHARDS) == shard)


def _labels(name: str) -> list[Labels]:
    gauge = {"__name__": "queue_length", "service_name": name}
    calls = {"__name__": CALLS, "service_name": name, "span_name": "get", COUNTED_FROM: "spans"}
    return [tuple(sorted(labels.items())) for labels in (gauge, calls)]


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    """Open what has learned from CALM steps."""
    with ExitStack() as opening:

        def begun(store: type[MemoryMetrics] = MemoryMetrics, name: str = "one") -> Watched:
            (tmp_path / name).mkdir()
            watched = Watched(tmp_path / name, opening, store)
            watched.pass_by(CALM * STEP + SETTLE)
            watched.send(0, CALM)
            watched.tick()
            assert watched.watermarks() == [CALM, CALM]
            return watched

        yield begun


both = pytest.mark.parametrize("store", [MemoryMetrics, Silent], ids=["tells its newest sample", "does not"])


@both
@pytest.mark.parametrize("error", [timedelta(minutes=-5), timedelta(minutes=2), HOUR], ids=str)
def test_a_wrong_clock_makes_no_difference(
    new: Callable[..., Watched], store: type[MemoryMetrics], error: timedelta
) -> None:
    right, wrong = new(), new(store, "wrong")
    for watched in (right, wrong):
        watched.live(CALM, 3)
        watched.error = error if watched is wrong else timedelta(0)
        watched.live(CALM + 3, 2)
        watched.live(CALM + 5, ILL, ill=True)
        assert max(watched.watermarks()) <= CALM + 5 + ILL
        watched.error = timedelta(0)
        watched.live(CALM + 5 + ILL, 3)
    assert wrong.watermarks() == right.watermarks() == [CALM + ILL + 8] * SHARDS
    assert wrong.told() == right.told()
    assert {step for _, step in right.told()} == {CALM + 5}
    assert len(right.told()) == SHARDS


@both
def test_a_component_that_falls_silent_holds_nobody_back(
    new: Callable[..., Watched], store: type[MemoryMetrics]
) -> None:
    watched = new(store)
    for step in range(CALM, CALM + ILL):
        watched.live(step, 1, only=0)
        assert watched.watermarks() == [step + 1, step + 1]
    lost = [name for name, _ in watched.told()]
    assert lost
    assert {name.partition("|")[0] for name in lost} == {watched.components[1]}


@both
def test_where_all_fall_silent_it_is_told_once_that_has_lasted(
    new: Callable[..., Watched], store: type[MemoryMetrics]
) -> None:
    watched = new(store)
    watched.live(CALM, 2)
    begun, seen = watched.seconds, []
    for step in range(CALM + 2, CALM + 12):
        watched.pass_until(step)
        seen.append((watched.seconds - begun, watched.watermarks(), len(watched.told())))
    waits = [each for each in seen if each[1] == [CALM + 2] * SHARDS]
    assert 3 <= len(waits) < len(seen)
    assert all(told == 0 for _, _, told in waits)
    late = [each for each in seen if each[0] > PATIENCE_S + 2 * STEP.total_seconds()]
    assert late
    assert all(told >= SHARDS for _, _, told in late)
    assert watched.watermarks() == [CALM + 12] * SHARDS
    watched.live(CALM + 12, 2)
    assert watched.watermarks() == [CALM + 14] * SHARDS


@both
@pytest.mark.parametrize("slept", [0.0, HOUR.total_seconds()], ids=["slept", "nobody called"])
def test_no_calls_are_missed_of_a_time_that_never_was(
    new: Callable[..., Watched], store: type[MemoryMetrics], slept: float
) -> None:
    watched = new(store)
    watched.live(CALM, 2)
    watched.true += HOUR
    watched.seconds += slept
    watched.live(CALM + 2 + 60, 8)
    assert watched.watermarks() == [CALM + 70] * SHARDS
    assert bool(watched.told()) is (slept > 0)


def test_no_calls_are_missed_of_the_time_before_who_counts_was_started(new: Callable[..., Watched]) -> None:
    watched = new()
    watched.live(CALM, 2)
    watched.pass_by(HOUR)
    watched.start()
    watched.live(CALM + 62, 8)
    assert watched.watermarks() == [CALM + 70] * SHARDS
    assert watched.told() == []


@pytest.fixture
def counting(new: Callable[..., Watched], tmp_path: Path) -> Iterator[Callable[[int, int, bool], Watched]]:
    """Let steps pass in which calls are counted by somebody who tells how far that came, or by nobody."""
    watched = new(Silent)
    server = PrometheusMetrics("http://127.0.0.1:1", PrometheusOptions(), now=lambda: watched.now)
    with closing(open_beside(server, tmp_path / "counted", lambda: watched.now)) as store:
        store.forwarder.turn()

        def live(first: int, steps: int, counts: bool) -> Watched:
            for step in range(first, first + steps):
                if counts:
                    watched.pass_by(START + (step + 1) * STEP + SETTLE - 4 * SECOND - watched.true)
                    store.forwarder.turn()
                    watched.pass_by(4 * SECOND)
                    tell(watched.board, store.forwarder)
                watched.live(step, 1, counted=counts)
            return watched

        yield live


def test_calls_that_nobody_counts_are_not_known_for_a_while(counting: Callable[..., Watched]) -> None:
    watched = counting(CALM, 3, counts=True)
    assert watched.watermarks() == [CALM + 3] * SHARDS
    away = int(ALIVE_S / 60) - 1
    counting(CALM + 3, away, counts=False)
    assert watched.watermarks() == [CALM + 3] * SHARDS, "they are waited for"
    counting(CALM + 3 + away, 20, counts=False)
    assert watched.watermarks() == [CALM + 23 + away] * SHARDS
    assert watched.told() == [], "nor are they held to be none"
    counting(CALM + 23 + away, 4, counts=True)
    assert watched.watermarks() == [CALM + 27 + away] * SHARDS
    assert watched.told() == []
    hours = int(MISSED_S / 60)
    counting(CALM + 27 + away, hours + 8, counts=False)
    assert {name.partition("|")[2] for name, _ in watched.told()} == {"span_rate", "operation:get"}
    assert min(step for _, step in watched.told()) >= CALM + 26 + away + hours - 2
