"""Samples of remote write in the shapes that nearly all of them have, read by column; the odd ones one by one.

Sources: prometheus/prometheus, prompb/types.proto and prompb/io/prometheus/write/v2/types.proto, message Sample: a
value (1, double, absent where it is 0), a timestamp (2, int64, ms since 1970) and, in 2.0, a start timestamp (3).
A time between 1971 and 2109 takes six bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.ingest.protobuf_fields import double, fields, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SAMPLE_TAG = 0x12
_VALUE_TAG, _AT_TAG, _START_TAG = 0x09, 0x10, 0x18
# Of eight bytes that end with a time: its tag, then the bits that say whether more bytes follow.
_TAG_AND_MORE, _MORE = 0x8080_8080_8080_FF00, 0x0080_8080_8080_0000


@dataclass(frozen=True, slots=True)
class Shape:
    """How a sample stands on the wire, from its tag on: bytes in all, and where value, time and start end (or None)."""

    length: int
    value: int | None
    at: int
    start: int | None = None


PLAIN, ZERO = Shape(18, value=11, at=18), Shape(9, value=None, at=9)
STARTED, STARTED_ZERO = Shape(25, value=11, at=18, start=25), Shape(16, value=None, at=9, start=16)


def samples_at(body: bytes, places: Sequence[int], shape: Shape) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return times and values of the samples whose tags stand at `places`.

    Each is a whole message of the shape's length; one that is not of that shape within is read field by field.
    """
    begins = np.asarray(places, np.int64)
    if not len(begins):
        return np.empty(0, np.int64), np.empty(0)
    words = np.ndarray(len(body) - 7, "<u8", body, strides=(1,))
    last = words[begins + (shape.at - 8)]
    sound = _is_time(last, _AT_TAG)
    values = np.zeros(len(begins))
    if shape.value is not None:
        values = words[begins + (shape.value - 8)].view(np.float64)
        sound &= words[begins] >> np.uint64(16) & np.uint64(0xFF) == _VALUE_TAG
    if shape.start is not None:
        sound &= _is_time(words[begins + (shape.start - 8)], _START_TAG)
    times = _times(last)
    for odd in np.flatnonzero(~sound):
        begin = int(begins[odd])
        times[odd], values[odd] = sample_of(body, begin + 2, begin + shape.length)
    return times, values


def sample_of(body: bytes, at: int, stop: int) -> tuple[int, float]:
    """Return time and value of the Sample in [at, stop); of a field that stands twice the last. Raises InputError."""
    time_ms, value = 0, 0.0
    for tag, begin, _ in fields(body, at, stop):
        if tag == _VALUE_TAG:
            value = double(body, begin)
        elif tag == _AT_TAG:
            time_ms = signed(begin)
    return time_ms, value


def _is_time(words: NDArray[np.uint64], tag: int) -> NDArray[np.bool_]:
    expected = np.uint64(_MORE | tag << 8)
    matches: NDArray[np.bool_] = words & np.uint64(_TAG_AND_MORE) == expected
    return matches


def _times(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the varints of six bytes that end the eight of each word."""
    times = np.zeros(len(words), np.uint64)
    for place in range(6):
        times |= words >> np.uint64(16 + place) & np.uint64(0x7F << 7 * place)
    return times.view(np.int64)
