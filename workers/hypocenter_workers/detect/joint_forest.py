"""A random cut forest over all columns of one component at once: combinations of values that were not seen before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from hypocenter.errors import InputError
from hypocenter_workers.detect import calibrate
from hypocenter_workers.detect.contract import Flag, Scored, State
from hypocenter_workers.detect.forest import (
    TREES,
    Raw,
    check_rows,
    check_settings,
    check_shingle,
    empty_trees,
    series_first,
    series_last,
    told_scores,
    weights,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.telemetry import Times, Values
    from hypocenter_workers.detect.contract import Flags, Rows
    from hypocenter_workers.detect.forest_input_kernels import Plan

MOST_VALUES = 2_048
BY_COMPONENT = (*TREES, "course")
BY_COLUMN = ("records", "window", "known")


class Explanation(NamedTuple):
    """Why one row stands out: its raw score, what each column adds to it by being high or low, and what was expected.

    `high` and `low` are [column] and sum to `score`; `expected` is [column] in the columns' units.
    """

    score: float
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    expected: NDArray[np.float64]


@dataclass(frozen=True)
class JointForest:
    """Detector whose block is one component: its columns are one vector, and each row has one score for all of them.

    Columns are measured in mean deviations from their own running level. A column without a sample is asked nothing:
    it adds nothing to the score, and its last value is learned in its place. Settings are those of `Forest`; a
    `shingle` of more than one row joins the rows before. About 15 µs a row at the defaults.

    In its states the arrays of the forest have the component as last axis, of length one, those of the columns the
    column. Raises InputError when a setting makes no sense.
    """

    trees: int = 50
    samples: int = 256
    shingle: int = 1
    fade: float = 0.7
    rate: float = 0.1
    warm: int = 200
    seed: int = 1

    name: ClassVar[str] = "joint_forest"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_settings(self.trees, self.samples, self.rate)
        check_shingle(self.shingle, self.fade, self.warm)

    def begin(self, series: int) -> State:
        """Return the state of a component with a number of series, of which nothing is known yet.

        Raises InputError where a row, with those of its shingle, has more than 2,048 values.
        """
        if self.shingle * series > MOST_VALUES:
            raise InputError(
                f"{series} series with shingle={self.shingle} exceed {MOST_VALUES} values: split the component"
            )
        from hypocenter_workers.detect.forest_input_kernels import FIELDS
        from hypocenter_workers.detect.forest_kernels import lanes_of

        component: dict[str, NDArray[Any]] = {
            **empty_trees((1, self.trees), self.samples, lanes_of(self.shingle * series)),
            "course": np.zeros((1, 2), np.int64),
        }
        columns: dict[str, Rows] = {
            "records": np.zeros((FIELDS, series)),
            "window": np.zeros((self.shingle, series), np.int32),
            "known": np.zeros((self.shingle, series), np.uint8),
        }
        return State(self.name, self.version, {**series_last(component), **columns, "tails": calibrate.begin(1)})

    def score_block(self, values: Values, times: Times, state: State) -> Scored:
        """Score [time, column] at strictly rising UTC times, NaN where there is no sample; score before learn.

        Raises InputError when there are not as many times as rows.
        """
        check_rows(values, times)
        found = self.raw_block(values, state)
        row = np.fmax.reduce(found.raw, axis=1, keepdims=True)
        scores, tails = told_scores(row, _of_component(found.flags), np.asarray(state.arrays["tails"], np.float64))
        wide = np.where(np.isfinite(found.raw), scores, np.nan)
        learned = State(self.name, self.version, {**found.state.arrays, "tails": tails})
        return Scored(wide, found.expected, found.scale, found.flags, learned)

    def raw_block(self, values: Values, state: State) -> Raw:
        """Return the forest's own scores of a block, 0 before any can be told, NaN where MISSING; keep the tails."""
        from hypocenter_workers.detect import forest_input_kernels, forest_joint_kernels, forest_kernels

        inner = _copied(state)
        values = np.ascontiguousarray(values, dtype=np.float64)
        told = forest_input_kernels.Told(
            np.empty(values.shape), np.empty(values.shape), np.empty(values.shape), np.zeros(values.shape, np.uint8)
        )
        shingle = forest_joint_kernels.Shingle(inner["window"], inner["known"])
        forest = forest_kernels.Forest(*(inner[name][0] for name in TREES))
        forest_joint_kernels.run_component(
            values, inner["records"], shingle, forest, inner["course"][0], self._plan(), told
        )
        return Raw(*told, _state(inner, state))

    def explain(self, values: Values, state: State) -> Explanation:
        """Explain the last row of [time, column] by what was known before it; nothing is kept.

        The score is shared out among the columns as the cuts that would isolate the row fall on them. The fewest
        columns that carry half of the score, and those without a sample, are expected to be what they are in the
        sample nearest to the rest of the row, the median over trees; the others to be what they are. Raises InputError
        when the row has no sample, or comes before the forest has learned any.
        """
        if len(values) == 0 or not np.isfinite(values[-1]).any():
            raise InputError("values: the last row holds no sample; end the block with the row to explain")
        before = _copied(self.raw_block(values[:-1], state).state)
        if before["course"][0, 1] == 0:
            raise InputError("values: too few rows before the last one for anything to be unusual; give earlier rows")
        return self._explained(np.asarray(values[-1], np.float64), before)

    def _explained(self, sample: NDArray[np.float64], before: dict[str, NDArray[Any]]) -> Explanation:
        from hypocenter_workers.detect import forest_joint_kernels, forest_kernels

        forest = forest_kernels.Forest(*(before[name][0] for name in TREES))
        lanes, used = forest.boxes.shape[2], self.shingle * len(sample)
        asked, point, shares = np.zeros((1, lanes), np.int32), np.zeros((1, lanes), np.int32), np.zeros(lanes)
        columns = np.array(before["records"])
        shingle = forest_joint_kernels.Shingle(before["window"], before["known"])
        forest_joint_kernels.gather(sample, before["records"], shingle)
        forest_joint_kernels.write_points(shingle, self._plan().weights, asked, point, 0)
        forest_joint_kernels.blame(forest, asked, point, before["course"][0, 1], used, shares)
        high, low = shares.reshape(2, -1)[:, :used].reshape(2, self.shingle, -1).sum(axis=1)
        moved = _carrying_half(high + low) | ~np.isfinite(sample)
        asked.reshape(2, -1)[:, :used][:, np.tile(moved, self.shingle)] = forest_kernels.UNASKED
        near = np.zeros((self.trees, used), np.int32)
        forest_joint_kernels.nearest(forest, asked, near)
        steps = np.median(near[:, : len(sample)], axis=0) / forest_joint_kernels.STEPS
        origin, way, _, level, deviation = columns.T[:5]
        expected = np.where(moved, origin + way * (level + steps * deviation), sample)
        high, low = np.where(way < 0, (low, high), (high, low))
        return Explanation(float(shares.sum()), high, low, expected)

    def _plan(self) -> Plan:
        from hypocenter_workers.detect.forest_input_kernels import Plan

        return Plan(self.rate, self.seed, self.warm, weights(self.shingle, self.fade))


