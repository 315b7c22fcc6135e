"""One block of steps scored: every detector that is asked of every series, and its events as anomalies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter.stores.detections import KeptAnomaly
from hypocenter_workers.detect.anomalies import moment
from hypocenter_workers.detect.budget import Watch, default_threshold
from hypocenter_workers.detect.calendar import Calendar
from hypocenter_workers.detect.contract import Flag
from hypocenter_workers.detect.ensemble import RUN_PRICE, Ensemble
from hypocenter_workers.detect.events import UNDER_WAY, Event, Events, Kind, to_anomaly
from hypocenter_workers.detect.silence import Silence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypocenter.model import Series
    from hypocenter.telemetry import Times, Values
    from hypocenter_workers.detect.contract import Scored
    from hypocenter_workers.ticks.learned import Learned


@dataclass(frozen=True)
class Watching:
    """How series are watched: the detectors of all, and when an event is told."""

    detector: Ensemble
    stage: Events
    silence: Silence = field(default_factory=Silence)


class Told(NamedTuple):
    """What a block told: its events and, of those under way, the last row over the threshold, by series and onset.

    An event that was calm for `calm` is over, as far as is known: should it come back, it is the same one again.
    `heard` is the block that was scored, silence included.
    """

    events: tuple[Event, ...]
    last: dict[tuple[int, int], int]
    calm: np.timedelta64
    heard: Scored


def watching(tick_s: int, calendar: Calendar | None = None, threshold: float | None = None) -> Watching:
    """Return how series are watched unless another way is wanted; the forest of shapes is for those somebody asks of.

    Without a `threshold` chance alerts once per series and week.
    """
    usual = default_threshold(Watch(series=1, step_s=float(tick_s)))
    return Watching(Ensemble(calendar or Calendar(), shapes=False), Events(usual if threshold is None else threshold))


def score(
    how: Watching, values: Values, times: Times, learned: Learned, reported: Values | None = None
) -> tuple[Told, Learned]:
    """Score [step, series] at strictly rising times, tell events, and return what is known then.

    Where some values are missing though nobody fell silent, `reported` are the values with any in their place.
    """
    scored, kinds = how.detector.detect_block(values, times, learned.detector)
    silence = how.silence.score_block(values if reported is None else reported, times, learned.silence)
    silent = np.isnan(values) & (silence.scores - RUN_PRICE > 0)
    heard = scored._replace(scores=np.where(silent, silence.scores - RUN_PRICE, scored.scores))
    kinds = np.where(silent, np.uint8(Kind.SILENCE), kinds)
    muted = (scored.flags & Flag.SUPPRESSED) != 0
    told = how.stage.tell_block(heard, values, times, learned.events, muted, kinds)
    after = replace(learned, detector=scored.state, silence=silence.state, events=told.state)
    records = np.asarray(told.state.arrays[UNDER_WAY])
    last = {(int(one["series"]), int(one["onset"])): int(one["last"]) for one in records}
    return Told(told.events, last, np.timedelta64(int(how.stage.calm_s), "s"), heard), after


def anomalies(told: Told, series: Sequence[Series], shard: int, until: np.datetime64) -> Iterable[KeptAnomaly]:
    """Yield what was told as anomalies; `until` is the last step that was scored."""
    for event in told.events:
        ended = event.end if event.end is not None else _calm_since(event, told, until)
        yield KeptAnomaly(to_anomaly(event, series[event.series]), None if ended is None else moment(ended), shard)


def _calm_since(event: Event, told: Told, until: np.datetime64) -> np.datetime64 | None:
    """Return the last row over the threshold of an event under way where that is long ago."""
    last = np.datetime64(told.last[event.series, int(event.onset.astype("datetime64[ns]").astype(np.int64))], "ns")
    return last if until - last >= told.calm else None
