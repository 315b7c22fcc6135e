"""The forest of shapes, for the quiet series of components that an anomaly or an alert points to, for an hour."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter_workers.detect.anomalies import moment
from hypocenter_workers.detect.ensemble import Ensemble
from hypocenter_workers.ticks import relearning
from hypocenter_workers.ticks.plan import read_block
from hypocenter_workers.ticks.scoring import anomalies, score
from hypocenter_workers.ticks.steps import milliseconds, times_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hypocenter.model import Series
    from hypocenter.stores.detections import KeptAnomaly
    from hypocenter.stores.records import Records
    from hypocenter_workers.ticks.plan import Plan
    from hypocenter_workers.ticks.tick import Place

FOR = timedelta(hours=1)
# Twice what a forest needs to warm up, at steps of a minute.
LEARN_STEPS = 400


class Pointed(NamedTuple):
    """A component that something points to from a time on: an anomaly of a series, or an alert."""

    component: str
    since: datetime
    series: Series | None = None


class Pointers:
    """What kept anomalies and alerts point to; at most `most` series of a shard are looked at for it."""

    def __init__(self, records: Records, most: int) -> None:
        self._records, self.most = records, most

    def between(self, start: datetime, end: datetime) -> Iterator[Pointed]:
        """Yield what was pointed to from a time on that lies in [start, end)."""
        for kept in self._records.detections.anomalies(start, end):
            if start <= kept.anomaly.onset < end:
                yield Pointed(kept.anomaly.series.component, kept.anomaly.onset, kept.anomaly.series)
        for alert in self._records.alerts.alerts(start, end):
            if start <= alert.starts_at < end:
                yield Pointed(alert.alert.component, alert.starts_at)


def found(place: Place, plan: Plan, shard: int, start: datetime, end: datetime) -> Iterator[KeptAnomaly]:
    """Yield what the shapes of a shard's series tell from when something pointed to their components, up to `end`.

    Nothing is kept between ticks: the forest learns from the samples before that time each time, so that whoever does
    a tick finds the same. A series that told of something else by itself has nothing to add, and what lasts is told as
    far as it was seen. `start` is where the tick begins. Raises SourceError.
    """
    if place.pointers is None:
        return
    pointed = list(place.pointers.between(start - FOR, start))
    onsets: dict[Series | None, set[datetime]] = defaultdict(set)
    for each in pointed:
        onsets[each.series].add(each.since)
    for since, places in sorted(_watched(plan, _first(pointed), place.pointers.most).items()):
        for kept in _told(place, plan.only(np.array(places)), shard, since, end):
            if onsets[kept.anomaly.series] <= {kept.anomaly.onset}:
                yield kept


def _watched(plan: Plan, since: Mapping[str, datetime], most: int) -> Mapping[datetime, list[int]]:
    """Return the places of at most so many series, the latest pointed to first, by when they were at first."""
    near = [(since[each.component], at) for at, each in enumerate(plan.series) if each.component in since]
    chosen: dict[datetime, list[int]] = defaultdict(list)
    for began, at in sorted(near, key=lambda each: (-each[0].timestamp(), each[1]))[:most]:
        chosen[began].append(at)
    return chosen


def _first(pointed: Iterable[Pointed]) -> Mapping[str, datetime]:
    return {each.component: each.since for each in sorted(pointed, key=lambda one: one.since, reverse=True)}


def _told(place: Place, plan: Plan, shard: int, since: datetime, end: datetime) -> Sequence[KeptAnomaly]:
    rhythm, usual = place.rhythm, place.watching
    how = replace(usual, detector=Ensemble(usual.detector.calendar, shapes=True))
    looking = replace(place, how=how, rhythm=replace(rhythm, learn=LEARN_STEPS * rhythm.step))
    start_ms = milliseconds(since) // rhythm.step_ms * rhythm.step_ms
    steps = (milliseconds(end) - start_ms) // rhythm.step_ms
    known = relearning.learned(looking, plan, since - timedelta(milliseconds=milliseconds(since) - start_ms))
    block = read_block(place.metrics, plan, start_ms, steps, rhythm.step_ms)
    times = times_of(start_ms, steps, rhythm.step_ms)
    told, _ = score(how, block.values, times, known)
    last = moment(times[-1])
    return [
        replace(each, ended_at=each.ended_at or last)
        for each in anomalies(told, plan.series, shard, times[-1])
        if each.anomaly.onset >= since
    ]