def _of_component(flags: Flags) -> Flags:
    """Return [time, 1]: WARMING where any column is, CONSTANT where all are."""
    warming = np.bitwise_or.reduce(flags, axis=1, keepdims=True) & np.uint8(Flag.WARMING)
    constant = np.bitwise_and.reduce(flags, axis=1, keepdims=True) & np.uint8(Flag.CONSTANT)
    return np.asarray(warming | constant, dtype=np.uint8)


def _carrying_half(shares: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the fewest columns that carry half of the sum.

    >>> _carrying_half(np.array([1.0, 5.0, 3.0, 1.0])).tolist()
    [False, True, False, False]
    """
    order = np.argsort(-shares, kind="stable")
    carried_before = np.cumsum(shares[order]) - shares[order]
    chosen = np.zeros(len(shares), dtype=bool)
    chosen[order[carried_before < shares.sum() / 2]] = True
    return chosen


def _copied(state: State) -> dict[str, NDArray[Any]]:
    columns = {name: np.array(state.arrays[name]) for name in BY_COLUMN}
    return {**series_first(state.arrays, BY_COMPONENT), **columns, "records": columns["records"].T.copy()}


def _state(inner: dict[str, NDArray[Any]], before: State) -> State:
    component = series_last({name: inner[name] for name in BY_COMPONENT})
    columns = {"records": inner["records"].T, "window": inner["window"], "known": inner["known"]}
    return State(before.detector, before.version, {**component, **columns, "tails": before.arrays["tails"]})
