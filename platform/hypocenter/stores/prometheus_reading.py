"""Samples that a Prometheus-compatible server holds of a time, by series."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypocenter.readers.prometheus_plan import POINTS_PER_QUERY, SERIES_PER_QUERY, Piece
from hypocenter.readers.prometheus_questions import Questions
from hypocenter.stores.metrics import Found
from hypocenter.stores.prometheus_listing import warn
from hypocenter.stores.prometheus_selecting import selected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hypocenter.batches import Labels
    from hypocenter.readers.prometheus_client import PrometheusClient
    from hypocenter.stores.prometheus_selecting import Selected

# How densely samples are held to lie before any is read; denser ones make larger answers, not wrong ones.
_INTERVAL_S = 10
_LONGEST_READ_S = 86_400


def samples_between(
    client: PrometheusClient, series: Mapping[int, Labels], start_ms: int, end_ms: int, owned: str = ""
) -> Iterator[Found]:
    """Yield the samples of numbered series in [start, end], by number, some thousand series at a time.

    `owned` is a matcher that tells them from others' on a shared server.
    """
    numbers = sorted(series)
    for first in range(0, len(numbers), SERIES_PER_QUERY):
        some = {number: series[number] for number in numbers[first : first + SERIES_PER_QUERY]}
        chosen = selected(some, owned)
        found = [each for one in chosen for each in samples_of(client, one, start_ms, end_ms)]
        yield from sorted(found, key=lambda each: each.series)


def samples_of(client: PrometheusClient, chosen: Selected, start_ms: int, end_ms: int) -> Iterator[Found]:
    """Yield the samples in [start, end] of what is selected, in no order of series."""
    questions = Questions(client)
    found = questions.raw(list(_pieces(chosen.selector, len(chosen.numbers), start_ms, end_ms)))
    warn(client, questions.notes)
    for labels in chosen.numbers.keys() & found.keys():
        moments, values = found[labels]
        at_ms = moments // 1_000_000
        inside = (at_ms >= start_ms) & (at_ms <= end_ms)
        if inside.any():
            yield Found(chosen.numbers[labels], at_ms[inside], values[inside])


def _pieces(expression: str, series: int, start_ms: int, end_ms: int) -> Iterator[Piece]:
    """Yield questions that together cover [start, end], each for no more points than a server answers with ease."""
    seconds = min(max(POINTS_PER_QUERY * _INTERVAL_S // series, 60), _LONGEST_READ_S)
    # A second earlier, since a range may not hold its own beginning.
    start = start_ms // 1000 - 1
    for number in range(math.ceil((end_ms / 1000 - start) / seconds)):
        yield Piece(expression, start + (number + 1) * seconds, seconds)
