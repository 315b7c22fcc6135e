"""Buckets of native histograms, sparse on the wire, as those of classic ones.

Source: prometheus/prometheus, prompb/io/prometheus/write/v2/types.proto, messages Histogram and BucketSpan: of schema n
the bucket with index i ends at 2**(i * 2**-n); of schema -53 at the custom value of that index.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from hypocenter.ingest.otlp_metrics_buckets import PointError, classic, coarse
from hypocenter.ingest.otlp_metrics_rows import Buckets, ExponentialPoint, HistogramPoint

if TYPE_CHECKING:
    from collections.abc import Sequence

CUSTOM = -53
_SCHEMAS = range(-4, 9)
_MOST_BUCKETS = 4096
_UNITS = {"seconds": "s", "milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}


@dataclass(slots=True)
class Sparse:
    """The buckets above or below zero: (gap before, how many) of each run, and counts, told whole or as differences."""

    spans: list[tuple[int, int]] = field(default_factory=list)
    deltas: list[int] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)

    def dense(self) -> Buckets:
        """Return the buckets from the first on, those between runs empty. Raises PointError where they contradict."""
        told = self.counts or [float(count) for count in accumulate(self.deltas)]
        if len(told) > _MOST_BUCKETS:
            raise PointError(f"{len(told)} buckets; {_MOST_BUCKETS} are the most")
        if sum(length for _, length in self.spans) != len(told):
            raise PointError(f"{len(told)} buckets in spans of {sum(length for _, length in self.spans)}")
        if not told:
            return Buckets(0, ())
        width = sum(gap + length for gap, length in self.spans) - self.spans[0][0]
        if width > _MOST_BUCKETS or any(gap < 0 for gap, _ in self.spans[1:]):
            raise PointError(f"spans over more than {_MOST_BUCKETS} buckets, or in no order")
        counts, at = [], 0
        for place, (gap, length) in enumerate(self.spans):
            counts += [0.0] * (gap if place else 0) + told[at : at + length]
            at += length
        return Buckets(self.spans[0][0], counts)


def buckets_of(
    name: str, schema: int, zeros: float, sides: tuple[Sparse, Sparse], bounds: Sequence[float]
) -> tuple[tuple[str, ...], list[float]]:
    """Return bounds as `le` writes them, and observations at or below each; `sides` are above and below zero.

    Bounds are those of `otlp_metrics_buckets.coarse`, or the custom ones. Raises PointError for buckets that contradict
    one another.
    """
    above, below = (side.dense() for side in sides)
    if schema == CUSTOM:
        custom = HistogramPoint((), 0, False, 0, None, bounds, _filled(above, len(bounds) + 1))
        texts, cumulative = classic(custom)
    elif schema in _SCHEMAS:
        # An index of Prometheus tells where a bucket ends, one of OTLP where it begins.
        first = Buckets(above.offset - 1, above.counts)
        point = ExponentialPoint((), 0, False, 0, None, schema, zeros, first, below)
        texts, cumulative = coarse(point, _UNITS.get(name.rpartition("_")[2], ""))
    else:
        raise PointError(f"a histogram of schema {schema}; -4 to 8 and {CUSTOM} are taken")
    return texts, list(cumulative)


def _filled(buckets: Buckets, size: int) -> list[float]:
    if size > _MOST_BUCKETS:
        raise PointError(f"{size} buckets; {_MOST_BUCKETS} are the most")
    before, after = buckets.offset, size - buckets.offset - len(buckets.counts)
    if before < 0 or after < 0:
        raise PointError(f"custom buckets beyond their {size - 1} bounds")
    return [0.0] * before + list(buckets.counts) + [0.0] * after
