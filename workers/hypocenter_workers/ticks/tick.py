"""A tick: a shard's settled steps since its watermark, scored, told and committed once, whatever runs twice or dies."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.errors import InputError, LimitError, SourceError
from hypocenter.rhythm import Rhythm
from hypocenter.stores.detections import Position
from hypocenter_workers.ticks import relearning, shapes
from hypocenter_workers.ticks.learned import learned_from_bytes
from hypocenter_workers.ticks.plan import LOOK_BACK, plan_of, read_block
from hypocenter_workers.ticks.scoring import anomalies, score, watching
from hypocenter_workers.ticks.steps import milliseconds, times_of

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from hypocenter.stores.detections import DetectionStore, KeptAnomaly
    from hypocenter.stores.metrics import MetricsStore
    from hypocenter_workers.ticks.hearing import Hearing
    from hypocenter_workers.ticks.learned import Learned
    from hypocenter_workers.ticks.plan import Block, Plan
    from hypocenter_workers.ticks.scoring import Watching
    from hypocenter_workers.ticks.shapes import Pointers
    from hypocenter_workers.ticks.shards import Roster
    from hypocenter_workers.ticks.states import StateCache

_log = logging.getLogger(__name__)


class Plans:
    """The plan of each shard for as long as its series stay; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[int, tuple[int, Plan]] = {}

    def of(self, shard: int, roster: Roster, until_ms: int) -> Plan:
        """Return the plan of a shard's series at a time; raises SourceError."""
        members = roster.members(shard, until_ms)
        with self._lock:
            key, plan = self._kept.get(shard, (-1, None))
        if plan is None or key != members.key:
            plan = plan_of(members, shard, roster.shards)
            with self._lock:
                self._kept[shard] = members.key, plan
        return plan


@dataclass(frozen=True)
class Place:
    """Where a tick works: what it reads, where it commits, its cache, and how time is cut and series are watched.

    With `pointers`, what they point to is looked at for shapes too; without `hearing` the time of day is believed.
    """

    metrics: MetricsStore
    detections: DetectionStore
    states: StateCache
    roster: Roster
    rhythm: Rhythm = field(default_factory=Rhythm)
    how: Watching | None = None
    pointers: Pointers | None = None
    hearing: Hearing | None = None
    plans: Plans = field(default_factory=Plans)

    @property
    def watching(self) -> Watching:
        """How series are watched."""
        return self.how or watching(int(self.rhythm.step.total_seconds()))


@dataclass(frozen=True, slots=True)
class Ticked:
    """What became of a tick.

    `steps` were scored, `left` more are settled already; `late` samples came since the last tick for steps that were
    scored before; `relearned` series were learned from stored samples. Where `is_committed` is False somebody else was
    quicker, and nothing was changed.
    """

    shard: int
    watermark: datetime
    steps: int
    left: int
    is_committed: bool
    series: int = 0
    samples: int = 0
    late: int = 0
    relearned: int = 0
    anomalies: tuple[KeptAnomaly, ...] = ()
    state_bytes: int = 0


def tick(place: Place, shard: int, now: datetime, uncounted_since: datetime | None = None) -> Ticked:
    """Score what a shard's watermark lags behind, `most_steps` at a time; the first tick learns and tells nothing.

    What is counted is not known from `uncounted_since` on, where that is given. Raises SourceError when a store cannot
    be reached; then nothing was committed, and the next tick does it all.
    """
    before = place.detections.position(shard)
    # Asked after the position: what is divided anew from here on commits no tick of before.
    if place.detections.shards() not in (0, place.roster.shards):
        return Ticked(shard, now, 0, 0, is_committed=False)
    if before is None:
        return _begun(place, shard, now)
    due = place.rhythm.due(before.watermark, now)
    steps = min(due, place.rhythm.most_steps)
    if not steps:
        return Ticked(shard, before.watermark, 0, 0, is_committed=True)
    start_ms, until_ms = milliseconds(before.watermark), milliseconds(before.watermark + steps * place.rhythm.step)
    plan = place.plans.of(shard, place.roster, until_ms)
    block = _heard(place, shard, plan, start_ms, steps)
    if not len(block.values):
        return Ticked(shard, before.watermark, 0, due, is_committed=False)
    return _scored(place, shard, before, due, plan, _known(place, block, start_ms, uncounted_since))


