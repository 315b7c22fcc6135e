"""The symbols of remote write 2.0: references of all series read by column, and names that last longer than a request.

Source: prometheus/prometheus, prompb/io/prometheus/write/v2/types.proto, messages Request and TimeSeries.
"""

from __future__ import annotations

from itertools import count, pairwise
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.ingest.remote_write_gathering import Known
from hypocenter.ingest.series_labels import LabelsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.ingest.remote_write_gathering import Pair

_MOST_SYMBOLS = 1_000_000
_MOST_BYTES = 64 << 20
_MOST_REFERENCE_BYTES = 5
_NUMBER_BYTES = 4


class Vocabulary:
    """A number for each symbol that was seen, by which series are known; safe to share between threads."""

    def __init__(self, most: int = _MOST_SYMBOLS, most_bytes: int = _MOST_BYTES) -> None:
        self.known = Known()
        self._most, self._most_bytes = most, most_bytes
        self._numbers: dict[bytes, int] = {}
        self._next = count()
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time for a new one."""
        return self._bytes > self._most_bytes or len(self._numbers) >= self._most

    def words(self, symbols: Sequence[bytes]) -> Words:
        """Return the symbols of a request as words."""
        return Words(symbols, self._numbers_of(symbols))

    def _numbers_of(self, symbols: Sequence[bytes]) -> NDArray[np.uint32]:
        get = self._numbers.get
        found = [get(symbol) for symbol in symbols]
        if None in found:
            found = [self._add(symbol) for symbol in symbols]
        return np.array(found, np.uint32)

    def _add(self, symbol: bytes) -> int:
        number = self._numbers.setdefault(symbol, next(self._next))
        self._bytes += len(symbol)
        return number


class Words:
    """The symbols of one request: their numbers, by which series are known, and their text."""

    def __init__(self, symbols: Sequence[bytes], numbers: NDArray[np.uint32]) -> None:
        self._symbols = symbols
        self._numbers = numbers
        self._texts: dict[int, str | None] = {}

    def keys(self, packed: Sequence[bytes]) -> list[bytes]:
        """Return what each series is known by, b"" where its references are odd."""
        found = references_of(packed)
        if found is None or found[0].max(initial=0) >= len(self._numbers):
            return [b""] * len(packed)
        numbers, stops = self._numbers[found[0]].tobytes(), (found[1] * _NUMBER_BYTES).tolist()
        return [numbers[start:stop] for start, stop in pairwise(stops)]

    def key(self, references: Sequence[int]) -> bytes:
        """Return what the series of these references, all of which are symbols, is known by."""
        return self._numbers[references].tobytes()

    def pairs(self, references: Sequence[int]) -> list[Pair | None]:
        """Return the labels of references (None: not UTF-8). Raises LabelsError for one that is no symbol's."""
        if len(references) % 2:
            raise LabelsError(f"{len(references)} references; they are pairs of name and value")
        texts = [self._text(reference) for reference in references]
        both = zip(texts[::2], texts[1::2], strict=True)
        return [None if name is None or value is None else (name, value) for name, value in both]

    def _text(self, reference: int) -> str | None:
        if reference not in self._texts:
            self._texts[reference] = self._decoded(reference)
        return self._texts[reference]

    def _decoded(self, reference: int) -> str | None:
        if reference >= len(self._symbols):
            raise LabelsError(f"a reference to symbol {reference} of {len(self._symbols)}")
        try:
            return self._symbols[reference].decode()
        except UnicodeDecodeError:
            return None


def references_of(packed: Sequence[bytes]) -> tuple[NDArray[np.uint32], NDArray[np.int64]] | None:
    """Return the references of many series and where each series' begin, and end after the last; None for odd ones.

    >>> references_of([b"\\x01\\x02", b"\\xac\\x02\\x03"])
    (array([  1,   2, 300,   3], dtype=uint32), array([0, 2, 4]))
    """
    joined = np.frombuffer(b"".join(packed), np.uint8)
    ends = np.flatnonzero(joined < 0x80)
    stops = np.cumsum([len(one) for one in packed])
    sizes = np.diff(ends, prepend=-1)
    if len(joined) == 0 or sizes.max(initial=0) > _MOST_REFERENCE_BYTES or np.any(joined[stops - 1] > 0x7F):
        return None
    values = joined[ends].astype(np.uint64)
    for back in range(1, int(sizes.max())):
        longer = np.flatnonzero(sizes > back)
        values[longer] = values[longer] << 7 | joined[ends[longer] - back] & 0x7F
    return values.astype(np.uint32), np.concatenate([[0], np.searchsorted(ends, stops)])
