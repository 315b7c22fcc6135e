"""The questions an investigation puts to a Prometheus server, at most two at a time."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from hypocenter.errors import InputError, LimitError
from hypocenter.readers.grid import sampling_interval
from hypocenter.readers.prometheus_access import IN_FLIGHT
from hypocenter.readers.prometheus_client import PrometheusClient, QueryTooLargeError
from hypocenter.readers.prometheus_options import DEFAULT_MATCH
from hypocenter.readers.prometheus_plan import POINTS_PER_QUERY, Piece
from hypocenter.readers.prometheus_samples import (
    counted,
    decoded_count,
    decoded_labels,
    decoded_matrix,
    joined,
    key_of,
)
from hypocenter.readers.selectors import exactly

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypocenter.readers.grid import Samples
    from hypocenter.readers.prometheus_client import Answer
    from hypocenter.readers.prometheus_plan import Aggregation, Catalogue, Window
    from hypocenter.readers.prometheus_samples import Key
    from hypocenter.readers.selectors import Selector

PROBES = 8
PROBE_RANGE_S = 900
DEFAULT_INTERVAL_S = 60
_SHORTEST_RANGE_S = 60
_BYTES_PER_SERIES = 300


class _Heard(NamedTuple):
    """What one question brought: series in parts, names of native histograms, and warnings."""

    parts: list[tuple[Key, Samples]]
    histograms: set[str]
    warnings: tuple[str, ...]

    def and_then(self, other: _Heard) -> _Heard:
        """Return both together."""
        return _Heard(self.parts + other.parts, self.histograms | other.histograms, self.warnings + other.warnings)


class _Span(NamedTuple):
    """An expression to evaluate from `start` to `end` (Unix seconds), each `step_s` seconds."""

    expression: str
    start: float
    end: float
    step_s: int


@dataclass
class Questions:
    """Asks `client` and gathers, in `notes`, what the answers lack; the methods return series by labels."""

    client: PrometheusClient
    notes: dict[str, None] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Keep a note, once."""
        self.notes[text] = None

    def catalogue(self, selectors: Sequence[Selector], window: Window, most_bytes: int) -> Catalogue:
        """Return the labels of every series of the window, by metric.

        Raises InputError when there is none, LimitError when their list would be longer than `most_bytes`.
        """
        union = " or ".join(str(selector) for selector in selectors)
        count = decoded_count(self._data(self.client.query(f"count({union})", window.at)))
        if count * _BYTES_PER_SERIES > most_bytes:
            raise LimitError(f"{self.client.place}: {count:,} series match, too many to list; narrow --match")
        texts = [str(selector) for selector in selectors]
        catalogue: Catalogue = {}
        for labels in decoded_labels(self._data(self.client.series(texts, window.start, window.end))):
            catalogue.setdefault(labels.get("__name__", ""), []).append(labels)
        if not catalogue:
            raise InputError(
                f"{self.client.place}: no series matches {_shown(texts)} in that time; widen --match or --lookback"
            )
        return {metric: catalogue[metric] for metric in sorted(catalogue)}

    def interval(self, catalogue: Catalogue, window: Window) -> int:
        """Return the shortest scrape interval, in s, among one series each of the first jobs."""
        by_job = {labels.get("job", ""): labels for series in catalogue.values() for labels in series}
        probes = [exactly(by_job[job]) for job in sorted(by_job)][:PROBES]
        for moment in (window.at, window.start + window.seconds / 2, window.start + PROBE_RANGE_S):
            series = self.raw([Piece(probe, moment, PROBE_RANGE_S) for probe in probes])
            found = [sampling_interval([moments]) for moments, _ in series.values() if len(moments) > 1]
            if found:
                return max(min(found) // 1_000_000_000, 1)
        self.note(
            f"no series was seen twice within {PROBE_RANGE_S} s; took a scrape interval of {DEFAULT_INTERVAL_S} s"
        )
        return DEFAULT_INTERVAL_S

    def raw(self, pieces: Sequence[Piece]) -> dict[Key, Samples]:
        """Return samples as they were scraped."""
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            return self._gathered(pool.map(self._piece, pieces))

    def coarse(self, expressions: Sequence[tuple[str, int]], window: Window, step_s: int) -> dict[Key, Samples]:
        """Return the values of expressions each `step_s` seconds; each comes with its number of series."""
        spans = [span for text, series in expressions for span in _spans(text, series, window, step_s)]
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            return self._gathered(pool.map(self._span, spans))

    def added_up(self, aggregation: Aggregation, window: Window, step_s: int) -> dict[Key, Samples]:
        """Return a metric as the server adds it up, a counter's rate as a counter again."""
        series = self.coarse([(aggregation.expression, aggregation.groups)], window, step_s)
        return {
            key_of({**dict(key), "__name__": aggregation.metric}): (
                counted(samples, step_s) if aggregation.counts else samples
            )
            for key, samples in series.items()
        }

    def _piece(self, piece: Piece) -> _Heard:
        try:
            answer = self.client.query(f"{piece.expression}[{piece.range_s}s]", piece.end)
        except QueryTooLargeError:
            if piece.range_s < 2 * _SHORTEST_RANGE_S:
                raise
            self.client.pause(0)
            late = piece.range_s // 2
            first = self._piece(Piece(piece.expression, piece.end - late, piece.range_s - late))
            return first.and_then(self._piece(Piece(piece.expression, piece.end, late)))
        return _heard(answer)

    def _span(self, span: _Span) -> _Heard:
        return _heard(self.client.query_range(*span))

    def _gathered(self, all_heard: Iterable[_Heard]) -> dict[Key, Samples]:
        parts = []
        histograms: set[str] = set()
        for heard in all_heard:
            parts.extend(heard.parts)
            histograms |= heard.histograms
            self._warned(heard.warnings)
        for name in sorted(histograms):
            self.note(f"{name} is a native histogram and was skipped")
        return joined(parts)

    def _data(self, answer: Answer) -> object:
        self._warned(answer.warnings)
        return answer.data

    def _warned(self, warnings: Iterable[str]) -> None:
        for warning in warnings:
            self.note(f"the server warned that its answers may be partial: {warning}")


def _shown(selectors: list[str]) -> str:
    return "the default selection" if tuple(selectors) == DEFAULT_MATCH else " or ".join(selectors)


def _heard(answer: Answer) -> _Heard:
    parts, histograms = decoded_matrix(answer.data)
    return _Heard(parts, histograms, answer.warnings)


def _spans(expression: str, series: int, window: Window, step_s: int) -> list[_Span]:
    steps = max(POINTS_PER_QUERY // max(series, 1), 1)
    starts = range(math.ceil((window.seconds + 1) / (step_s * steps)))
    return [
        _Span(expression, start, min(start + step_s * (steps - 1), window.end), step_s)
        for start in (window.start + number * step_s * steps for number in starts)
        if start <= window.end
    ]
