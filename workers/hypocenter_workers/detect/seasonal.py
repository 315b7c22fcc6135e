"""The tier that every series passes: level, trend, daily and weekly profile and residual scale, learned as it streams.

Each sample is scored against the best of four predictors (level, with the day, with the week, with the trend), the one
with the smaller residuals so far; a residual's rarity comes from peaks over a threshold with a generalised Pareto tail
(Pickands, 1975). Levels are exponentially weighted means of clipped residuals, Huber's way of not learning from an
anomaly; a level that has stayed away is learned anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hypocenter.errors import InputError
from hypocenter_workers.detect.calendar import Calendar
from hypocenter_workers.detect.contract import Rows, Scored, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.telemetry import Times, Values
    from hypocenter_workers.detect.contract import Flags, Scores
    from hypocenter_workers.detect.decompose import Decomposition

DAYS = 7
# A time lies between two slots of the day and two of the week.
ROWS_AROUND = 4
DAY_S = 86_400.0
SECOND = np.timedelta64(1, "s")
KNOWN_ROWS = 50.0
LAST_WEEKS = np.timedelta64(14, "D")
NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Seasonal:
    """Detector of samples that are unlikely at their time of day and week; about 7 ns a sample, 0.9 KB a series.

    `slots` are the parts of a day that the profiles tell apart, in the local time of `calendar`; holidays pass as
    Sundays. A series is WARMING for its first `warm` samples. Profiles are trusted after three days, or two weeks, and
    only where they predict better.
    """

    calendar: Calendar = field(default_factory=Calendar)
    slots: int = 24
    warm: int = 200

    name = "seasonal"
    version = 1

    def begin(self, series: int) -> State:
        """Return the state of a number of series of which nothing is known yet."""
        from hypocenter_workers.detect.seasonal_kernels import FIELDS

        arrays: dict[str, Rows] = {
            "origin": np.full(series, np.nan),
            "fields": np.zeros((FIELDS, series), np.float32),
            "profile": tuple(np.zeros(series, np.float32) for _ in range((1 + DAYS) * self.slots)),
            "clock": np.full(1, NEVER, "datetime64[ns]"),
        }
        return State(self.name, self.version, arrays)

    def score_block(self, values: Values, times: Times, state: State, into: Scored | None = None) -> Scored:
        """Score [time, series] at strictly rising UTC times, NaN where there is no sample; score before learn.

        `into` is the answer that `state` came with, when nobody needs it any more, nor any state before it: its memory
        is written over. For a large fleet asking for new memory takes as long as scoring. Raises InputError when `into`
        came with another state.
        """
        from hypocenter_workers.detect.seasonal_kernels import score_rows

        if into is not None and into.state is not state:
            raise InputError("into must be the answer that state came with; leave it out to keep what is known")
        values = np.ascontiguousarray(values, dtype=np.float64)
        origin = _origins(values, np.asarray(state.arrays["origin"]))
        clock, met, special = self._clock(times, np.asarray(state.arrays["clock"]))
        fields = np.asarray(state.arrays["fields"], np.float32)
        learned = np.empty_like(fields) if into is None else fields
        profile = _profile(state, met, in_place=into is not None)
        answer = _answer(values.shape, into)
        score_rows(
            values, origin, profile.met, clock, special, np.float32(self.warm), profile.before, profile.after,
            fields, learned, *answer,
        )  # fmt: skip
        arrays: dict[str, Rows] = {
            "origin": origin,
            "fields": learned,
            "profile": profile.put_back(state.arrays["profile"]),
            "clock": times[-1:].astype("datetime64[ns]") if len(times) else state.arrays["clock"],
        }
        return Scored(*answer, State(self.name, self.version, arrays))

    def refit(self, values: Values, times: Times) -> State:
        """Return the state that weeks of history [time, series] leave: profiles by STL, the rest from the last weeks.

        Profiles are learned from all of it at once, outliers, gaps, climbs and shifts set apart (see `decompose`), as a
        stream that forgets cannot; errors and tail are streamed over the last two weeks. History of less than two days
        teaches what streaming it would.
        """
        from hypocenter_workers.detect import decompose

        state = self.begin(values.shape[1])
        if len(times) == 0:
            return state
        found = decompose.refit(values, times, self.calendar, self.slots)
        recent = times > times[-1] - LAST_WEEKS
        if found.profile.any():
            state = self._started(found, self._at_middles(found.profile, times), times, recent)
        return self.score_block(values[recent], times[recent], state).state

    def _started(self, found: Decomposition, nodes: Values, times: Times, recent: NDArray[np.bool_]) -> State:
        """Return the state before the recent rows of a decomposed history, as if some samples had been seen."""
        from hypocenter_workers.detect import seasonal_kernels as kernels

        state = self.begin(nodes.shape[1])
        week = np.nan_to_num(nodes).reshape(DAYS, self.slots, -1)
        daily = week.mean(axis=0)
        days = (times[recent][-1] - times[recent][0]) / SECOND / DAY_S
        fields = np.array(state.arrays["fields"])
        error = 0.8 * found.scale
        fields[kernels.COUNT] = np.where(np.isfinite(found.level), KNOWN_ROWS, 0.0)
        fields[kernels.AGE] = (times[-1] - times[0]) / SECOND / DAY_S - days
        fields[kernels.LEVEL] = fields[kernels.LINE] = np.nan_to_num(-found.trend * days)
        fields[kernels.ERROR_LEVEL] = fields[kernels.ERROR_LINE] = error + np.abs(week).mean(axis=(0, 1))
        fields[kernels.ERROR_DAY] = error + np.abs(week - daily).mean(axis=(0, 1))
        fields[kernels.ERROR_WEEK] = error
        profile = np.concatenate([daily, (week - daily).reshape(DAYS * self.slots, -1)]).astype(np.float32)
        arrays: dict[str, Rows] = {**state.arrays, "origin": found.level, "fields": fields, "profile": tuple(profile)}
        return State(self.name, self.version, arrays)

    def _at_middles(self, means: Values, times: Times) -> Values:
        """Bring means of slots, which lie where the samples of a slot lie on average, to the middles of the slots."""
        place = self.calendar.slots(times, self.slots).place
        return np.asarray(means + (0.5 - np.mean(place % 1.0)) * (np.roll(means, -1, axis=0) - means))

    def _clock(
        self, times: Times, last: NDArray[np.generic]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
        """Return days since the row before, share of a slot, place between slots; the rows met; the special rows.

        A time lies between the slots of half a slot earlier and later, each with its own kind of day.
        """
        half = np.timedelta64(int(DAY_S / self.slots / 2 * 1e9), "ns")
        now = self.calendar.slots(times, self.slots)
        met = []
        for slots in (self.calendar.slots(times - half, self.slots), self.calendar.slots(times + half, self.slots)):
            place = slots.place.astype(np.int64)
            met += [place, (1 + slots.day.astype(np.int64)) * self.slots + place]
        day = np.minimum(_since(times, last), DAY_S / self.slots) / DAY_S
        clock = np.stack([day, day * self.slots, (now.place - 0.5) % 1.0], axis=1).astype(np.float32)
        return clock, np.stack([met[0], met[2], met[1], met[3]], axis=1), now.special


def _since(times: Times, last: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the seconds since the row before, 0 for the first row ever."""
    before = np.concatenate([last.astype("datetime64[ns]"), times[:-1].astype("datetime64[ns]")])
    before = np.where(np.isnat(before), times, before)
    return np.asarray((times - before) / SECOND, dtype=np.float64)


