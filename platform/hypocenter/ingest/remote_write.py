"""Prometheus remote write 1.0: the body of a request to a batch.

Source: prometheus/prometheus, prompb/remote.proto and types.proto, message WriteRequest; prometheus.io/docs,
"Prometheus Remote-Write Specification 1.0".

Nearly every series is its labels and then samples of the two shapes below. They are taken off its end while they
match, and what remains is looked up. A remainder that is known was once parsed as whole label fields, and protobuf is
read from left to right, so what follows it are whole samples and nothing else. Any other series is parsed field by
field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.ingest.budget import Budget
from hypocenter.ingest.native_histograms import histogram_of
from hypocenter.ingest.protobuf_fields import fields
from hypocenter.ingest.protobuf_samples import PLAIN, ZERO, sample_of
from hypocenter.ingest.remote_write_gathering import (
    BYTES_OF_HISTOGRAM,
    PER_SERIES,
    Found,
    Gathering,
    Known,
    Written,
)

if TYPE_CHECKING:
    from hypocenter.batches import SeriesIndex
    from hypocenter.ingest.remote_write_gathering import Pair

_SERIES = _LABEL = _NAME = 0x0A
_SAMPLE = _VALUE = 0x12
_EXEMPLAR, _HISTOGRAM = 0x1A, 0x22
_MOST_PAIRS = 100_000
_LONGEST_PAIR = 256


class RemoteWrite1:
    """Decodes requests one after another, and remembers the series it saw; may be shared between threads."""

    def __init__(self, index: SeriesIndex, known: Known | None = None) -> None:
        self._index = index
        self._known = known or Known()
        self._pairs: dict[bytes, Pair | None] = {}

    def decode(self, body: bytes) -> Written:
        """Return what an uncompressed WriteRequest holds. Raises InputError where it is no protobuf, LimitError."""
        gathering = Gathering(body, (PLAIN, ZERO))
        plain, zero = gathering.places
        plain_at, zero_at, budget = plain.at, zero.at, Budget()
        for tag, start, stop in fields(body, 0, len(body)):
            if tag != _SERIES:
                budget.spend()
                continue
            cut = stop
            while True:
                if cut - start > 18 and body[cut - 18] == _SAMPLE and body[cut - 17] == 16:
                    cut -= 18
                    plain_at.append(cut)
                elif cut - start > 9 and body[cut - 9] == _SAMPLE and body[cut - 8] == 7:
                    cut -= 9
                    zero_at.append(cut)
                else:
                    break
            number = self._known.numbers.get(body[start:cut])
            if number is None:
                plain.drop()
                zero.drop()
                self._parse(start, stop, gathering, budget)
            else:
                plain.belong(number)
                zero.belong(number)
        budget.spend(len(plain_at) + len(zero_at))
        return gathering.written(self._index, self._known)

    def _parse(self, start: int, stop: int, gathering: Gathering, budget: Budget) -> None:
        """Take the series in [start, stop) field by field; its labels are known from now on if they stand first."""
        body, found, pairs, stood = gathering.body, Found([], []), [], start
        whole = True
        budget.spend(PER_SERIES)
        for tag, begin, end in fields(body, start, stop):
            budget.spend_on(begin, end)
            if tag == _LABEL:
                pairs.append(self._pair(body[begin:end]))
                stood, whole = end, whole and not (found.samples or found.histograms or found.exemplars)
            elif tag == _SAMPLE:
                found.samples.append(sample_of(body, begin, end))
            elif tag == _HISTOGRAM:
                budget.spend((end - begin) // BYTES_OF_HISTOGRAM)
                found.histograms.append(histogram_of(body, begin, end))
            else:
                found.exemplars += tag == _EXEMPLAR
        gathering.take(pairs, found, body[start:stood] if whole else b"")

    def _pair(self, label: bytes) -> Pair | None:
        """Return what `pair_of` returns; most labels stand in many series."""
        if label in self._pairs:
            return self._pairs[label]
        pair = pair_of(label)
        if len(label) <= _LONGEST_PAIR:
            if len(self._pairs) >= _MOST_PAIRS:
                self._pairs = {}
            self._pairs[label] = pair
        return pair


def pair_of(label: bytes) -> Pair | None:
    """Return name and value of the message Label, None where they are not UTF-8. Raises InputError."""
    name = value = b""
    for tag, begin, end in fields(label, 0, len(label)):
        if tag == _NAME:
            name = label[begin:end]
        elif tag == _VALUE:
            value = label[begin:end]
    try:
        return name.decode(), value.decode()
    except UnicodeDecodeError:
        return None
