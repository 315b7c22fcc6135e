"""Histograms of OTLP as classic ones: upper bounds as `le` writes them, and observations at or below each."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from hypocenter.ingest.otlp_metrics_rows import Buckets, ExponentialPoint, HistogramPoint

Bounds = tuple[str, ...]
"""Upper bounds as `le` writes them, rising, the last `+Inf`."""

_KEPT = 1024
_SCALES = range(-11, 31)
_TIMES: Mapping[str, int] = {"s": 0, "ms": 10, "us": 20, "ns": 30}
_SHORTEST, _LONGEST = -14, 11
_LEAST, _MOST = -20, 42


class PointError(ValueError):
    """A point that says nothing that can be kept; the message tells why."""


def classic(point: HistogramPoint) -> tuple[Bounds, Iterable[float]]:
    """Return the bounds of an explicit histogram and observations at or below each, none where it has no buckets.

    Raises PointError when bounds do not rise or buckets and bounds do not go together.
    """
    if not point.counts and not point.bounds:
        return (), ()
    texts = _texts(tuple(point.bounds))
    if len(point.counts) != len(texts):
        raise PointError(f"{len(point.counts)} buckets with {len(point.bounds)} bounds; there is one bucket more")
    return texts, accumulate(map(float, point.counts))


@lru_cache(_KEPT)
def _texts(bounds: tuple[float, ...]) -> Bounds:
    rises = all(low < high for low, high in pairwise(bounds))
    if not rises or not all(map(math.isfinite, bounds)):
        raise PointError("the bounds of a histogram must be finite and rise")
    return (*(np.format_float_positional(bound, trim="-") for bound in bounds), "+Inf")


def coarse(point: ExponentialPoint, unit: str) -> tuple[Bounds, Iterable[float]]:
    """Return bounds and observations at or below each of an exponential histogram; its unit alone decides the bounds.

    Bounds are powers of 2 from 61 µs to 17 min where the unit is one of time, else powers of 4 from 2**-20 to 2**40:
    they stay when the scale changes, and deltas of different scales add up. Where the scale is 0 or more (buckets no
    wider than a factor of 2) each count is exact. What is zero or negative is counted in the lowest bucket.
    Raises PointError for a scale out of -11 to 30.
    """
    if point.scale not in _SCALES:
        raise PointError(
            f"an exponential histogram of scale {point.scale}; from {_SCALES[0]} to {_SCALES[-1]} is taken"
        )
    texts, exponents = _ladder(unit)
    positive = np.array(point.positive.counts, float)
    below = float(point.zeros) + float(sum(point.negative.counts))
    upto = np.concatenate(([0.0], np.cumsum(positive)))
    cumulative = below + upto[np.searchsorted(_uppers(point.positive, point.scale), exponents, "right")]
    return texts, [*cumulative.tolist(), below + float(upto[-1])]


def _uppers(buckets: Buckets, scale: int) -> NDArray[np.float64]:
    """The upper bounds of buckets as exponents of 2; exact, since a scale halves them and nothing else."""
    return np.asarray((float(buckets.offset) + 1.0 + np.arange(len(buckets.counts))) * 2.0**-scale, np.float64)


@lru_cache
def _ladder(unit: str) -> tuple[Bounds, NDArray[np.float64]]:
    shift = _TIMES.get(unit)
    exponents = range(_LEAST, _MOST, 2) if shift is None else range(_SHORTEST + shift, _LONGEST + shift)
    return _texts(tuple(2.0**exponent for exponent in exponents)), np.array(exponents, float)
