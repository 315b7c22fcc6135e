"""The detectors of one series as one: what its time of day and week, its shape and its runs say of each sample.

Every member keeps the contract on its own; the score is that of the most surprised one, less what asking several costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from hypocenter_workers.detect.calendar import Calendar
from hypocenter_workers.detect.contract import Flag, Scored, State
from hypocenter_workers.detect.events import Kind
from hypocenter_workers.detect.forest import Forest
from hypocenter_workers.detect.seasonal import Seasonal
from hypocenter_workers.detect.silence import Flatline, Saturation, Zeros

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.telemetry import Times, Values
    from hypocenter_workers.detect.contract import Detector, Rows

# Bonferroni's price of asking two that often agree; of runs, which say nothing of most samples, a tenth of a chance.
PRICE = math.log10(2.0)
RUN_PRICE = 1.0
SEPARATOR = "/"


class Detected(NamedTuple):
    """A scored block, and the `Kind` code of what the most surprised member looks for: [time, series]."""

    scored: Scored
    kinds: NDArray[np.uint8]


@dataclass(frozen=True)
class Ensemble:
    """Detector of everything that one series can show by itself.

    Its members: the seasonal tier; with `shapes` a random cut forest over the residuals that it leaves (about 20 µs a
    sample and 2 MB a series, for series that somebody looks at); and the runs of one value, of zeros and at a ceiling.
    Expected value, scale and flags are the seasonal tier's.
    """

    calendar: Calendar = field(default_factory=Calendar)
    shapes: bool = True
    seed: int = 1

    name: ClassVar[str] = "ensemble"
    version: ClassVar[int] = 1

    def begin(self, series: int) -> State:
        """Return the state of a number of series of which nothing is known yet."""
        return self._joined({name: detector.begin(series) for name, detector in self._members().items()})

    def score_block(self, values: Values, times: Times, state: State) -> Scored:
        """Score [time, series] at strictly rising UTC times, NaN where there is no sample; score before learn."""
        return self.detect_block(values, times, state).scored

    def detect_block(self, values: Values, times: Times, state: State) -> Detected:
        """Score a block as `score_block` does and say of each sample what is unusual about it."""
        values = np.where(np.isfinite(values), values, np.nan)
        members = self._members()
        found: dict[str, Scored] = {}
        for name, detector in members.items():
            of = values - found[Seasonal.name].expected if name == Forest.name else values
            found[name] = detector.score_block(of, times, self._part(state, detector))
        votes = np.stack(
            [np.nan_to_num(np.asarray(scored.scores, np.float64)) - _price(name) for name, scored in found.items()]
        )
        kinds = np.array([_kind(name) for name in found], dtype=np.uint8)[votes.argmax(axis=0)]
        scores = np.where(np.isnan(values), np.nan, np.maximum(votes.max(axis=0), 0.0))
        seasonal = found[Seasonal.name]
        scores[(seasonal.flags & Flag.WARMING) > 0] *= 0.0
        learned = self._joined({name: scored.state for name, scored in found.items()})
        return Detected(Scored(scores, seasonal.expected, seasonal.scale, seasonal.flags, learned), kinds)

    def _members(self) -> dict[str, Detector]:
        shapes: tuple[Detector, ...] = (Forest(seed=self.seed),) if self.shapes else ()
        runs: tuple[Detector, ...] = (Flatline(overdue=4.0), Zeros(overdue=3.0), Saturation())
        members: tuple[Detector, ...] = (Seasonal(self.calendar), *shapes, *runs)
        return {detector.name: detector for detector in members}

    def _joined(self, states: dict[str, State]) -> State:
        arrays: dict[str, Rows] = {
            name + SEPARATOR + key: rows for name, state in states.items() for key, rows in state.arrays.items()
        }
        return State(self.name, self.version, arrays)

    def _part(self, state: State, detector: Detector) -> State:
        prefix = detector.name + SEPARATOR
        own = {key.removeprefix(prefix): rows for key, rows in state.arrays.items() if key.startswith(prefix)}
        return State(detector.name, detector.version, own)


def _price(name: str) -> float:
    return PRICE if name in (Seasonal.name, Forest.name) else RUN_PRICE


def _kind(name: str) -> Kind:
    runs = {Flatline.name: Kind.FLATLINE, Zeros.name: Kind.ZERO, Saturation.name: Kind.SATURATION}
    return runs.get(name, Kind.COLLECTIVE if name == Forest.name else Kind.POINT)
