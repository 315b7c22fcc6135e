"""Samples that a Prometheus-compatible server holds of a time, by series."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypocenter.readers.prometheus_plan import POINTS_PER_QUERY, SERIES_PER_QUERY, Piece
from hypocenter.readers.prometheus_questions import Questions
from hypocenter.readers.selectors import exactly, one_of
from hypocenter.stores.metrics import Found
from hypocenter.stores.prometheus_listing import warn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hypocenter.batches import Labels
    from hypocenter.readers.prometheus_client import PrometheusClient

# How densely samples are held to lie before any is read; denser ones make larger answers, not wrong ones.
_INTERVAL_S = 10
_LONGEST_READ_S = 86_400
# A label with more values than this narrows a question less than it lengthens it.
_MOST_VALUES = 100


def samples_between(
    client: PrometheusClient, series: Mapping[int, Labels], start_ms: int, end_ms: int
) -> Iterator[Found]:
    """Yield the samples of numbered series in [start, end], by number, some thousand series at a time."""
    numbers = sorted(series)
    for first in range(0, len(numbers), SERIES_PER_QUERY):
        chunk = {series[number]: number for number in numbers[first : first + SERIES_PER_QUERY]}
        yield from _chunk(Questions(client), chunk, start_ms, end_ms)


def _chunk(questions: Questions, numbers: Mapping[Labels, int], start_ms: int, end_ms: int) -> Iterator[Found]:
    expressions = _narrowed(list(numbers))
    found = questions.raw([piece for text in expressions for piece in _pieces(text, len(numbers), start_ms, end_ms)])
    warn(questions.client, questions.notes)
    for labels, number in numbers.items():
        if labels in found:
            moments, values = found[labels]
            at_ms = moments // 1_000_000
            inside = (at_ms >= start_ms) & (at_ms <= end_ms)
            if inside.any():
                yield Found(number, at_ms[inside], values[inside])


def _pieces(expression: str, series: int, start_ms: int, end_ms: int) -> Iterator[Piece]:
    """Yield questions that together cover [start, end], each for no more points than a server answers with ease."""
    seconds = min(max(POINTS_PER_QUERY * _INTERVAL_S // series, 60), _LONGEST_READ_S)
    # A second earlier, since a range may not hold its own beginning.
    start = start_ms // 1000 - 1
    for number in range(math.ceil((end_ms / 1000 - start) / seconds)):
        yield Piece(expression, start + (number + 1) * seconds, seconds)


def _narrowed(series: Sequence[Labels]) -> list[str]:
    """Return selectors that match all of these series and few others: by the labels that each of them has."""
    values: dict[str, set[str]] = {}
    for labels in series:
        for name, value in labels:
            values.setdefault(name, set()).add(value)
    shared = set.intersection(*({name for name, _ in labels} for labels in series))
    narrowing = [name for name in sorted(shared) if name == "__name__" or len(values[name]) <= _MOST_VALUES]
    if not narrowing:
        return [exactly(dict(labels)) for labels in series]
    return ["{" + ",".join(one_of(name, values[name]) for name in narrowing) + "}"]
