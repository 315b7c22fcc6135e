"""Native histograms of remote write, as the series that a classic histogram has: `_count` and `_sum`.

Source: prometheus/prometheus, prompb/types.proto, message Histogram, which 2.0 shares.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.batches import STALE_BITS
from hypocenter.ingest.protobuf_fields import double, fields, signed
from hypocenter.ingest.series_labels import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.batches import Labels

_COUNT_INT, _COUNT_FLOAT, _SUM, _AT = 0x08, 0x11, 0x19, 0x78
_STALE = struct.pack("<Q", STALE_BITS)


@dataclass(frozen=True, slots=True)
class NativeHistogram:
    """Time in ms, how many observations there were until then, and their sum; both stale where the series ended."""

    at_ms: int
    count: float
    sum: float


def histogram_of(body: bytes, at: int, stop: int) -> NativeHistogram:
    """Return the one Histogram in [at, stop); its buckets are passed over. Raises InputError."""
    time_ms, count, total = 0, 0.0, 0.0
    for tag, begin, _ in fields(body, at, stop):
        if tag == _COUNT_INT:
            count = float(begin)
        elif tag == _COUNT_FLOAT:
            count = double(body, begin)
        elif tag == _SUM:
            total = double(body, begin)
        elif tag == _AT:
            time_ms = signed(begin)
    ended = struct.pack("<d", total) == _STALE
    return NativeHistogram(time_ms, total if ended else count, total)


def series_of(labels: Labels, histogram: NativeHistogram) -> Iterator[tuple[Labels, float]]:
    """Yield the series that a histogram is kept as, and their values.

    >>> [labels for labels, _ in series_of((("__name__", "lag_seconds"),), NativeHistogram(0, 2.0, 0.5))]
    [(('__name__', 'lag_seconds_count'),), (('__name__', 'lag_seconds_sum'),)]
    """
    for suffix, value in (("_count", histogram.count), ("_sum", histogram.sum)):
        yield tuple((name, text + suffix if name == NAME else text) for name, text in labels), value
