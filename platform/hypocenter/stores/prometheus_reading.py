"""What a Prometheus-compatible server holds of a time: series by selector, samples by series."""

from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from hypocenter.readers.prometheus_access import IN_FLIGHT
from hypocenter.readers.prometheus_client import QueryTooLargeError
from hypocenter.readers.prometheus_plan import POINTS_PER_QUERY, SERIES_PER_QUERY, Piece
from hypocenter.readers.prometheus_questions import Questions
from hypocenter.readers.prometheus_samples import decoded_matrix, decoded_names, key_of
from hypocenter.readers.selectors import exactly, one_of
from hypocenter.stores.metrics import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hypocenter.batches import Labels
    from hypocenter.readers.prometheus_client import PrometheusClient
    from hypocenter.readers.selectors import Selector

# How densely samples are held to lie before any is read; denser ones make larger answers, not wrong ones.
_INTERVAL_S = 10
_LONGEST_READ_S = 86_400
_LONGEST_LISTED_MS = 3_600_000
_SHORTEST_LISTED_MS = 60_000
_MOST_LISTINGS = 48
# A label with more values than this narrows a question less than it lengthens it.
_MOST_VALUES = 100
_log = logging.getLogger(__name__)


class _Span(NamedTuple):
    """A selector, and a time in ms: after `start`, up to `end`."""

    selector: str
    start: int
    end: int


def names_between(client: PrometheusClient, selectors: Sequence[Selector], start_ms: int, end_ms: int) -> set[Labels]:
    """Return the labels of the series that match any selector and have samples in [start, end].

    Servers list series by the hour or the day, so they are asked for those that had a last sample in each part of it.
    """
    texts = [str(selector) for selector in selectors]
    step = max(_LONGEST_LISTED_MS, math.ceil((end_ms - start_ms) / _MOST_LISTINGS))
    spans = [_Span(text, start, min(start + step, end_ms)) for text in texts for start in range(start_ms, end_ms, step)]
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        listed = list(pool.map(partial(_names, client), spans))
        first = list(pool.map(partial(_names_at, client, start_ms), texts if start_ms <= end_ms else []))
    return set().union(*listed, *first)


def _names(client: PrometheusClient, span: _Span) -> set[Labels]:
    try:
        answer = client.query(f"last_over_time({span.selector}[{span.end - span.start}ms])", span.end / 1000)
    except QueryTooLargeError:
        if span.end - span.start < 2 * _SHORTEST_LISTED_MS:
            raise
        client.pause(0)
        middle = (span.start + span.end) // 2
        return _names(client, span._replace(end=middle)) | _names(client, span._replace(start=middle))
    _warn(client, answer.warnings)
    return {key_of(labels) for labels in decoded_names(answer.data)}


def _names_at(client: PrometheusClient, at_ms: int, selector: str) -> set[Labels]:
    """Return the series with a sample at this very moment; whether a range holds its beginning differs by server."""
    answer = client.query(f"{selector}[1ms]", at_ms / 1000)
    _warn(client, answer.warnings)
    return {key for key, (moments, _) in decoded_matrix(answer.data)[0] if (moments == at_ms * 1_000_000).any()}


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
    _warn(questions.client, questions.notes)
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


def _warn(client: PrometheusClient, warnings: Iterable[str]) -> None:
    for warning in warnings:
        _log.warning("a server warned", extra={"fields": {"server": client.place, "warning": warning}})
