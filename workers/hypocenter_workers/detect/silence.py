"""Series that stop reporting (`Silence`), moving (`Flatline`) or counting (`Zeros`), or stick at a top (`Saturation`).

Each watches runs: consecutive rows in one condition. What is usual is the longest run of the series itself over the
last one to two epochs of `memory` looks, a look being a row outside the condition, that is one on which a run of any
length, none included, came to its end. Runs that are all alike are equally likely to be the longest, so a new one
outlasts n earlier ones with probability 1 / (n + 1); how far it does is given a Pareto tail of index four, heavier than
the geometric tail of runs that end at a constant rate. A run of length r, where at most m was usual in n looks, so has

    score = log10(n + 1) + 4 * log10(r / m)        for r > overdue * m, else 0

A run is learned when it ends, and widens what is usual at most `growth` times: an outage does not become the normal,
while a habit does within a few repetitions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hypocenter.errors import InputError
from hypocenter_workers.detect.contract import Flag, Scored, State

if TYPE_CHECKING:
    from hypocenter.telemetry import Times, Values
    from hypocenter_workers.detect.contract import Rows
    from hypocenter_workers.detect.silence_kernels import Limits

Conditions = NDArray[np.uint8]

NS = 1_000_000_000
UNSEEN = np.int64(np.iinfo(np.int64).min)
RUN_FIGURES = 5
CEILING_FIGURES = 6


@dataclass(frozen=True)
class RunLength(ABC):
    """What the detectors of this module share: how long a run must last, against what is usual, to be told.

    `usual` is the run length that is usual for any series. `warming_s` is the history to see first, two days, so that
    nights and working days are known, and `warming_looks` the least rows outside runs in it. Raises InputError when a
    setting makes no sense.
    """

    usual: int = 3
    overdue: float = 1.0
    growth: float = 4.0
    memory: int = 8_192
    warming_s: float = 172_800.0
    warming_looks: int = 64

    name: ClassVar[str] = "runs"
    version: ClassVar[int] = 1
    memories: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if self.overdue < 1 or self.growth <= 1:
            raise InputError(f"overdue={self.overdue} must be at least 1 and growth={self.growth} above 1")
        if min(self.usual, self.warming_s) < 0 or min(self.memory, self.warming_looks) < 1:
            raise InputError("usual and warming_s must not be below 0, memory and warming_looks not below 1")

    def begin(self, series: int) -> State:
        """Return the state of a number of series of which nothing is known yet."""
        arrays: dict[str, Rows] = {
            "runs": np.zeros((RUN_FIGURES, series), np.int32),
            "first": np.full(series, UNSEEN),
            "only": np.full(series, np.nan),
            "memory": np.full((self.memories, series), np.nan),
        }
        return State(self.name, self.version, arrays)

    def score_block(self, values: Values, times: Times, state: State) -> Scored:
        """Score [time, series] at strictly rising UTC times, not finite where there is no sample; score before learn.

        Nothing is expected of a value: `expected` and `scale` are NaN. Raises InputError when the state is one of
        another number of series.
        """
        from hypocenter_workers.detect.silence_kernels import count_runs, mark_constant

        arrays: dict[str, Any] = {name: np.array(array) for name, array in state.arrays.items()}
        if len(arrays["only"]) != values.shape[1]:
            raise InputError(f"the state is one of {len(arrays['only'])} series, the values are of {values.shape[1]}")
        scores, flags = np.empty(values.shape), np.empty(values.shape, np.uint8)
        values = np.where(np.isfinite(values), values, np.nan)
        at = np.ascontiguousarray(times.astype("datetime64[ns]").view(np.int64))
        conditions = self._conditions(values, arrays["memory"])
        count_runs(conditions, at, arrays["runs"], arrays["first"], self._limits(), scores, flags)
        mark_constant(values, arrays["only"], flags)
        flags[np.isnan(values)] |= np.uint8(Flag.MISSING)
        nothing = np.broadcast_to(np.nan, values.shape)
        return Scored(scores, nothing, nothing, flags, State(self.name, self.version, arrays))

    @abstractmethod
    def _conditions(self, values: Values, memory: Values) -> Conditions:
        """Return what each row is to a run, and write to the copied memory what is to be remembered of the values."""

    def _limits(self) -> Limits:
        from hypocenter_workers.detect.silence_kernels import Limits

        return Limits(
            usual=float(self.usual),
            overdue=float(self.overdue),
            growth=float(self.growth),
            memory=int(self.memory),
            warming=int(self.warming_s * NS),
            warming_looks=int(self.warming_looks),
        )


@dataclass(frozen=True)
class Flatline(RunLength):
    """Scores how long a series that moves has repeated one value; CONSTANT while it never moved."""

    overdue: float = 2.0

    name: ClassVar[str] = "flatline"
    memories: ClassVar[int] = 1

    def _conditions(self, values: Values, memory: Values) -> Conditions:
        from hypocenter_workers.detect.silence_kernels import still

        conditions = np.empty(values.shape, np.uint8)
        still(values, memory, conditions)
        return conditions


@dataclass(frozen=True)
class Zeros(RunLength):
    """Scores how long a series that is never or rarely zero has been zero.

    Zero is the same in every unit, but it is a matter of the zero point: of the detectors' laws this one keeps
    invariance to scale and not to an offset.
    """

    usual: int = 0

    name: ClassVar[str] = "zeros"

    def _conditions(self, values: Values, _: Values) -> Conditions:
        return _compare(values, values == 0.0)


@dataclass(frozen=True)
class Saturation(RunLength):
    """Scores how long a series has stuck to its limit: a stated one, in its unit, or the highest value known of it.

    `within` is how near is at the limit: a share of the stated limit, or of the range of the series.
    """

    limit: float | None = None
    within: float = 0.01

    name: ClassVar[str] = "saturation"
    memories: ClassVar[int] = CEILING_FIGURES

    def _conditions(self, values: Values, memory: Values) -> Conditions:
        from hypocenter_workers.detect.silence_kernels import at_ceiling

        if self.limit is not None:
            return _compare(values, values >= self.limit - self.within * abs(self.limit))
        conditions = np.empty(values.shape, np.uint8)
        at_ceiling(values, memory, self.within, self.memory, conditions)
        return conditions


@dataclass(frozen=True)
class Silence(RunLength):
    """Scores how long a series has not reported while others of its block did.

    The sample that is not there is what is looked at, so that of the detectors' laws two read otherwise here. A missing
    sample has a score: 0 while the gap is at most `overdue` times as long as the series' own gaps ever are (and
    `overdue` times `usual` rows), so usual gaps never alarm. And series are not independent: a row in which less than
    `witnesses` of the series alive report is the collector's gap and counts for none of them (NaN), so the only series
    of a block is never called silent. A series that has been silent for `gone` rows is forgotten.
    """

    overdue: float = 3.0
    witnesses: float = 0.1
    gone: int = 10_080

    name: ClassVar[str] = "silence"
    memories: ClassVar[int] = 1

    def _conditions(self, values: Values, memory: Values) -> Conditions:
        from hypocenter_workers.detect.silence_kernels import silent

        conditions = np.empty(values.shape, np.uint8)
        silent(values, memory, self.witnesses, self.gone, conditions)
        return conditions


def _compare(values: Values, held: NDArray[np.bool_]) -> Conditions:
    from hypocenter_workers.detect.silence_kernels import HELD, LOOK, NOTHING

    return np.where(np.isnan(values), NOTHING, np.where(held, HELD, LOOK)).astype(np.uint8)
