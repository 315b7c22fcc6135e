"""Random cut forests over the shingles of a series: how soon would chance cut the latest samples off from the past?

Streaming Robust Random Cut Forest (Guha, Mishra, Roy, Schrijvers, ICML 2016), one forest a series, deterministic by
seed. The raw score is the expected inverse depth at which a point would be cut off, in units of a balanced tree's
depth: about 1 or less is usual, the logarithm of the samples is the most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from hypocenter.errors import InputError
from hypocenter_workers.detect import calibrate
from hypocenter_workers.detect.contract import Flag, Flags, Scored, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hypocenter.telemetry import Times, Values
    from hypocenter_workers.detect.contract import Rows

TREES = ("heads", "nodes", "boxes", "masses")
MOST_TREES = 1_000
MOST_SAMPLES = 65_536
MOST_SHINGLE = 512
WARM_TAIL = 100


class Raw(NamedTuple):
    """A block's raw scores, expected values, scales and flags, each [time, series], and the state that learned it."""

    raw: Values
    expected: Values
    scale: Values
    flags: Flags
    state: State


@dataclass(frozen=True)
class Forest:
    """Detector of shapes that a series has not shown before; about 10 µs a sample, 2 MB a series at the defaults.

    `trees` random cut trees hold `samples` each of the shingles of the last `shingle` samples, in which each counts for
    `fade` of what the next newer one does. `rate` is the least chance of a new shingle to be sampled: a tree remembers
    about samples / rate of them. A series is WARMING for its first `warm` samples, and again when its scale or level
    has moved so far that its coordinates must be chosen anew (DRIFTED as well); a shingle starts anew after a gap of
    more than its own length at the series' usual spacing. Expected is the running level, scale the mean deviation.

    Raises InputError when a setting makes no sense.
    """

    trees: int = 50
    samples: int = 256
    shingle: int = 8
    fade: float = 0.7
    rate: float = 0.1
    warm: int = 200
    seed: int = 1

    name: ClassVar[str] = "forest"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_settings(self.trees, self.samples, self.rate)
        check_shingle(self.shingle, self.fade, self.warm)

    def begin(self, series: int) -> State:
        """Return the state of a number of series of which nothing is known yet."""
        from hypocenter_workers.detect.forest_input_kernels import FIELDS
        from hypocenter_workers.detect.forest_kernels import lanes_of

        inner: dict[str, NDArray[Any]] = {
            **empty_trees((series, self.trees), self.samples, lanes_of(self.shingle)),
            "records": np.zeros((series, FIELDS)),
            "windows": np.zeros((series, self.shingle), np.int32),
        }
        return State(self.name, self.version, {**series_last(inner), "tails": calibrate.begin(series)})

    def score_block(self, values: Values, times: Times, state: State) -> Scored:
        """Score [time, series] at strictly rising UTC times, NaN where there is no sample; score before learn.

        Rows count, not times: a shingle is one of samples in their order. Raises InputError when there are not as many
        times as rows.
        """
        check_rows(values, times)
        found = self.raw_block(values, state)
        scores, tails = told_scores(found.raw, found.flags, np.asarray(state.arrays["tails"], np.float64))
        learned = State(self.name, self.version, {**found.state.arrays, "tails": tails})
        return Scored(scores, found.expected, found.scale, found.flags, learned)

    def raw_block(self, values: Values, state: State) -> Raw:
        """Return the forest's own scores of a block, 0 before any can be told, NaN where MISSING; keep the tails."""
        from hypocenter_workers.detect import forest_input_kernels, forest_kernels

        inner = series_first(state.arrays, (*TREES, "records", "windows"))
        turned = np.ascontiguousarray(values.T, dtype=np.float64)
        told = forest_input_kernels.Told(
            np.empty(turned.shape), np.empty(turned.shape), np.empty(turned.shape), np.zeros(turned.shape, np.uint8)
        )
        forest = forest_kernels.Forest(*(inner[name] for name in TREES))
        plan = forest_input_kernels.Plan(self.rate, self.seed, self.warm, weights(self.shingle, self.fade))
        forest_input_kernels.run_block(turned, inner["records"], inner["windows"], forest, plan, told)
        learned = State(self.name, self.version, {**series_last(inner), "tails": state.arrays["tails"]})
        return Raw(told.raw.T, told.expected.T, told.scale.T, told.flags.T, learned)


def check_rows(values: Values, times: Times) -> None:
    """Raise InputError where a block has not one time a row."""
    if len(values) != len(times):
        raise InputError(f"values has {len(values)} rows and times {len(times)}; give one time a row")


def check_settings(trees: int, samples: int, rate: float) -> None:
    """Raise InputError where no forest can have these settings."""
    if not 1 <= trees <= MOST_TREES or not 2 <= samples <= MOST_SAMPLES:
        raise InputError(f"trees={trees} must be from 1 to {MOST_TREES}, samples={samples} from 2 to {MOST_SAMPLES}")
    if not 0 <= rate <= 1:
        raise InputError(f"rate={rate} must be a chance, from 0 to 1")


def check_shingle(shingle: int, fade: float, warm: int) -> None:
    """Raise InputError where no shingle can have these settings."""
    if not 1 <= shingle <= MOST_SHINGLE or warm < 0:
        raise InputError(f"shingle={shingle} must be from 1 to {MOST_SHINGLE}, warm={warm} not below 0")
    if not 0 < fade <= 1:
        raise InputError(f"fade={fade} must be above 0 and at most 1")


def weights(shingle: int, fade: float) -> NDArray[np.int64]:
    """Return the weight of each lag of a shingle in units of 2**-16, the newest first.

    >>> weights(3, 0.5).tolist()
    [65536, 32768, 16384]
    """
    return np.asarray(np.round(65536 * fade ** np.arange(shingle)), dtype=np.int64)


def empty_trees(shape: tuple[int, ...], samples: int, lanes: int) -> dict[str, NDArray[np.int32]]:
    """Return the arrays of trees without samples, `shape` first; see `forest_kernels.Forest`."""
    from hypocenter_workers.detect.forest_kernels import HEAD_COLUMNS, NODE_COLUMNS, Forest, clear

    inner, nodes = samples - 1, 2 * samples - 1
    sizes = ((HEAD_COLUMNS,), (inner, NODE_COLUMNS), (nodes, lanes), (nodes,))
    one = Forest(*(np.zeros((1, *size), np.int32) for size in sizes))
    clear(one)
    return {n: np.tile(part[0], (*shape, *(1,) * (part.ndim - 1))) for n, part in zip(TREES, one, strict=True)}


def told_scores(raw: Values, flags: Flags, tails: Values) -> tuple[Values, Values]:
    """Return -log10 tail probabilities of raw scores, and what is known of their tails afterwards.

    Of the squares: usual rows then lie further below the threshold of the tail, where scores are in proportion.
    """
    scores, learned = calibrate.calibrated(np.where(raw > 0, raw**2, np.nan), tails, WARM_TAIL)
    silent = ((flags & (Flag.WARMING | Flag.CONSTANT)) > 0) | (raw == 0)
    return np.where(silent & np.isfinite(raw), 0.0, scores), learned


def series_last(inner: Mapping[str, NDArray[Any]]) -> dict[str, Rows]:
    """Return arrays whose first axis is the series as views whose last axis is."""
    return {name: np.moveaxis(part, 0, -1) for name, part in inner.items()}


def series_first(arrays: Mapping[str, Rows], names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return copies whose first axis is the series, so that one series' trees lie together."""
    return {name: np.moveaxis(np.asarray(arrays[name]), -1, 0).copy(order="C") for name in names}
