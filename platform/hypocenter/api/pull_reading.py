"""Raw samples of one selector, part by part: as long a time at once as a server answers with ease."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypocenter.errors import LimitError
from hypocenter.readers.prometheus_client import QueryTooLargeError
from hypocenter.readers.prometheus_plan import LONGEST_RANGE_S, POINTS_PER_QUERY
from hypocenter.readers.prometheus_samples import decoded_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypocenter.readers.grid import Samples
    from hypocenter.readers.prometheus_client import Answer, PrometheusClient
    from hypocenter.readers.prometheus_samples import Key

_FIRST_S, _SHORTEST_S = 120.0, 15.0


class Part(NamedTuple):
    """What was read up to `end_ms`, and of what the server warned."""

    end_ms: int
    series: Sequence[tuple[Key, Samples]]
    warnings: tuple[str, ...]


class PartReader:
    """Reads one selector, and learns from each answer how long a time the next question may span."""

    def __init__(self, client: PrometheusClient, selector: str) -> None:
        self._client, self._selector, self._seconds = client, selector, _FIRST_S

    def parts(self, start_ms: int, end_ms: int) -> Iterator[Part]:
        """Yield the samples after `start_ms` up to `end_ms`, in order of time.

        Raises SourceError when the server does not answer as it should, LimitError when even the shortest time is
        too much for one answer.
        """
        while start_ms < end_ms:
            part = self._part(start_ms, end_ms)
            yield part
            start_ms = part.end_ms

    def _part(self, start_ms: int, end_ms: int) -> Part:
        until = min(end_ms, start_ms + int(self._seconds * 1000))
        try:
            answer = self._client.query(f"{self._selector}[{until - start_ms}ms]", until / 1000)
        except (QueryTooLargeError, LimitError):
            if self._seconds <= _SHORTEST_S:
                raise
            self._seconds = max(self._seconds / 2, _SHORTEST_S)
            return self._part(start_ms, end_ms)
        return self._learned(answer, start_ms, until)

    def _learned(self, answer: Answer, start_ms: int, until_ms: int) -> Part:
        series, _ = decoded_matrix(answer.data)
        points = sum(len(moments) for _, (moments, _) in series)
        wanted = (until_ms - start_ms) / 1000 * POINTS_PER_QUERY / max(points, 1)
        # At most twice as long: the time before may have been a quiet one.
        self._seconds = min(max(wanted, _SHORTEST_S), 2 * self._seconds, LONGEST_RANGE_S)
        return Part(until_ms, series, answer.warnings)