class _Profile(NamedTuple):
    """The rows of a profile that a block meets: their numbers, which of them each time meets, and their values."""

    rows: NDArray[np.int64]
    met: NDArray[np.int64]
    before: Any
    after: Any

    def put_back(self, profile: Rows) -> Rows:
        """Return the whole profile with the rows that the block has learned; the others are shared."""
        whole = list(profile)
        for place, row in enumerate(self.rows):
            whole[row] = self.after[place]
        return tuple(whole)


def _profile(state: State, met: NDArray[np.int64], *, in_place: bool) -> _Profile:
    """Return the rows that a block meets, to be learned in place or beside what is known."""
    rows, places = np.unique(met, return_inverse=True)
    places = places.reshape(met.shape)
    known = tuple(np.asarray(state.arrays["profile"][row], np.float32) for row in rows)
    if len(known) == ROWS_AROUND:
        return _Profile(rows, places, known, known if in_place else tuple(map(np.empty_like, known)))
    # A block of several slots meets some again: what a row has learned must be there.
    copied = np.stack(known) if known else np.empty((0, len(state.arrays["origin"])), np.float32)
    return _Profile(rows, places, copied, copied)


def _answer(shape: tuple[int, ...], into: Scored | None) -> tuple[Scores, Values, Scores, Flags]:
    """Return where scores, expected values, scales and flags of a block are written."""
    if into is not None and into.scores.shape == shape:
        return into.scores, into.expected, into.scale, into.flags
    return np.empty(shape, np.float32), np.empty(shape), np.empty(shape, np.float32), np.empty(shape, np.uint8)


def _origins(values: Values, known: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return each series' first value ever, NaN while it has none."""
    origin = np.asarray(known, np.float64)
    # A sum is NaN when anything in it is, and takes a third of the time.
    if not np.isnan(origin.sum()):
        return origin
    origin = origin.copy()
    missing = np.flatnonzero(np.isnan(origin))
    if len(missing) == 0 or len(values) == 0:
        return origin
    block = values[:, missing]
    there = np.isfinite(block)
    first = np.take_along_axis(block, there.argmax(axis=0)[None], axis=0)[0]
    origin[missing] = np.where(there.any(axis=0), first, np.nan)
    return origin