def _begun(place: Place, shard: int, now: datetime) -> Ticked:
    """Learn from what is stored and begin at the present: what lies before was nobody's to tell."""
    first = Position(place.rhythm.settled(now), 0)
    plan = place.plans.of(shard, place.roster, milliseconds(first.watermark))
    learned = relearning.learned(place, plan, first.watermark)
    size = _save(place, shard, first, learned)
    done = place.detections.commit(shard, None, first, ())
    series = len(plan.series)
    return Ticked(shard, first.watermark, 0, 0, is_committed=done, series=series, relearned=series, state_bytes=size)


def _heard(place: Place, shard: int, plan: Plan, start_ms: int, steps: int) -> Block:
    """Read the steps from a time on, and leave out those at the end after which nobody may have heard anything yet."""
    block = read_block(place.metrics, plan, start_ms, steps, place.rhythm.step_ms)
    if place.hearing is None or not plan.series or block.samples[-1]:
        return block

    def newest_ms() -> int:
        return max(block.newest_ms, place.metrics.usage().newest_ms or 0)

    return block.first(place.hearing.steps(shard, start_ms, steps, newest_ms))


def _known(place: Place, block: Block, start_ms: int, uncounted_since: datetime | None) -> Block:
    """Leave out the counts of steps in which they are not known: nobody told of them, or there was no such time."""
    starts_ms = start_ms + place.rhythm.step_ms * np.arange(len(block.values))
    uncounted = np.zeros(len(starts_ms), np.bool_)
    if uncounted_since is not None:
        uncounted |= starts_ms + place.rhythm.step_ms > milliseconds(uncounted_since)
    if place.hearing is not None:
        uncounted |= (block.samples[LOOK_BACK:] == 0) & place.hearing.passed_at_once(starts_ms)
    return block.without_counts(uncounted)


def _note(place: Place, shard: int, block: Block, start_ms: int) -> None:
    """Tell other shards the newest step in which this one heard something."""
    heard = np.flatnonzero(block.samples[LOOK_BACK:])
    if place.hearing is not None and len(heard):
        place.hearing.note(shard, start_ms + int(heard[-1]) * place.rhythm.step_ms)


def _scored(place: Place, shard: int, before: Position, due: int, plan: Plan, block: Block) -> Ticked:
    start_ms, steps = milliseconds(before.watermark), len(block.values)
    after = Position(before.watermark + steps * place.rhythm.step, before.version + 1)
    kept = _kept(place, shard, before, plan)
    known, missing = relearning.completed(place, plan, before.watermark, kept)
    times = times_of(start_ms, steps, place.rhythm.step_ms)
    told, learned = score(place.watching, block.values, times, known, block.reported)
    found = (
        *shapes.found(place, plan, shard, before.watermark, after.watermark),
        *anomalies(told, plan.series, shard, times[-1]),
    )
    size = _save(place, shard, after, replace(learned, counts=block.samples[-LOOK_BACK:]))
    done = place.detections.commit(shard, before, after, found)
    if done:
        _forget(place, shard, before.version)
        _note(place, shard, block, start_ms)
    return Ticked(
        shard,
        after.watermark if done else before.watermark,
        steps,
        due - steps,
        is_committed=done,
        series=len(plan.series),
        samples=int(block.samples[LOOK_BACK:].sum()),
        late=_late(kept, plan, block.samples),
        relearned=missing,
        anomalies=found,
        state_bytes=size,
    )


def _kept(place: Place, shard: int, position: Position, plan: Plan) -> Learned | None:
    """Return the state that the shard had at a position, None where it was lost or is of another version."""
    data = place.states.load(shard, position)
    if data is None:
        return None
    try:
        return learned_from_bytes(data, relearning.begun(place, plan.keys[:0], milliseconds(position.watermark)))
    except (InputError, LimitError) as error:
        _log.warning("a detector state is learned anew", extra={"fields": {"shard": shard, "why": str(error)}})
        return None


def _save(place: Place, shard: int, position: Position, learned: Learned) -> int:
    """Keep a state and return its size; a cache that takes it not costs time later, and no anomaly."""
    data = learned.to_bytes()
    try:
        place.states.save(shard, position, data)
    except SourceError as error:
        _log.warning("a detector state was not kept", extra={"fields": {"shard": shard, "why": str(error)}})
    return len(data)


def _forget(place: Place, shard: int, before: int) -> None:
    try:
        place.states.forget(shard, before)
    except SourceError as error:
        _log.warning("detector states were not forgotten", extra={"fields": {"shard": shard, "why": str(error)}})


def _late(kept: Learned | None, plan: Plan, samples: NDArray[np.int64]) -> int:
    """Return how many samples came for the last steps since they were scored, of series that were there then."""
    if kept is None or not np.array_equal(kept.keys, plan.keys):
        return 0
    return int(np.maximum(samples[:LOOK_BACK] - kept.counts, 0).sum())
