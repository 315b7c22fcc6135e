"""The detectors of one series as one: what its time of day and week, its shape and its runs say of each sample.

Every member keeps the contract on its own; the score is that of the most surprised one, less what asking several costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from hypocenter_workers.detect import calibrate
from hypocenter_workers.detect.calendar import Calendar
from hypocenter_workers.detect.contract import Flag, Scored, State
from hypocenter_workers.detect.events import Kind
from hypocenter_workers.detect.forest import Forest
from hypocenter_workers.detect.seasonal import Seasonal
from hypocenter_workers.detect.shift import Shift
from hypocenter_workers.detect.silence import Flatline, Saturation, Zeros

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.telemetry import Times, Values
    from hypocenter_workers.detect.contract import Detector, Rows

# What each is granted of the chance of a false alarm: half of it, a half, a quarter, and a tenth for runs, which have
# nothing to say of most samples. They add up to more than one, as members agree more often than not.
PRICES = {Seasonal.name: math.log10(2.0), Forest.name: math.log10(2.0), Shift.name: math.log10(4.0)}
RUN_PRICE = 1.0
SHIFT_MEMORY = 512
MOST_SCALES = 8.0
TAILS = "tails"
SEPARATOR = "/"


KINDS = {
    Forest.name: Kind.COLLECTIVE,
    Shift.name: Kind.SHIFT,
    Flatline.name: Kind.FLATLINE,
    Zeros.name: Kind.ZERO,
    Saturation.name: Kind.SATURATION,
}


class Detected(NamedTuple):
    """A scored block, and the `Kind` code of what the most surprised member looks for: [time, series]."""

    scored: Scored
    kinds: NDArray[np.uint8]


@dataclass(frozen=True)
class Ensemble:
    """Detector of everything that one series can show by itself.

    Its members: the seasonal tier; over the residuals that it leaves shifts and, with `shapes`, a random cut forest
    (about 10 µs a sample and 2 MB a series, for series that somebody looks at); and the runs of one value, of zeros and
    at a ceiling: `limit`, in the unit of the series, or else the highest value known of it. A shift's score is
    calibrated once more, as residuals wander in their own ways. Expected value, scale and flags are the seasonal
    tier's.
    """

    calendar: Calendar = field(default_factory=Calendar)
    shapes: bool = True
    seed: int = 1
    limit: float | None = None

    name: ClassVar[str] = "ensemble"
    version: ClassVar[int] = 1

    def begin(self, series: int) -> State:
        """Return the state of a number of series of which nothing is known yet."""
        states = {name: detector.begin(series) for name, detector in self._members().items()}
        return self._joined(states, calibrate.begin(series))

    def score_block(self, values: Values, times: Times, state: State) -> Scored:
        """Score [time, series] at strictly rising UTC times, NaN where there is no sample; score before learn."""
        return self.detect_block(values, times, state).scored

    def detect_block(self, values: Values, times: Times, state: State) -> Detected:
        """Score a block as `score_block` does and say of each sample what is unusual about it."""
        values = np.where(np.isfinite(values), values, np.nan)
        found = self._found(values, times, state)
        shift, tails = _calibrated(found[Shift.name], state)
        surprise = {name: np.asarray(scored.scores, np.float64) for name, scored in found.items()} | {Shift.name: shift}
        votes = np.stack([np.nan_to_num(scores) - PRICES.get(name, RUN_PRICE) for name, scores in surprise.items()])
        kinds = np.array([KINDS.get(name, Kind.POINT) for name in found], dtype=np.uint8)[votes.argmax(axis=0)]
        seasonal = found[Seasonal.name]
        told = np.where(seasonal.flags & Flag.WARMING, 0.0, np.maximum(votes.max(axis=0), 0.0))
        scores = np.where(np.isnan(values), np.nan, told)
        learned = self._joined({name: scored.state for name, scored in found.items()}, tails)
        return Detected(Scored(scores, seasonal.expected, seasonal.scale, seasonal.flags, learned), kinds)

    def _found(self, values: Values, times: Times, state: State) -> dict[str, Scored]:
        members = self._members()
        first = members.pop(Seasonal.name)
        found = {Seasonal.name: first.score_block(values, times, self._part(state, first))}
        residuals = values - found[Seasonal.name].expected
        inputs = {Forest.name: residuals, Shift.name: _standardised(residuals, found[Seasonal.name])}
        for name, detector in members.items():
            found[name] = detector.score_block(inputs.get(name, values), times, self._part(state, detector))
        return found

    def _members(self) -> dict[str, Detector]:
        shapes: tuple[Detector, ...] = (Forest(seed=self.seed),) if self.shapes else ()
        runs: tuple[Detector, ...] = (Flatline(overdue=4.0), Zeros(overdue=3.0), Saturation(limit=self.limit))
        members: tuple[Detector, ...] = (Seasonal(self.calendar), Shift(memory=SHIFT_MEMORY), *shapes, *runs)
        return {detector.name: detector for detector in members}

    def _joined(self, states: dict[str, State], tails: Values) -> State:
        arrays: dict[str, Rows] = {
            name + SEPARATOR + key: rows for name, state in states.items() for key, rows in state.arrays.items()
        }
        return State(self.name, self.version, {**arrays, TAILS: tails})

    def _part(self, state: State, detector: Detector) -> State:
        prefix = detector.name + SEPARATOR
        own = {key.removeprefix(prefix): rows for key, rows in state.arrays.items() if key.startswith(prefix)}
        return State(detector.name, detector.version, own)


def _standardised(residuals: Values, seasonal: Scored) -> Values:
    """Return residuals in scales, so that a profile once learned does not leave a shift to wait for the old scale."""
    scale = np.where(seasonal.scale > 0, seasonal.scale, np.nan)
    return np.asarray(np.clip(residuals / scale, -MOST_SCALES, MOST_SCALES), np.float64)


def _calibrated(shift: Scored, state: State) -> tuple[Values, Values]:
    """Return the shift's scores where they are as rare as they say, for this series, and the tails they leave."""
    own = np.asarray(shift.scores, np.float64)
    scores, tails = calibrate.calibrated(own, np.asarray(state.arrays[TAILS], np.float64))
    return np.minimum(own, scores), tails
