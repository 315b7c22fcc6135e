"""Scores over time become events: told once, merged while they flap, told again when they turn clearly worse.

An event begins with its first sign, alerts when its score crosses the threshold, and ends after a quiet time. The stage
keeps a record for each event under way and nothing for the series that are calm, so that a calm fleet costs one look
per score.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hypocenter.errors import InputError
from hypocenter.model import Anomaly, Direction
from hypocenter_workers.detect.anomalies import BAND, moment
from hypocenter_workers.detect.contract import Flag, Flags, Scored, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.model import Series
    from hypocenter.telemetry import Times, Values
    from hypocenter_workers.detect.events_kernels import Block, Limits

Records = NDArray[np.void]
Mask = NDArray[np.bool_]
Kinds = NDArray[np.uint8]

NS = 1_000_000_000
COLLECTIVE_ROWS = 3
UNDER_WAY = "under_way"
SPENT = "spent"
BILL = np.dtype([("series", np.int64), ("raised", np.float64), ("at", np.int64)])
RECORD = np.dtype(
    [(name, np.int64) for name in ("series", "onset", "alert", "end", "last", "returned", "heard", "peak", "told_at")]
    + [(name, np.float64) for name in ("score", "told", "value", "expected", "scale")]
    + [(name, np.int32) for name in ("rows", "calm", "escalations")]
    + [(name, np.uint8) for name in ("direction", "directions", "kind")]
)


class Kind(IntEnum):
    """What sort of thing an event is, as far as its detector knows."""

    POINT = 0
    """Few samples that stand out by themselves."""
    CONTEXTUAL = 1
    """Ordinary values at a time when they are not."""
    COLLECTIVE = 2
    """Samples that are unusual together, over some time."""
    SHIFT = 3
    """The level moved and stays."""
    RAMP = 4
    """The level drifts."""
    SILENCE = 5
    """The series stopped reporting."""
    ZERO = 6
    """The series dropped to zero."""
    FLATLINE = 7
    """The series stopped moving."""
    SATURATION = 8
    """The series sticks to a limit."""


@dataclass(frozen=True, slots=True)
class Event:
    """One anomaly of one series; times are UTC, `end` is None while it lasts.

    `series` is the column; `onset` is the first sign, `alert` when people were told, `end` the last row over the
    threshold. `value`, `expected` and `scale` are those at the peak, NaN where there was no sample; `escalations`
    counts how often people were told again, at last at `told_at`; `rows` counts rows over the threshold. `began` is
    the interval in which a shift or ramp that has been dated began, first and last row; `returned` the first row over
    the threshold after the newest calm, None where it was never calm for long.
    """

    series: int
    onset: np.datetime64
    alert: np.datetime64
    end: np.datetime64 | None
    peak: np.datetime64
    score: float
    value: float
    expected: float
    scale: float
    direction: Direction
    kind: Kind
    rows: int
    escalations: int
    told_at: np.datetime64
    began: tuple[np.datetime64, np.datetime64] | None = None
    returned: np.datetime64 | None = None


@dataclass(frozen=True, slots=True)
class QuietTime:
    """A time, `start` to before `end`, in which nothing is told, of the given columns or (None) of all."""

    start: np.datetime64
    end: np.datetime64
    series: tuple[int, ...] | None = None


class Told(NamedTuple):
    """What a block told.

    `events` holds every event that people were told of and that was under way in the block, as the block left it: a
    later block's word on the same series and onset replaces it. `alerts` is True on the rows that alert or escalate,
    `flags` has SUPPRESSED on the other rows over the threshold; both are [time, series].
    """

    events: tuple[Event, ...]
    alerts: Mask
    flags: Flags
    state: State


@dataclass(frozen=True)
class Events:
    """Turns scores into events; the settings say when one begins, is told again and ends.

    `threshold` is the score that alerts, and `sign_share` of it is a first sign. An event is told again, no sooner than
    `settle_s` after it was told last, when its score exceeds what was told by `margin` and by the factor `growth`, or
    when it turns the other way; so it is told a bounded number of times, however long it lasts. It ends after both
    `quiet_s` and `quiet_rows` samples below the threshold, or when its series was not heard for `lost_s`. Where a row
    is over the threshold before that, but more than `calm_s` after the last one, the event has returned.

    Each alert raises the threshold of its series' next event by `surcharge`, which wears off evenly over `budget_s`: so
    a series whose chance events are more frequent than the budget grants finds a threshold of its own.
    """

    threshold: float
    sign_share: float = 0.5
    margin: float = 3.0
    growth: float = 1.5
    settle_s: float = 3_600.0
    quiet_s: float = 14_400.0
    quiet_rows: int = 3
    lost_s: float = 86_400.0
    calm_s: float = 900.0
    budget_s: float = 604_800.0
    surcharge: float = 0.15

    name = "events"
    version = 2

    def __post_init__(self) -> None:
        """Raise InputError when a setting makes no sense."""
        if not 0 < self.threshold < np.inf:
            raise InputError(f"threshold={self.threshold} must be a score above 0; budget.threshold gives one")
        if not 0 < self.sign_share <= 1:
            raise InputError(f"sign_share={self.sign_share} must be above 0 and at most 1")
        times = (self.settle_s, self.quiet_s, self.quiet_rows, self.lost_s, self.calm_s)
        if self.growth < 1 or min(self.margin, *times) < 0:
            raise InputError(
                "growth must be at least 1, and margin, settle_s, quiet_s, quiet_rows, lost_s and calm_s not below 0"
            )
        if self.surcharge < 0 or self.budget_s < 1:
            raise InputError("surcharge must not be below 0, and budget_s at least 1")

    def begin(self) -> State:
        """Return the state in which nothing is under way."""
        return State(self.name, self.version, {UNDER_WAY: np.empty(0, RECORD), SPENT: np.empty(0, BILL)})

    def tell_block(
        self,
        scored: Scored,
        values: Values,
        times: Times,
        state: State,
        muted: Mask | None = None,
        kinds: Kinds | None = None,
    ) -> Told:
        """Tell the events of a scored block of [time, series] at strictly rising times.

        `muted` (see `mute`) and `kinds`, of `Kind` codes, are [time, series]; either axis may have length 1. Raises
        InputError when the state is one of more series.
        """
        from hypocenter_workers.detect.events_kernels import ALERT, NEVER, TOLD, walk

        block = _block(scored, values, times, muted, kinds)
        known: Any = np.asarray(state.arrays[UNDER_WAY])
        paid: Any = np.asarray(state.arrays[SPENT])
        if max(known["series"].max(initial=-1), paid["series"].max(initial=-1)) >= values.shape[1]:
            raise InputError(f"the state has events of more series than the {values.shape[1]} of the block")
        under_way, ended, spent, marks = walk(block, known, paid, self._limits())
        told = np.concatenate([ended, under_way[under_way["alert"] != NEVER]])
        flags = scored.flags | np.where(marks == TOLD, np.uint8(Flag.SUPPRESSED), np.uint8(0))
        arrays = {UNDER_WAY: under_way, SPENT: self._owed(spent, block.times)}
        return Told(_read(told), marks == ALERT, flags, State(self.name, self.version, arrays))

    def alert_scores(self, scores: Values, flags: Flags) -> Values:
        """Return scores with the rows that were not told brought down to a first sign: [time, series].

        So a benchmark that takes every row over the threshold for an alert sees the alerts that people see.
        """
        return np.where(flags & Flag.SUPPRESSED, self.sign_share * self.threshold, scores)

    def _owed(self, spent: Records, times: NDArray[np.int64]) -> Records:
        """Return what series still owe the budget after a block, in the order of the series."""
        if len(times):
            lasting = self.budget_s * NS / self.surcharge if self.surcharge else 0.0
            spent = spent[spent["at"] + spent["raised"] * lasting > times[-1]]
        return spent[np.argsort(spent["series"])]

    def _limits(self) -> Limits:
        from hypocenter_workers.detect.events_kernels import Limits

        return Limits(
            threshold=float(self.threshold),
            sign=float(self.sign_share * self.threshold),
            margin=float(self.margin),
            growth=float(self.growth),
            settle=int(self.settle_s * NS),
            quiet=int(self.quiet_s * NS),
            quiet_rows=int(self.quiet_rows),
            lost=int(self.lost_s * NS),
            calm=int(self.calm_s * NS),
            budget=int(self.budget_s * NS),
            surcharge=float(self.surcharge),
        )


def mute(times: Times, series: int, quiet_times: Sequence[QuietTime]) -> Mask:
    """Return where nothing is to be told: [time, series], or [time, 1] when the quiet times are those of all.

    Raises InputError when a quiet time ends before it starts or names a column that is not there.
    """
    apart = any(q.series is not None for q in quiet_times)
    muted = np.zeros((len(times), series if apart else 1), dtype=np.bool_)
    for quiet in quiet_times:
        columns = slice(None) if quiet.series is None else list(quiet.series)
        if quiet.end <= quiet.start:
            raise InputError(f"the quiet time from {quiet.start} must end after it starts, not at {quiet.end}")
        if quiet.series is not None and not all(0 <= column < series for column in quiet.series):
            raise InputError(f"the quiet time from {quiet.start} names a column outside 0 to {series - 1}")
        muted[(times >= quiet.start) & (times < quiet.end), columns] = True
    return muted


def _block(scored: Scored, values: Values, times: Times, muted: Mask | None, kinds: Kinds | None) -> Block:
    from hypocenter_workers.detect.events_kernels import Block

    return Block(
        scores=np.ascontiguousarray(scored.scores),
        values=np.ascontiguousarray(values),
        expected=np.ascontiguousarray(scored.expected),
        scale=np.ascontiguousarray(scored.scale),
        kinds=np.zeros((1, 1), np.uint8) if kinds is None else np.ascontiguousarray(kinds),
        muted=np.zeros((1, 1), np.bool_) if muted is None else np.ascontiguousarray(muted),
        times=np.ascontiguousarray(times.astype("datetime64[ns]").view(np.int64)),
    )


def to_anomaly(event: Event, series: Series) -> Anomaly:
    """Return an event as an anomaly of its series, with the band at its peak."""
    return Anomaly(
        series=series,
        onset=moment(event.onset),
        peak=moment(event.peak),
        score=event.score,
        value=event.value,
        expected=event.expected,
        low=event.expected - BAND * event.scale,
        high=event.expected + BAND * event.scale,
        direction=event.direction,
        returned_at=None if event.returned is None else moment(event.returned),
    )


def _read(records: Records) -> tuple[Event, ...]:
    """Return records as events, in the order in which people were told of them."""
    return tuple(_event(r) for r in records[np.lexsort((records["series"], records["alert"]))])


def _event(record: Any) -> Event:
    kind = Kind(int(record["kind"]))
    lasting = kind is Kind.POINT and record["rows"] >= COLLECTIVE_ROWS
    return Event(
        series=int(record["series"]),
        onset=_at(record["onset"]),
        alert=_at(record["alert"]),
        end=_maybe(record["end"]),
        peak=_at(record["peak"]),
        score=float(record["score"]),
        value=float(record["value"]),
        expected=float(record["expected"]),
        scale=float(record["scale"]),
        direction=Direction.UP if record["direction"] == 1 else Direction.DOWN,
        kind=Kind.COLLECTIVE if lasting else kind,
        rows=int(record["rows"]),
        escalations=int(record["escalations"]),
        told_at=_at(record["told_at"]),
        returned=_maybe(record["returned"]),
    )


def _maybe(nanoseconds: np.int64) -> np.datetime64 | None:
    found = _at(nanoseconds)
    return None if np.isnat(found) else found


def _at(nanoseconds: np.int64) -> np.datetime64:
    return np.datetime64(int(nanoseconds), "ns")
