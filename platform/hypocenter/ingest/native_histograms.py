"""Native histograms of remote write, as the series that a classic histogram has: `_count`, `_sum` and `_bucket`.

Source: prometheus/prometheus, prompb/io/prometheus/write/v2/types.proto, message Histogram, which 1.0 shares.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from hypocenter.batches import STALE_BITS
from hypocenter.ingest.native_buckets import CUSTOM, Sparse, buckets_of
from hypocenter.ingest.protobuf_fields import double, doubles, fields, signed, varints, zigzag
from hypocenter.ingest.series_labels import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypocenter.batches import Labels

_COUNT_INT, _COUNT_FLOAT, _SUM, _SCHEMA, _ZEROS_INT, _ZEROS_FLOAT, _AT = 0x08, 0x11, 0x19, 0x20, 0x30, 0x39, 0x78
_BELOW_SPAN, _BELOW_DELTAS, _BELOW_DELTA, _BELOW_COUNTS, _BELOW_COUNT = 0x42, 0x4A, 0x48, 0x52, 0x51
_ABOVE_SPAN, _ABOVE_DELTAS, _ABOVE_DELTA, _ABOVE_COUNTS, _ABOVE_COUNT = 0x5A, 0x62, 0x60, 0x6A, 0x69
_BOUNDS, _BOUND = 0x82, 0x81
_GAP, _LENGTH = 0x08, 0x10
_STALE = struct.pack("<Q", STALE_BITS)
_KEPT_NAMES = 4096


@dataclass(slots=True)
class NativeHistogram:
    """One histogram as it was sent: time in ms, count and sum of observations, and their buckets."""

    at_ms: int = 0
    count: float = 0.0
    sum: float = 0.0
    schema: int = 0
    zeros: float = 0.0
    above: Sparse = field(default_factory=Sparse)
    below: Sparse = field(default_factory=Sparse)
    bounds: list[float] = field(default_factory=list)

    @property
    def is_stale(self) -> bool:
        """Whether it says that the series has ended."""
        return struct.pack("<d", self.sum) == _STALE


def histogram_of(body: bytes, at: int, stop: int) -> NativeHistogram:
    """Return the one Histogram in [at, stop). Raises InputError."""
    found = NativeHistogram()
    for tag, begin, end in fields(body, at, stop):
        if not _take_number(found, body, tag, begin):
            _take_buckets(found, body, tag, begin, end)
    return found


def _take_number(found: NativeHistogram, body: bytes, tag: int, begin: int) -> bool:
    if tag in (_COUNT_INT, _COUNT_FLOAT):
        found.count = float(begin) if tag == _COUNT_INT else double(body, begin)
    elif tag in (_ZEROS_INT, _ZEROS_FLOAT):
        found.zeros = float(begin) if tag == _ZEROS_INT else double(body, begin)
    elif tag == _SUM:
        found.sum = double(body, begin)
    elif tag == _SCHEMA:
        found.schema = zigzag(begin & 0xFFFF_FFFF)
    elif tag == _AT:
        found.at_ms = signed(begin)
    else:
        return False
    return True


def _take_buckets(found: NativeHistogram, body: bytes, tag: int, begin: int, end: int) -> None:
    side = found.above if tag >= _ABOVE_SPAN else found.below
    if tag in (_ABOVE_SPAN, _BELOW_SPAN):
        side.spans.append(_span(body, begin, end))
    elif tag in (_ABOVE_DELTAS, _BELOW_DELTAS):
        side.deltas += map(zigzag, varints(body, begin, end))
    elif tag in (_ABOVE_DELTA, _BELOW_DELTA):
        side.deltas.append(zigzag(begin))
    elif tag in (_ABOVE_COUNTS, _BELOW_COUNTS):
        side.counts += doubles(body, begin, end)
    elif tag in (_ABOVE_COUNT, _BELOW_COUNT):
        side.counts.append(double(body, begin))
    elif tag == _BOUNDS:
        found.bounds += doubles(body, begin, end)
    elif tag == _BOUND:
        found.bounds.append(double(body, begin))


def _span(body: bytes, at: int, stop: int) -> tuple[int, int]:
    gap = length = 0
    for tag, value, _ in fields(body, at, stop):
        if tag == _GAP:
            gap = zigzag(value & 0xFFFF_FFFF)
        elif tag == _LENGTH:
            length = value & 0xFFFF_FFFF
    return gap, length


def series_of(labels: Labels, histogram: NativeHistogram) -> Iterable[tuple[Labels, float]]:
    """Return the series that a histogram is kept as, and their values; all are stale where it is.

    Raises PointError for buckets that contradict one another.

    >>> [dict(own)["__name__"] for own, _ in series_of((("__name__", "lag_seconds"),), NativeHistogram())][:3]
    ['lag_seconds_count', 'lag_seconds_sum', 'lag_seconds_bucket']
    """
    if histogram.is_stale:
        # An end tells no custom bounds.
        bounds = () if histogram.schema == CUSTOM else _buckets(labels, NativeHistogram())[0]
        return [(own, histogram.sum) for own in _names(labels, bounds)]
    bounds, counts = _buckets(labels, histogram)
    return zip(_names(labels, bounds), (histogram.count, histogram.sum, *counts), strict=True)


def _buckets(labels: Labels, histogram: NativeHistogram) -> tuple[tuple[str, ...], Sequence[float]]:
    sides = (histogram.above, histogram.below)
    return buckets_of(dict(labels)[NAME], histogram.schema, histogram.zeros, sides, histogram.bounds)


@lru_cache(_KEPT_NAMES)
def _names(labels: Labels, bounds: tuple[str, ...]) -> tuple[Labels, ...]:
    """Return the labels of count, sum and each bucket."""
    own = dict(labels)
    name = own[NAME]
    told = [{NAME: f"{name}_count"}, {NAME: f"{name}_sum"}, *({NAME: f"{name}_bucket", "le": le} for le in bounds)]
    return tuple(tuple(sorted((own | each).items())) for each in told)
