"""A little of very many series from a server: exported as columns where it can do so, else asked for."""

from __future__ import annotations

import json
import re
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter.errors import SourceError
from hypocenter.readers.prometheus_client import NoSuchQuestionError
from hypocenter.readers.prometheus_samples import key_of
from hypocenter.stores.metrics import Columns, columns_of
from hypocenter.stores.prometheus_reading import samples_of
from hypocenter.stores.prometheus_selecting import selected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hypocenter.batches import Labels
    from hypocenter.readers.prometheus_client import PrometheusClient
    from hypocenter.stores.prometheus_selecting import Selected

MOST_SELECTORS = 16
MOST_KNOWN = 2_000_000
MOST_WRITTEN = 4
_HEAD, _VALUES, _TIMES, _END = b'{"metric":', b',"values":[', b'],"timestamps":[', b"]}"
_INFINITE = re.compile(rb'"?\+?(-?)Inf(?:inity)?"?')
NOT_OURS = -1
_SHAPE = "the server's export is not shaped as VictoriaMetrics documents"


class _Part(NamedTuple):
    """What is exported at once: its selectors, the series by labels, and by their labels as the server writes them."""

    chosen: Sequence[Selected]
    numbers: Mapping[Labels, int]
    written: dict[bytes, int]


class ColumnReader:
    """Reads columns from one server, the same series again and again at little cost; safe for threads.

    How to ask for series is remembered for the latest sets, up to MOST_KNOWN series in all. `owned` is a matcher that
    tells the series from others' on a shared server.

    VictoriaMetrics' `/api/v1/export` costs both sides a tenth of what questions do; other servers do not have it, and
    are asked.
    """

    def __init__(self, client: PrometheusClient, owned: str = "") -> None:
        self._client, self._owned, self._lock = client, owned, Lock()
        self._exports = True
        self._known: dict[bytes, Sequence[_Part]] = {}

    def read(self, series: Mapping[int, Labels], start_ms: int, end_ms: int) -> Columns:
        """Return the samples of numbered series in [start, end]; raises SourceError."""
        parts = self._parts(series)
        if self._exports:
            try:
                return _joined([self._exported(part, start_ms, end_ms) for part in parts])
            except NoSuchQuestionError:
                self._exports = False
        chosen = [one for part in parts for one in part.chosen]
        return columns_of([each for one in chosen for each in samples_of(self._client, one, start_ms, end_ms)])

    def _parts(self, series: Mapping[int, Labels]) -> Sequence[_Part]:
        key = np.fromiter(series, np.int64, len(series)).tobytes()
        with self._lock:
            parts = self._known.pop(key, None)
        parts = list(_divided(series, self._owned)) if parts is None else parts
        with self._lock:
            self._known[key] = parts
            while sum(map(len, self._known)) > MOST_KNOWN * np.dtype(np.int64).itemsize:
                del self._known[next(iter(self._known))]
        return parts

    def _exported(self, part: _Part, start_ms: int, end_ms: int) -> Columns:
        body = self._client.export([one.selector for one in part.chosen], start_ms / 1000, end_ms / 1000)
        return _decoded(body, part, start_ms, end_ms)


def _divided(series: Mapping[int, Labels], owned: str) -> Iterator[_Part]:
    chosen = selected(series, owned)
    for first in range(0, len(chosen), MOST_SELECTORS):
        some = chosen[first : first + MOST_SELECTORS]
        yield _Part(some, {labels: number for one in some for labels, number in one.numbers.items()}, {})


def _decoded(body: bytes, part: _Part, start_ms: int, end_ms: int) -> Columns:
    """Return the samples of an export: lines of labels, values and times."""
    numbers, values, times = [], [], []
    for line in body.splitlines():
        head, _, rest = line.partition(_VALUES)
        value, _, time = rest.partition(_TIMES)
        number = part.written[head] if head in part.written else _number(head, part)
        if number != NOT_OURS:
            numbers.append(number)
            values.append(value)
            times.append(time.removesuffix(_END))
    return _columns(numbers, values, times, (start_ms, end_ms))


def _number(head: bytes, part: _Part) -> int:
    """Return the number of a series that was not met before, and remember it where there is room for others' series."""
    try:
        number = part.numbers.get(key_of(json.loads(head.removeprefix(_HEAD))), NOT_OURS)
    except (ValueError, AttributeError, TypeError) as error:
        raise SourceError(_SHAPE) from error
    if len(part.written) < MOST_WRITTEN * len(part.numbers):
        part.written[head] = number
    return number


def _columns(
    numbers: Sequence[int], values: Sequence[bytes], times: Sequence[bytes], window: tuple[int, int]
) -> Columns:
    counts = np.array([time.count(b",") + 1 for time in times], np.int64)
    series = np.repeat(np.array(numbers, np.int64), counts)
    try:
        at_ms, found = np.array(_parsed(times), np.int64), np.array(_parsed(values), np.float64)
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise SourceError(_SHAPE) from error
    if not len(series) == len(at_ms) == len(found):
        raise SourceError(_SHAPE)
    inside = (at_ms >= window[0]) & (at_ms <= window[1])
    return Columns(series[inside], at_ms[inside], found[inside], np.zeros(int(inside.sum()), np.bool_))


def _parsed(texts: Sequence[bytes]) -> list[object]:
    """Return all numbers of many lists without brackets; one that is none is null."""
    text = b",".join(texts)
    # Written +Inf, -Inf, "Infinity" or "-Infinity", by version.
    numbers = _INFINITE.sub(rb"\1Infinity", text) if b"Inf" in text else text
    found: list[object] = json.loads(b"[" + numbers + b"]")
    return found


def _joined(parts: Sequence[Columns]) -> Columns:
    whole = (*parts, columns_of([]))
    return Columns(
        np.concatenate([one.series for one in whole]),
        np.concatenate([one.at_ms for one in whole]),
        np.concatenate([one.values for one in whole]),
        np.concatenate([one.gained for one in whole]),
    )
