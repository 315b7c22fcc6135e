"""Requests of remote write 1.0 and 2.0 made with the published messages, and what is decoded from them as rows."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.batches import SeriesLimitError
from hypocenter.errors import InputError
from hypocenter.ingest.remote_write import RemoteWrite1
from hypocenter.ingest.remote_write_2 import RemoteWrite2

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from prompb import Messages

    from hypocenter.batches import Labels
    from hypocenter.ingest.remote_write_gathering import Written

    Row = tuple[Labels, int, int]

NOW = 1_790_000_000_000
LABELS = (("__name__", "up"), ("job", "api"))


class Index:
    """Numbers series in order, up to a limit."""

    def __init__(self, most: int = 10**9) -> None:
        self.numbers: dict[Labels, int] = {}
        self._most = most

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        fresh = {one for one in labels if one not in self.numbers}
        if len(self.numbers) + len(fresh) > self._most:
            raise SeriesLimitError()
        return np.array([self.numbers.setdefault(one, len(self.numbers)) for one in labels], np.int64)


class Reader:
    """A decoder of one version with its index, and what it decodes as plain rows."""

    def __init__(self, version: int, index: Index | None = None, **kept: Any) -> None:
        self.index = index or Index()
        self.decoder = (RemoteWrite1 if version == 1 else RemoteWrite2)(self.index, **kept)

    def read(self, body: bytes) -> tuple[list[Row], Written]:
        written = self.decoder.decode(body)
        names = {number: labels for labels, number in self.index.numbers.items()}
        samples = written.batch.samples
        columns = zip(samples.series.tolist(), samples.at_ms.tolist(), samples.values.view("<u8").tolist(), strict=True)
        return sorted((names[series], at_ms, bits) for series, at_ms, bits in columns), written

    def outcome(self, body: bytes) -> object:
        try:
            rows, written = self.read(body)
        except InputError:
            return "refused"
        return rows, written.samples, written.histograms, written.exemplars, written.invalid, written.problems


def bits(value: float) -> int:
    """Return the 64 bits of a number."""
    (found,) = struct.unpack("<Q", struct.pack("<d", value))
    return int(found)


def first(prompb: Messages, request: Iterable[dict[str, Any]]) -> bytes:
    message = prompb.write_request()
    for one in request:
        added = message.timeseries.add(samples=one["samples"], histograms=one["histograms"])
        for name, value in one["labels"]:
            added.labels.add(name=name, value=value)
        for _ in range(one["exemplars"]):
            added.exemplars.add(value=1.0, timestamp=NOW).labels.add(name="trace_id", value="a")
    message.metadata.add(metric_family_name="up", help="whether it is up")
    return bytes(message.SerializeToString())


def second(prompb: Messages, request: Iterable[dict[str, Any]]) -> bytes:
    message, symbols = prompb.request(), {"": 0, "whether it is up": 1}
    for at, one in enumerate(request):
        added = message.timeseries.add(samples=one["samples"], histograms=one["histograms"])
        for text in (text for pair in one["labels"] for text in pair):
            added.labels_refs.append(symbols.setdefault(text, len(symbols)))
        for _ in range(one["exemplars"]):
            added.exemplars.add(value=1.0, timestamp=NOW, labels_refs=[1, 1])
        if at % 2:
            added.metadata.help_ref = 1
            for sample in added.samples:
                sample.start_timestamp = NOW - 10**6
    message.symbols.extend(symbols)
    return bytes(message.SerializeToString())


ENCODED = {1: first, 2: second}


def plain(*values_at: tuple[float, int], labels: Iterable[tuple[str, str]] = LABELS) -> dict[str, Any]:
    own = [{"value": value, "timestamp": at} for value, at in values_at]
    return {"labels": list(labels), "samples": own, "histograms": [], "exemplars": 0}
