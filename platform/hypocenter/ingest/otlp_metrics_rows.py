"""What an OTLP request of metrics holds, whichever way it was encoded: metrics and their points as plain rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Attributes = tuple[tuple[str, str], ...]
"""Keys and values as text, in the order in which they were sent."""


class Kind(StrEnum):
    """The kinds of metric, as the JSON encoding names their fields."""

    GAUGE = "gauge"
    SUM = "sum"
    HISTOGRAM = "histogram"
    EXPONENTIAL = "exponentialHistogram"
    SUMMARY = "summary"


class Temporality(IntEnum):
    """Whether a point tells what was added since the one before it, or since the beginning."""

    UNSPECIFIED = 0
    DELTA = 1
    CUMULATIVE = 2


class NumberPoint(NamedTuple):
    """A number at a time in ns since 1970; `is_absent`: the series has ended; value None: none was sent."""

    attributes: Attributes
    time_ns: int
    is_absent: bool
    value: float | None


class HistogramPoint(NamedTuple):
    """Observations per bucket: `counts` has one more than the upper `bounds`, or both are empty; `total` their sum."""

    attributes: Attributes
    time_ns: int
    is_absent: bool
    observations: int
    total: float | None
    bounds: Sequence[float]
    counts: Sequence[float]


class Buckets(NamedTuple):
    """Counts of exponential buckets; the first has the index `offset`."""

    offset: int
    counts: Sequence[float]


class ExponentialPoint(NamedTuple):
    """Observations per exponential bucket: index i holds what lies in (b**i, b**(i+1)] with b = 2**(2**-scale)."""

    attributes: Attributes
    time_ns: int
    is_absent: bool
    observations: int
    total: float | None
    scale: int
    zeros: float
    positive: Buckets
    negative: Buckets


class SummaryPoint(NamedTuple):
    """Quantiles as (share, value) with the count and the sum of what was observed."""

    attributes: Attributes
    time_ns: int
    is_absent: bool
    observations: int
    total: float
    quantiles: Sequence[tuple[float, float]]


Point = NumberPoint | HistogramPoint | ExponentialPoint | SummaryPoint


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of one resource; `kind` tells the type of its points, and is None where the message tells none."""

    name: str
    unit: str
    kind: Kind | None
    points: Iterable[Point]
    temporality: int = Temporality.CUMULATIVE
    is_monotonic: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """The metrics that one instrumentation scope of one resource reports."""

    resource: Attributes
    name: str
    metrics: Iterable[Metric]
