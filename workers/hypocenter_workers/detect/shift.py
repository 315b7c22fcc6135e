"""Level shifts and ramps: a cumulative sum finds them, and the likelihood over change points dates them.

Residuals from a slowly learned level are added up in both directions, less a slack, and never below zero (Page, 1954).
By chance such a sum of independent residuals of unit variance stands at h or higher with probability close to

    2 * exp(-2 * slack * (h + 0.583))

(Siegmund, 1985, section 8.2). Residuals that resemble their predecessors are first divided by the standard deviation of
a long run of them, which the lag-1 autocorrelation r makes sqrt((1 + r) / (1 - r)) times as wide; r is taken two
standard errors higher than estimated. A level that wanders by itself does so over longer times: where the means of
batches of 32 residuals vary more than r says, they decide. One sample adds at most `clip`, so a spike is no shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hypocenter.errors import InputError
from hypocenter_workers.detect.contract import Scored, State
from hypocenter_workers.detect.events import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.telemetry import Times, Values
    from hypocenter_workers.detect.shift_kernels import Limits

FIGURES = 14
SUMS = slice(6, 8)
SINCE = slice(8, 10)
LEAST_ROWS = 8
MOST_ROWS = 512
MOST_CORRELATION = 0.95
TINY = 1e-12


@dataclass(frozen=True)
class Shift:
    """Scores how far the level of a series has moved; a level that stays is told, taken over and learned anew.

    `slack`, in standard deviations of a long run, is half the shift that is found fastest; `memory` is from how many
    samples the normal is known. Above a score of `held` nothing is learned. When the level was off for `window` samples
    it becomes the normal, as if known from `relearned` samples, and the next `window` samples are DRIFTED. Raises
    InputError when a setting makes no sense.
    """

    slack: float = 0.5
    clip: float = 3.0
    memory: int = 1_024
    warming: int = 64
    window: int = 64
    held: float = 2.0
    relearned: int = 32

    name: ClassVar[str] = "shift"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name in ("slack", "clip", "held"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"{name}={getattr(self, name)} must be above 0")
        if not 2 <= self.relearned <= self.warming <= self.memory or self.window < 1:
            raise InputError("2 <= relearned <= warming <= memory must hold, and window be at least 1")

    def begin(self, series: int) -> State:
        """Return the state of a number of series of which nothing is known yet."""
        return self._state(np.zeros((FIGURES, series)))

    def score_block(self, values: Values, times: Times, state: State) -> Scored:  # noqa: ARG002
        """Score [time, series], not finite where there is no sample; score before learn. Samples count, not times.

        Raises InputError when the state is one of another number of series.
        """
        from hypocenter_workers.detect.shift_kernels import sum_up

        known = np.array(state.arrays["known"], dtype=np.float64)
        if known.shape[1] != values.shape[1]:
            raise InputError(f"the state is one of {known.shape[1]} series, the values are of {values.shape[1]}")
        scores, expected, scale = (np.empty(values.shape) for _ in range(3))
        flags = np.empty(values.shape, np.uint8)
        there = np.where(np.isfinite(values), values, np.nan)
        sum_up(there, known, self._limits(), scores, expected, scale, flags)
        return Scored(scores, expected, scale, flags, self._state(known))

    def rows_since_onset(self, state: State) -> NDArray[np.int64]:
        """Return for how many samples the larger sum of each series has been above zero: 0 where nothing goes on.

        The first of these samples is the maximum-likelihood estimate of the onset, where there is one.
        """
        known = np.asarray(state.arrays["known"], dtype=np.float64)
        larger = known[SUMS].argmax(axis=0)
        since = np.take_along_axis(known[SINCE], larger[None], axis=0)[0]
        return np.asarray(since, dtype=np.int64)

    def _state(self, known: Values) -> State:
        return State(self.name, self.version, {"known": known})

    def _limits(self) -> Limits:
        from hypocenter_workers.detect.shift_kernels import Limits

        return Limits(
            slack=float(self.slack),
            clip=float(self.clip),
            memory=float(self.memory),
            warming=float(self.warming),
            window=float(self.window),
            held=float(self.held),
            relearned=float(self.relearned),
        )


@dataclass(frozen=True, slots=True)
class Onset:
    """When a series left its level: the likeliest first row of the change, and the rows between which it lies.

    `earliest` is the first row of the window when the change may be older. `kind` is SHIFT or RAMP, whichever is
    likelier; `size` is how far the level moved until the end of the window, in the unit of the series.
    """

    at: np.datetime64
    earliest: np.datetime64
    latest: np.datetime64
    kind: Kind
    size: float

    @property
    def uncertainty_s(self) -> float:
        """Half the width of the interval, in seconds."""
        return float((self.latest - self.earliest) / np.timedelta64(2, "s"))


def onset_interval(values: NDArray[np.float64], times: Times, mass: float = 0.9) -> Onset | None:
    """Date the one change in a window of a series [time], with the interval that holds `mass` of the likelihood.

    Every row is tried as the first of a step and of a ramp; levels, size and noise are fitted to each. Noise that
    resembles itself from row to row carries less information, and widens the interval. Rows without a sample are left
    out. Returns None when fewer than eight samples are left or all are equal. Raises InputError when `mass` is no share
    or the window is longer than 512 rows.

    >>> times = np.datetime64("2026-01-01T00:00", "ns") + np.arange(40) * np.timedelta64(60, "s")
    >>> wave = np.where(np.arange(40) % 2, 1.0, -1.0)
    >>> onset = onset_interval(np.where(np.arange(40) < 25, 10.0, 16.0) + wave, times)
    >>> str(onset.at)[11:16], onset.kind.name, round(onset.size, 1), onset.uncertainty_s
    ('00:25', 'SHIFT', 6.1, 0.0)
    """
    if not 0 < mass < 1:
        raise InputError(f"mass={mass} must be between 0 and 1")
    if len(values) > MOST_ROWS:
        raise InputError(f"a window of {len(values)} rows is too long: give the {MOST_ROWS} rows around the change")
    there = np.isfinite(values)
    samples, at = values[there], times[there]
    if len(samples) < LEAST_ROWS or np.ptp(samples) == 0:
        return None
    return _date(samples - samples.mean(), at, mass)


def _date(centred: NDArray[np.float64], times: Times, mass: float) -> Onset:
    """Weigh every change point of both shapes and read the interval off the weights."""
    shapes = _shapes(len(centred))
    sizes = shapes @ centred / (shapes**2).sum(axis=-1)
    off = centred - sizes[..., None] * shapes
    squares = (off**2).sum(axis=-1)
    best = np.unravel_index(int(squares.argmin()), squares.shape)
    weights = _weights(squares, _correlation(off[best]))
    point = int(weights[best[0]].argmax())
    likely = _smallest_set(weights.sum(axis=0), mass)
    shape = shapes[best[0], point]
    return Onset(
        at=times[point + 1],
        earliest=times[0] if likely[0] == 0 else times[likely[0] + 1],
        latest=times[likely[-1] + 1],
        kind=(Kind.SHIFT, Kind.RAMP)[best[0]],
        size=float(sizes[best[0], point] * np.ptp(shape)),
    )


def _shapes(rows: int) -> NDArray[np.float64]:
    """Return a step and a ramp that begin at each row but the first, mean 0: [shape, first row - 1, time]."""
    since = np.arange(rows)[None, :] - np.arange(1, rows)[:, None] + 1.0
    shapes = np.stack([since > 0, np.maximum(since, 0.0)])
    return np.asarray(shapes - shapes.mean(axis=-1, keepdims=True))


def _correlation(off: NDArray[np.float64]) -> float:
    """Return the lag-1 autocorrelation of what a fit leaves over, widened by what so few rows can say."""
    energy = float((off**2).sum())
    found = float((off[1:] * off[:-1]).sum()) / energy if energy > 0 else 0.0
    return min(max(found + 2.0 / len(off), 0.0), MOST_CORRELATION)


def _weights(squares: NDArray[np.float64], correlation: float) -> NDArray[np.float64]:
    """Return the profile likelihood of each change point, normalised; a perfect fit takes it all."""
    freedom = (squares.shape[-1] - 1) * (1.0 - correlation) / (1.0 + correlation)
    least = max(float(squares.min()), TINY * float(squares.max()), np.finfo(float).tiny)
    weights = (np.maximum(squares, least) / least) ** (-freedom / 2)
    return np.asarray(weights / weights.sum())


def _smallest_set(weights: NDArray[np.float64], mass: float) -> NDArray[np.int64]:
    """Return the places of the largest weights that together reach a mass, sorted."""
    order = np.argsort(-weights, kind="stable")
    count = int(np.searchsorted(np.cumsum(weights[order]), mass)) + 1
    return np.sort(order[:count])
