"""Prometheus remote write 2.0: the body of a request to a batch.

Source: prometheus/prometheus, prompb/io/prometheus/write/v2/types.proto, message Request; prometheus.io/docs,
"Prometheus Remote-Write Specification 2.0".

A series' labels are references to strings of its request. Nearly every series is its references, samples of the four
shapes below and perhaps metadata; what it is called is looked up by the numbers that its strings have here. Any other
series is parsed field by field. Start timestamps and metadata are passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.ingest.budget import MOST_STEPS, Budget
from hypocenter.ingest.native_histograms import histogram_of
from hypocenter.ingest.protobuf_fields import fields, varints
from hypocenter.ingest.protobuf_samples import PLAIN, STARTED, STARTED_ZERO, ZERO, sample_of
from hypocenter.ingest.remote_write_gathering import BYTES_OF_HISTOGRAM, PER_SERIES, Found, Gathering, Written
from hypocenter.ingest.remote_write_symbols import Vocabulary
from hypocenter.ingest.series_labels import LabelsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypocenter.batches import SeriesIndex
    from hypocenter.ingest.remote_write_symbols import Words

_SYMBOL, _SERIES = 0x22, 0x2A
_NONE = 0xFF
_MOST_REFERENCE = 0xFFFF_FFFF
_REFERENCES, _ONE_REFERENCE, _SAMPLE, _HISTOGRAM, _EXEMPLAR, _METADATA = 0x0A, 0x08, 0x12, 0x1A, 0x22, 0x2A
_SHAPES = (PLAIN, ZERO, STARTED, STARTED_ZERO)
_BY_SIZE = {shape.length - 2: place for place, shape in enumerate(_SHAPES)}


class RemoteWrite2:
    """Decodes requests one after another, and remembers the series it saw; may be shared between threads."""

    def __init__(self, index: SeriesIndex, fresh: Callable[[], Vocabulary] = Vocabulary) -> None:
        self._index = index
        self._fresh = fresh
        self._vocabulary = fresh()

    def decode(self, body: bytes) -> Written:
        """Return what an uncompressed Request holds. Raises InputError where it is no protobuf, LimitError."""
        vocabulary = self._current()
        gathering = Gathering(body, _SHAPES)
        budget = Budget()
        symbols, series = _parts(body, budget)
        words, get = vocabulary.words(symbols), vocabulary.known.numbers.get
        packed = [body[start + 2 : cut] for start, cut, _ in series]
        for key, (start, cut, stop) in zip(words.keys(packed), series, strict=True):
            number = get(key)
            if number is None or not _take_usual(gathering, number, cut, stop):
                _parse(start, stop, words, gathering, budget)
        budget.spend(sum(len(places.at) for places in gathering.places))
        return gathering.written(self._index, vocabulary.known)

    def _current(self) -> Vocabulary:
        if self._vocabulary.is_full:
            self._vocabulary = self._fresh()
        return self._vocabulary


def _parts(body: bytes, budget: Budget) -> tuple[list[bytes], list[tuple[int, int, int]]]:
    """Return the symbols, and of each series where it begins, its references end (if they stand first) and it ends."""
    symbols, series = [], []
    for seen, (tag, begin, end) in enumerate(fields(body, 0, len(body))):
        if seen >= MOST_STEPS:
            budget.spend(seen + 1)
        if tag == _SYMBOL:
            symbols.append(body[begin:end])
        elif tag == _SERIES:
            size = body[begin + 1] if end - begin > 1 and body[begin] == _REFERENCES else _NONE
            cut = begin + 2 + size
            series.append((begin, cut if size < 0x80 and cut <= end else begin, end))
    return symbols, series


def _take_usual(gathering: Gathering, number: int, cut: int, stop: int) -> bool:
    """Take a known series if from `cut` on it is samples of usual shapes and perhaps metadata; return whether it is."""
    body, at = gathering.body, cut
    while at < stop - 1:
        tag, size = body[at], body[at + 1]
        if tag == _SAMPLE and size in _BY_SIZE:
            places = gathering.places[_BY_SIZE[size]]
            places.at.append(at)
            places.series.append(number)
        elif tag != _METADATA or size > 0x7F:
            break
        at += size + 2
    if at != stop:
        for places in gathering.places:
            places.drop_from(cut)
    return at == stop


def _parse(start: int, stop: int, words: Words, gathering: Gathering, budget: Budget) -> None:
    """Take the series in [start, stop) field by field; it is known from now on."""
    body, found, numbers = gathering.body, Found([], []), []
    budget.spend(PER_SERIES)
    for tag, begin, end in fields(body, start, stop):
        budget.spend_on(begin, end)
        if tag == _REFERENCES:
            numbers += [value & _MOST_REFERENCE for value in varints(body, begin, end)]
        elif tag == _ONE_REFERENCE:
            numbers.append(begin & _MOST_REFERENCE)
        elif tag == _SAMPLE:
            found.samples.append(sample_of(body, begin, end))
        elif tag == _HISTOGRAM:
            budget.spend((end - begin) // BYTES_OF_HISTOGRAM)
            found.histograms.append(histogram_of(body, begin, end))
        else:
            found.exemplars += tag == _EXEMPLAR
    try:
        pairs = words.pairs(numbers)
    except LabelsError as error:
        gathering.refuse(str(error), found)
    else:
        gathering.take(pairs, found, words.key(numbers))
